// A ledger with one source in mode trigger, and short ways to look at what its triggers recorded.
#pragma once

#include <string>
#include <vector>

#include "pgtally/document.h"
#include "support/test_ledger.h"

namespace pgtally::test {

class TriggerLedger : public TestSchema {
 public:
  TriggerLedger() : TestSchema("trigger.example/log") {}

  // Content hashes as they are, so that they can be compared.
  void add(const std::string& table, bool track_changes, const std::string& key = "id",
           const std::function<void(SourceRequest&)>& change = {}) const {
    must(try_add(table, track_changes, key, change));
  }
  [[nodiscard]] Result<void> try_add(const std::string& table, bool track_changes,
                                     const std::string& key = "id",
                                     const std::function<void(SourceRequest&)>& change = {}) const {
    return try_add_source(table, table, {key}, [&](SourceRequest& request) {
      request.mode = "trigger";
      request.track_changes = track_changes;
      request.blind = false;
      if (change) change(request);
    });
  }

  // "i 1" or "u 2", "d 3", "t", in the order of the log; takes what waits before.
  [[nodiscard]] std::vector<std::string> entries(const std::string& source = "a") const {
    drain();
    return lines(
        psql("SELECT substr('iudt', operation, 1) || CASE WHEN key = '' THEN '' ELSE ' ' || "
             "convert_from(substr(key, 3), 'UTF8') END FROM pgtally.processed_log JOIN "
             "pgtally.source USING (source_id) WHERE operation <= 4 AND name = '" +
             source + "' ORDER BY id"));
  }
  // Events of the notices in the log, each of which has to be a document.
  [[nodiscard]] std::vector<std::string> notices() const {
    std::vector<std::string> events;
    for (const std::string& text :
         lines(psql("SELECT convert_from(data, 'UTF8') FROM pgtally.processed_log "
                    "WHERE operation = 6 ORDER BY id"))) {
      const Document document = must(Document::parse(text));
      for (const auto& [name, value] : *document.as_object()) {
        if (name == "event") events.push_back(*value.as_string());
      }
    }
    return events;
  }
  // Rows that a statement staged, without taking them.
  [[nodiscard]] std::string staged() const {
    return psql("SELECT count(*) FROM pgtally.append_only_log");
  }
  // The state of the source and its error.
  [[nodiscard]] SourceInfo info(const std::string& source = "a") const {
    auto connection = connect();
    const Ledger ledger = must(Ledger::open(connection, "pgtally"));
    return must(find_source(ledger, source));
  }
  void run(const std::string& script) const {
    auto connection = connect();
    const Ledger ledger = must(Ledger::open(connection, "pgtally"));
    must(run_script(ledger, script));
  }
  void pause(bool paused) const {
    auto connection = connect();
    const Ledger ledger = must(Ledger::open(connection, "pgtally"));
    must(run_script(ledger, pause_script(ledger, must(find_source(ledger, "a")), paused)));
  }
  void remove() const {
    auto connection = connect();
    const Ledger ledger = must(Ledger::open(connection, "pgtally"));
    must(run_script(ledger, remove_script(ledger, must(find_source(ledger, "a")))));
  }
};

using Lines = std::vector<std::string>;

}  // namespace pgtally::test
