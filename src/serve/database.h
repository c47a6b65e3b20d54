// SPDX-License-Identifier: MIT
// SQLite with the house's errors: a file, statements, transactions.
//
//   TRY(Database database, Database::open(path));
//   TRY(Statement statement, database.prepare("SELECT name FROM keys WHERE id = ?"));
//   statement.bind(1, id);
//   TRY(bool found, statement.step());
//
// Journal in WAL mode and synced at every commit, so that kill -9 and a power cut leave whole
// transactions.  The file is readable by its owner alone.  One thread at a time for a Database and
// its statements.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace hadal {

class Statement {
 public:
  void bind(int place, int64_t value);
  void bind(int place, std::string_view text);
  void bind_blob(int place, std::string_view bytes);
  // True: a row is there to be read.
  Result<bool> step();
  // For statements that give no rows.
  Status run();

  bool is_null(int column) const;
  int64_t integer(int column) const;
  std::string text(int column) const;  // or a blob's bytes

 private:
  friend class Database;
  struct Finalizer {
    void operator()(sqlite3_stmt* statement) const;
  };
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
  std::unique_ptr<sqlite3_stmt, Finalizer> statement_;
};

class Database {
 public:
  static Result<Database> open(const std::string& path);

  Result<Statement> prepare(std::string_view sql);
  // One or several statements without values.
  Status run(const char* sql);
  int64_t changes() const;  // rows that the last statement changed

 private:
  struct Closer {
    void operator()(sqlite3* database) const;
  };
  explicit Database(sqlite3* database) : database_(database) {}
  std::unique_ptr<sqlite3, Closer> database_;
};

// BEGIN IMMEDIATE, and ROLLBACK at the end of its life unless committed.
class Transaction {
 public:
  static Result<Transaction> begin(Database& database);
  ~Transaction();
  Transaction(Transaction&& other) noexcept;
  Transaction& operator=(Transaction&&) = delete;
  Status commit();

 private:
  explicit Transaction(Database& database) : database_(&database) {}
  Database* database_;  // null: committed or moved from
};

}  // namespace hadal
