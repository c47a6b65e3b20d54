// SPDX-License-Identifier: MIT
// Accounts: who may ask, what it costs, and what was asked.  One SQLite file.
//
//   TRY(std::unique_ptr<Accounts> accounts, Accounts::open("accounts.db"));
//   TRY(NewKey key, accounts->add_key({.name = "ann", .prepaid = true}));
//   TRY(std::optional<KeyRecord> who, accounts->find(text_of_a_header));
//   TRY(Bill bill, accounts->record({.request = "chatcmpl-…", .key = who->number, …}));
//
// What always holds
//   An entry of the ledger is made once for each request id, together with its change of the
//   balance, in one synced transaction: repeated, it changes nothing and gives the same bill.
//   A balance is the sum of its ledger.  What is gone with a killed process was never answered.
//   Of a key only its hash is kept.  A revoked key is never right again, nor is an empty table
//   made of revoked ones taken for one without keys.
// Any thread.  Readers and the writer have connections of their own, so finding a key does not wait
// for a disk; another process may write at the same time.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "serve/database.h"
#include "serve/money.h"

namespace hadal {

// 0: no limit.
struct KeyLimits {
  int64_t requests_per_minute = 0;
  int64_t tokens_per_minute = 0;
  int64_t concurrent = 0;
};

struct KeyRecord {
  int64_t number = 0;
  std::string id;  // what stands between the dashes
  std::string name;
  KeyLimits limits;
  bool prepaid = false;  // nothing is answered once the balance is gone
  std::string currency = "USD";
  int64_t created = 0;  // seconds since 1970, here and below
  std::optional<int64_t> revoked;
};

struct KeyRequest {
  std::string name;
  KeyLimits limits = {};
  bool prepaid = false;
  std::string currency = "USD";
};

struct NewKey {
  KeyRecord record;
  std::string text;  // shown once
};

enum class PriceClass { hit, miss, output, image, video_second };
inline constexpr std::array kPriceClasses = {PriceClass::hit, PriceClass::miss, PriceClass::output,
                                             PriceClass::image, PriceClass::video_second};
std::string_view price_class_name(PriceClass price_class);
Result<PriceClass> price_class_of(std::string_view name);

// Tokens cost `amount` a million, images and seconds of video each.
struct Price {
  PriceClass price_class = PriceClass::output;
  std::string currency = "USD";
  Money amount = 0;
  int64_t from = 0;                // the first second it holds
  std::optional<int64_t> until{};  // the first second it does not hold; absent: for ever
};

struct Usage {
  int64_t hit = 0;     // prompt tokens that were in a cache
  int64_t miss = 0;    // prompt tokens that were read
  int64_t output = 0;  // tokens of the answer, reasoning included
  int64_t images = 0;
  int64_t video_ms = 0;
};

struct LedgerEntry {
  std::string request;  // unique for ever
  int64_t key = 0;
  int64_t time = 0;
  std::string what;  // the model, or the word for a payment
  Usage usage;
};

struct Bill {
  std::string currency;
  Money amount = 0;
  bool repeated = false;  // the entry was there already
  // What the amount is made of, in the order of kPriceClasses; nothing of a repeated one.
  std::array<Money, kPriceClasses.size()> of_class = {};
};

struct Balance {
  std::string currency;
  Money total = 0, granted = 0, topped_up = 0;  // paid in, and what is left of it all
};

enum class Payment { top_up, grant };

class Accounts {
 public:
  static Result<std::unique_ptr<Accounts>> open(const std::string& path);

  Result<NewKey> add_key(const KeyRequest& request);
  Result<std::vector<KeyRecord>> keys();
  Status revoke(const std::string& id, int64_t now);
  Result<bool> any_keys();  // revoked ones count
  Result<std::optional<KeyRecord>> find(std::string_view key_text);

  // The latest price that was set for a class, currency and time holds.
  Status set_price(const Price& price);
  Result<std::vector<Price>> prices();

  // `reference` makes a payment that is sent twice count once.
  Status pay(const std::string& reference, const std::string& key_id, Money amount, Payment payment,
             int64_t now);
  Result<Bill> record(const LedgerEntry& entry);
  Result<Balance> balance(const KeyRecord& key);
  Result<bool> may_spend(const KeyRecord& key);
  Result<int64_t> entries(int64_t key);

  // Random, made with the file: for signatures that must outlive the process.
  const std::string& secret() const { return secret_; }

 private:
  Accounts(Database writer, Database reader)
      : writer_(std::move(writer)), reader_(std::move(reader)) {}
  Status prepare_file();
  Result<std::optional<Bill>> bill_of(const std::string& request);
  Status add_costs(const LedgerEntry& entry, Bill& bill);
  Status add_entry(const LedgerEntry& entry, const std::string& kind, const Bill& bill);

  std::mutex writing_, reading_;
  Database writer_, reader_;
  std::string secret_;
};

}  // namespace hadal
