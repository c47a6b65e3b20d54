// SPDX-License-Identifier: MIT
// config.json: the published layouts are read, and what does not fit together is told by name.
#include "model/config.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "base/file.h"

namespace hadal {
namespace {

using nlohmann::json;

const std::string kTests = HADAL_TESTS_DIR;
const std::string kGoldens = kTests + "/goldens/";
const std::string kPresets = kTests + "/../presets/";

json document_of(const std::string& path) {
  return json::parse(*read_file(path, 1 << 20));
}

ModelConfig open(const std::string& path) {
  Result<ModelConfig> config = ModelConfig::open(path);
  EXPECT_TRUE(config) << config.error().message;
  return config ? config.take() : ModelConfig{};
}

// The message that a change of a good configuration brings; empty: it is accepted.
std::string error_after(const std::string& golden, const std::function<void(json&)>& change) {
  json document = document_of(kGoldens + golden + "/config.json");
  change(document);
  const Result<ModelConfig> config = ModelConfig::parse(document.dump(), "c");
  return config ? "" : config.error().message;
}
std::string v4_error(const std::string& key, const json& value) {
  return error_after("v4-tiny", [&](json& document) { document[key] = value; });
}
std::string v41_error(const std::string& key, const json& value) {
  return error_after("v41-tiny", [&](json& document) { document["text_config"][key] = value; });
}

std::vector<std::string> all_configs() {
  std::vector<std::string> paths;
  for (const char* name :
       {"v4-tiny/config.json", "v4-tiny-fp8/config.json", "v4-tiny-fp8/config-dequantized.json",
        "v41-tiny/config.json", "v41-tiny-fp8/config.json", "v41-vision-tiny/config.json"})
    paths.push_back(kGoldens + name);
  for (const auto& entry : std::filesystem::directory_iterator(kPresets))
    if (entry.is_regular_file())  // beside them lie folders of what belongs to one
      paths.push_back(entry.path().string());
  for (const char* name : {"dense.json", "v4-dspark.json"})
    paths.push_back(kTests + "/corpus/config/" + name);
  return paths;
}

TEST(Config, EveryConfigurationSurvivesBeingWritten) {
  for (const std::string& path : all_configs()) {
    const ModelConfig config = open(path);
    const Result<ModelConfig> again = ModelConfig::parse(config.to_json(), "again");
    ASSERT_TRUE(again) << path << ": " << again.error().message;
    EXPECT_TRUE(*again == config) << path;
    EXPECT_EQ(again->to_json(), config.to_json()) << path;
  }
}

// Nothing of a published file is lost but what only informs its reader.
TEST(Config, WhatIsWrittenHoldsThePublishedKeys) {
  for (const char* name : {"deepseek-v4-flash", "deepseek-v4-pro", "deepseek-v4.1-flash"}) {
    const json published = document_of(kPresets + name + ".json");
    const json written = json::parse(open(kPresets + name + ".json").to_json());
    json missing = json::diff(published, written);
    for (const json& change : missing) {
      const std::string path = change["path"];
      EXPECT_TRUE(path == "/transformers_version") << name << ": " << change.dump();
    }
  }
}

TEST(Config, ReadsV4) {
  const ModelConfig c = open(kGoldens + "v4-tiny");
  EXPECT_EQ(c.family, Family::v4);
  EXPECT_EQ(c.vocab, 320);
  EXPECT_EQ(c.width, 96);
  EXPECT_EQ(c.hash_layers, 2);
  EXPECT_EQ(c.route_scale, 2.5);
  EXPECT_EQ(c.rope_scaling.original_positions, 4096);
  EXPECT_EQ(c.draft.layers, 1);
  EXPECT_EQ(c.draft.block, 0);
  EXPECT_EQ(c.weights, WeightFormat::bf16);
  EXPECT_FALSE(c.pad_id.has_value());
  const ModelConfig quantised = open(kGoldens + "v4-tiny-fp8");
  EXPECT_EQ(quantised.weights, WeightFormat::fp8_fp4);
  EXPECT_EQ(quantised.weight_block, 128);
}

TEST(Config, ReadsV41) {
  const ModelConfig c = open(kGoldens + "v41-tiny-fp8/config.json");
  EXPECT_EQ(c.family, Family::v41);
  EXPECT_EQ(c.norm_epsilon, 1e-20);
  EXPECT_EQ(c.kv_sources, (std::vector<int64_t>{2, 4, 6}));
  EXPECT_EQ(c.candidate_source, 6);
  EXPECT_EQ(c.engram.columns(), 6);
  EXPECT_EQ(c.engram.table_rows, (std::vector<int64_t>{1362, 1552}));
  EXPECT_EQ(c.draft.layers, 2);
  EXPECT_EQ(c.draft.block, 3);
  EXPECT_EQ(c.draft.experts, 4);
  EXPECT_EQ(c.weights, WeightFormat::fp8_fp4);
  EXPECT_EQ(c.weight_block, 32);
  EXPECT_EQ(c.pad_id, 2);
  EXPECT_EQ(c.image_id, 380);
  EXPECT_EQ(c.vision.layers, 0);
  const ModelConfig vision = open(kGoldens + "v41-vision-tiny");
  EXPECT_EQ(vision.vision.layers, 3);
  EXPECT_EQ(vision.vision.min_pixels, 1600);
  EXPECT_FALSE(vision.vision.max_aspect.has_value());
}

TEST(Config, ReadsTheVisualVocabulary) {
  const ModelConfig c = open(kPresets + "hadal-1t.json");
  EXPECT_EQ(c.visual.first_id, 129344);
  EXPECT_EQ(c.text_vocab(), 129344);
  EXPECT_EQ(c.visual.first_id + c.visual.groups * c.visual.codes, c.vocab);
  EXPECT_EQ(c.visual.cells(), int64_t{1} << 48);
  EXPECT_EQ(error_after("v41-tiny", [](json& d) { d["hadal"]["x"] = 1; }),
            "c: hadal.x: unknown key");
}

// A tiny model's visual vocabulary, changed in one place.
std::string visual_error(const std::function<void(json&)>& change) {
  return error_after("v41-tiny", [&](json& d) {
    json visual = {{"first_id", 300},     {"groups", 2},    {"codes", 40},  {"start_id", 20},
                   {"data_id", 21},       {"frame_id", 22}, {"end_id", 23}, {"mask_id", 24},
                   {"no_caption_id", 25}, {"times_id", 26}, {"at_id", 27},  {"max_frame_cells", 64},
                   {"reach", 1},          {"hidden", 32}};
    visual["digit_ids"] = {10, 11, 12, 13, 14, 15, 16, 17, 18, 19};
    const int64_t pairs = d["text_config"]["qk_rope_head_dim"].get<int64_t>() / 2;
    visual["rope_pairs"] = {pairs, 0, 0};
    change(visual);
    d["hadal"]["visual"] = visual;
  });
}

TEST(Config, AVisualVocabularyMustFitTheRest) {
  EXPECT_EQ(visual_error([](json&) {}), "");
  EXPECT_EQ(visual_error([](json& v) { v["first_id"] = 305; }),
            "c: hadal.visual: ids up to 384, vocab_size is 384");
  EXPECT_EQ(visual_error([](json& v) { v["mask_id"] = 20; }),
            "c: hadal.visual: two of its tokens have one id");
  EXPECT_EQ(visual_error([](json& v) { v["mask_id"] = 301; }),
            "c: hadal.visual: token 301, text has ids below first_id 300");
  EXPECT_EQ(visual_error([](json& v) {
              v["digit_ids"] = {1, 2, 3};
            }),
            "c: hadal.visual.digit_ids: 3 ids, expected 10");
  EXPECT_EQ(visual_error([](json& v) {
              v["rope_pairs"] = {1, 0, 0};
            }).substr(0, 61),
            "c: hadal.visual.rope_pairs: expected three numbers whose sum ");
  json large = document_of(kPresets + "hadal-1t.json");
  large["hadal"]["visual"]["groups"] = 5;
  large["text_config"]["vocab_size"] = 129344 + 5 * 4096;
  const Result<ModelConfig> refused = ModelConfig::parse(large.dump(), "c");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message,
            "c: hadal.visual.groups: 5 groups of 4096 codes are too many different cells");
}

TEST(Config, TheDraftOfV4Flash0731IsAsLongAsItsSchedule) {
  const ModelConfig c = open(kTests + "/corpus/config/v4-dspark.json");
  EXPECT_EQ(c.draft.layers, 3);  // the key says 1
  EXPECT_EQ(c.draft.block, 5);
}

TEST(Config, ExpertFormats) {
  const auto format = [](const std::string& golden, const std::function<void(json&)>& change) {
    json document = document_of(kGoldens + golden + "/config.json");
    change(document);
    const Result<ModelConfig> config = ModelConfig::parse(document.dump(), "c");
    EXPECT_TRUE(config) << config.error().message;
    return config ? config->weights : WeightFormat::bf16;
  };
  EXPECT_EQ(format("v4-tiny-fp8", [](json& d) { d["expert_dtype"] = "fp8"; }), WeightFormat::fp8);
  EXPECT_EQ(format("v4-tiny-fp8", [](json& d) { d.erase("expert_dtype"); }), WeightFormat::fp8);
  EXPECT_EQ(
      format("v41-tiny-fp8", [](json& d) { d["quantization_config"]["expert_dtype"] = "fp8"; }),
      WeightFormat::fp8);
  EXPECT_EQ(error_after("v4-tiny", [](json& d) { d["expert_dtype"] = "fp4"; }),
            "c: expert_dtype: needs quantization_config");
  EXPECT_EQ(error_after("v4-tiny-fp8", [](json& d) { d["expert_dtype"] = "int4"; }),
            "c: expert_dtype: int4, expected fp8 or fp4");
  EXPECT_EQ(error_after("v4-tiny-fp8",
                        [](json& d) {
                          d["quantization_config"]["weight_block_size"] = {64, 64};
                        }),
            "c: quantization_config.weight_block_size: expected [32, 32] or [128, 128]");
  EXPECT_EQ(
      error_after("v4-tiny-fp8", [](json& d) { d["quantization_config"]["quant_method"] = "awq"; }),
      "c: quantization_config.quant_method: awq, expected fp8");
  EXPECT_EQ(error_after("v4-tiny-fp8", [](json& d) { d["moe_intermediate_size"] = 130; }),
            "c: moe_intermediate_size: 130 is not a multiple of 32, as fp4 needs");
}

TEST(Config, DenseMatricesInFourBitsAreSaidUnderHadal) {
  const auto with = [](const std::string& golden, const std::string& dense) {
    json document = document_of(kGoldens + golden + "/config.json");
    document["hadal"]["dense_dtype"] = dense;
    return ModelConfig::parse(document.dump(), "c");
  };
  const Result<ModelConfig> four = with("v41-tiny-fp8", "fp4");
  ASSERT_TRUE(four) << four.error().message;
  EXPECT_EQ(four->weights, WeightFormat::fp4);
  const Result<ModelConfig> again = ModelConfig::parse(four->to_json(), "again");
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(*again, *four);
  EXPECT_EQ(with("v4-tiny-fp8", "fp4")->weights, WeightFormat::fp4);
  EXPECT_EQ(with("v4-tiny-fp8", "fp8")->weights, WeightFormat::fp8_fp4);
  EXPECT_EQ(with("v4-tiny", "fp4").error().message,
            "c: hadal.dense_dtype: fp4 needs expert_dtype fp4");
  EXPECT_EQ(with("v4-tiny-fp8", "int4").error().message,
            "c: hadal.dense_dtype: int4, expected fp8 or fp4");
  const auto refused = [](const std::function<void(json&)>& change) {
    return error_after("v4-tiny-fp8", [&](json& d) {
      d["hadal"]["dense_dtype"] = "fp4";
      change(d);
    });
  };
  EXPECT_EQ(refused([](json& d) { d["q_lora_rank"] = 130; }),
            "c: q_lora_rank: 130 is not a multiple of 32, as fp4 needs");
  EXPECT_EQ(refused([](json& d) { d["o_lora_rank"] = 72; }),
            "c: o_lora_rank: 144 is not a multiple of 32, as fp4 needs");
}

// ---- the schedule

TEST(Schedule, V4) {
  const ModelConfig c = open(kPresets + "deepseek-v4-flash.json");
  EXPECT_FALSE(c.is_kv_source(0));
  EXPECT_EQ(c.kv_source_of(0), -1);
  EXPECT_TRUE(c.overlapping(2));
  EXPECT_TRUE(c.is_index_source(2));
  EXPECT_EQ(c.index_source_of(2), 2);
  EXPECT_TRUE(c.is_kv_source(3));
  EXPECT_EQ(c.kv_source_of(3), 3);
  EXPECT_EQ(c.index_source_of(3), -1);
  EXPECT_EQ(c.decoder_start(), 43);
  EXPECT_EQ(c.ratio(43), 0);
}

TEST(Schedule, V41) {
  const ModelConfig c = open(kPresets + "deepseek-v4.1-flash.json");
  const std::vector<int64_t> rows = {-1, -1, 2,  2,  2,  2,  2,  2,  8,  8,  8,  8,  8,  8,
                                     14, 14, 14, 14, 14, 14, 20, 20, 20, 20, 20, 20, 20, 20,
                                     20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20};
  for (int64_t layer = 0; layer < c.layers; ++layer)
    EXPECT_EQ(c.kv_source_of(layer), rows[static_cast<size_t>(layer)]) << layer;
  EXPECT_EQ(c.index_source_of(7), 2);
  EXPECT_EQ(c.index_source_of(23), 20);
  EXPECT_EQ(c.index_source_of(24), 24);
  EXPECT_EQ(c.index_source_of(39), 36);
  EXPECT_EQ(c.index_source_of(1), -1);
  EXPECT_FALSE(c.overlapping(2));
  EXPECT_EQ(c.decoder_start(), 20);
  EXPECT_EQ(c.engram_index(1), 0);
  EXPECT_EQ(c.engram_index(14), 1);
  EXPECT_EQ(c.engram_index(2), -1);
}

TEST(Schedule, WithoutCompressedRowsThereIsNoDecoderHalf) {
  const ModelConfig c = open(kTests + "/corpus/config/dense.json");
  EXPECT_EQ(c.decoder_start(), c.layers);
  EXPECT_EQ(c.kv_source_of(3), -1);
  EXPECT_FALSE(c.engram.present());
  EXPECT_EQ(c.candidate_source, -1);
}

// §5.2: the published table sizes.
TEST(Engram, PrimesOfThePublishedModel) {
  const EngramConfig engram = open(kPresets + "deepseek-v4.1-flash.json").engram;
  const std::vector<std::vector<int64_t>> primes = engram.primes();
  ASSERT_EQ(primes.size(), 2u);
  ASSERT_EQ(primes[0].size(), 24u);
  EXPECT_EQ(primes[0][0], 16000057);
  EXPECT_EQ(primes[0][8], 16000189);
  EXPECT_EQ(primes[0][23], 16000463);
  EXPECT_EQ(primes[1][0], 16000477);
  EXPECT_EQ(primes[1][23], 16000889);
  EXPECT_EQ(std::accumulate(primes[0].begin(), primes[0].end(), int64_t{0}), 384006168);
  EXPECT_EQ(std::accumulate(primes[1].begin(), primes[1].end(), int64_t{0}), 384016682);
}

TEST(Engram, PrimesAreThoseOfASieve) {
  constexpr int64_t kEnd = 3000;
  std::vector<bool> composite(kEnd);
  for (int64_t i = 2; i < kEnd; ++i)
    for (int64_t k = i * i; k < kEnd; k += i) composite[static_cast<size_t>(k)] = true;
  EngramConfig engram;
  engram.layers = {0};
  engram.max_ngram = 8;
  engram.heads = 60;  // 420 primes: 2 … 2903
  engram.prime_base = 2;
  const std::vector<int64_t> primes = engram.primes()[0];
  size_t next = 0;
  for (int64_t i = 2; i < kEnd && next < primes.size(); ++i)
    if (!composite[static_cast<size_t>(i)]) {
      EXPECT_EQ(primes[next++], i);
    }
  EXPECT_EQ(next, 420u);
}

// ---- what is refused

TEST(ConfigErrors, UnknownKeysAndValuesAreNamed) {
  EXPECT_EQ(v4_error("foo", 1), "c: foo: unknown key");
  EXPECT_EQ(v41_error("foo", 1), "c: text_config.foo: unknown key");
  EXPECT_EQ(v41_error("rope_scaling", {{"rope_type", "linear"}}),
            "c: text_config.rope_scaling.rope_type: linear, expected yarn");
  EXPECT_EQ(error_after("v41-vision-tiny", [](json& d) { d["vision_config"]["x"] = 0; }),
            "c: vision_config.x: unknown key");
  EXPECT_EQ(v4_error("kv_source_layer_ids", {1}), "c: kv_source_layer_ids: unknown key");
  EXPECT_EQ(v4_error("engram_layer_ids", {1}), "c: engram_layer_ids: unknown key");
  EXPECT_EQ(v4_error("model_type", "llama"),
            "c: model_type: llama, expected deepseek_v4 or deepseek_v41");
  EXPECT_EQ(v4_error("architectures", {"DeepseekV41ForCausalLM"}),
            "c: architectures: [\"DeepseekV41ForCausalLM\"], expected "
            "[\"DeepseekV4ForCausalLM\"]");
  EXPECT_EQ(v4_error("hidden_act", "gelu"), "c: hidden_act: gelu, expected silu");
  EXPECT_EQ(v4_error("scoring_func", "relu"),
            "c: scoring_func: relu, expected sqrtsoftplus or softmax or sigmoid");
  EXPECT_EQ(v4_error("tie_word_embeddings", true), "c: tie_word_embeddings: true, expected false");
}

TEST(ConfigErrors, TypesAndRangesAreChecked) {
  EXPECT_EQ(v4_error("hidden_size", "96"), "c: hidden_size: \"96\", expected an integer");
  EXPECT_EQ(v4_error("hidden_size", 96.5), "c: hidden_size: 96.5, expected an integer");
  EXPECT_EQ(v4_error("hidden_size", 0), "c: hidden_size: 0, expected 1 to 1048576");
  EXPECT_EQ(v4_error("hidden_size", -1), "c: hidden_size: -1, expected 1 to 1048576");
  EXPECT_EQ(v4_error("hidden_size", 18446744073709551615u),
            "c: hidden_size: 18446744073709551615, expected 1 to 1048576");
  EXPECT_EQ(v4_error("compress_ratios", 4), "c: compress_ratios: expected an array of integers");
  EXPECT_EQ(v4_error("compress_ratios", {0, "4"}),
            "c: compress_ratios[1]: \"4\", expected an integer");
  EXPECT_EQ(v4_error("norm_topk_prob", 1), "c: norm_topk_prob: 1, expected true or false");
  EXPECT_EQ(v4_error("rms_norm_eps", 0), "c: rms_norm_eps: 0, expected 1e-30 to 0.01");
  EXPECT_EQ(v4_error("hc_mult", 9), "c: hc_mult: 9, expected 1 to 8");
  EXPECT_EQ(v4_error("num_key_value_heads", 2), "c: num_key_value_heads: 2, expected 1");
  EXPECT_EQ(v4_error("rope_scaling", 1), "c: rope_scaling: expected an object");
  EXPECT_EQ(v4_error("use_cache", "yes"), "c: use_cache: \"yes\", expected true or false");
  EXPECT_EQ(error_after("v4-tiny", [](json& d) { d.erase("hidden_size"); }),
            "c: hidden_size: missing");
  EXPECT_EQ(error_after("v4-tiny", [](json& d) { d["rope_scaling"].erase("factor"); }),
            "c: rope_scaling.factor: missing");
  EXPECT_EQ(error_after("v41-tiny", [](json& d) { d.erase("text_config"); }),
            "c: text_config: missing");
}

TEST(ConfigErrors, DocumentsAreBounded) {
  const auto error = [](const std::string& text) {
    const Result<ModelConfig> config = ModelConfig::parse(text, "c");
    return config ? "" : config.error().message;
  };
  EXPECT_EQ(error(""), "c: not valid JSON at byte 1");
  EXPECT_EQ(error("[]"), "c: expected an object");
  EXPECT_EQ(error(std::string(5 << 20, ' ')), "c: 5242880 bytes, at most 4194304 are read");
  EXPECT_EQ(error(std::string(1000, '[')), "c: nested deeper than 32 levels");
  EXPECT_EQ(error(R"({"model_type":"deepseek_v4","model_type":"deepseek_v4"})"),
            "c: model_type: key given twice");
  const Result<ModelConfig> missing = ModelConfig::open(kGoldens);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message,
            kGoldens + "/config.json: cannot be opened: No such file or directory");
}

TEST(ConfigErrors, WidthsFitEachOther) {
  EXPECT_EQ(v4_error("qk_rope_head_dim", 15),
            "c: qk_rope_head_dim: 15, expected an even number up to head_dim 80");
  EXPECT_EQ(v4_error("qk_rope_head_dim", 82),
            "c: qk_rope_head_dim: 82, expected an even number up to head_dim 80");
  EXPECT_EQ(v4_error("o_groups", 4), "c: o_groups: 4 does not divide num_attention_heads 6");
  EXPECT_EQ(v4_error("head_dim", 96), "c: head_dim: 96 less the rotary 16 is not a multiple of 64");
  EXPECT_EQ(v41_error("head_dim", 80), "c: text_config.head_dim: 80 is not a multiple of 32");
  EXPECT_EQ(v4_error("num_attention_heads", 1048575),
            "c: head_dim: times num_attention_heads is 83886000, at most 16777216");
  EXPECT_EQ(v4_error("num_experts_per_tok", 9), "c: num_experts_per_tok: 9, n_routed_experts is 8");
  EXPECT_EQ(v4_error("n_routed_experts", 65536),
            "c: n_routed_experts: 524288 experts in all layers, at most 262144");
  EXPECT_EQ(v4_error("num_hash_layers", 8), "c: num_hash_layers: 8, num_hidden_layers is 7");
  EXPECT_EQ(v41_error("num_hash_layers", 1), "c: text_config.num_hash_layers: 1, expected 0");
}

TEST(ConfigErrors, TokensAreInTheVocabulary) {
  EXPECT_EQ(v4_error("eos_token_id", 320), "c: eos_token_id: 320, vocab_size is 320");
  EXPECT_EQ(error_after("v41-tiny", [](json& d) { d["image_token_id"] = 384; }),
            "c: image_token_id: 384, vocab_size is 384");
  EXPECT_EQ(v41_error("dspark_noise_token_id", 384),
            "c: text_config.dspark_noise_token_id: 384, vocab_size is 384");
  EXPECT_EQ(v41_error("engram_pad_token_id", 384),
            "c: text_config.engram_pad_token_id: 384, vocab_size is 384");
}

TEST(ConfigErrors, TheScheduleFitsTheLayers) {
  EXPECT_EQ(v4_error("compress_ratios", {0, 4}),
            "c: compress_ratios: 2 entries, expected 7 layers and 1 draft layers");
  EXPECT_EQ(v4_error("num_nextn_predict_layers", 0),
            "c: compress_ratios: 8 entries, expected 7 layers and 0 draft layers");
  EXPECT_EQ(v4_error("compress_ratios", {0, 4, 16, 4, 128, 4, 0, 4}),
            "c: compress_ratios: draft layer 7 has ratio 4, expected 0");
  EXPECT_EQ(v41_error("compress_ratios", {0, 0, 2, 2, 2, 1, 1, 1, 1, 1, 1, 0, 0}),
            "c: text_config.compress_ratios: layer 5 has ratio 1, its source 4 has 2");
  EXPECT_EQ(v41_error("kv_source_layer_ids", {4, 6}),
            "c: text_config.kv_source_layer_ids: no source for layer 2");
  EXPECT_EQ(v41_error("kv_source_layer_ids", {2, 6, 4}),
            "c: text_config.kv_source_layer_ids: 4 does not rise");
  EXPECT_EQ(v41_error("kv_source_layer_ids", {2, 4, 11}),
            "c: text_config.kv_source_layer_ids: 11, the last layer is 10");
  EXPECT_EQ(v41_error("kv_source_layer_ids", {0, 2, 4, 6}),
            "c: text_config.kv_source_layer_ids: 0 has compress_ratio 0");
  EXPECT_EQ(v41_error("kv_source_layer_ids", {2, 3, 4, 6}),
            "c: text_config.kv_source_layer_ids: 3 is not in index_source_layer_ids");
  EXPECT_EQ(v41_error("index_source_layer_ids", {0, 2, 4, 6}),
            "c: text_config.index_source_layer_ids: 0 has compress_ratio 0");
}

TEST(ConfigErrors, TheIndexerIsWhole) {
  EXPECT_EQ(v41_error("index_topk", 0), "c: text_config.index_topk: 0, expected at least 1");
  EXPECT_EQ(v41_error("index_head_dim", 48),
            "c: text_config.index_head_dim: 48 is not a multiple of 32");
  EXPECT_EQ(v4_error("index_head_dim", 96), "c: index_head_dim: 96 is not a power of two");
  EXPECT_EQ(error_after("v4-tiny", [](json& d) { d.erase("index_n_heads"); }),
            "c: index_n_heads: missing");
  EXPECT_EQ(v41_error("candidate_source_layer_id", 7),
            "c: text_config.candidate_source_layer_id: 7 is not in index_source_layer_ids");
  EXPECT_EQ(v41_error("candidate_source_layer_id", 4),
            "c: text_config.candidate_source_layer_id: layer 6 chooses among rows of layer 6");
  EXPECT_EQ(v41_error("candidate_block_size", 0),
            "c: text_config.candidate_block_size: expected at least 1");
  EXPECT_EQ(
      error_after("v41-tiny", [](json& d) { d["text_config"].erase("candidate_source_layer_id"); }),
      "");
}

TEST(ConfigErrors, EngramTablesFollowTheRule) {
  EXPECT_EQ(v41_error("engram_num_embeddings", {1362, 1553}),
            "c: text_config.engram_num_embeddings: 1553 for layer 4, the primes from "
            "engram_vocab_size on sum to 1552");
  EXPECT_EQ(v41_error("engram_num_embeddings", {1362}),
            "c: text_config.engram_num_embeddings: 1 entries, engram_layer_ids has 2");
  EXPECT_EQ(v41_error("engram_compressed_vocab_size", 385),
            "c: text_config.engram_compressed_vocab_size: 385, vocab_size is 384");
  EXPECT_EQ(v41_error("engram_layer_ids", {4, 1}),
            "c: text_config.engram_layer_ids: 1 does not rise");
  EXPECT_EQ(error_after("v41-tiny", [](json& d) { d["text_config"].erase("engram_layer_ids"); }),
            "c: text_config.engram_num_embeddings: 2 entries, engram_layer_ids has 0");
}

TEST(ConfigErrors, TheDraftIsWhole) {
  EXPECT_EQ(v41_error("dspark_block_size", 0),
            "c: text_config.dspark_block_size: expected at least 1");
  EXPECT_EQ(v41_error("dspark_target_layer_ids", json::array()),
            "c: text_config.dspark_target_layer_ids: no layer");
  EXPECT_EQ(v41_error("dspark_target_layer_ids", {11}),
            "c: text_config.dspark_target_layer_ids: 11, the last layer is 10");
  EXPECT_EQ(v41_error("dspark_markov_rank", 0),
            "c: text_config.dspark_markov_rank: expected at least 1");
  EXPECT_EQ(v41_error("dspark_num_experts_per_tok", 5),
            "c: text_config.dspark_num_experts_per_tok: 5, dspark_n_routed_experts is 4");
  EXPECT_EQ(v41_error("dspark_n_routed_experts", 0),
            "c: text_config.dspark_num_experts_per_tok: 2, dspark_n_routed_experts is 0");
}

TEST(ConfigErrors, VisionNeedsItsToken) {
  EXPECT_EQ(error_after("v41-vision-tiny", [](json& d) { d.erase("image_token_id"); }),
            "c: image_token_id: missing");
  EXPECT_EQ(error_after("v41-vision-tiny",
                        [](json& d) { d["vision_config"]["max_image_tokens"] = 1 << 20; }),
            "c: vision_config.max_image_tokens: 1048576 cells of 18 pixels squared, at most "
            "268435456 pixels in all");
  EXPECT_EQ(error_after("v41-vision-tiny",
                        [](json& d) { d["vision_config"]["num_attention_heads"] = 5; }),
            "c: vision_config.hidden_size: 48 by 5 heads does not give a head width that is a "
            "multiple of 4");
}

TEST(ConfigErrors, MessagesAreOneLine) {
  const std::string error = v4_error("a\nb\x1b" + std::string(500, 'x'), 1);
  EXPECT_EQ(error.find('\n'), std::string::npos);
  EXPECT_EQ(error.find('\x1b'), std::string::npos);
  EXPECT_LT(error.size(), 200u);
}

}  // namespace
}  // namespace hadal
