// SPDX-License-Identifier: MIT
// `hadal keys`.
#include "tools/keys.h"

#include <CLI/CLI.hpp>

#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <functional>
#include <memory>
#include <system_error>

#include "base/json.h"
#include "serve/accounts.h"
#include "serve/random_id.h"
#include "tools/output.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;

struct KeysChoice {
  std::string data;
  KeyRequest request;
  std::string id, amount, reference, price_class, currency = "USD";
  int64_t from = 0, until = 0;
  bool grant = false;
};

std::string named_folder(const std::string& folder) {
  if (!folder.empty()) return folder;
  if (const char* named = std::getenv("HADAL_DATA"); named && *named) return named;
  if (const char* named = std::getenv("XDG_DATA_HOME"); named && *named)
    return std::string(named) + "/hadal";
  if (const char* home = std::getenv("HOME"); home && *home)
    return std::string(home) + "/.local/share/hadal";
  return "";
}

using Accountant = std::function<Status(Accounts& accounts, Output& out)>;

Result<int> with_accounts(const KeysChoice& choice, const Accountant& work) {
  TRY(const std::string path, accounts_file(choice.data));
  TRY(const std::unique_ptr<Accounts> accounts, Accounts::open(path));
  Output out;
  TRY_STATUS(work(*accounts, out));
  TRY_STATUS(out.finish());
  return 0;
}

std::string limits_text(const KeyLimits& limits) {
  std::string text;
  const auto add = [&text](int64_t limit, const char* what) {
    if (limit == 0) return;
    text += (text.empty() ? "" : ", ") + std::to_string(limit) + what;
  };
  add(limits.requests_per_minute, " requests/min");
  add(limits.tokens_per_minute, " tokens/min");
  add(limits.concurrent, " at once");
  return text.empty() ? "no limits" : text;
}

Status add(const KeysChoice& choice, Accounts& accounts, Output& out) {
  TRY(const NewKey key, accounts.add_key(choice.request));
  note_line("key " + key.record.id + " for " + printable(key.record.name) +
            "; it is shown this once:");
  out.write(key.text + "\n");
  return Ok{};
}

Status list(Accounts& accounts, Output& out) {
  TRY(const std::vector<KeyRecord> keys, accounts.keys());
  for (const KeyRecord& key : keys) {
    TRY(const Balance balance, accounts.balance(key));
    TRY(const int64_t entries, accounts.entries(key.number));
    out.write(key.id + "  " +
              (key.revoked   ? "revoked"
               : key.prepaid ? "prepaid"
                             : "free   ") +
              "  " + money_text(balance.total) + " " + balance.currency + "  " +
              std::to_string(entries) + " entries  " + limits_text(key.limits) + "  " +
              printable(key.name) + "\n");
  }
  TRY(const std::vector<Price> prices, accounts.prices());
  for (const Price& price : prices)
    out.write("price  " + std::string(price_class_name(price.price_class)) + "  " +
              money_text(price.amount) + " " + price.currency + "  from " +
              std::to_string(price.from) +
              (price.until ? " until " + std::to_string(*price.until) : "") + "\n");
  return Ok{};
}

Status top_up(const KeysChoice& choice, Accounts& accounts, Output& out) {
  TRY(const Money amount, parse_money(choice.amount));
  const std::string reference =
      choice.reference.empty() ? make_id("payment-") : "payment-" + choice.reference;
  TRY_STATUS(accounts.pay(reference, choice.id, amount,
                          choice.grant ? Payment::grant : Payment::top_up, std::time(nullptr)));
  TRY(const std::vector<KeyRecord> keys, accounts.keys());
  for (const KeyRecord& key : keys) {
    if (key.id != choice.id) continue;
    TRY(const Balance balance, accounts.balance(key));
    out.write(money_text(balance.total) + " " + balance.currency + "\n");
  }
  return Ok{};
}

Status set_price(const KeysChoice& choice, Accounts& accounts) {
  Price price{.currency = choice.currency, .from = choice.from};
  TRY(price.price_class, price_class_of(choice.price_class));
  TRY(price.amount, parse_money(choice.amount));
  if (choice.until > 0) price.until = choice.until;
  return accounts.set_price(price);
}

using Choice = std::shared_ptr<KeysChoice>;
using Verb = std::function<Status(const KeysChoice&, Accounts&, Output&)>;

CLI::App* add_verb(CLI::App& keys, const char* name, const char* about, const Choice& choice,
                   Command& chosen, const Verb& verb) {
  CLI::App* command = keys.add_subcommand(name, about);
  command->add_option("--data", choice->data,
                      "Folder of the accounts (default: $HADAL_DATA, else ~/.local/share/hadal)");
  command->callback([choice, &chosen, verb] {
    chosen = [choice, verb] {
      return with_accounts(
          *choice, [&](Accounts& accounts, Output& out) { return verb(*choice, accounts, out); });
    };
  });
  return command;
}

void add_add(CLI::App& keys, const Choice& choice, Command& chosen) {
  CLI::App* command =
      add_verb(keys, "add", "Make a key and print it", choice, chosen,
               [](const KeysChoice& c, Accounts& a, Output& out) { return add(c, a, out); });
  KeyRequest& request = choice->request;
  command->add_option("name", request.name, "Whose key it is")->required();
  command->add_option("--requests-per-minute", request.limits.requests_per_minute, "0: no limit");
  command->add_option("--tokens-per-minute", request.limits.tokens_per_minute, "0: no limit");
  command->add_option("--concurrent", request.limits.concurrent, "Requests at once; 0: no limit");
  command->add_flag("--prepaid", request.prepaid, "Answers 402 when the balance is gone");
  command->add_option("--currency", request.currency, "What it pays with")->capture_default_str();
}

void add_money_verbs(CLI::App& keys, const Choice& choice, Command& chosen) {
  CLI::App* pay =
      add_verb(keys, "topup", "Add to the balance of a key", choice, chosen,
               [](const KeysChoice& c, Accounts& a, Output& out) { return top_up(c, a, out); });
  pay->add_option("id", choice->id, "The key's id, as `hadal keys list` shows it")->required();
  pay->add_option("amount", choice->amount, "Like 12.50")->required();
  pay->add_option("--reference", choice->reference, "The same reference counts only once");
  pay->add_flag("--grant", choice->grant, "A gift, shown apart from what was paid");

  CLI::App* price = add_verb(
      keys, "price", "Set what a million tokens, an image or a second of video costs", choice,
      chosen, [](const KeysChoice& c, Accounts& a, Output&) { return set_price(c, a); });
  price->add_option("class", choice->price_class, "hit, miss, output, image or video-second")
      ->required();
  price->add_option("amount", choice->amount, "Like 0.60")->required();
  price->add_option("--currency", choice->currency, "Of the price")->capture_default_str();
  price->add_option("--from", choice->from, "First second, counted from 1970 (default: always)");
  price->add_option("--until", choice->until, "First second after it (default: for ever)");
}

}  // namespace

Result<std::string> accounts_file(const std::string& folder) {
  const std::string named = named_folder(folder);
  if (named.empty()) return fail("no folder for the accounts; name one with --data or HADAL_DATA");
  std::error_code error;
  fs::create_directories(named, error);
  if (error) return fail_machine(printable(named), ": ", error.message());
  return named + "/accounts.db";
}

void add_keys(CLI::App& program, Command& chosen) {
  CLI::App* keys = program.add_subcommand("keys", "Who may use the server, and at what price");
  keys->require_subcommand(1);
  const Choice choice = std::make_shared<KeysChoice>();
  add_add(*keys, choice, chosen);
  add_verb(*keys, "list", "Keys, balances and prices", choice, chosen,
           [](const KeysChoice&, Accounts& a, Output& out) { return list(a, out); });
  CLI::App* revoke = add_verb(
      *keys, "revoke", "Make a key worthless for ever", choice, chosen,
      [](const KeysChoice& c, Accounts& a, Output&) { return a.revoke(c.id, std::time(nullptr)); });
  revoke->add_option("id", choice->id, "The key's id")->required();
  add_money_verbs(*keys, choice, chosen);
  keys->footer(
      "Examples:\n"
      "  hadal keys add ann --concurrent 4\n"
      "  hadal keys add shop --prepaid && hadal keys topup ID 20.00\n"
      "  hadal keys price output 0.60\n"
      "  hadal keys revoke ID");
}

}  // namespace hadal
