#!/usr/bin/env bash
# Fetches what the tests of the page and of the API take from npm into tests/web/node_modules: exactly
# the versions and checksums of package-lock.json, without running any script of a package.
# ./install.sh PROGRAM...: runs the program if that has been done.
# Exit code 77: what is needed could not be fetched, so the tests are skipped, and say so.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"

stamp=node_modules/.installed
if (($#)); then
  cmp -s package-lock.json "$stamp" && exec "$@"
  echo "skipped: tests/web/node_modules is not there; the test web.packages says why" >&2
  exit 77
fi

if cmp -s package-lock.json "$stamp"; then exit 0; fi
if ! command -v npm >/dev/null; then
  echo "skipped: npm is missing; ./test installs it, or: apt-get install nodejs npm" >&2
  exit 77
fi
if ! npm ci --ignore-scripts --no-audit --no-fund --loglevel=error; then
  echo "skipped: npm could not fetch the packages of tests/web; is there a network?" >&2
  exit 77
fi
cp package-lock.json "$stamp"
