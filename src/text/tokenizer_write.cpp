// SPDX-License-Identifier: MIT
// Writes a trained vocabulary as tokenizer.json, member for member as DeepSeek's files have it.
#include <algorithm>

#include "base/file.h"
#include "text/bounded_json.h"
#include "text/bpe_trainer.h"
#include "text/byte_alphabet.h"
#include "text/pretokenizer.h"

namespace hadal {
namespace {

std::string spelled(const TrainedBpe& bpe, size_t id) {
  return id < kBpeSpecials ? bpe.tokens[id] : spell_bytes(bpe.tokens[id]);
}

Status check_added(const TrainedBpe& bpe, const std::vector<AddedToken>& sorted) {
  for (size_t i = 0; i < sorted.size(); ++i)
    if (sorted[i].id != static_cast<int32_t>(bpe.tokens.size() + i))
      return fail("tokenizer.json: added token ", python_json_string(sorted[i].content), " has id ",
                  sorted[i].id, ", expected ", bpe.tokens.size() + i);
  return Ok{};
}

OrderedJson added_json(const AddedToken& token) {
  return {{"id", token.id},          {"content", token.content}, {"single_word", false},
          {"lstrip", false},         {"rstrip", false},          {"normalized", token.normalized},
          {"special", token.special}};
}

OrderedJson pre_tokenizer_json() {
  OrderedJson steps = OrderedJson::array();
  for (const std::string& pattern : deepseek_split_patterns())
    steps.push_back({{"type", "Split"},
                     {"pattern", {{"Regex", pattern}}},
                     {"behavior", "Isolated"},
                     {"invert", false}});
  steps.push_back({{"type", "ByteLevel"},
                   {"add_prefix_space", false},
                   {"trim_offsets", true},
                   {"use_regex", false}});
  return {{"type", "Sequence"}, {"pretokenizers", std::move(steps)}};
}

OrderedJson byte_level_json(bool trim_offsets) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", true},
          {"trim_offsets", trim_offsets},
          {"use_regex", true}};
}

// By hand: an ordered JSON object would search all of its keys for each new one.
std::string vocab_text(const TrainedBpe& bpe) {
  std::string text = "{";
  for (size_t id = 0; id < bpe.tokens.size(); ++id)
    text += detail::join_text(id ? ",\n" : "\n", python_json_string(spelled(bpe, id)), ": ", id);
  return text + "\n}";
}

std::string merges_text(const TrainedBpe& bpe) {
  std::string text = "[";
  for (size_t i = 0; i < bpe.merges.size(); ++i) {
    auto [left, right] = bpe.merges[i];
    text += (i ? ",\n" : "\n") + python_json_string(spelled(bpe, static_cast<size_t>(left)) + " " +
                                                    spelled(bpe, static_cast<size_t>(right)));
  }
  return text + "\n]";
}

}  // namespace

Result<std::string> tokenizer_json(const TrainedBpe& bpe, std::span<const AddedToken> added) {
  std::vector<AddedToken> sorted(added.begin(), added.end());
  std::sort(sorted.begin(), sorted.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  TRY_STATUS(check_added(bpe, sorted));

  OrderedJson list = OrderedJson::array();
  for (size_t id = 0; id < kBpeSpecials; ++id)
    list.push_back(added_json({.id = static_cast<int32_t>(id), .content = bpe.tokens[id]}));
  for (const AddedToken& token : sorted) list.push_back(added_json(token));

  std::string text = "{\n\"version\": \"1.0\",\n\"truncation\": null,\n\"padding\": null";
  text += ",\n\"added_tokens\": " + python_json(list);
  text += ",\n\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": []}";
  text += ",\n\"pre_tokenizer\": " + python_json(pre_tokenizer_json());
  text += ",\n\"post_processor\": " + python_json(byte_level_json(false));
  text += ",\n\"decoder\": " + python_json(byte_level_json(true));
  text += ",\n\"model\": {\"type\": \"BPE\", \"dropout\": null, \"unk_token\": null, ";
  text += "\"continuing_subword_prefix\": null, \"end_of_word_suffix\": null, ";
  text += "\"fuse_unk\": false, \"byte_fallback\": false";
  text += ",\n\"vocab\": " + vocab_text(bpe) + ",\n\"merges\": " + merges_text(bpe) + "\n}\n}\n";
  // What our own reader refuses (a control token that is also a merged word) is not written.
  TRY_STATUS(Tokenizer::parse(text, "tokenizer.json"));
  return text;
}

Status write_tokenizer_json(const std::string& path, const TrainedBpe& bpe,
                            std::span<const AddedToken> added) {
  TRY(const std::string text, tokenizer_json(bpe, added));
  return write_file(path, text);
}

}  // namespace hadal
