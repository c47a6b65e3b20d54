// SPDX-License-Identifier: MIT
// The actions on documents; those on pictures stand in data_scenes.cpp, data_names.cpp and
// data_pages.cpp.
#include "tools/data.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "text/bpe_trainer.h"
#include "text/chat.h"
#include "text/tokenizer.h"
#include "tools/data_checkpoint.h"
#include "tools/data_names.h"
#include "tools/data_needles.h"
#include "tools/data_pages.h"
#include "tools/data_scenes.h"
#include "tools/data_show.h"
#include "tools/data_visual.h"
#include "tools/documents.h"
#include "tools/open_model.h"
#include "train/shard.h"

namespace hadal {

namespace {

struct DataOptions {
  std::vector<std::string> inputs;
  std::string tokenizer, out;
  int64_t vocab = 4096;
  int64_t controls = 64;
};

// Tokens that the chat formats, fill-in-middle and pictures need, under DeepSeek's spelling; the
// rest of the room is kept free under numbered names, as the published tokenizers do.
std::vector<std::string> control_tokens(int64_t count) {
  std::vector<std::string> names = {"<｜System｜>",
                                    "<｜User｜>",
                                    "<｜Assistant｜>",
                                    "<|EOT|>",
                                    "<think>",
                                    "</think>",
                                    "｜DSML｜",
                                    "<｜latest_reminder｜>",
                                    "<｜action｜>",
                                    "<｜query｜>",
                                    "<｜authority｜>",
                                    "<｜domain｜>",
                                    "<｜title｜>",
                                    "<｜read_url｜>",
                                    "<｜fim▁hole｜>",
                                    "<｜fim▁begin｜>",
                                    "<｜fim▁end｜>",
                                    "<｜deepseek_image｜>",
                                    "<｜visual▁start｜>",
                                    "<｜visual▁data｜>",
                                    "<｜visual▁frame｜>",
                                    "<｜visual▁end｜>",
                                    "<｜visual▁mask｜>",
                                    "<｜no▁caption｜>"};
  for (int64_t i = 0; static_cast<int64_t>(names.size()) < count; ++i)
    names.push_back("<｜place▁holder▁no▁" + std::to_string(i) + "｜>");
  return names;
}

Result<int> train_tokenizer(const DataOptions& options) {
  DocumentReader reader(options.inputs);
  Document document;
  std::vector<std::string> texts;
  size_t next = 0;
  std::optional<Error> problem;
  DocumentSource source = [&](std::string_view& text) {
    while (next == texts.size()) {
      Result<bool> more = reader.next(document);
      if (!more) problem = more.error();
      if (!more || !*more) return false;
      texts = document.texts();
      next = 0;
    }
    text = texts[next++];
    return true;
  };
  TRY(TrainedBpe bpe, train_bpe(source, {.vocab_size = options.vocab}));
  if (problem) return *problem;
  std::vector<AddedToken> added;
  int32_t id = static_cast<int32_t>(bpe.tokens.size());
  for (const std::string& name : control_tokens(options.controls))
    added.push_back({id++, name, true, false});
  TRY_STATUS(write_tokenizer_json(options.out, bpe, added));
  std::printf("%s: %zu tokens and %zu control tokens\n", options.out.c_str(), bpe.tokens.size(),
              added.size());
  return 0;
}

// BOS text EOS, or the conversation as V4.1's chat mode writes it (model-spec §9.5).
Result<std::vector<int32_t>> encode(const Tokenizer& tokenizer, const Document& document) {
  if (!document.text) return encode_chat(tokenizer, document.messages, {.dialect = Dialect::v41});
  std::vector<int32_t> ids = {*tokenizer.bos()};
  std::vector<int32_t> text = tokenizer.encode(*document.text);
  ids.insert(ids.end(), text.begin(), text.end());
  ids.push_back(*tokenizer.eos());
  return ids;
}

Result<int> make_shard(const DataOptions& options) {
  TRY(std::string json, read_tokenizer_json(options.tokenizer));
  TRY(Tokenizer tokenizer, Tokenizer::parse(json, options.tokenizer));
  if (!tokenizer.bos() || !tokenizer.eos())
    return fail(options.tokenizer, ": a tokenizer without BOS and EOS");
  DocumentReader reader(options.inputs);
  Document document;
  ShardWriter writer(fingerprint(json), tokenizer.vocab_size());
  int64_t bytes = 0;
  while (true) {
    TRY(bool more, reader.next(document));
    if (!more) break;
    TRY(std::vector<int32_t> ids, encode(tokenizer, document));
    writer.add(ids, document.text_bytes());
    bytes += document.text_bytes();
  }
  TRY_STATUS(writer.write(options.out));
  std::printf("%s: %lld documents, %lld tokens, %lld bytes of text\n", options.out.c_str(),
              static_cast<long long>(writer.documents()),
              static_cast<long long>(writer.token_count()), static_cast<long long>(bytes));
  return 0;
}

// Every part on lines of its own: what general compressors are given.
Result<int> write_parts(const DataOptions& options) {
  DocumentReader reader(options.inputs);
  TRY(AtomicFile file, AtomicFile::create(options.out));
  Document document;
  while (true) {
    TRY(bool more, reader.next(document));
    if (!more) break;
    for (std::string text : document.texts()) {
      text.push_back('\n');
      TRY_STATUS(file.write(text.data(), static_cast<int64_t>(text.size())));
    }
  }
  TRY_STATUS(file.commit());
  return 0;
}

using Action = Result<int> (*)(const DataOptions&);

CLI::App* add_action(CLI::App& data, Command& chosen, const char* name, const char* help,
                     const std::shared_ptr<DataOptions>& options, Action action) {
  CLI::App* command = data.add_subcommand(name, help);
  command->add_option("--input", options->inputs, "JSON Lines files of documents")->required();
  command->add_option("--out", options->out, "File to write")->required();
  command->callback(
      [options, action, &chosen] { chosen = [options, action] { return action(*options); }; });
  return command;
}

}  // namespace

void add_data(CLI::App& program, Command& chosen) {
  CLI::App* data =
      program.add_subcommand("data", "Tokenizers, token shards and galleries: what is trained on");
  data->require_subcommand(1);
  auto options = std::make_shared<DataOptions>();
  CLI::App* tokenizer = add_action(*data, chosen, "tokenizer", "Train a byte-level BPE tokenizer",
                                   options, train_tokenizer);
  tokenizer->add_option("--vocab", options->vocab, "Special tokens, bytes and merges")
      ->check(CLI::Range(int64_t{260}, int64_t{1} << 20));
  tokenizer->add_option("--controls", options->controls, "Control tokens after them")
      ->check(CLI::Range(int64_t{24}, int64_t{4096}));
  CLI::App* shards =
      add_action(*data, chosen, "shards", "Tokenise documents into a shard", options, make_shard);
  shards->add_option("--tokenizer", options->tokenizer, "tokenizer.json")->required();
  add_action(*data, chosen, "text", "The text alone, for other programs to measure", options,
             write_parts);
  add_scene_data(*data, chosen);
  add_name_data(*data, chosen);
  add_page_data(*data, chosen);
  add_needle_data(*data, chosen);
  add_visual_data(*data, chosen);
  add_show_data(*data, chosen);
  add_checkpoint_data(*data, chosen);
}

}  // namespace hadal
