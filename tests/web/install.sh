#!/usr/bin/env bash
# Fetches what the tests of the page and of the API take from npm into tests/web/node_modules: exactly
# the versions and checksums of package-lock.json, without running any script of a package.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"

stamp=node_modules/.installed
if cmp -s package-lock.json "$stamp"; then exit 0; fi
if ! command -v npm >/dev/null; then
  echo "web: npm is missing; ./test installs it, or: apt-get install nodejs npm" >&2
  exit 1
fi
if ! npm ci --ignore-scripts --no-audit --no-fund --loglevel=error; then
  echo "web: npm could not fetch the packages of tests/web/package-lock.json; is there a network?" >&2
  exit 1
fi
cp package-lock.json "$stamp"
