// SPDX-License-Identifier: MIT
// Keys, prices, ledger and limits; what is left after kill -9.
#include "serve/accounts.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <iterator>
#include <thread>

#include "scratch.h"
#include "serve/api_key.h"
#include "serve/limiter.h"

namespace hadal {
namespace {

std::unique_ptr<Accounts> open_accounts(const std::string& path) {
  Result<std::unique_ptr<Accounts>> accounts = Accounts::open(path);
  if (!accounts) ADD_FAILURE() << accounts.error().message;
  return accounts ? accounts.take() : nullptr;
}

NewKey new_key(Accounts& accounts, const KeyRequest& request) {
  Result<NewKey> key = accounts.add_key(request);
  if (!key) ADD_FAILURE() << key.error().message;
  return key ? key.take() : NewKey{};
}

Money total(Accounts& accounts, const KeyRecord& key) {
  const Result<Balance> balance = accounts.balance(key);
  EXPECT_TRUE(balance);
  return balance ? balance->total : -1;
}

std::string whole_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Money, IsExactAndRefusesWhatIsNone) {
  for (const char* text : {"0.00", "12.50", "0.000000001", "-3.07", "1000000000.00"}) {
    const Result<Money> amount = parse_money(text);
    ASSERT_TRUE(amount) << text;
    EXPECT_EQ(money_text(*amount), text);
  }
  EXPECT_EQ(*parse_money("7"), 7 * kMoneyUnit);
  for (const char* text : {"", "-", ".5", "1.", "1,5", "1e3", "0.0000000001", "1000000001",
                           "99999999999", " 1", "1 ", "+1", "--1"})
    EXPECT_FALSE(parse_money(text)) << text;
}

TEST(Keys, AreFoundByTheirWholeTextOnly) {
  const ScratchFolder folder;
  const std::unique_ptr<Accounts> accounts = open_accounts(folder.file("a.db"));
  EXPECT_FALSE(*accounts->any_keys());
  const NewKey key = new_key(*accounts, {.name = "ann", .limits = {1, 2, 3}});
  const auto found = accounts->find(key.text);
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->name, "ann");
  EXPECT_EQ((*found)->limits.tokens_per_minute, 2);

  std::string wrong = key.text;
  wrong.back() = wrong.back() == '0' ? '1' : '0';
  for (const std::string& text : {wrong, key.text + "0", key.text.substr(1), std::string(),
                                  std::string("Bearer"), "hk-" + std::string(77, 'a')})
    EXPECT_FALSE(accounts->find(text)->has_value()) << text;
}

TEST(Keys, AreNotInTheFile) {
  const ScratchFolder folder;
  const std::string path = folder.file("a.db");
  std::string text;
  {
    const std::unique_ptr<Accounts> accounts = open_accounts(path);
    text = new_key(*accounts, {.name = "ann"}).text;
  }
  const std::string bytes = whole_file(path) + whole_file(path + "-wal");
  EXPECT_NE(bytes.find("ann"), std::string::npos);
  EXPECT_EQ(bytes.find(text.substr(text.size() - 64)), std::string::npos);
  struct stat status {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
}

TEST(Keys, RevokedOnesStayWrongAndStillCountAsKeys) {
  const ScratchFolder folder;
  const std::unique_ptr<Accounts> accounts = open_accounts(folder.file("a.db"));
  const NewKey key = new_key(*accounts, {.name = "ann"});
  EXPECT_FALSE(accounts->revoke("000000000000", 5));
  ASSERT_TRUE(accounts->revoke(key.record.id, 5));
  ASSERT_TRUE(accounts->revoke(key.record.id, 9));
  EXPECT_EQ(accounts->keys()->front().revoked, 5);
  EXPECT_FALSE(accounts->find(key.text)->has_value());
  EXPECT_TRUE(*accounts->any_keys());
}

TEST(Ledger, PricesByClassAndValidity) {
  const ScratchFolder folder;
  const std::unique_ptr<Accounts> accounts = open_accounts(folder.file("a.db"));
  const NewKey key = new_key(*accounts, {.name = "ann"});
  const auto set = [&](PriceClass price_class, const char* amount, int64_t from,
                       std::optional<int64_t> until, const char* currency = "USD") {
    ASSERT_TRUE(accounts->set_price({price_class, currency, *parse_money(amount), from, until}));
  };
  set(PriceClass::hit, "0.003", 0, {});
  set(PriceClass::miss, "0.15", 0, {});
  set(PriceClass::output, "0.6", 0, 1000);
  set(PriceClass::output, "1.2", 500, 600);
  set(PriceClass::output, "99", 0, {}, "CNY");
  set(PriceClass::image, "0.02", 0, {});
  set(PriceClass::video_second, "0.1", 0, {});
  const auto cost = [&](const std::string& request, int64_t time, const Usage& usage) {
    const Result<Bill> bill = accounts->record({request, key.record.number, time, "model", usage});
    EXPECT_TRUE(bill);
    return bill ? money_text(bill->amount) : "";
  };
  EXPECT_EQ(cost("a", 499, {.hit = 1'000'000, .miss = 1'000'000, .output = 1'000'000}), "0.753");
  EXPECT_EQ(cost("b", 500, {.output = 500'000}), "0.60");
  EXPECT_EQ(cost("c", 600, {.output = 500'000}), "0.30");
  EXPECT_EQ(cost("d", 1000, {.output = 500'000}), "0.00");
  EXPECT_EQ(cost("e", 0, {.hit = 1}), "0.000000003");
  EXPECT_EQ(cost("f", 0, {.images = 3, .video_ms = 1500}), "0.21");
  EXPECT_EQ(money_text(total(*accounts, key.record)), "-1.863000003");
}

TEST(Ledger, AnEntryCountsOnce) {
  const ScratchFolder folder;
  const std::unique_ptr<Accounts> accounts = open_accounts(folder.file("a.db"));
  const NewKey key = new_key(*accounts, {.name = "ann", .prepaid = true});
  ASSERT_TRUE(accounts->set_price({PriceClass::output, "USD", kMoneyUnit, 0, {}}));
  EXPECT_FALSE(*accounts->may_spend(key.record));
  for (int again = 0; again < 2; ++again)
    ASSERT_TRUE(accounts->pay("p", key.record.id, 2 * kMoneyUnit, Payment::top_up, 1));
  ASSERT_TRUE(accounts->pay("q", key.record.id, kMoneyUnit, Payment::grant, 1));
  EXPECT_EQ(total(*accounts, key.record), 3 * kMoneyUnit);
  for (int again = 0; again < 3; ++again) {
    const auto bill = accounts->record({"r", key.record.number, 1, "model", {.output = 3'000'000}});
    ASSERT_TRUE(bill);
    EXPECT_EQ(bill->amount, 3 * kMoneyUnit);
    EXPECT_EQ(bill->repeated, again > 0);
  }
  EXPECT_EQ(total(*accounts, key.record), 0);
  EXPECT_EQ(accounts->balance(key.record)->granted, kMoneyUnit);
  EXPECT_FALSE(*accounts->may_spend(key.record));
  EXPECT_FALSE(accounts->record({"s", 77, 1, "model", {}})) << "there is no such key";
}

// The child writes entries and says which are done; it is killed in the middle of one.
int64_t write_until_killed(const std::string& path, int64_t key, int64_t first, int64_t enough) {
  std::array<int, 2> told{};
  EXPECT_EQ(pipe(told.data()), 0);
  const pid_t child = fork();
  if (child == 0) {
    close(told[0]);
    Result<std::unique_ptr<Accounts>> accounts = Accounts::open(path);
    for (int64_t i = first; accounts; ++i) {
      if (!(*accounts)->record({"r" + std::to_string(i), key, 1, "model", {.output = 1}})) _exit(1);
      if (write(told[1], &i, sizeof i) != sizeof i) _exit(1);
    }
    _exit(1);
  }
  close(told[1]);
  int64_t done = first - 1, told_now = 0;
  while (told_now - first + 1 < enough &&
         read(told[0], &told_now, sizeof told_now) == sizeof told_now)
    done = told_now;
  usleep(static_cast<useconds_t>((first * 7919) % 1500));
  kill(child, SIGKILL);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status));
  while (read(told[0], &told_now, sizeof told_now) == sizeof told_now) done = told_now;
  close(told[0]);
  return done;
}

TEST(Ledger, SurvivesKillInTheMiddleOfAnything) {
  const ScratchFolder folder;
  const std::string path = folder.file("a.db");
  KeyRecord key;
  {
    const std::unique_ptr<Accounts> accounts = open_accounts(path);
    key = new_key(*accounts, {.name = "ann"}).record;
    ASSERT_TRUE(accounts->set_price({PriceClass::output, "USD", 1'000'000'000'000, 0, {}}));
  }
  int64_t done = 0;
  for (int round = 0; round < 25; ++round) {
    // From before the last one: what is sent again must not count again.
    done = write_until_killed(path, key.number, std::max<int64_t>(1, done - 2), 6);
    const std::unique_ptr<Accounts> accounts = open_accounts(path);
    const int64_t entries = *accounts->entries(key.number);
    EXPECT_GE(entries, done) << "an entry that was told of is lost";
    EXPECT_LE(entries, done + 1) << "more than the one entry that was on its way";
    EXPECT_EQ(total(*accounts, key), -entries * 1'000'000) << "balance and ledger differ";
  }
  EXPECT_GT(done, 50);
}

TEST(Ledger, TwoWritersDoNotLoseEachOther) {
  const ScratchFolder folder;
  const std::unique_ptr<Accounts> one = open_accounts(folder.file("a.db"));
  const std::unique_ptr<Accounts> other = open_accounts(folder.file("a.db"));
  const NewKey key = new_key(*one, {.name = "ann"});
  const auto write = [&](Accounts& accounts, const std::string& name) {
    for (int i = 0; i < 20; ++i)
      EXPECT_TRUE(accounts.record({name + std::to_string(i), key.record.number, 1, "model", {}}));
  };
  std::thread thread([&] { write(*other, "o"); });
  write(*one, "x");
  thread.join();
  EXPECT_EQ(*one->entries(key.record.number), 40);
}

TEST(Signature, IsOfTextAndSecret) {
  EXPECT_EQ(signature_of("a", "s").size(), 64U);
  EXPECT_NE(signature_of("a", "s"), signature_of("b", "s"));
  EXPECT_NE(signature_of("a", "s"), signature_of("a", "t"));
  // RFC 4231, test case 2.
  EXPECT_EQ(signature_of("what do ya want for nothing?", "Jefe"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Limits, RequestsTokensAndConcurrency) {
  Limiter limiter;
  const SteadyTime start{};
  const auto at = [&](double seconds) {
    return start + std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000));
  };
  const KeyLimits requests{.requests_per_minute = 2};
  EXPECT_FALSE(limiter.admit(1, requests, 5, at(0)));
  EXPECT_FALSE(limiter.admit(1, requests, 5, at(0)));
  const auto refused = limiter.admit(1, requests, 5, at(0));
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->wait_seconds, 30);
  EXPECT_FALSE(limiter.admit(2, requests, 5, at(0))) << "another key";
  EXPECT_FALSE(limiter.admit(1, requests, 5, at(31)));

  const KeyLimits concurrent{.concurrent = 1};
  EXPECT_FALSE(limiter.admit(3, concurrent, 5, at(0)));
  EXPECT_TRUE(limiter.admit(3, concurrent, 5, at(0)));
  limiter.leave(3, concurrent, 0, at(1));
  EXPECT_FALSE(limiter.admit(3, concurrent, 5, at(1)));

  const KeyLimits tokens{.tokens_per_minute = 60};
  EXPECT_FALSE(limiter.admit(4, tokens, 1000, at(0))) << "a long prompt passes a full bucket";
  EXPECT_EQ(limiter.admit(4, tokens, 1, at(0))->wait_seconds, 941);
  EXPECT_FALSE(limiter.admit(4, tokens, 1, at(941)));
  limiter.leave(4, tokens, 30, at(941));
  EXPECT_EQ(limiter.admit(4, tokens, 1, at(941))->wait_seconds, 31);
  EXPECT_EQ(limiter.inside(), 6);
}

}  // namespace
}  // namespace hadal
