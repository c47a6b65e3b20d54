#!/bin/bash
# Trains the draft head of models/nano beside its weights, which stay as they are.
#
#   models/nano/draft.sh [PROGRAM]           (default: build/train/hadal, made by ./run train)
#
# About 25 minutes on one core.  Stopped and started again it goes on where it was.  Everything on the
# way lies in build/nano; the head's file, the index that names it, the configuration that knows of it,
# log and curve are copied into models/nano at the end.
set -euo pipefail
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
hadal=${1:-$root/build/train/hadal}
work=$root/build/nano
mkdir -p "$work"

[ -e "$work/valid.jsonl" ] || "$here/collect.sh" "$work" "$work/packages"
[ -e "$work/code_valid.jsonl" ] || "$here/collect_code.sh" "$work" "$work/packages"
# With the tokenizer that is shipped, whatever the text has become since.
for part in train valid; do
    [ -e "$work/text_$part.shard" ] ||
        "$hadal" data shards --tokenizer "$here/tokenizer.json" --input "$work/$part.jsonl" \
            --out "$work/text_$part.shard"
    [ -e "$work/code_$part.shard" ] ||
        "$hadal" data shards --tokenizer "$here/tokenizer.json" --input "$work/code_$part.jsonl" \
            --out "$work/code_$part.shard"
done

"$hadal" train "$here/draft.json" --resume

for file in draft.safetensors model.safetensors.index.json config.json; do
    cp "$work/draft/$file" "$here/$file"
done
cp "$work/draft/log.jsonl" "$here/draft_log.jsonl"
cp "$work/draft/loss.svg" "$here/draft_loss.svg"
