#!/usr/bin/env bash
# Counts the instructions of the hot paths and compares them with what was counted before.
#
#   tests/cost/check.sh PROGRAM            PROGRAM: build/dev/tests/hot_paths
#   tests/cost/check.sh PROGRAM --write    takes the new counts: a change that costs says so by this
#
# Fails when a path takes over a tenth more than instructions.txt says.  Counts instead of times, so that
# neighbours on the machine change nothing; valgrind shows programs an AVX2 machine, so that every
# machine counts the same loops.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
program=$1
known=$here/instructions.txt
command -v valgrind >/dev/null || { echo "hot paths: valgrind is not installed" >&2; exit 2; }

count() {  # NAME
  valgrind --tool=callgrind --toggle-collect=measured_region --callgrind-out-file=/dev/null \
    "$program" "$1" 2>&1 | sed -n 's/.*Collected : \([0-9]*\).*/\1/p'
}

found=""
failed=0
for name in $("$program"); do
  now=$(count "$name")
  [[ $now =~ ^[0-9]+$ && $now -gt 10000 ]] || { echo "$name: nothing was counted" >&2; exit 1; }
  before=$(awk -v name="$name" '$1 == name { print $2 }' "$known" 2>/dev/null || true)
  printf '%-20s %12d instructions, before %12s\n' "$name" "$now" "${before:-none}"
  found+="$name $now"$'\n'
  if [[ -z $before ]] || ((now * 10 > before * 11)); then failed=1; fi
done
if [[ ${2:-} == --write ]]; then
  printf '%s' "$found" >"$known"
  exit 0
fi
if ((failed)); then
  echo "a hot path takes over a tenth more instructions than tests/cost/instructions.txt says; if that is" >&2
  echo "meant, say why in the change and run tests/cost/check.sh $program --write" >&2
fi
exit "$failed"
