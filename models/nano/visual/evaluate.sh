#!/bin/bash
# The figures of README.md and its contact sheets: the first pictures of seed 1, not picked.
#
#   models/nano/visual/evaluate.sh [PROGRAM]       (default: build/release/hadal, made by ./run)
#
# Needs build/nano/visual/names400.gallery and unseen_pages (generator.sh makes them), and a browser
# (Debian's chromium-headless-shell) with nodejs.
set -euo pipefail
hadal=$(realpath "${1:-$(dirname "$0")/../../../build/release/hadal}")
cd "$(dirname "$0")/../../.."
# Relative paths: they are written into the results.
here=models/nano/visual
names=build/nano/visual/names400.gallery
"$hadal" eval visual --model models/nano --set shapes --count 300 --out "$here" --json "$here/shapes.json"
"$hadal" eval visual --model models/nano --set motion --set animate --count 200 --out "$here" \
    --json "$here/motion.json"
"$hadal" eval visual --model models/nano --set read --count 300 --json "$here/read.json"
"$hadal" eval visual --model models/nano --set names --names "$names" --out "$here" \
    --json "$here/names.json"
pages=build/nano/visual/unseen_pages
answers=build/nano/visual/answers
rm -rf "$answers"
"$hadal" eval visual --model models/nano --set pages --pages "$pages" --answers "$answers" \
    --json "$here/pages.json"
node "$here/record.mjs" "$answers" --script "$pages"
"$hadal" data pages --collect "$pages" --answers "$answers"
# The fast way, from the same weights.
"$hadal" eval visual --model models/nano --set shapes --count 300 --passes 8 --json "$here/shapes_passes.json"
"$hadal" eval visual --model models/nano --set motion --count 50 --passes 8 --json "$here/motion_passes.json"
