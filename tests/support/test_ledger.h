// A ledger in a database of its own, for tests of what happens inside the database.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "capture/modes.h"
#include "format/signing_key.h"
#include "ledger/ledger.h"
#include "ledger/registry.h"
#include "ledger/schema.h"
#include "ledger/source_plan.h"
#include "pgtally/result.h"
#include "postgres/connection.h"
#include "support/test_database.h"

namespace pgtally::test {

// The value, or an exception that fails the test with the error's text.
template <typename T>
T must(Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.error().message + "\n" + result.error().hint);
  return std::move(result).value();
}
inline void must(Result<void> result) {
  if (!result.ok()) throw std::runtime_error(result.error().message + "\n" + result.error().hint);
}
template <typename T>
Error error_of(const Result<T>& result) {
  if (result.ok()) throw std::runtime_error("this should have failed");
  return result.error();
}

inline pg::Connection connect(const std::string& conninfo) {
  return must(pg::Connection::open(conninfo));
}

// One column of a result, as text.
inline std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

// The schema alone, with a guard id that is nobody's; takes rows through process_next_batch().
class TestSchema : public Server {
 public:
  explicit TestSchema(const std::string& origin = "test.example/log",
                      const std::string& schema = "pgtally")
      : origin_(origin), schema_(schema) {
    auto connection = test::connect(database_.conninfo());
    InitRequest request;
    request.definition.origin = origin;
    request.definition.vkey = key().verifier().text();
    request.schema = schema;
    const std::string script = must(init_script(connection, request));
    must(connection.execute("BEGIN; " + script + "COMMIT"));
  }

  [[nodiscard]] std::string conninfo() const override { return database_.conninfo(); }
  [[nodiscard]] const TestDatabase& database() const { return database_; }
  [[nodiscard]] const std::string& schema() const { return schema_; }
  // The key that the ledger names; whoever wants signs with it.
  [[nodiscard]] SigningKey key() const { return must(SigningKey::from_seed(origin_, {1, 2, 3})); }
  [[nodiscard]] pg::Connection connect() const { return test::connect(conninfo()); }

  // Adds a source over a table, with what `change` does to the request. Where that names no mode, it
  // is xid or poll, which process_next_batch() serves alone.
  void add_source(const std::string& name, const std::string& table,
                  const std::vector<std::string>& key,
                  const std::function<void(SourceRequest&)>& change = {}) const {
    must(try_add_source(name, table, key, change));
  }
  [[nodiscard]] Result<void> try_add_source(
      const std::string& name, const std::string& table, const std::vector<std::string>& key,
      const std::function<void(SourceRequest&)>& change = {}) const {
    auto connection = connect();
    TRY(const Ledger ledger, Ledger::open(connection, schema_));
    SourceRequest request;
    request.name = name;
    request.table = table;
    request.key = key;
    if (change) change(request);
    const std::array<const CaptureMode*, 2> served{&xid_mode(), &poll_mode()};
    const CaptureModes modes = request.mode.empty() ? CaptureModes(served) : capture_modes();
    TRY(const SourcePlan plan, plan_source(ledger, modes, request));
    return pgtally::add_source(ledger, plan);
  }

  // CREATE TABLE with what mode xid needs: `columns` come between the key "id bigint" and xid.
  void create_xid_table(const std::string& table, const std::string& columns = "") const {
    psql("CREATE TABLE " + table + " (id bigint PRIMARY KEY, " + columns +
         " xid xid8 NOT NULL DEFAULT pg_current_xact_id());"
         "ALTER TABLE " +
         table +
         " ADD CHECK (xid = pg_current_xact_id()) NOT VALID;"
         "CREATE INDEX ON " +
         table + " (xid, id)");
  }

  std::int64_t take(int max_rows = 10000) const {
    return std::stoll(
        psql("SELECT " + schema_ + ".process_next_batch(" + std::to_string(max_rows) + ")"));
  }
  // Until a batch finds nothing; returns how many rows came.
  std::int64_t drain(int max_rows = 10000) const {
    std::int64_t all = 0;
    for (int batch = 0; batch < 2000; ++batch) {
      const std::int64_t taken = take(max_rows);
      if (taken == 0) return all;
      all += taken;
    }
    throw std::runtime_error("2,000 batches, and there is still something new");
  }
  // A sweep from where it stands to its end, with everything that it found taken.
  void sweep(const std::string& source, int window = 10000) const {
    while (psql("SELECT done FROM " + schema_ + ".sweep_step((SELECT source_id FROM " + schema_ +
                ".source WHERE name = '" + source + "'), " + std::to_string(window) + ")") != "t") {
    }
    drain();
  }

  // The keys of a source's entries in the order of the log; columns are separated by '|'.
  [[nodiscard]] std::vector<std::string> keys_of(const std::string& source) const {
    return lines(psql("SELECT convert_from(substr(key, 3), 'UTF8') FROM " + schema_ +
                      ".processed_log WHERE operation = 1 AND source_id = (SELECT source_id FROM " +
                      schema_ + ".source WHERE name = '" + source + "') ORDER BY id"));
  }
  // "name key" of all rows from the beginning of the log.
  [[nodiscard]] std::vector<std::string> rows() const {
    return lines(psql("SELECT s.name || ' ' || convert_from(substr(p.key, 3), 'UTF8') FROM " +
                      schema_ + ".processed_log AS p JOIN " + schema_ +
                      ".source AS s USING (source_id) WHERE p.operation = 1 ORDER BY p.id"));
  }

  // Empty, or what is wrong with the numbering of the log.
  [[nodiscard]] std::string gaps() const {
    return psql(
        "SELECT format('id %s, expected %s; ordinal %s of source %s, expected %s', id, "
        "expected_id, ordinal, source_id, expected_ordinal) FROM (SELECT *, "
        "row_number() OVER (ORDER BY id) - 1 AS expected_id, "
        "row_number() OVER (PARTITION BY source_id ORDER BY id) - 1 AS expected_ordinal, "
        "lag(sequenced_at) OVER (ORDER BY id) > sequenced_at AS back FROM " +
        schema_ +
        ".processed_log) AS p WHERE id <> expected_id OR ordinal <> expected_ordinal OR back");
  }

 private:
  TestDatabase database_;
  std::string origin_;
  std::string schema_;
};

// Makes `to` a copy of `from`, as a restored backup would be. Neither may have open sessions.
inline void copy_database(const TestDatabase& from, const TestDatabase& to) {
  const TestDatabase outside;
  outside.psql("DROP DATABASE " + to.name());
  outside.psql("CREATE DATABASE " + to.name() + " TEMPLATE " + from.name());
}

}  // namespace pgtally::test
