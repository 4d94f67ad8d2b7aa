// More than one cluster: dumps restored into another, standbys, and what has to hold afterwards.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "postgres/subprocess.h"
#include "support/service_ledger.h"

namespace pgtally::test {

using ClusterLedger = ServiceLedger<TestCluster>;

// Runs a program of PostgreSQL; throws with what it printed if it fails.
void run_postgres(const std::string& program, const std::vector<std::string>& arguments,
                  const pg::OsUser& user = pg::OsUser::current());

// pg_dump and pg_restore of the database that conninfo() names, in the custom format.
void dump(const Server& from, const std::string& file);
void restore(const std::string& file, const Server& to, std::vector<std::string> options = {});

// Uses up transaction ids, as another cluster would have by its own work.
void burn_xids(const Server& server, int count);

// A real streaming standby of a cluster, until it is promoted.
class Standby : public Server {
 public:
  explicit Standby(const TestCluster& primary);
  ~Standby() override;
  Standby(const Standby&) = delete;
  Standby& operator=(const Standby&) = delete;

  [[nodiscard]] std::string conninfo() const override;
  // Until everything that the primary has written so far is replayed here.
  void catch_up(const Server& primary) const;
  // What the primary writes from now on does not come here any more.
  void disconnect() const;
  void promote() const;

 private:
  TestDirectory directory_{"/tmp"};
  pg::OsUser user_;
};

// Adds a source of one of the capture modes over `table`, whose key is the column id.
void add_source(const Server& ledger, const std::string& table, const std::string& mode);
// Sweeps a source from where it stands to its end.
void sweep(const Server& ledger, const std::string& source);

// Tables `paid` (mode xid), `seen` (mode poll) and `told` (mode trigger), all of them sources.
void create_sources(const Server& ledger);

// Three rows in each of them and in staging, by each of so many transactions.
void write(const Server& server, int transactions);

// Some rows recorded, some not, a round half taken, holes that are still looked into, and a
// transaction that has written and never commits.
void work(const ClusterLedger& ledger);

// "" if every row of the tables and of staging is in the log exactly once, nothing else is, the
// numbering has no gap, and the tree is that of the log; otherwise what is wrong. Rows of staging
// must not have been pruned.
[[nodiscard]] std::string what_is_wrong(const Server& ledger);

// A session with a transaction open, for statements one by one.
class OpenTransaction {
 public:
  explicit OpenTransaction(const Server& server) : connection_(connect(server.conninfo())) {
    must(connection_.execute("BEGIN"));
  }
  void execute(const std::string& sql) { must(connection_.execute(sql)); }
  void commit() { must(connection_.execute("COMMIT")); }

 private:
  pg::Connection connection_;
};

}  // namespace pgtally::test
