#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes a GGUF of a V4-shaped network with random weights, to measure other engines with.

  v4_gguf.py OUT.gguf --config ../v4-5b.json --quant mxfp4|q4_0|q4_k|q8_0
  v4_gguf.py --config ../v4-5b.json --quant mxfp4         only says what a token reads

The shape is that of a config.json in the published layout, so that `hadal data checkpoint --config` and
this make the same network for both sides.  Blocks hold uniform codes whose scales keep activations of
order one: routing is spread over the experts and nothing overflows.  mxfp4 stores routed experts in
MXFP4 and every other matrix in Q8_0, the nearest to the published FP4 and FP8; the other choices use one
type for all matrices but attn_output_a, which stays Q8_0 (llama.cpp has no repacked 4-bit kernel for
grouped products).  Vectors, router, hyper-connections and position biases are F32.

Block layouts: ggml-common.h of ggml-org/llama.cpp; keys: its deepseek4 architecture; container:
docs/gguf.md of ggml-org/ggml.  Needs python3 and numpy.
"""
import argparse
import json
import struct

import numpy as np

F32, Q4_0, Q8_0, Q4_K, I32, MXFP4 = 0, 2, 8, 12, 26, 39  # ggml_type
BLOCK = {F32: (1, 4), Q4_0: (32, 18), Q8_0: (32, 34), Q4_K: (256, 144), I32: (1, 4), MXFP4: (32, 17)}
QUANTS = {  # name: dense matrices, experts, llama_ftype
    "q4_0": (Q4_0, Q4_0, 2), "q4_k": (Q4_K, Q4_K, 14), "q8_0": (Q8_0, Q8_0, 7),
    "mxfp4": (Q8_0, MXFP4, 38)}
CHUNK = 16 << 20  # values made at once; bounds memory

CONTROLS = ["<\uff5cUser\uff5c>", "<\uff5cAssistant\uff5c>", "<think>", "</think>", "\uff5cDSML\uff5c",
            "<\uff5cbegin\u2581of\u2581sentence\uff5c>", "<\uff5cend\u2581of\u2581sentence\uff5c>"]


class Tensor:
    """A tensor of the file: dims fastest first, `share` of it is read for a token."""

    def __init__(self, name, dims, kind, share=1.0, fill="random"):
        self.name, self.dims, self.kind, self.share, self.fill = name, dims, kind, share, fill
        self.count = int(np.prod(dims))

    def bytes(self):
        values, size = BLOCK[self.kind]
        assert self.count % values == 0, self.name
        return self.count // values * size


def ratios_of(config):
    return config["compress_ratios"][:config["num_hidden_layers"]]


def compressor(prefix, width, hidden, ratio, dense):
    outputs = width * (2 if ratio == 4 else 1)  # overlapping groups have two halves
    return [Tensor(prefix + "_kv.weight", [hidden, outputs], dense),
            Tensor(prefix + "_gate.weight", [hidden, outputs], dense),
            Tensor(prefix + "_ape.weight", [outputs, ratio], F32, 1 / ratio),
            Tensor(prefix + "_norm.weight", [width], F32, fill="one")]


def attention(config, prefix, ratio, dense):
    hidden, heads, width = config["hidden_size"], config["num_attention_heads"], config["head_dim"]
    query, groups, rank = config["q_lora_rank"], config["o_groups"], config["o_lora_rank"]
    grouped = Q8_0 if dense in (Q4_0, Q4_K) else dense
    tensors = [Tensor(prefix + "attn_norm.weight", [hidden], F32, fill="one"),
               Tensor(prefix + "attn_sinks.weight", [heads], F32, fill="zero"),
               Tensor(prefix + "attn_q_a.weight", [hidden, query], dense),
               Tensor(prefix + "attn_q_a_norm.weight", [query], F32, fill="one"),
               Tensor(prefix + "attn_q_b.weight", [query, heads * width], dense),
               Tensor(prefix + "attn_kv.weight", [hidden, width], dense),
               Tensor(prefix + "attn_kv_a_norm.weight", [width], F32, fill="one"),
               Tensor(prefix + "attn_output_a.weight", [heads * width // groups, groups * rank], grouped),
               Tensor(prefix + "attn_output_b.weight", [groups * rank, hidden], dense)]
    if ratio:
        tensors += compressor(prefix + "attn_compressor", width, hidden, ratio, dense)
    if ratio == 4:
        index_heads, index_width = config["index_n_heads"], config["index_head_dim"]
        tensors += [Tensor(prefix + "indexer.proj.weight", [hidden, index_heads], F32),
                    Tensor(prefix + "indexer.attn_q_b.weight", [query, index_heads * index_width], dense)]
        tensors += compressor(prefix + "indexer_compressor", index_width, hidden, 4, dense)
    return tensors


def feed_forward(config, prefix, hashed, dense, expert):
    hidden, width, experts = config["hidden_size"], config["moe_intermediate_size"], config["n_routed_experts"]
    used, vocabulary = config["num_experts_per_tok"], config["vocab_size"]
    shared = width * config["n_shared_experts"]
    tensors = [Tensor(prefix + "ffn_norm.weight", [hidden], F32, fill="one"),
               Tensor(prefix + "ffn_gate_inp.weight", [hidden, experts], F32)]
    if hashed:
        tensors.append(Tensor(prefix + "ffn_gate_tid2eid.weight", [used, vocabulary], I32, 1 / vocabulary, "experts"))
    else:
        tensors.append(Tensor(prefix + "exp_probs_b.bias", [experts], F32, fill="zero"))
    for name, dims in (("gate", [hidden, width]), ("up", [hidden, width]), ("down", [width, hidden])):
        tensors.append(Tensor(prefix + "ffn_%s_exps.weight" % name, dims + [experts], expert, used / experts))
    for name, dims in (("gate", [hidden, shared]), ("up", [hidden, shared]), ("down", [shared, hidden])):
        tensors.append(Tensor(prefix + "ffn_%s_shexp.weight" % name, dims, dense))
    return tensors


def streams(config, prefix, outputs, scales, fill):
    width = config["hc_mult"] * config["hidden_size"]
    return [Tensor(prefix + "_fn.weight", [width, outputs], F32),
            Tensor(prefix + "_base.weight", [outputs], F32, fill="zero"),
            Tensor(prefix + "_scale.weight", [scales], F32, fill=fill)]


def all_tensors(config, dense, expert):
    hidden, vocabulary, count = config["hidden_size"], config["vocab_size"], config["hc_mult"]
    tensors = [Tensor("token_embd.weight", [hidden, vocabulary], dense, 1 / vocabulary),
               Tensor("output_norm.weight", [hidden], F32, fill="one"),
               Tensor("output.weight", [hidden, vocabulary], dense)]
    tensors += streams(config, "output_hc", count, 1, "one")
    for layer, ratio in enumerate(ratios_of(config)):
        prefix = "blk.%d." % layer
        tensors += attention(config, prefix, ratio, dense)
        for part in ("attn", "ffn"):
            tensors += streams(config, prefix + "hc_" + part, (2 + count) * count, 3, "tenth")
        tensors += feed_forward(config, prefix, layer < config["num_hash_layers"], dense, expert)
    return tensors


# ---- values --------------------------------------------------------------------------------------


def halves(values):
    return values.astype(np.float16).view(np.uint8).reshape(-1, 2)


def random_blocks(random, kind, count, deviation):
    """`count` values of the standard deviation, as blocks of the type."""
    if kind == F32:
        return (random.standard_normal(count, np.float32) * np.float32(deviation)).tobytes()
    blocks = count // BLOCK[kind][0]
    codes = BLOCK[kind][1] - {Q4_0: 2, Q8_0: 2, Q4_K: 16, MXFP4: 1}[kind]
    payload = np.frombuffer(random.bytes(blocks * codes), np.uint8).reshape(blocks, codes)
    jitter = 0.75 + 0.5 * random.random(blocks, np.float32)
    if kind == Q4_0:  # (code - 8) · d: 4.64 d
        head = halves(jitter * np.float32(deviation / 4.64))
    elif kind == Q8_0:  # code · d: 73.9 d
        head = halves(jitter * np.float32(deviation / 73.9))
    elif kind == MXFP4:  # uniform codes of E2M1: 2.93 · 2^e
        head = np.full((blocks, 1), 127 + round(np.log2(deviation / 2.93)), np.uint8)
    else:  # Q4_K, d·sc·code - dmin·m with m = sc and dmin = 7.5 d: centred, 4.61 · 48 d
        scale = random.integers(32, 64, (blocks, 8), np.uint8)
        step = np.full(blocks, deviation / (4.61 * 48), np.float32)
        low = (scale[:, :4] & 63) | (scale[:, 4:] >> 4 << 6)
        high = (scale[:, 4:] & 15) | (scale[:, 4:] & 15) << 4
        head = np.concatenate([halves(step), halves(step * np.float32(7.5)), low, low, high], axis=1)
    return np.concatenate([head, payload], axis=1).tobytes()


def write_values(file, tensor, random, experts):
    if tensor.fill in ("one", "zero", "tenth"):
        value = {"one": 1.0, "zero": 0.0, "tenth": 0.1}[tensor.fill]
        file.write(np.full(tensor.count, value, np.float32).tobytes())
    elif tensor.fill == "experts":  # different experts for each token id
        order = np.argsort(random.random((tensor.dims[1], experts), np.float32), axis=1)
        file.write(order[:, :tensor.dims[0]].astype(np.int32).tobytes())
    else:
        for begin in range(0, tensor.count, CHUNK):
            count = min(CHUNK, tensor.count - begin)
            file.write(random_blocks(random, tensor.kind, count, tensor.dims[0] ** -0.5))
    file.write(b"\0" * (-tensor.bytes() % 32))


# ---- container -----------------------------------------------------------------------------------


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def entry(key, kind, value):
    """A key and its value; kind is GGUF's number of the type, or a pair for an array of it."""
    pack = {4: lambda v: struct.pack("<I", v), 5: lambda v: struct.pack("<i", v),
            6: lambda v: struct.pack("<f", v), 7: lambda v: struct.pack("<B", v), 8: text}
    if isinstance(kind, tuple):
        return text(key) + struct.pack("<IIQ", 9, kind[1], len(value)) + b"".join(map(pack[kind[1]], value))
    return text(key) + struct.pack("<I", kind) + pack[kind](value)


def vocabulary(size):
    """The 256 byte tokens in GPT-2's alphabet, made-up merges of letters, the control tokens."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    letter = {byte: chr(byte) for byte in shown}
    letter.update({byte: chr(256 + place) for place, byte in enumerate(hidden)})
    tokens, merges = [letter[byte] for byte in range(256)], []
    known, random = set(tokens), np.random.Generator(np.random.PCG64(7))
    pool = [chr(code) for code in range(97, 123)]
    while len(tokens) < size - len(CONTROLS):
        first, second = pool[random.integers(len(pool))], pool[random.integers(len(pool))]
        if first + second in known or len(first + second) > 9:
            continue
        known.add(first + second)
        tokens.append(first + second)
        merges.append(first + " " + second)
        if len(first + second) < 6:
            pool.append(first + second)
    return tokens + CONTROLS, merges


def header_entries(config, file_type):
    u32, i32, f32, flag, string = 4, 5, 6, 7, 8
    layers, size = config["num_hidden_layers"], config["vocab_size"]
    yarn = config["rope_scaling"]
    model = [
        ("context_length", u32, config["max_position_embeddings"]),
        ("embedding_length", u32, config["hidden_size"]), ("block_count", u32, layers),
        ("vocab_size", u32, size), ("feed_forward_length", u32, config["moe_intermediate_size"]),
        ("attention.head_count", u32, config["num_attention_heads"]), ("attention.head_count_kv", u32, 1),
        ("attention.key_length", u32, config["head_dim"]), ("attention.value_length", u32, config["head_dim"]),
        ("attention.layer_norm_rms_epsilon", f32, config["rms_norm_eps"]),
        ("attention.q_lora_rank", u32, config["q_lora_rank"]),
        ("attention.sliding_window", u32, config["sliding_window"]),
        ("attention.indexer.head_count", u32, config["index_n_heads"]),
        ("attention.indexer.key_length", u32, config["index_head_dim"]),
        ("attention.indexer.top_k", u32, config["index_topk"]),
        ("attention.output_group_count", u32, config["o_groups"]),
        ("attention.output_lora_rank", u32, config["o_lora_rank"]),
        ("attention.compress_rope_freq_base", f32, config["compress_rope_theta"]),
        ("attention.compress_ratios", (9, u32), ratios_of(config)),
        ("hyper_connection.count", u32, config["hc_mult"]),
        ("hyper_connection.sinkhorn_iterations", u32, config["hc_sinkhorn_iters"]),
        ("hyper_connection.epsilon", f32, config["hc_eps"]), ("hash_layer_count", u32, config["num_hash_layers"]),
        ("expert_count", u32, config["n_routed_experts"]),
        ("expert_used_count", u32, config["num_experts_per_tok"]),
        ("expert_shared_count", u32, config["n_shared_experts"]),
        ("expert_feed_forward_length", u32, config["moe_intermediate_size"]),
        ("expert_weights_scale", f32, config["routed_scaling_factor"]), ("expert_weights_norm", flag, 1),
        ("expert_gating_func", u32, 4), ("swiglu_clamp_exp", (9, f32), [config["swiglu_limit"]] * layers),
        ("swiglu_clamp_shexp", (9, f32), [config["swiglu_limit"]] * layers),
        ("rope.dimension_count", u32, config["qk_rope_head_dim"]), ("rope.freq_base", f32, config["rope_theta"]),
        ("rope.scaling.type", string, "yarn"), ("rope.scaling.factor", f32, yarn["factor"]),
        ("rope.scaling.original_context_length", u32, yarn["original_max_position_embeddings"])]
    tokens, merges = vocabulary(size)
    kinds = [1] * (size - len(CONTROLS)) + [3] * len(CONTROLS)
    tokenizer = [
        ("model", string, "gpt2"), ("pre", string, "deepseek-v3"), ("tokens", (9, string), tokens),
        ("token_type", (9, i32), kinds), ("merges", (9, string), merges), ("bos_token_id", u32, size - 2),
        ("eos_token_id", u32, size - 1), ("add_bos_token", flag, 1)]
    return ([entry("general.architecture", string, "deepseek4"), entry("general.name", string, "random V4"),
             entry("general.alignment", u32, 32), entry("general.file_type", u32, file_type)] +
            [entry("deepseek4." + key, kind, value) for key, kind, value in model] +
            [entry("tokenizer.ggml." + key, kind, value) for key, kind, value in tokenizer])


def write_file(path, config, tensors, file_type, seed):
    entries = header_entries(config, file_type)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(entries)) + b"".join(entries)
    offset = 0
    for tensor in tensors:
        head += text(tensor.name) + struct.pack("<I%dQIQ" % len(tensor.dims), len(tensor.dims), *tensor.dims,
                                                tensor.kind, offset)
        offset += (tensor.bytes() + 31) // 32 * 32
    random = np.random.Generator(np.random.SFC64(seed))
    with open(path, "wb") as file:
        file.write(head + b"\0" * (-len(head) % 32))
        for tensor in tensors:
            write_values(file, tensor, random, config["n_routed_experts"])


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", nargs="?", help="file to write; without it only the sizes are printed")
    parser.add_argument("--config", required=True)
    parser.add_argument("--quant", default="mxfp4", choices=QUANTS)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    config = json.load(open(options.config))
    dense, expert, file_type = QUANTS[options.quant]
    tensors = all_tensors(config, dense, expert)
    weights = [tensor for tensor in tensors if tensor.kind != I32]
    print("%s: %.1f M parameters, %.1f M active; %.1f MB, a token reads %.1f MB" % (
        options.quant, sum(t.count for t in weights) / 1e6, sum(t.count * t.share for t in weights) / 1e6,
        sum(t.bytes() for t in tensors) / 1e6, sum(t.bytes() * t.share for t in tensors) / 1e6))
    if options.out:
        write_file(options.out, config, tensors, file_type, options.seed)


if __name__ == "__main__":
    main()
