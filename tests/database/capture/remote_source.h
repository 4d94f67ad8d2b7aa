// A ledger and another database of the same cluster, whose tables are its sources.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "capture/readers.h"
#include "support/test_ledger.h"

namespace pgtally::test {

class RemoteSourceTest {
 public:
  RemoteSourceTest() = default;
  // Where the tables are, if not in a database of the shared cluster.
  explicit RemoteSourceTest(const Server& elsewhere) : there_(&elsewhere) {}

  [[nodiscard]] const TestSchema& ledger() const { return ledger_; }
  [[nodiscard]] const Server& there() const { return there_ ? *there_ : database_; }
  std::string psql(const std::string& sql) const { return there().psql(sql); }

  void add(const std::string& name, const std::vector<std::string>& key,
           const std::function<void(SourceRequest&)>& change = {}) const {
    must(try_add(name, key, change));
  }
  [[nodiscard]] Result<void> try_add(const std::string& name, const std::vector<std::string>& key,
                                     const std::function<void(SourceRequest&)>& change = {}) const {
    return ledger_.try_add_source(name, "public." + name, key, [&](SourceRequest& request) {
      request.database = there().conninfo();
      request.blind = false;
      if (change) change(request);
    });
  }

  void create_xid_table(const std::string& name) const {
    psql("CREATE TABLE " + name +
         " (id bigserial PRIMARY KEY, note text,"
         " xid xid8 NOT NULL DEFAULT pg_current_xact_id());"
         "ALTER TABLE " +
         name + " ADD CHECK (xid = pg_current_xact_id()) NOT VALID; CREATE INDEX ON " + name +
         " (xid, id)");
  }

  // One step of each reader, which are made anew and dropped again. The first error, if any.
  [[nodiscard]] Result<std::uint64_t> try_step() const {
    auto connection = ledger_.connect();
    TRY(const Ledger opened, Ledger::open(connection, "pgtally"));
    TRY(const Readers readers, make_readers(opened));
    std::uint64_t staged = 0;
    for (const auto& reader : readers) {
      TRY(const ReaderStep step, reader->step(opened, std::chrono::milliseconds(0)));
      staged += step.staged;
    }
    return staged;
  }
  // Steps until nothing is new, and everything numbered.
  void read() const {
    auto connection = ledger_.connect();
    const Ledger opened = must(Ledger::open(connection, "pgtally"));
    must(opened.execute("SET pgtally_session.probe_all_holes = on"));
    const Readers readers = must(make_readers(opened));
    for (const auto& reader : readers) {
      for (int step = 0; step < 10'000; ++step) {
        const ReaderStep done = must(reader->step(opened, std::chrono::milliseconds(0)));
        if (done.staged == 0 && !done.may_have_more) break;
      }
    }
    ledger_.drain();
  }
  [[nodiscard]] std::vector<std::string> keys_of(const std::string& source) const {
    return ledger_.keys_of(source);
  }
  // A pass over the whole table of a source.
  void sweep(const std::string& source) const;

  // "" or what differs between the keys of a table and those of the log.
  [[nodiscard]] std::string differences(const std::string& source) const;

 private:
  TestSchema ledger_;
  TestDatabase database_;
  const Server* there_ = nullptr;
};

}  // namespace pgtally::test
