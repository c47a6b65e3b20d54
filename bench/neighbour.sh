#!/usr/bin/env bash
# Decoding beside a process that keeps one processor busy, against its fair share.
#
#   bench/neighbour.sh [PROGRAM] [MODEL]        (default: build/release/hadal, models/nano)
#
# On P processors a thread a processor decodes, alone and beside a loop that never stops, which is
# kept on the first and then on the last of them; rounds of the three in turns, medians.  Fair are
# P - 1/2 of P processors, so (1 - 1/2P) of the speed alone.  Each with threads that stay on their
# processors and with --no-pinning.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
hadal=${1:-$root/build/release/hadal}
model=${2:-$root/models/nano}
rounds=5
processors=($(taskset -cp $$ | sed 's/.*: //' | tr ',' '\n' |
    while IFS=- read -r first last; do seq "$first" "${last:-$first}"; done))
work=$(mktemp -d)
busy=""
trap '[ -z "$busy" ] || kill "$busy"; rm -rf "$work"' EXIT

decode() {  # options: tokens a second
    "$hadal" bench --quiet --model "$model" --prefill 1 --contexts 0 --tokens 400 --rounds 1 \
        --json "$work/one.json" "$@" >/dev/null
    sed -n '/"decode"/,$ s/.*"tokens_per_second": \([0-9.e+]*\).*/\1/p' "$work/one.json"
}
beside() {  # processor, options
    taskset -c "$1" bash -c 'while :; do :; done' &
    busy=$!
    shift
    decode "$@"
    kill "$busy"
    wait "$busy" 2>/dev/null || true
    busy=""
}
median() { sort -g "$1" | sed -n "$((rounds / 2 + 1))p"; }

printf '%-14s %10s %10s %10s %14s %14s\n' threads alone 'first busy' 'last busy' 'of fair, first' 'of fair, last'
for pinning in "" --no-pinning; do
    for ((round = 0; round < rounds; ++round)); do
        decode $pinning >>"$work/alone$pinning"
        beside "${processors[0]}" $pinning >>"$work/first$pinning"
        beside "${processors[-1]}" $pinning >>"$work/last$pinning"
    done
    awk -v name="${pinning:-pinned}" -v count="${#processors[@]}" -v alone="$(median "$work/alone$pinning")" \
        -v first="$(median "$work/first$pinning")" -v last="$(median "$work/last$pinning")" 'BEGIN {
        fair = alone * (1 - 0.5 / count)
        printf "%-14s %10.1f %10.1f %10.1f %13.0f%% %13.0f%%\n", name, alone, first, last, 100 * first / fair,
            100 * last / fair }'
done
