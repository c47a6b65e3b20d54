#!/bin/bash
# Makes models/nano from nothing: text, tokenizer, shards, training, the files that are shipped.
#
#   models/nano/train.sh [PROGRAM]           (default: build/train/hadal, made by ./run train)
#
# About an hour on two cores.  Stopped and started again it goes on where it was.  Everything on
# the way lies in build/nano; the result is copied into models/nano at the end.
set -euo pipefail
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
hadal=${1:-$root/build/train/hadal}
work=$root/build/nano
mkdir -p "$work"

[ -e "$work/valid.jsonl" ] || "$here/collect.sh" "$work" "$work/packages"
[ -e "$work/tokenizer.json" ] ||
    "$hadal" data tokenizer --vocab 4096 --controls 64 --input "$work/train.jsonl" \
        --out "$work/tokenizer.json"
for part in train valid; do
    [ -e "$work/$part.shard" ] ||
        "$hadal" data shards --tokenizer "$work/tokenizer.json" --input "$work/$part.jsonl" \
            --out "$work/$part.shard"
done

# The number of compressed ids and the primes follow from the tokenizer; if the text has changed
# since config.json was written, the program says which numbers it expects there.
"$hadal" train "$here/train.json" --resume

for file in model.safetensors tokenizer.json log.jsonl loss.svg; do
    cp "$work/run/$file" "$here/$file"
done
cp "$work/run/config.json" "$here/config.json"
