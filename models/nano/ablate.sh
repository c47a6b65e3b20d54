#!/bin/bash
# What each part of the architecture brings: the same small model, data, seed and steps, one change
# at a time.  Writes models/nano/ablations.md.  Needs build/nano from train.sh.
#
#   models/nano/ablate.sh [PROGRAM]          (default: the newest build/*/hadal with libtorch)
#
# Settings: STEPS (100), OUT (build/nano/ablations), TABLE (models/nano/ablations.md)
set -euo pipefail
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
hadal=${1:-$root/build/train/hadal}
steps=${STEPS:-100}
out=${OUT:-$root/build/nano/ablations}
table=${TABLE:-$here/ablations.md}

# Without Engram: no tables, no projections.
no_engram='"engram_layer_ids":[],"engram_num_embeddings":null,"engram_max_ngram_size":null,
  "engram_vocab_size":null,"engram_n_heads":null,"engram_head_dim":null,
  "engram_pad_token_id":null,"engram_compressed_vocab_size":null'
# Dense attention: every layer sees all of a document in its window; nothing is compressed.
dense='"compress_ratios":[0,0,0,0,0,0],"sliding_window":1024,"kv_source_layer_ids":[],
  "index_source_layer_ids":[],"candidate_source_layer_id":null,"candidate_topk_blocks":null,
  "candidate_block_size":null,"index_n_heads":null,"index_head_dim":null,"index_topk":null'

names=() ; changes=() ; labels=()
add() { names+=("$1") ; labels+=("$2") ; changes+=("$3") ; }
add full "all parts" ''
add no-engram-parameters "without Engram, 32 experts instead of 16 (equal parameters)" \
    "$no_engram,\"n_routed_experts\":32"
add no-engram-compute "without Engram, experts 168 wide instead of 96 (equal compute)" \
    "$no_engram,\"moe_intermediate_size\":168"
add one-stream "a single residual stream instead of mHC" '"hc_mult":1'
add dense-attention "dense attention instead of CSA2" "$dense"
add softmax-router "softmax router instead of sqrt-softplus" '"scoring_func":"softmax"'

last() { tail -n 1 "$1" | sed -n "s/.*\"$2\":\([-0-9.e+]*\).*/\1/p"; }

mkdir -p "$out"
for i in "${!names[@]}"; do
    name=${names[$i]}
    settings=(--set "out=$out/$name" --set "steps=$steps" --set "decay_start=$((steps / 2))")
    [ -z "${changes[$i]}" ] || settings+=(--set "model_changes={\"text_config\":{${changes[$i]}}}")
    echo "ablate: $name"
    "$hadal" train "$here/ablations/train.json" "${settings[@]}" 2>"$out/$name.txt" ||
        { tail -n 3 "$out/$name.txt" >&2; exit 1; }
    rm -f "$out/$name"/state-*.safetensors "$out/$name/model.safetensors"
done

{
    echo "# Ablations of nano"
    echo
    echo "One change each to a smaller nano (\`ablations/model.json\`: width 128, 6 layers); the same"
    echo "data, order, seed, schedule and number of steps ($steps) of about 4,000 tokens. Held-out"
    echo "loss over the first 60,000 tokens of the validation shard. One short run each: small"
    echo "differences say little. Repeat with \`models/nano/ablate.sh\`."
    echo
    echo "| | parameters | held-out, nats a token | bits per byte | against all parts |"
    echo "|---|--:|--:|--:|--:|"
    full=$(last "$out/full/log.jsonl" valid)
    for i in "${!names[@]}"; do
        log=$out/${names[$i]}/log.jsonl
        parameters=$(sed -n 's/^\([0-9]*\) parameters.*/\1/p' "$out/${names[$i]}.txt")
        awk -v label="${labels[$i]}" -v n="$parameters" -v v="$(last "$log" valid)" -v f="$full" \
            -v b="$(last "$log" bits_per_byte)" \
            'BEGIN { printf "| %s | %.2f M | %.4f | %.4f | %+.4f |\n", label, n / 1e6, v, b, v - f }'
    done
} >"$table"
cat "$table"
