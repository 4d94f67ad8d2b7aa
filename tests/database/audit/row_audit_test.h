// Auditing the rows of a test's ledger, with a log pass that only reads.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "audit/audit.h"
#include "audit/ledger_audit_log.h"
#include "pgtally/definition.h"
#include "pgtally/entry.h"
#include "support/test_ledger.h"

namespace pgtally::test {

struct AuditedRows {
  LogOutcome log;
  std::vector<SourceReport> sources;

  // "changed p 1", columns of a key separated by '|', sorted.
  [[nodiscard]] std::vector<std::string> findings() const {
    std::vector<std::string> out;
    for (const Finding& finding : log.findings.listed()) {
      std::string text = std::string(name_of(finding.kind)) + " " + finding.source;
      for (std::size_t i = 0; i < finding.key.size(); ++i) {
        text += (i == 0 ? " " : "|") + finding.key[i];
      }
      out.push_back(std::move(text));
    }
    std::sort(out.begin(), out.end());
    return out;
  }
  [[nodiscard]] const SourceReport& source(const std::string& name) const {
    for (const SourceReport& report : sources) {
      if (report.name == name) return report;
    }
    throw std::runtime_error("no report of source " + name);
  }
  // Of all sources, one after the other, with reason and keys: "x: it is paused: 7 8".
  [[nodiscard]] std::string undecided() const {
    std::string out;
    for (const SourceReport& report : sources) {
      if (report.undecided == 0) continue;
      out += (out.empty() ? "" : "; ") + report.name + ": " + report.undecided_because + ":";
      std::vector<std::string> keys;
      for (const auto& key : report.undecided_keys) keys.push_back(key.empty() ? "" : key[0]);
      std::sort(keys.begin(), keys.end());
      for (const std::string& key : keys) out += " " + key;
    }
    return out;
  }
};

// Within the transaction that `ledger` is in.
inline AuditedRows audit_rows_within(const Ledger& ledger, const AuditOptions& options,
                                     SideSessions* sides = nullptr) {
  AuditedRows out;
  const auto log = must(LedgerAuditLog::open(ledger, sides));
  const auto rows = must(rows_of_ledger(ledger, *log, options, sides));
  out.log.size = log->size();
  must(log->read_each(
      {}, LeafIndex{log->size().value}, [&](LeafIndex id, ByteView bytes) -> Result<void> {
        TRY(const Entry entry, decode_entry(bytes));
        if (entry.source != kLedgerSource) {
          LoggedSource& source = out.log.sources[entry.source];
          source.name = entry.source;
          ++source.entries;
          if (entry.operation == Operation::kDefine) {
            TRY(const auto text, log->document(entry.content_hash));
            TRY(source.definitions[entry.definition], decode_source_definition(text));
          }
        }
        return rows->visit({id, entry, false});
      }));
  out.sources = must(rows->compare(out.log));
  return out;
}

inline AuditedRows audit_rows(const Server& server, AuditOptions options = {},
                              const std::string& schema = "pgtally") {
  auto connection = connect(server.conninfo());
  const Ledger ledger = must(Ledger::open(connection, schema));
  SideSessions sides = must(SideSessions::begin(connection));
  AuditedRows out = audit_rows_within(ledger, options, &sides);
  must(connection.execute("ROLLBACK"));
  return out;
}

// Without waiting for anything.
inline AuditOptions at_once() {
  AuditOptions options;
  options.wait = std::chrono::milliseconds(0);
  return options;
}

}  // namespace pgtally::test
