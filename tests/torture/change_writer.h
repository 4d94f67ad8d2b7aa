// One of the writers of all_modes: a session in each database, and a list of what it did.
//
// Its transactions write to any of the tables of one database, around savepoints and PL/pgSQL blocks
// that are rolled back; some take seconds, some are rolled back, some are prepared and decided on
// later. Keys are the sequence's, or of a stock of 20 that were drawn together and are used one by one.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "pgtally/entry.h"
#include "postgres/connection.h"
#include "postgres/params.h"
#include "torture/source_tables.h"
#include "torture/truth.h"

namespace pgtally::torture {

struct WrittenChange {
  ChangeId id;
  Operation operation = Operation::kInsert;
  std::string body;       // none of a delete
  bool in_order = false;  // where the log has to keep the writer's order
};

enum class Outcome { kCommitted, kInDoubt };

struct WrittenTransaction {
  std::string name;
  Place place = Place::kHome;
  Outcome outcome = Outcome::kCommitted;
  std::vector<WrittenChange> changes;
};

struct ChangeRecord {
  std::vector<WrittenTransaction> transactions;  // those that were not rolled back for certain
  std::uint64_t rolled_back = 0;                 // by the writer itself
  std::uint64_t failed = 0;  // statements refused, sessions lost before COMMIT was sent
  std::uint64_t prepared = 0;
  std::uint64_t prepared_rolled_back = 0;
  std::uint64_t long_ones = 0;
  std::uint64_t savepoints = 0;
  std::uint64_t exceptions = 0;
  std::uint64_t late_keys = 0;  // rows whose key was drawn in a transaction long before
};

class ChangeWriter {
 public:
  // Until `settled`, which says that all tables are sources by now, rows are only inserted, and no
  // transaction is long or prepared: adding a source waits for those that are open.
  ChangeWriter(const Databases& databases, const std::vector<SourceTable>& tables,
               std::size_t number, const std::atomic<bool>& settled, ChangeRecord& record);

  // One transaction, or a decision on one that is prepared; how many changes it committed.
  [[nodiscard]] Result<std::uint64_t> transact();
  // Uses the keys that are left, and decides on all that is prepared.
  [[nodiscard]] Result<void> finish();

 private:
  struct Statement {
    const SourceTable* table;
    Operation operation;
    std::string body;
    std::string sql;  // returns id, version, and the id that the row had before
    bool own_key;     // of the stock
  };
  struct Prepared {
    WrittenTransaction transaction;
    bool commits;
  };

  int below(int n) { return std::uniform_int_distribution<int>(0, n - 1)(random_); }
  [[nodiscard]] std::string next_body();
  [[nodiscard]] Result<pg::Connection*> session(Place place);
  [[nodiscard]] Result<void> write_some(int most);
  [[nodiscard]] Result<void> write(const SourceTable& table);
  [[nodiscard]] Result<Statement> plan(const SourceTable& table);
  [[nodiscard]] Statement plan_insert(const SourceTable& table, std::optional<std::int64_t> key,
                                      std::int64_t version = 1);
  [[nodiscard]] Result<void> carry_out(const Statement& statement, const std::string& sql,
                                       const pg::Params& params);
  [[nodiscard]] Result<std::optional<std::int64_t>> key_from_stock(const SourceTable& table);
  [[nodiscard]] Result<std::uint64_t> end();
  [[nodiscard]] Result<std::uint64_t> prepare();
  [[nodiscard]] Result<std::uint64_t> decide();
  std::uint64_t keep(Outcome outcome);

  const Databases& databases_;
  const std::vector<SourceTable>& tables_;
  std::size_t number_;
  const std::atomic<bool>& settled_;
  ChangeRecord& record_;
  std::mt19937_64 random_;
  std::map<Place, pg::Connection> sessions_;
  std::map<std::string, std::vector<std::int64_t>> stock_;
  std::map<std::string, std::int64_t> newest_;  // key of each table that this writer has seen
  std::vector<Prepared> prepared_;
  std::uint64_t transaction_number_ = 0;
  std::uint64_t row_number_ = 0;

  // Of the transaction that runs.
  pg::Connection* connection_ = nullptr;
  bool is_settled_ = false;  // began when all tables were sources already
  WrittenTransaction now_;
};

}  // namespace pgtally::torture
