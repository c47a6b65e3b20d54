#!/bin/bash
# Makes the visual tokenizer of models/nano from nothing: galleries, training, the files that are
# shipped, and the figures of README.md.
#
#   models/nano/visual/tokenizer.sh [PROGRAM]      (default: build/train/hadal, made by ./run train)
#
# Needs Debian's packages fonts-noto-color-emoji, unicode-data, chromium-headless-shell, nodejs and
# fonts-dejavu-core.  Stopped and started again it goes on where it was.  Everything on the way lies
# in build/nano/visual.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
hadal=${1:-$root/build/train/hadal}
work=$root/build/nano/visual
mkdir -p "$work"

gallery() {  # NAME COMMAND...
    [ -e "$work/$1.gallery" ] || "$hadal" data "${@:2}" --out "$work/$1.gallery"
}
gallery shapes shapes --count 4000 --seed 1
gallery shapes128 shapes --count 400 --seed 11 --size 128
gallery shapes_valid shapes --count 300 --seed 2 --split unseen
gallery shapes12k shapes --count 12000 --seed 1
gallery motion motion --count 1500 --seed 1
gallery motion3k motion --count 3000 --seed 1
gallery motion128 motion --count 100 --seed 11 --size 128
gallery motion_valid motion --count 100 --seed 2 --split unseen
gallery names emoji --names 946
gallery names_grey emoji --names 400 --ground grey
gallery names_black emoji --names 400 --ground black

if [ ! -e "$work/pages.gallery" ]; then
    [ -d "$work/pages" ] || "$hadal" data pages --out "$work/pages" --count 40 --seed 1
    node "$here/record.mjs" "$work/pages"
    "$hadal" data pages --collect "$work/pages" --out "$work/pages.gallery"
fi

# Threads that wait without spinning: micro-batches have one thread each.
export OMP_WAIT_POLICY=passive
"$hadal" train "$here/tokenizer_train.json" --resume
"$hadal" train "$here/tokenizer_second.json" --resume
"$hadal" train "$here/tokenizer_third.json" --resume

# One more run for the decoder alone, which draws more from the same codes.
gallery more_shapes shapes --count 38000 --seed 201
gallery more_motion motion --count 10000 --seed 203
"$hadal" train "$here/tokenizer_fourth.json" --resume
for file in visual_tokenizer.json visual_tokenizer.safetensors; do
    cp "$work/tokenizer_fourth/$file" "$here/../$file"
done
for run in tokenizer tokenizer_second tokenizer_third tokenizer_fourth; do
    cp "$work/$run/log.jsonl" "$here/${run}_log.jsonl"
    cp "$work/$run/loss.svg" "$here/${run}_loss.svg"
done

for groups in 4 3 2 1; do
    "$hadal" eval tokenizer --model "$here/.." --groups $groups \
        --gallery "$work/shapes_valid.gallery" "$work/motion_valid.gallery"
    "$hadal" eval tokenizer --model "$here/.." --groups $groups --gallery "$work/names.gallery" \
        --first 846
done
