// SPDX-License-Identifier: MIT
// SQLite with the house's errors.
#include "serve/database.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace hadal {
namespace {

// Another process (`hadal keys`) holds the writer's lock for milliseconds; ten seconds is a hang.
constexpr int kBusyMs = 10'000;

Error database_error(sqlite3* database) {
  return fail_machine("accounts: ", database ? sqlite3_errmsg(database) : "out of memory");
}

// SQLite gives its journal files the mode of the database.
Status make_private_file(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return fail_machine(path, ": ", std::strerror(errno));
  ::close(file);
  return Ok{};
}

}  // namespace

void Statement::Finalizer::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

void Statement::bind(int place, int64_t value) {
  const int code = sqlite3_bind_int64(statement_.get(), place, value);
  CHECK(code == SQLITE_OK, "place ", place);
}

void Statement::bind(int place, std::string_view text) {
  const int code = sqlite3_bind_text64(statement_.get(), place, text.data(), text.size(),
                                       SQLITE_TRANSIENT, SQLITE_UTF8);
  CHECK(code == SQLITE_OK, "place ", place);
}

void Statement::bind_blob(int place, std::string_view bytes) {
  const int code =
      sqlite3_bind_blob64(statement_.get(), place, bytes.data(), bytes.size(), SQLITE_TRANSIENT);
  CHECK(code == SQLITE_OK, "place ", place);
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return database_error(sqlite3_db_handle(statement_.get()));
}

Status Statement::run() {
  TRY([[maybe_unused]] const bool row, step());
  return Ok{};
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

std::string Statement::text(int column) const {
  const void* bytes = sqlite3_column_blob(statement_.get(), column);
  const int count = sqlite3_column_bytes(statement_.get(), column);
  return bytes ? std::string(static_cast<const char*>(bytes), static_cast<size_t>(count))
               : std::string();
}

void Database::Closer::operator()(sqlite3* database) const {
  sqlite3_close_v2(database);
}

Result<Database> Database::open(const std::string& path) {
  TRY_STATUS(make_private_file(path));
  sqlite3* handle = nullptr;
  const int code =
      sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  Database database(handle);
  if (code != SQLITE_OK) return fail_machine(path, ": ", database_error(handle).message);
  sqlite3_busy_timeout(handle, kBusyMs);
  if (Status status = database.run("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                                   "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;");
      !status)
    return fail_machine(path, ": ", status.error().message);
  return database;
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v2(database_.get(), sql.data(), static_cast<int>(sql.size()),
                                      &statement, nullptr);
  if (code != SQLITE_OK) return database_error(database_.get());
  return Statement(statement);
}

Status Database::run(const char* sql) {
  const int code = sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return database_error(database_.get());
  return Ok{};
}

int64_t Database::changes() const {
  return sqlite3_changes64(database_.get());
}

Result<Transaction> Transaction::begin(Database& database) {
  TRY_STATUS(database.run("BEGIN IMMEDIATE"));
  return Transaction(database);
}

Transaction::Transaction(Transaction&& other) noexcept
    : database_(std::exchange(other.database_, nullptr)) {}

Transaction::~Transaction() {
  if (!database_) return;
  const Status status = database_->run("ROLLBACK");
  (void)status;  // after an error SQLite may have rolled back already
}

Status Transaction::commit() {
  TRY_STATUS(database_->run("COMMIT"));
  database_ = nullptr;
  return Ok{};
}

}  // namespace hadal
