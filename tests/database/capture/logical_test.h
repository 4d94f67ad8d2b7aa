// A ledger with sources of mode logical, and the reading of what their streams brought.
#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "capture/logical.h"
#include "ledger/reader.h"
#include "ledger/session_settings.h"
#include "support/test_ledger.h"

namespace pgtally::test {

using Texts = std::vector<std::string>;

class LogicalLedger : public TestSchema {
 public:
  LogicalLedger() = default;
  // Slots outlive a dropped database's sessions, and would keep it from being dropped.
  ~LogicalLedger() override {
    readers_.clear();
    connection_.reset();
    try {
      drop_slots(*this, database().name());
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
  }

  static void drop_slots(const Server& server, const std::string& database) {
    // A session that was just closed may still be seen at its slot for a moment.
    for (int attempt = 0; attempt < 100; ++attempt) {
      const std::string error = server.psql_error(
          "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots "
          "WHERE database = '" +
          database + "' AND NOT temporary");
      if (error.empty()) return;
      server.psql("SELECT pg_sleep(0.05)");
    }
    throw std::runtime_error("a replication slot of " + database + " cannot be dropped");
  }

  [[nodiscard]] Result<LogicalAdded> try_add(const std::string& name, const std::string& table,
                                             const std::vector<std::string>& key = {},
                                             const std::function<void(SourceRequest&)>& change = {},
                                             const LogicalAdding& adding = {}) {
    auto connection = connect();
    TRY(const Ledger ledger, Ledger::open(connection, schema()));
    SourceRequest request;
    request.name = name;
    request.table = table;
    request.key = key;
    request.mode = "logical";
    if (change) change(request);
    TRY(SourcePlan plan, plan_source(ledger, capture_modes(), request));
    TRY_VOID(complete_logical_plan(ledger, plan));
    warnings = plan.warnings;
    return add_logical_source(ledger, plan, adding);
  }
  void add(const std::string& name, const std::string& table,
           const std::vector<std::string>& key = {},
           const std::function<void(SourceRequest&)>& change = {}) {
    const auto added = must(try_add(name, table, key, change));
    EXPECT_EQ(added.unfinished, "");
  }

  // One step of each reader; readers live on until forget_readers().
  [[nodiscard]] Result<bool> step() {
    if (!connection_) {
      connection_ = std::make_unique<pg::Connection>(connect());
      ledger_ = std::make_unique<Ledger>(must(Ledger::open(*connection_, schema())));
    }
    if (readers_.empty()) readers_ = must(make_logical_readers(*ledger_));
    bool more = false;
    for (const auto& reader : readers_) {
      auto report = reader->step(*ledger_, std::chrono::milliseconds(50));
      if (!report.ok()) {
        must(ledger_->execute("ROLLBACK"));
        return std::move(report).error();
      }
      remarks.insert(remarks.end(), report->remarks.begin(), report->remarks.end());
      more = more || report->may_have_more;
    }
    return more;
  }
  // As if the process were killed: nothing is told to anybody.
  void forget_readers() {
    readers_.clear();
    ledger_.reset();
    connection_.reset();
  }
  // Everything that is committed by now, in the log.
  void read_all() {
    forget_readers();
    for (int n = 0; n < 2000; ++n) {
      if (!must(step())) {
        drain();
        return;
      }
    }
    throw std::runtime_error("2,000 steps, and there is still something to read");
  }

  // "operation key" of a source's entries, in the order of the log.
  [[nodiscard]] Texts entries(const std::string& source) const {
    return lines(psql(
        "SELECT (ARRAY['insert', 'update', 'delete', 'truncate', 'define'])[operation] || "
        "CASE WHEN key = '' THEN '' ELSE ' ' || convert_from(substr(key, 3), 'UTF8') END "
        "FROM pgtally.processed_log WHERE operation <= 4 AND source_id = (SELECT source_id FROM "
        "pgtally.source WHERE name = '" +
        source + "') ORDER BY id"));
  }
  [[nodiscard]] std::string count(const std::string& source, int operation) const {
    return psql("SELECT count(*) FROM pgtally.processed_log WHERE operation = " +
                std::to_string(operation) +
                " AND source_id = (SELECT source_id FROM "
                "pgtally.source WHERE name = '" +
                source + "')");
  }
  [[nodiscard]] std::string state(const std::string& source) const {
    auto connection = connect();
    const Ledger ledger = must(Ledger::open(connection, schema()));
    return must(find_source(ledger, source)).state;
  }

  Texts warnings;  // of the last plan
  Texts remarks;   // of all readers

 private:
  std::unique_ptr<pg::Connection> connection_;
  std::unique_ptr<Ledger> ledger_;
  Readers readers_;
};

}  // namespace pgtally::test
