// SPDX-License-Identifier: MIT
// Engram's constants and addresses against the official functions (tests/goldens/engram-hash).
#include "model/engram.h"

#include "golden_tensors.h"

namespace hadal {
namespace {

class EngramGoldens : public testing::Test {
 protected:
  const Safetensors file_ = golden_file("engram-hash/expected.safetensors");
  const nlohmann::json params_ = golden_json("engram-hash/params.json");

  static EngramConfig config_of(const nlohmann::json& json) {
    EngramConfig config;
    config.layers = json.at("layer_ids").get<std::vector<int64_t>>();
    config.max_ngram = json.at("max_ngram_size");
    config.heads = json.at("n_heads");
    config.prime_base = json.at("engram_vocab_size");
    config.compressed_vocab = json.at("compressed_vocab_size");
    return config;
  }

  static void expect_equal(const std::vector<int64_t>& found, const Tensor& expected, int64_t first,
                           const std::string& what) {
    for (size_t i = 0; i < found.size(); ++i)
      ASSERT_EQ(found[i], expected.data<int64_t>()[first + static_cast<int64_t>(i)])
          << what << "[" << i << "]";
  }

  void expect_constants(const EngramConfig& config, const std::string& name) {
    const std::vector<EngramHash> hashes = engram_hashes(config);
    const Tensor multipliers = golden(file_, name + ".multipliers");
    const Tensor primes = golden(file_, name + ".primes");
    for (size_t layer = 0; layer < hashes.size(); ++layer) {
      expect_equal(hashes[layer].multipliers, multipliers,
                   static_cast<int64_t>(layer) * config.max_ngram, name + ".multipliers");
      expect_equal(hashes[layer].primes, primes, static_cast<int64_t>(layer) * config.columns(),
                   name + ".primes");
    }
  }

  // ids are compressed; a dead token hides itself and everything before it.
  void expect_rows(const EngramConfig& config, const std::vector<int64_t>& ids,
                   const std::vector<bool>& dead, int64_t pad, const Tensor& expected) {
    const std::vector<EngramHash> hashes = engram_hashes(config);
    std::vector<int64_t> rows(static_cast<size_t>(config.columns()));
    for (size_t t = 0; t < ids.size(); ++t)
      for (size_t layer = 0; layer < hashes.size(); ++layer) {
        std::vector<int64_t> history(static_cast<size_t>(config.max_ngram), -1);
        for (size_t s = 0; s < history.size() && s <= t && !dead[t - s]; ++s)
          history[s] = ids[t - s];
        engram_rows(hashes[layer], history, pad, rows.data());
        expect_equal(rows, expected,
                     static_cast<int64_t>(t * hashes.size() + layer) * config.columns(),
                     "token " + std::to_string(t));
      }
  }
};

TEST_F(EngramGoldens, ConstantsFollowThePublishedRule) {
  for (const nlohmann::json& one : params_.at("cases"))
    expect_constants(config_of(one), one.at("name"));
  expect_constants(config_of(params_.at("published")), "published");
}

TEST_F(EngramGoldens, MultipliersAreNumpysDraws) {
  const Tensor rows = golden(file_, "multipliers.vocab_layer_then_6");
  for (int64_t i = 0; i < rows.size(0); ++i) {
    EngramConfig config;
    config.compressed_vocab = rows.data<int64_t>()[i * 8];
    config.layers = {rows.data<int64_t>()[i * 8 + 1]};
    config.max_ngram = 6;
    config.heads = 1;
    config.prime_base = 3;
    expect_equal(engram_hashes(config).front().multipliers, rows, i * 8 + 2,
                 "row " + std::to_string(i));
  }
}

TEST_F(EngramGoldens, RowsAreThoseOfTheOfficialHash) {
  const Tensor map = golden(file_, "token_map");
  for (const nlohmann::json& one : params_.at("cases")) {
    const std::string name = one.at("name");
    const EngramConfig config = config_of(one);
    const Tensor raw = golden(file_, name + ".ids"), mask = golden(file_, name + ".mask");
    std::vector<int64_t> ids;
    std::vector<bool> none(static_cast<size_t>(raw.count())), dead;
    for (int64_t i = 0; i < raw.count(); ++i) {
      ids.push_back(map.data<int64_t>()[raw.data<int64_t>()[i]]);
      dead.push_back(mask.data<uint8_t>()[i] == 0);
    }
    const int64_t pad = map.data<int64_t>()[one.at("pad_token_id").get<int64_t>()];
    expect_rows(config, ids, none, pad, golden(file_, name + ".hash_ids"));
    expect_rows(config, ids, dead, pad, golden(file_, name + ".hash_ids_masked"));
  }
}

TEST_F(EngramGoldens, ThePublishedModelsRowsAreReached) {
  const Tensor raw = golden(file_, "published.compressed_ids");
  const std::vector<int64_t> ids(raw.data<int64_t>(), raw.data<int64_t>() + raw.count());
  const EngramConfig config = config_of(params_.at("published"));
  expect_rows(config, ids, std::vector<bool>(ids.size()), 2, golden(file_, "published.hash_ids"));
  const std::vector<EngramHash> hashes = engram_hashes(config);
  EXPECT_EQ(hashes[0].rows(), 384006168);
  EXPECT_EQ(hashes[1].rows(), 384016682);
}

TEST_F(EngramGoldens, ASaltGivesRowsOfAnotherNgramInTheSameColumns) {
  const EngramConfig config = config_of(params_.at("published"));
  const EngramHash hash = engram_hashes(config)[0];
  const std::vector<int64_t> history = {11, 7, 5, 3};
  std::vector<int64_t> plain(hash.primes.size()), salted(plain);
  engram_rows(hash, history, 2, plain.data());
  engram_rows(hash, history, 2, salted.data(), 0x9E3779B97F4A7C15);
  for (size_t column = 0; column < plain.size(); ++column) {
    EXPECT_NE(salted[column], plain[column]);
    EXPECT_GE(salted[column], hash.offsets[column]);
    EXPECT_LT(salted[column], hash.offsets[column] + hash.primes[column]);
  }
}

}  // namespace
}  // namespace hadal
