#include "clusters.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>
#include <thread>
#include <tuple>

#include "capture/modes.h"
#include "ledger/rebuild.h"
#include "ledger/registry.h"
#include "ledger/source_plan.h"
#include "ledger/sweeper.h"
#include "postgres/server_programs.h"

namespace pgtally::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPort = "5433";

void await(const std::string& what, const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) throw std::runtime_error("no " + what);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

// As root, servers run as another user.
pg::OsUser server_user() {
  return geteuid() == 0 ? must(pg::OsUser::by_name("postgres")) : pg::OsUser::current();
}

Ledger open_ledger(pg::Connection& connection) {
  return must(Ledger::open(connection, "pgtally"));
}

// Rows of `table` that are not in the log once, and entries of the source without a row.
std::string compare(const Server& ledger, const std::string& table, const std::string& source) {
  return ledger.psql(
      "SELECT string_agg(format('%s %s: %s times', '" + source +
      "', coalesce(t.id::text, l.key), coalesce(l.n, 0)), '; ' ORDER BY t.id) FROM "
      "(SELECT id, id::text AS key FROM " +
      table +
      ") AS t FULL JOIN (SELECT convert_from(substr(p.key, 3), 'UTF8') AS key, "
      "count(*) AS n FROM pgtally.processed_log AS p JOIN pgtally.source AS s USING "
      "(source_id) WHERE s.name = '" +
      source +
      "' AND p.operation = 1 GROUP BY 1) AS l USING (key) WHERE l.n IS DISTINCT FROM "
      "1 OR t.id IS NULL");
}

}  // namespace

void run_postgres(const std::string& program, const std::vector<std::string>& arguments,
                  const pg::OsUser& user) {
  const fs::path programs = must(pg::find_server_programs(15));
  const TestDirectory directory;
  const std::string output = directory.path() / "output";
  const pg::File file(open(output.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
  std::vector<std::string> all{programs / program};
  all.insert(all.end(), arguments.begin(), arguments.end());
  const int status =
      must(pg::run({.arguments = all, .user = user, .output = file.get(), .input = {}}));
  if (status != 0) throw std::runtime_error(program + " failed: " + content_of(output));
}

void dump(const Server& from, const std::string& file) {
  run_postgres("pg_dump", {"--format=custom", "--file=" + file, "--dbname=" + from.conninfo()});
}

void restore(const std::string& file, const Server& to, std::vector<std::string> options) {
  options.insert(options.end(), {"--exit-on-error", "--dbname=" + to.conninfo(), file});
  run_postgres("pg_restore", options);
}

void burn_xids(const Server& server, int count) {
  server.psql("DO $$ BEGIN PERFORM set_config('synchronous_commit', 'off', false); FOR i IN 1.." +
              std::to_string(count) +
              " LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$");
}

Standby::Standby(const TestCluster& primary) : user_(server_user()) {
  const fs::path data = directory_.path() / "data";
  if (chown(directory_.path().c_str(), user_.uid, user_.gid) != 0) {
    throw std::runtime_error("cannot give the directory of a standby away");
  }
  run_postgres("pg_basebackup",
               {"--pgdata=" + data.string(), "--write-recovery-conf", "--checkpoint=fast",
                "--dbname=" + primary.conninfo()},
               user_);
  std::string options = "--options=-c listen_addresses='' -c port=" + std::string(kPort) +
                        " -c unix_socket_directories=" + directory_.path().string();
  for (const auto& [name, value] : shared_cluster_settings()) {
    options += " -c " + name + "=" + value;
  }
  run_postgres("pg_ctl",
               {"start", "--wait", "--pgdata=" + data.string(),
                "--log=" + (directory_.path() / "log").string(), options},
               user_);
}

Standby::~Standby() {
  try {
    run_postgres("pg_ctl",
                 {"stop", "--mode=immediate", "--pgdata=" + (directory_.path() / "data").string()},
                 user_);
  } catch (const std::exception&) {
    std::ignore = this;  // it never ran
  }
}

std::string Standby::conninfo() const {
  return "host=" + directory_.path().string() + " port=" + kPort + " user=postgres dbname=pgtally";
}

void Standby::catch_up(const Server& primary) const {
  const std::string lsn = primary.psql("SELECT pg_current_wal_insert_lsn()");
  // What is not flushed is not sent.
  primary.psql("SELECT pg_switch_wal()");
  await("replay of " + lsn,
        [&] { return psql("SELECT pg_last_wal_replay_lsn() >= '" + lsn + "'") == "t"; });
}

void Standby::disconnect() const {
  psql("ALTER SYSTEM SET primary_conninfo = ''");
  psql("SELECT pg_reload_conf()");
  await("end of streaming",
        [&] { return psql("SELECT count(*) FROM pg_stat_wal_receiver") == "0"; });
}

void Standby::promote() const {
  psql("SELECT pg_promote(true)");
  await("promotion", [&] { return psql("SELECT pg_is_in_recovery()") == "f"; });
}

void add_source(const Server& ledger, const std::string& table, const std::string& mode) {
  auto connection = connect(ledger.conninfo());
  const Ledger opened = open_ledger(connection);
  SourceRequest request;
  request.name = table;
  request.table = "public." + table;
  request.key = {"id"};
  request.mode = mode;
  must(pgtally::add_source(opened, must(plan_source(opened, capture_modes(), request))));
}

void sweep(const Server& ledger, const std::string& source) {
  auto connection = connect(ledger.conninfo());
  const Ledger opened = open_ledger(connection);
  const std::int32_t id = must(find_source(opened, source)).id;
  while (!must(sweep_window(opened, id)).done) {
  }
}

void create_sources(const Server& ledger) {
  ledger.psql(
      "CREATE TABLE paid (id bigserial PRIMARY KEY, note text,"
      " xid xid8 NOT NULL DEFAULT pg_current_xact_id());"
      "ALTER TABLE paid ADD CHECK (xid = pg_current_xact_id()) NOT VALID;"
      "CREATE INDEX ON paid (xid, id);"
      "CREATE TABLE seen (id bigserial PRIMARY KEY, note text);"
      "CREATE TABLE told (id bigserial PRIMARY KEY, note text)");
  add_source(ledger, "paid", "xid");
  add_source(ledger, "seen", "poll");
  add_source(ledger, "told", "trigger");
}

void write(const Server& server, int transactions) {
  for (int i = 0; i < transactions; ++i) {
    server.psql(
        "INSERT INTO paid (note) SELECT 'n' FROM generate_series(1, 3);"
        "INSERT INTO seen (note) SELECT 'n' FROM generate_series(1, 3);"
        "INSERT INTO told (note) SELECT 'n' FROM generate_series(1, 3);"
        "INSERT INTO pgtally.append_only_log (data) SELECT 'n' FROM generate_series(1, 3)");
  }
}

void work(const ClusterLedger& ledger) {
  const Server& server = ledger.database();
  write(server, 10);
  must(ledger.run_once());
  OpenTransaction open(server);
  open.execute("INSERT INTO paid (note) VALUES ('open')");
  open.execute("INSERT INTO seen (note) VALUES ('open'), ('open')");
  open.execute("INSERT INTO told (note) VALUES ('open')");
  open.execute("INSERT INTO pgtally.append_only_log (data) VALUES ('open')");
  write(server, 20);
  server.psql("SELECT pgtally.process_next_batch(20)");
  server.psql("SELECT pgtally.process_next_batch(20)");
  if (server.psql("SELECT upto IS NOT NULL FROM pgtally.round ORDER BY round_id DESC LIMIT 1") !=
          "t" ||
      server.psql("SELECT count(*) FROM pgtally.hole") == "0") {
    throw std::runtime_error("there is no open round, or no hole");
  }
}

std::string what_is_wrong(const Server& ledger) {
  std::string wrong =
      compare(ledger, "paid", "paid") + compare(ledger, "seen", "seen") +
      compare(ledger, "told", "told") +
      compare(ledger, "(SELECT id FROM pgtally.append_only_log WHERE source_id = 1) AS l",
              "append_only_log");
  wrong += ledger.psql(
      "SELECT 'gaps' FROM (SELECT *, row_number() OVER (ORDER BY id) - 1 AS n, row_number() OVER "
      "(PARTITION BY source_id ORDER BY id) - 1 AS nth FROM pgtally.processed_log) AS p WHERE "
      "id <> n OR ordinal <> nth LIMIT 1");
  auto connection = connect(ledger.conninfo());
  for (const std::string& finding : must(check_tree(open_ledger(connection), {})).findings) {
    wrong += "; " + finding;
  }
  return wrong;
}

}  // namespace pgtally::test
