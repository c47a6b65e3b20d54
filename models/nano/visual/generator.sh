#!/bin/bash
# Teaches nano to draw, film and look: galleries to codes, training from the weights of the text, the
# figures of README.md.
#
#   models/nano/visual/generator.sh [PROGRAM]      (default: build/train/hadal, made by ./run train)
#
# Needs what tokenizer.sh and ../train.sh have left in build/nano: the named pictures, the tokens of
# the text and the last state of the text's run.  Stopped and started again it goes on where it was.
# Everything on the way lies in build/nano/visual; the result is copied into models/nano at the end.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
hadal=${1:-$root/build/train/hadal}
text=$root/build/nano
work=$text/visual
mkdir -p "$work"

gallery() {  # NAME COMMAND...
    [ -e "$work/$1.gallery" ] || "$hadal" data "${@:2}" --out "$work/$1.gallery"
}
shard() {  # NAME OPTION...
    [ -e "$work/$1.shard" ] ||
        "$hadal" data visual --config "$here/../config.json" --tokenizer "$here/../tokenizer.json" \
            --visual "$here/.." "${@:2}" --out "$work/$1.shard"
}

# Threads that wait without spinning: micro-batches have one thread each.
export OMP_WAIT_POLICY=passive

# The seventh stage, the eighth and the ninth (README.md says what each part is for).  They need
# nothing of the stages before but the text's shards, and begin with the shipped weights: those of the
# sixth when they ran, the ninth's own when they are run again.
seventh() {
    gallery names400 emoji --names 400
    local names=$work/names400.gallery forty=()
    while ((${#forty[@]} < 40)); do forty+=("$names"); done
    gallery seventh_shapes shapes --count 40000 --seed 702 --all-words --vague 0.4
    gallery seventh_told shapes --count 34000 --seed 703 --all-words
    gallery seventh_motion motion --count 6000 --seed 705 --all-words --vague 0.3
    gallery seventh_motion_told motion --count 13000 --seed 706 --all-words
    gallery seventh_asked shapes --count 3500 --seed 707 --all-words
    gallery seventh_asked_motion motion --count 900 --seed 708 --all-words
    gallery told_shapes_valid shapes --count 150 --seed 102 --split unseen
    gallery told_motion_valid motion --count 60 --seed 104 --split unseen
    shard seventh_shapes_draw --gallery "$work/seventh_shapes.gallery" --task draw
    shard seventh_shapes_read --gallery "$work/seventh_told.gallery" --task describe
    shard seventh_motion_draw --gallery "$work/seventh_motion.gallery" --task draw
    shard seventh_motion_read --gallery "$work/seventh_motion_told.gallery" --count 12000 --task describe
    shard seventh_motion_animate --gallery "$work/seventh_motion_told.gallery" --first 12000 --task animate
    shard seventh_asked --gallery "$work/seventh_asked.gallery" "$work/seventh_asked_motion.gallery" --task asked
    shard seventh_names_draw --gallery "${forty[@]}" --task draw
    shard seventh_names_read --gallery "$names" "$names" --task describe
    shard shapes_valid --gallery "$work/told_shapes_valid.gallery" --task draw --task describe
    shard motion_valid --gallery "$work/told_motion_valid.gallery" --task draw --task describe
    if [ ! -e "$work/seventh_text.shard" ]; then
        shuf --random-source=<(yes 17) -n 48000 "$text/train.jsonl" >"$work/seventh_text.jsonl"
        "$hadal" data shards --tokenizer "$here/../tokenizer.json" --input "$work/seventh_text.jsonl" \
            --out "$work/seventh_text.shard"
    fi
    # The eighth, short: half text, drawn from all of it.  The ninth, shorter: and names.
    "$hadal" train "$here/generator_seventh.json" --resume
    "$hadal" train "$here/generator_eighth.json" --resume
    "$hadal" train "$here/generator_ninth.json" --resume
    for file in model.safetensors config.json; do
        cp "$work/generator_ninth/$file" "$here/../$file"
    done
    cp "$work/generator_seventh/log.jsonl" "$here/generator_seventh_log.jsonl"
    cp "$work/generator_seventh/loss.svg" "$here/generator_seventh_loss.svg"
    cp "$work/generator_eighth/log.jsonl" "$here/generator_eighth_log.jsonl"
    cp "$work/generator_ninth/log.jsonl" "$here/generator_ninth_log.jsonl"
    exit
}
[ -z "${HADAL_SEVENTH:-}" ] || seventh

recorded() {  # NAME OPTION...
    [ -e "$work/$1.gallery" ] && return
    [ -d "$work/$1" ] || "$hadal" data pages --out "$work/$1" "${@:2}"
    node "$here/record.mjs" "$work/$1"
    "$hadal" data pages --collect "$work/$1" --out "$work/$1.gallery"
}

# The tenth stage, and the eleventh and twelfth, short: recorded pages, and more clips.  They need the
# galleries, names and text that HADAL_SEVENTH makes, and begin with the shipped weights, those of the
# ninth.  Their result is not shipped (README.md says what it gains and loses): it stays in build.
tenth() {
    recorded tenth_pages --count 2000 --seed 3001
    recorded more_pages --count 600 --seed 2001
    recorded unseen_pages --count 100 --seed 7 --split unseen
    gallery tenth_motion motion --count 12000 --seed 503 --all-words
    shard tenth_pages_read --gallery "$work/tenth_pages.gallery" --task describe
    shard more_pages_read --gallery "$work/more_pages.gallery" --task describe
    shard pages_valid --gallery "$work/unseen_pages.gallery" --count 20 --task describe
    shard tenth_motion_draw --gallery "$work/tenth_motion.gallery" --task draw
    shard tenth_motion_animate --gallery "$work/seventh_motion.gallery" --count 1500 --task animate
    shard tenth_motion_read --gallery "$work/seventh_motion_told.gallery" --count 6000 --task describe
    shard tenth_shapes_draw --gallery "$work/seventh_shapes.gallery" --first 30000 --count 6000 --task draw
    shard tenth_shapes_read --gallery "$work/seventh_told.gallery" --first 20000 --count 14000 --task describe
    "$hadal" train "$here/generator_tenth.json" --resume
    "$hadal" train "$here/generator_eleventh.json" --resume
    "$hadal" train "$here/generator_twelfth.json" --resume
    cp "$work/generator_tenth/log.jsonl" "$here/generator_tenth_log.jsonl"
    cp "$work/generator_tenth/loss.svg" "$here/generator_tenth_loss.svg"
    cp "$work/generator_eleventh/log.jsonl" "$here/generator_eleventh_log.jsonl"
    cp "$work/generator_twelfth/log.jsonl" "$here/generator_twelfth_log.jsonl"
    exit
}
[ -z "${HADAL_TENTH:-}" ] || tenth

gallery told_shapes shapes --count 20000 --seed 101
gallery told_shapes_valid shapes --count 150 --seed 102 --split unseen
gallery told_motion motion --count 6000 --seed 103
gallery told_motion_valid motion --count 60 --seed 104 --split unseen
gallery names400 emoji --names 400

shapes=$work/told_shapes.gallery
motion=$work/told_motion.gallery
names=$work/names400.gallery
shard shapes_draw --gallery "$shapes" --count 16000 --task draw
shard shapes_read --gallery "$shapes" --first 16000 --task describe
shard shapes_valid --gallery "$work/told_shapes_valid.gallery" --task draw --task describe
shard motion_draw --gallery "$motion" --count 4000 --task draw
shard motion_animate --gallery "$motion" --first 4000 --count 1000 --task animate
shard motion_read --gallery "$motion" --first 5000 --task describe
shard motion_valid --gallery "$work/told_motion_valid.gallery" --task draw --task describe
ten=("$names" "$names" "$names" "$names" "$names" "$names" "$names" "$names" "$names" "$names")
shard names_draw --gallery "${ten[@]}" --task draw
shard names_read --gallery "$names" "$names" --task describe
if [ ! -e "$work/text.shard" ]; then  # a part of the text, so that it is not forgotten
    head -n 14000 "$text/train.jsonl" >"$work/text.jsonl"
    "$hadal" data shards --tokenizer "$here/../tokenizer.json" --input "$work/text.jsonl" \
        --out "$work/text.shard"
fi

# The second stage: half text, drawn from all of it, so that the words are as good as before.
shard mix_shapes_draw --gallery "$shapes" --first 10000 --count 4000 --task draw
shard mix_shapes_read --gallery "$shapes" --first 16000 --count 1500 --task describe
shard mix_motion_draw --gallery "$motion" --first 1000 --count 800 --task draw
shard mix_motion_animate --gallery "$motion" --first 4000 --count 250 --task animate
shard mix_motion_read --gallery "$motion" --first 5000 --count 300 --task describe
shard mix_names_draw --gallery "$names" "$names" --task draw
if [ ! -e "$work/mix_text.shard" ]; then
    lines=$(wc -l <"$text/train.jsonl")
    shuf --random-source=<(yes 7) -n $((lines * 15 / 100)) "$text/train.jsonl" >"$work/mix_text.jsonl"
    "$hadal" data shards --tokenizer "$here/../tokenizer.json" --input "$work/mix_text.jsonl" \
        --out "$work/mix_text.shard"
fi

# The third stage: other scenes, names forty times, and captions that Engram knows only in part.
gallery more_shapes shapes --count 38000 --seed 201
gallery more_motion motion --count 10000 --seed 203
forty=("${ten[@]}" "${ten[@]}" "${ten[@]}" "${ten[@]}")
shard third_shapes_draw --gallery "$work/more_shapes.gallery" --count 30000 --task draw
shard third_shapes_read --gallery "$work/more_shapes.gallery" --first 30000 --task describe
shard third_motion_draw --gallery "$work/more_motion.gallery" --count 6500 --task draw
shard third_motion_animate --gallery "$work/more_motion.gallery" --first 6500 --count 1500 --task animate
shard third_motion_read --gallery "$work/more_motion.gallery" --first 8000 --task describe
shard third_names_draw --gallery "${forty[@]}" --task draw
shard third_names_read --gallery "$names" "$names" "$names" "$names" --task describe
if [ ! -e "$work/third_text.shard" ]; then
    shuf --random-source=<(yes 11) -n 71000 "$text/train.jsonl" >"$work/third_text.jsonl"
    "$hadal" data shards --tokenizer "$here/../tokenizer.json" --input "$work/third_text.jsonl" \
        --out "$work/third_text.shard"
fi

# The fourth stage: more colours and forms than the judges know, captions that say only a part, clips
# of emoji, recorded pages and their HTML.  (Its codes are those of every tokenizer from the third run
# on: the fourth changes the decoder only.)
gallery fourth_shapes shapes --count 11000 --seed 301
gallery wide shapes --count 18000 --seed 302 --all-words --vague 0.4
gallery wide_told shapes --count 6000 --seed 303 --all-words
gallery fourth_motion motion --count 8000 --seed 304
gallery wide_motion motion --count 4500 --seed 305 --all-words --vague 0.3
gallery sprites sprites --names 100 --count 700 --seed 306
recorded told_pages --count 2400 --seed 1001
recorded unseen_pages --count 100 --seed 7 --split unseen
shard fourth_shapes_draw --gallery "$work/fourth_shapes.gallery" --count 5000 --task draw
shard fourth_shapes_read --gallery "$work/fourth_shapes.gallery" --first 8000 --task describe
shard wide_draw --gallery "$work/wide.gallery" --count 12000 --task draw
shard wide_read --gallery "$work/wide_told.gallery" --count 4000 --task describe
shard fourth_motion_draw --gallery "$work/fourth_motion.gallery" --count 2200 --task draw
shard fourth_motion_animate --gallery "$work/fourth_motion.gallery" --first 3500 --count 1000 --task animate
shard fourth_motion_read --gallery "$work/fourth_motion.gallery" --first 5800 --count 1500 --task describe
shard wide_motion_draw --gallery "$work/wide_motion.gallery" --count 1500 --task draw
shard wide_motion_animate --gallery "$work/wide_motion.gallery" --first 3000 --count 400 --task animate
shard sprites_draw --gallery "$work/sprites.gallery" --count 400 --task draw
shard fourth_names_draw --gallery "${ten[@]}" "$names" "$names" "$names" "$names" --task draw
shard fourth_names_read --gallery "$names" "$names" --task describe
shard pages_valid --gallery "$work/unseen_pages.gallery" --task describe
shard pages_read --gallery "$work/told_pages.gallery" --count 1400 --task describe
shard pages_more --gallery "$work/told_pages.gallery" --first 1400 --count 1000 --task describe
# The fifth, short: names again.  The sixth, shorter: half text, drawn from all of it.
shard fifth_names_draw --gallery "${ten[@]}" "${ten[@]}" --task draw
if [ ! -e "$work/fourth_text.shard" ]; then
    shuf --random-source=<(yes 13) -n 26000 "$text/train.jsonl" | head -n 22000 >"$work/fourth_text.jsonl"
    "$hadal" data shards --tokenizer "$here/../tokenizer.json" --input "$work/fourth_text.jsonl" \
        --out "$work/fourth_text.shard"
fi

"$hadal" train "$here/generator_train.json" --resume
"$hadal" train "$here/generator_mix.json" --resume
"$hadal" train "$here/generator_third.json" --resume
"$hadal" train "$here/generator_fourth.json" --resume
"$hadal" train "$here/generator_fifth.json" --resume
"$hadal" train "$here/generator_sixth.json" --resume
for file in model.safetensors config.json; do
    cp "$work/generator_sixth/$file" "$here/../$file"
done
cp "$work/generator/log.jsonl" "$here/generator_log.jsonl"
cp "$work/generator/loss.svg" "$here/generator_loss.svg"
cp "$work/generator_mix/log.jsonl" "$here/generator_mix_log.jsonl"
cp "$work/generator_third/log.jsonl" "$here/generator_third_log.jsonl"
cp "$work/generator_third/loss.svg" "$here/generator_third_loss.svg"
cp "$work/generator_fourth/log.jsonl" "$here/generator_fourth_log.jsonl"
cp "$work/generator_fourth/loss.svg" "$here/generator_fourth_loss.svg"
cp "$work/generator_fifth/log.jsonl" "$here/generator_fifth_log.jsonl"
cp "$work/generator_sixth/log.jsonl" "$here/generator_sixth_log.jsonl"
"$here/evaluate.sh" "$hadal"
