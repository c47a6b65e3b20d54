// SPDX-License-Identifier: MIT
// Accounts over SQLite.
//
//   keys      one row a key; hash is SHA-256 of its text
//   prices    append-only; the row with the highest number among those that hold is the price
//   ledger    one row a request or payment; amount is what it added to the balance
//   balances  the sums of the ledger, kept with it in the same transaction
//   meta      the secret
#include "serve/accounts.h"

#include <array>
#include <ctime>

#include "serve/api_key.h"
#include "serve/random_id.h"

namespace hadal {
namespace {

constexpr const char* kSchema = R"(
CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS keys(
  number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, hash BLOB NOT NULL, name TEXT NOT NULL,
  requests_per_minute INTEGER NOT NULL, tokens_per_minute INTEGER NOT NULL,
  concurrent INTEGER NOT NULL, prepaid INTEGER NOT NULL, currency TEXT NOT NULL,
  created INTEGER NOT NULL, revoked INTEGER) STRICT;
CREATE TABLE IF NOT EXISTS prices(
  number INTEGER PRIMARY KEY, class TEXT NOT NULL, currency TEXT NOT NULL,
  amount INTEGER NOT NULL, since INTEGER NOT NULL, until INTEGER) STRICT;
CREATE TABLE IF NOT EXISTS ledger(
  number INTEGER PRIMARY KEY, request TEXT NOT NULL UNIQUE,
  key INTEGER NOT NULL REFERENCES keys(number), time INTEGER NOT NULL, kind TEXT NOT NULL,
  what TEXT NOT NULL, hit INTEGER NOT NULL, miss INTEGER NOT NULL, output INTEGER NOT NULL,
  images INTEGER NOT NULL, video_ms INTEGER NOT NULL, currency TEXT NOT NULL,
  amount INTEGER NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS ledger_of_key ON ledger(key, number);
CREATE TABLE IF NOT EXISTS balances(
  key INTEGER NOT NULL REFERENCES keys(number), currency TEXT NOT NULL, total INTEGER NOT NULL,
  granted INTEGER NOT NULL, topped_up INTEGER NOT NULL, PRIMARY KEY(key, currency)) STRICT;
)";

constexpr std::string_view kKeyColumns =
    "number, id, name, requests_per_minute, tokens_per_minute, concurrent, prepaid, currency, "
    "created, revoked";

KeyRecord key_of(const Statement& row) {
  KeyRecord key;
  key.number = row.integer(0);
  key.id = row.text(1);
  key.name = row.text(2);
  key.limits = {row.integer(3), row.integer(4), row.integer(5)};
  key.prepaid = row.integer(6) != 0;
  key.currency = row.text(7);
  key.created = row.integer(8);
  if (!row.is_null(9)) key.revoked = row.integer(9);
  return key;
}

int64_t amount_used(const Usage& usage, PriceClass price_class) {
  switch (price_class) {
    case PriceClass::hit:
      return usage.hit;
    case PriceClass::miss:
      return usage.miss;
    case PriceClass::output:
      return usage.output;
    case PriceClass::image:
      return usage.images;
    case PriceClass::video_second:
      return usage.video_ms;
  }
  CHECK(false, "no such class");
}

// How many of what is counted the price is for.
int64_t price_for(PriceClass price_class) {
  if (price_class == PriceClass::image) return 1;
  return price_class == PriceClass::video_second ? 1000 : 1'000'000;
}

Status check_currency(const std::string& currency) {
  const bool right = currency.size() == 3 &&
                     currency.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ") == std::string::npos;
  if (!right) return fail("currency is \"", currency.substr(0, 20), "\", expected one like USD");
  return Ok{};
}

Status check_request(const KeyRequest& request) {
  constexpr size_t kMostName = 200;
  if (request.name.empty() || request.name.size() > kMostName)
    return fail("the name of a key has ", request.name.size(), " bytes, expected 1 to ", kMostName);
  for (int64_t limit : {request.limits.requests_per_minute, request.limits.tokens_per_minute,
                        request.limits.concurrent})
    if (limit < 0) return fail("a limit is ", limit, ", expected 0 (none) or more");
  return check_currency(request.currency);
}

}  // namespace

std::string_view price_class_name(PriceClass price_class) {
  constexpr std::array<std::string_view, 5> kNames = {"hit", "miss", "output", "image",
                                                      "video-second"};
  return kNames[static_cast<size_t>(price_class)];
}

Result<PriceClass> price_class_of(std::string_view name) {
  for (PriceClass price_class : kPriceClasses)
    if (price_class_name(price_class) == name) return price_class;
  return fail("price class \"", name.substr(0, 40),
              "\", expected hit, miss, output, image or video-second");
}

Result<std::unique_ptr<Accounts>> Accounts::open(const std::string& path) {
  TRY(Database writer, Database::open(path));
  TRY(Database reader, Database::open(path));
  std::unique_ptr<Accounts> accounts(new Accounts(std::move(writer), std::move(reader)));
  TRY_STATUS(accounts->prepare_file());
  return accounts;
}

Status Accounts::prepare_file() {
  TRY(Transaction transaction, Transaction::begin(writer_));
  TRY_STATUS(writer_.run(kSchema));
  TRY(Statement make, writer_.prepare("INSERT OR IGNORE INTO meta VALUES('secret', ?)"));
  make.bind_blob(1, random_bytes(32));
  TRY_STATUS(make.run());
  TRY(Statement read, writer_.prepare("SELECT value FROM meta WHERE name = 'secret'"));
  TRY([[maybe_unused]] const bool found, read.step());
  secret_ = read.text(0);
  return transaction.commit();
}

Result<NewKey> Accounts::add_key(const KeyRequest& request) {
  TRY_STATUS(check_request(request));
  const ApiKey key = ApiKey::make();
  KeyRecord record{.number = 0,
                   .id = key.id,
                   .name = request.name,
                   .limits = request.limits,
                   .prepaid = request.prepaid,
                   .currency = request.currency,
                   .created = std::time(nullptr),
                   .revoked = {}};
  const std::lock_guard lock(writing_);
  TRY(Statement insert,
      writer_.prepare("INSERT INTO keys(id, hash, name, requests_per_minute, tokens_per_minute, "
                      "concurrent, prepaid, currency, created) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?) "
                      "RETURNING number"));
  insert.bind(1, record.id);
  insert.bind_blob(2, key.hash());
  insert.bind(3, record.name);
  insert.bind(4, record.limits.requests_per_minute);
  insert.bind(5, record.limits.tokens_per_minute);
  insert.bind(6, record.limits.concurrent);
  insert.bind(7, int64_t{record.prepaid});
  insert.bind(8, record.currency);
  insert.bind(9, record.created);
  TRY([[maybe_unused]] const bool row, insert.step());
  record.number = insert.integer(0);
  TRY([[maybe_unused]] const bool more, insert.step());  // the commit
  return NewKey{record, key.text};
}

Result<std::vector<KeyRecord>> Accounts::keys() {
  const std::lock_guard lock(reading_);
  TRY(Statement select,
      reader_.prepare("SELECT " + std::string(kKeyColumns) + " FROM keys ORDER BY number"));
  std::vector<KeyRecord> keys;
  while (true) {
    TRY(const bool row, select.step());
    if (!row) return keys;
    keys.push_back(key_of(select));
  }
}

Status Accounts::revoke(const std::string& id, int64_t now) {
  const std::lock_guard lock(writing_);
  TRY(Statement update,
      writer_.prepare("UPDATE keys SET revoked = coalesce(revoked, ?) WHERE id = ?"));
  update.bind(1, now);
  update.bind(2, id);
  TRY_STATUS(update.run());
  if (writer_.changes() == 0) return fail("no key has the id \"", id.substr(0, 40), "\"");
  return Ok{};
}

Result<bool> Accounts::any_keys() {
  const std::lock_guard lock(reading_);
  TRY(Statement select, reader_.prepare("SELECT 1 FROM keys LIMIT 1"));
  return select.step();
}

Result<std::optional<KeyRecord>> Accounts::find(std::string_view key_text) {
  const std::optional<ApiKey> shown = ApiKey::parse(key_text);
  if (!shown) return std::optional<KeyRecord>();
  const std::lock_guard lock(reading_);
  TRY(Statement select,
      reader_.prepare("SELECT " + std::string(kKeyColumns) + ", hash FROM keys WHERE id = ?"));
  select.bind(1, shown->id);
  TRY(const bool row, select.step());
  constexpr int kHashColumn = 10;
  if (!row || !same_hash(shown->hash(), select.text(kHashColumn)))
    return std::optional<KeyRecord>();
  KeyRecord key = key_of(select);
  if (key.revoked) return std::optional<KeyRecord>();
  return std::optional<KeyRecord>(std::move(key));
}

Status Accounts::set_price(const Price& price) {
  TRY_STATUS(check_currency(price.currency));
  if (price.amount < 0)
    return fail("a price is ", money_text(price.amount), ", expected no less than 0");
  if (price.until && *price.until <= price.from) return fail("a price ends before it begins");
  const std::lock_guard lock(writing_);
  TRY(Statement insert, writer_.prepare("INSERT INTO prices(class, currency, amount, since, until) "
                                        "VALUES(?, ?, ?, ?, ?)"));
  insert.bind(1, price_class_name(price.price_class));
  insert.bind(2, price.currency);
  insert.bind(3, price.amount);
  insert.bind(4, price.from);
  if (price.until) insert.bind(5, *price.until);
  return insert.run();
}

Result<std::vector<Price>> Accounts::prices() {
  const std::lock_guard lock(reading_);
  TRY(Statement select,
      reader_.prepare("SELECT class, currency, amount, since, until FROM prices ORDER BY number"));
  std::vector<Price> prices;
  while (true) {
    TRY(const bool row, select.step());
    if (!row) return prices;
    Price price;
    TRY(price.price_class, price_class_of(select.text(0)));
    price.currency = select.text(1);
    price.amount = select.integer(2);
    price.from = select.integer(3);
    if (!select.is_null(4)) price.until = select.integer(4);
    prices.push_back(price);
  }
}

// Each class is rounded up to a billionth once an entry: nothing that has a price is free.
Status Accounts::add_costs(const LedgerEntry& entry, Bill& bill) {
  for (size_t i = 0; i < kPriceClasses.size(); ++i) {
    const PriceClass price_class = kPriceClasses[i];
    const int64_t used = amount_used(entry.usage, price_class);
    CHECK(used >= 0, used);
    if (used == 0) continue;
    TRY(Statement select,
        writer_.prepare(
            "SELECT amount FROM prices WHERE class = ? AND currency = ? AND since <= ?3 "
            "AND (until IS NULL OR until > ?3) ORDER BY number DESC LIMIT 1"));
    select.bind(1, price_class_name(price_class));
    select.bind(2, bill.currency);
    select.bind(3, entry.time);
    TRY(const bool row, select.step());
    if (!row) continue;
    const int64_t unit = price_for(price_class);
    int64_t product = 0;
    if (__builtin_mul_overflow(used, select.integer(0), &product))
      return fail_machine("accounts: the cost of ", entry.request, " is beyond all bounds");
    bill.of_class[i] = product / unit + (product % unit != 0);
    bill.amount += bill.of_class[i];
  }
  return Ok{};
}

Result<std::optional<Bill>> Accounts::bill_of(const std::string& request) {
  TRY(Statement select, writer_.prepare("SELECT currency, amount FROM ledger WHERE request = ?"));
  select.bind(1, request);
  TRY(const bool row, select.step());
  if (!row) return std::optional<Bill>();
  return std::optional<Bill>(
      Bill{.currency = select.text(0), .amount = -select.integer(1), .repeated = true});
}

Status Accounts::add_entry(const LedgerEntry& entry, const std::string& kind, const Bill& bill) {
  TRY(Statement insert,
      writer_.prepare(
          "INSERT INTO ledger(request, key, time, kind, what, hit, miss, output, images, "
          "video_ms, currency, amount) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  insert.bind(1, entry.request);
  insert.bind(2, entry.key);
  insert.bind(3, entry.time);
  insert.bind(4, kind);
  insert.bind(5, entry.what);
  insert.bind(6, entry.usage.hit);
  insert.bind(7, entry.usage.miss);
  insert.bind(8, entry.usage.output);
  insert.bind(9, entry.usage.images);
  insert.bind(10, entry.usage.video_ms);
  insert.bind(11, bill.currency);
  insert.bind(12, -bill.amount);
  TRY_STATUS(insert.run());

  TRY(Statement add,
      writer_.prepare("INSERT INTO balances VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET "
                      "total = total + ?3, granted = granted + ?4, topped_up = topped_up + ?5"));
  add.bind(1, entry.key);
  add.bind(2, bill.currency);
  add.bind(3, -bill.amount);
  add.bind(4, kind == "grant" ? -bill.amount : 0);
  add.bind(5, kind == "topup" ? -bill.amount : 0);
  return add.run();
}

Status Accounts::pay(const std::string& reference, const std::string& key_id, Money amount,
                     Payment payment, int64_t now) {
  if (amount == 0) return fail("a payment of nothing");
  const std::lock_guard lock(writing_);
  TRY(Transaction transaction, Transaction::begin(writer_));
  TRY(Statement select, writer_.prepare("SELECT number, currency FROM keys WHERE id = ?"));
  select.bind(1, key_id);
  TRY(const bool row, select.step());
  if (!row) return fail("no key has the id \"", key_id.substr(0, 40), "\"");
  TRY(const std::optional<Bill> there, bill_of(reference));
  if (there) return Ok{};
  const LedgerEntry entry{reference, select.integer(0), now, "payment", {}};
  const Bill bill{.currency = select.text(1), .amount = -amount};
  TRY_STATUS(add_entry(entry, payment == Payment::grant ? "grant" : "topup", bill));
  return transaction.commit();
}

Result<Bill> Accounts::record(const LedgerEntry& entry) {
  const std::lock_guard lock(writing_);
  TRY(Transaction transaction, Transaction::begin(writer_));
  TRY(const std::optional<Bill> there, bill_of(entry.request));
  if (there) return *there;
  TRY(Statement select, writer_.prepare("SELECT currency FROM keys WHERE number = ?"));
  select.bind(1, entry.key);
  TRY(const bool row, select.step());
  if (!row) return fail_machine("accounts: key ", entry.key, " is not in the file");
  Bill bill{.currency = select.text(0)};
  TRY_STATUS(add_costs(entry, bill));
  TRY_STATUS(add_entry(entry, "use", bill));
  TRY_STATUS(transaction.commit());
  return bill;
}

Result<Balance> Accounts::balance(const KeyRecord& key) {
  const std::lock_guard lock(reading_);
  TRY(Statement select, reader_.prepare("SELECT total, granted, topped_up FROM balances "
                                        "WHERE key = ? AND currency = ?"));
  select.bind(1, key.number);
  select.bind(2, key.currency);
  TRY(const bool row, select.step());
  if (!row) return Balance{key.currency};
  return Balance{key.currency, select.integer(0), select.integer(1), select.integer(2)};
}

Result<bool> Accounts::may_spend(const KeyRecord& key) {
  if (!key.prepaid) return true;
  TRY(const Balance left, balance(key));
  return left.total > 0;
}

Result<int64_t> Accounts::entries(int64_t key) {
  const std::lock_guard lock(reading_);
  TRY(Statement select, reader_.prepare("SELECT count(*) FROM ledger WHERE key = ?"));
  select.bind(1, key);
  TRY([[maybe_unused]] const bool row, select.step());
  return select.integer(0);
}

}  // namespace hadal
