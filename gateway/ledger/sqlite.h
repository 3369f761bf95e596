// A thin RAII layer over SQLite's C API. Failures are thrown as SqliteFailure and never leave this
// folder; values are bound, never pasted into SQL.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

namespace jevons {

class SqliteFailure : public std::runtime_error {
 public:
  SqliteFailure(int code, const std::string& message) : std::runtime_error(message), code_(code) {}
  int code() const { return code_ & 0xff; }
  int extended() const { return code_; }
  // The disk said no to a sync: what it holds of the last writes is unknown, for good.
  bool is_sync_failure() const {
    return code_ == SQLITE_IOERR_FSYNC || code_ == SQLITE_IOERR_DIR_FSYNC;
  }
  bool is_corruption() const { return code() == SQLITE_CORRUPT || code() == SQLITE_NOTADB; }

 private:
  int code_;
};

class Database;

// A prepared statement. Bound text and blobs are not copied: they must outlive step() and reset().
class Statement {
 public:
  Statement() = default;
  Statement(const Database& database, std::string_view sql);

  Statement& bind(int index, std::int64_t value);
  Statement& bind(int index, double value);
  Statement& bind(int index, std::string_view text);
  Statement& bind_blob(int index, std::string_view bytes);
  Statement& bind_null(int index);

  bool step();  // true: a row is there; false: done
  void reset();
  void run();  // steps to the end and resets

  std::int64_t integer(int column) const;
  double real(int column) const;
  std::string_view text(int column) const;  // valid until the next step or reset
  std::string_view blob(int column) const;
  bool is_null(int column) const;
  std::string_view column_name(int column) const;
  int columns() const;

 private:
  void check(int code) const;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

class Database {
 public:
  enum class Mode { read_write, read_only };
  // `vfs` empty: the default one.
  Database(const std::string& path, Mode mode, const std::string& vfs = {});

  void run(const char* sql) const;  // one or more statements without values
  Statement prepare(std::string_view sql) const { return Statement(*this, sql); }
  std::int64_t integer(std::string_view sql) const;  // first column of the first row, 0 if none
  std::int64_t changes() const { return sqlite3_changes64(database_.get()); }
  sqlite3* handle() const { return database_.get(); }

 private:
  struct Close {
    void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
  };
  std::unique_ptr<sqlite3, Close> database_;
};

// Begins on construction, rolls back unless committed.
class Transaction {
 public:
  explicit Transaction(const Database& database, const char* begin = "BEGIN");
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  const Database& database_;
  bool open_ = true;
};

}  // namespace jevons
