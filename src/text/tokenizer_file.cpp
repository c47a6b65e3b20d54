// SPDX-License-Identifier: MIT
// Reads a Hugging Face tokenizer.json, as hostile input: what this program would not do exactly
// as the file says is an error that names the key.
//
//   added_tokens[]   id, content, flags          -> control tokens
//   normalizer       null or an empty Sequence
//   pre_tokenizer    Sequence of isolated Splits by regex, then ByteLevel without its own regex
//   model            BPE: vocab {spelling: id}, merges ["a b"] or [["a", "b"]], best first
//
// Ids run from 0 without a gap, and all 256 bytes have a token: so every id decodes and every
// text encodes.
#include <algorithm>
#include <fstream>
#include <iterator>
#include <unordered_map>

#include "text/bounded_json.h"
#include "text/byte_alphabet.h"
#include "text/tokenizer.h"

namespace hadal {
namespace {

constexpr size_t kMaxFileBytes = size_t{64} << 20;  // ten times V4.1's
constexpr int64_t kMaxId = int64_t{1} << 24;        // over a hundred times V4's vocabulary
constexpr size_t kMaxTokenBytes = 4096;             // a line of spaces is the longest in V3's

// A member of an object, or null where it is missing.
const Json& member(const Json& object, const char* key) {
  static const Json missing;
  if (!object.is_object()) return missing;
  auto found = object.find(key);
  return found == object.end() ? missing : *found;
}

bool is_string(const Json& value, std::string_view text) {
  return value.is_string() && value.get_ref<const std::string&>() == text;
}

// True where the key is missing, null, false or empty: the option is not in use.
bool is_unused(const Json& object, const char* key) {
  const Json& value = member(object, key);
  return value.is_null() || value == false || value == "";
}

}  // namespace

class TokenizerReader {
 public:
  TokenizerReader(const Json& file, std::string_view name) : file_(file), name_(name) {}

  Result<Tokenizer> read() {
    TRY_STATUS(check_normalizer());
    TRY_STATUS(read_pretokenizer());
    TRY_STATUS(read_vocab());
    TRY_STATUS(read_added_tokens());
    TRY_STATUS(check_ids());
    TRY_STATUS(read_merges());
    return std::move(made_);
  }

 private:
  Status check_normalizer() {
    const Json& normalizer = member(file_, "normalizer");
    const Json& steps = member(normalizer, "normalizers");
    bool empty =
        is_string(member(normalizer, "type"), "Sequence") && steps.is_array() && steps.empty();
    if (!normalizer.is_null() && !empty)
      return fail(name_, ": normalizer: found one, expected null or an empty Sequence");
    return Ok{};
  }

  Status read_pretokenizer() {
    const Json& root = member(file_, "pre_tokenizer");
    const Json& steps = member(root, "pretokenizers");
    if (!is_string(member(root, "type"), "Sequence") || !steps.is_array() || steps.empty())
      return fail(name_, ": pre_tokenizer: expected a Sequence of Split and ByteLevel");
    std::vector<std::string> patterns;
    for (size_t i = 0; i + 1 < steps.size(); ++i) {
      const Json& regex = member(member(steps[i], "pattern"), "Regex");
      if (!is_string(member(steps[i], "type"), "Split") || !regex.is_string() ||
          !is_string(member(steps[i], "behavior"), "Isolated") || !is_unused(steps[i], "invert"))
        return fail(name_, ": pre_tokenizer.pretokenizers[", i,
                    "]: expected an isolated Split by a Regex, not inverted");
      patterns.push_back(regex.get<std::string>());
    }
    const Json& last = steps[steps.size() - 1];
    if (!is_string(member(last, "type"), "ByteLevel") || !is_unused(last, "add_prefix_space") ||
        member(last, "use_regex") != false)
      return fail(name_, ": pre_tokenizer.pretokenizers[", steps.size() - 1,
                  "]: expected ByteLevel with add_prefix_space and use_regex false");
    auto cutter = Pretokenizer::create(patterns);
    if (!cutter) return fail(name_, ": pre_tokenizer: ", cutter.error().message);
    made_.pretokenizer_ = cutter.take();
    return Ok{};
  }

  Status read_vocab() {
    const Json& model = member(file_, "model");
    if (!is_string(member(model, "type"), "BPE"))
      return fail(name_, ": model.type: expected \"BPE\"");
    for (const char* option : {"dropout", "unk_token", "continuing_subword_prefix",
                               "end_of_word_suffix", "byte_fallback", "fuse_unk", "ignore_merges"})
      if (!is_unused(model, option))
        return fail(name_, ": model.", option, ": found it in use, expected null or false");
    const Json& vocab = member(model, "vocab");
    if (!vocab.is_object())
      return fail(name_, ": model.vocab: found ", json_kind(vocab), ", expected an object");
    for (const auto& [spelling, id] : vocab.items()) {
      if (spelling.empty() || spelling.size() > kMaxTokenBytes)
        return fail(name_, ": model.vocab: a token of ", spelling.size(), " bytes, expected 1 to ",
                    kMaxTokenBytes);
      TRY(int32_t checked, check_id(id, "model.vocab[" + python_json_string(spelling) + "]"));
      if (!spellings_.emplace(checked, spelling).second)
        return fail(name_, ": model.vocab: id ", checked, " is given to ",
                    python_json_string(spellings_[checked]), " and to ",
                    python_json_string(spelling));
      ids_.emplace(spelling, checked);
    }
    return Ok{};
  }

  Status read_added_tokens() {
    const Json& list = member(file_, "added_tokens");
    if (!list.is_array() && !list.is_null())
      return fail(name_, ": added_tokens: found ", json_kind(list), ", expected an array");
    for (size_t i = 0; i < list.size(); ++i) {
      std::string where = detail::join_text("added_tokens[", i, "]");
      const Json& content = member(list[i], "content");
      if (!content.is_string() || content.get_ref<const std::string&>().empty() ||
          content.get_ref<const std::string&>().size() > kMaxTokenBytes)
        return fail(name_, ": ", where, ".content: expected a string of 1 to ", kMaxTokenBytes,
                    " bytes");
      for (const char* flag : {"single_word", "lstrip", "rstrip"})
        if (!is_unused(list[i], flag))
          return fail(name_, ": ", where, ".", flag, ": found it in use, expected false");
      AddedToken token;
      TRY(token.id, check_id(member(list[i], "id"), where + ".id"));
      token.content = content.get<std::string>();
      token.special = member(list[i], "special") == true;
      token.normalized = member(list[i], "normalized") == true;
      TRY_STATUS(add_token(std::move(token), where));
    }
    std::sort(made_.added_.begin(), made_.added_.end(),
              [](const AddedToken& a, const AddedToken& b) { return a.content < b.content; });
    for (size_t i = 0; i < made_.added_.size(); ++i)
      made_.added_index_of_id_[made_.added_[i].id] = i;
    return Ok{};
  }

  Status add_token(AddedToken token, const std::string& where) {
    auto by_id = spellings_.emplace(token.id, token.content);
    auto by_text = ids_.emplace(token.content, token.id);
    if (by_id.first->second != token.content || by_text.first->second != token.id)
      return fail(name_, ": ", where, ": ", python_json_string(token.content), " has id ", token.id,
                  ", but elsewhere ", python_json_string(by_id.first->second),
                  " has this id or the text has id ", by_text.first->second);
    if (!made_.added_index_of_id_.emplace(token.id, 0).second)
      return fail(name_, ": ", where, ": ", python_json_string(token.content), " is listed twice");
    made_.added_.push_back(std::move(token));
    return Ok{};
  }

  // From here on every id below the count has its bytes, and every byte its id.
  Status check_ids() {
    auto count = static_cast<int32_t>(spellings_.size());
    for (int32_t id = 0; id < count; ++id) {
      auto found = spellings_.find(id);
      if (found == spellings_.end())
        return fail(name_, ": no token has id ", id, ", expected ids 0 to ", count - 1,
                    " without a gap");
      std::optional<std::string> bytes = bytes_of_spelling(found->second);
      if (made_.is_added(id)) bytes = found->second;
      if (!bytes)
        return fail(name_, ": model.vocab[", python_json_string(found->second),
                    "]: expected characters of the byte alphabet, or an added token");
      made_.bytes_.push_back(std::move(*bytes));
    }
    for (int byte = 0; byte < 256; ++byte) {
      std::string spelling = spell_bytes(std::string(1, static_cast<char>(byte)));
      auto found = ids_.find(spelling);
      if (found == ids_.end() || made_.is_added(found->second))
        return fail(name_, ": model.vocab: no token for byte ", byte, ", expected ",
                    python_json_string(spelling));
      made_.byte_ids_[byte] = found->second;
    }
    return Ok{};
  }

  Status read_merges() {
    const Json& merges = member(member(file_, "model"), "merges");
    if (!merges.is_array())
      return fail(name_, ": model.merges: found ", json_kind(merges), ", expected an array");
    for (size_t rank = 0; rank < merges.size(); ++rank)
      TRY_STATUS(read_merge(merges[rank], static_cast<int32_t>(rank)));
    return Ok{};
  }

  Status read_merge(const Json& merge, int32_t rank) {
    std::string where = detail::join_text("model.merges[", rank, "]");
    std::string left;
    std::string right;
    if (merge.is_string()) {
      const std::string& both = merge.get_ref<const std::string&>();
      size_t space = both.find(' ');
      if (space == std::string::npos || both.find(' ', space + 1) != std::string::npos)
        return fail(name_, ": ", where, ": expected two tokens and one space, found ",
                    python_json_string(both));
      left = both.substr(0, space);
      right = both.substr(space + 1);
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
               merge[1].is_string()) {
      left = merge[0].get<std::string>();
      right = merge[1].get<std::string>();
    } else {
      return fail(name_, ": ", where, ": found ", json_kind(merge), ", expected two tokens");
    }
    TRY(int32_t left_id, mergeable(left, where));
    TRY(int32_t right_id, mergeable(right, where));
    TRY(int32_t merged_id, mergeable(left + right, where));
    if (!made_.merges_.add(left_id, right_id, {rank, merged_id}))
      return fail(name_, ": ", where, ": the pair ", python_json_string(left), ", ",
                  python_json_string(right), " stands earlier too");
    return Ok{};
  }

  // A merge may neither use nor make a control token: text could forge it.
  Result<int32_t> mergeable(const std::string& spelling, const std::string& where) {
    auto found = ids_.find(spelling);
    if (found == ids_.end())
      return fail(name_, ": ", where, ": ", python_json_string(spelling), " is not in model.vocab");
    if (made_.is_added(found->second))
      return fail(name_, ": ", where, ": ", python_json_string(spelling), " is an added token");
    return found->second;
  }

  Result<int32_t> check_id(const Json& id, const std::string& where) {
    if (!id.is_number_integer())
      return fail(name_, ": ", where, ": found ", json_kind(id), ", expected an id");
    bool fits = id.is_number_unsigned() && id.get<uint64_t>() < static_cast<uint64_t>(kMaxId);
    if (!fits)
      return fail(name_, ": ", where, ": found ", id.dump(), ", expected 0 to ", kMaxId - 1);
    return id.get<int32_t>();
  }

  const Json& file_;
  std::string name_;
  Tokenizer made_;
  std::unordered_map<int32_t, std::string> spellings_;  // by id
  std::unordered_map<std::string, int32_t> ids_;        // by spelling
};

Result<Tokenizer> Tokenizer::parse(std::string_view json, std::string_view name) {
  TRY(Json file,
      parse_bounded_json(
          json, name,
          {.max_bytes = kMaxFileBytes, .max_depth = 32, .max_width = static_cast<size_t>(kMaxId)}));
  if (!file.is_object())
    return fail(name, ": found ", json_kind(file), ", expected an object with \"model\"");
  return TokenizerReader(file, name).read();
}

Result<Tokenizer> Tokenizer::open(const std::string& path) {
  std::ifstream stream(path, std::ios::binary | std::ios::ate);
  if (!stream) return fail(path, ": cannot be opened, expected a tokenizer.json");
  auto size = static_cast<int64_t>(stream.tellg());
  if (size < 0 || size > static_cast<int64_t>(kMaxFileBytes))
    return fail(path, ": ", size, " bytes, expected at most ", kMaxFileBytes);
  std::string text(static_cast<size_t>(size), '\0');
  stream.seekg(0);
  if (!stream.read(text.data(), size)) return fail_machine(path, ": cannot be read");
  return parse(text, path);
}

}  // namespace hadal
