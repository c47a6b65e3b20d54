#!/bin/bash
# A minute of 720p at 24 frames, drawn whole by a shrunken model: 651,800 positions, the same number as
# the announced model needs.  Weights are of one step of training, so the film is noise: what is
# measured is whether memory and time stay flat to the last latent frame.
#
#   bench/minute/run.sh [PROGRAM] [SECONDS]        (default: build/train/hadal, 60)
#
# Writes build/bench/minute/minute.mp4 and timeline.jsonl, and prints tenths of the film: seconds a
# latent frame, on the clock and of the processor (medians), and resident memory at its end.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
hadal=${1:-$root/build/train/hadal}
seconds=${2:-60}
work=$root/build/bench/minute
mkdir -p "$work/model"

[ -e "$work/shapes.gallery" ] || "$hadal" data shapes --out "$work/shapes.gallery" --count 64 --seed 1
if [ ! -e "$work/model/visual_tokenizer.safetensors" ]; then
    cat >"$work/tokenizer.json" <<END
{"kind": "visual_tokenizer", "network": "$here/visual_tokenizer.json", "out": "$work/model",
 "train": [{"gallery": "$work/shapes.gallery"}], "valid": [], "steps": 1, "side": 64, "threads": 1}
END
    "$hadal" train "$work/tokenizer.json"
fi
if [ ! -e "$work/model/model.safetensors" ]; then
    "$hadal" data visual --config "$here/config.json" --tokenizer "$root/models/nano/tokenizer.json" \
        --visual "$work/model" --gallery "$work/shapes.gallery" --task draw --out "$work/shapes.shard"
    cat >"$work/model.json" <<END
{"model": "$here/config.json", "tokenizer": "$root/models/nano/tokenizer.json", "out": "$work/model",
 "train": ["$work/shapes.shard"], "valid": [], "steps": 1, "micro_tokens": 2048, "accumulation": 1,
 "threads": 1}
END
    "$hadal" train "$work/model.json"
fi

"$hadal" generate --model "$work/model" --prompt 'noise' --size 1280x720 --seconds "$seconds" --fps 24 \
    --passes 1 --guidance 1 --seed 1 -o "$work/minute.mp4" --timeline "$work/timeline.jsonl" "${@:3}"
sed 's/[^0-9.,]//g' "$work/timeline.jsonl" | awk -F, '
    function median(of, n,    i, j, t) {
        for (i = 2; i <= n; ++i)
            for (j = i; j > 1 && of[j] < of[j - 1]; --j) { t = of[j]; of[j] = of[j - 1]; of[j - 1] = t }
        return of[int((n + 1) / 2)]
    }
    { wall[NR] = $3; busy[NR] = $4; resident[NR] = $5 }
    END {
        print "latent frames   seconds each   of the processor   resident"
        for (tenth = 0; tenth < 10; ++tenth) {
            first = int(NR * tenth / 10) + 1; last = int(NR * (tenth + 1) / 10); n = 0
            for (i = first; i <= last; ++i) { ++n; a[n] = wall[i]; b[n] = busy[i] }
            if (n > 0) printf "%6d – %-6d %11.3f %18.3f %8.1f MB\n", first, last, median(a, n), median(b, n), resident[last] / 1e6
        }
    }'
