#include "support/test_database.h"

#include <libpq-fe.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <tuple>

#include "postgres/private_cluster.h"

namespace pgtally::test {
namespace {

namespace fs = std::filesystem;
using Connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;
using Answer = std::unique_ptr<PGresult, decltype(&PQclear)>;

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what);
}
[[noreturn]] void fail(const Error& error) {
  fail(error.message + "\n" + error.hint);
}

Connection connect(const std::string& conninfo) {
  Connection connection(PQconnectdb(conninfo.c_str()), &PQfinish);
  if (PQstatus(connection.get()) != CONNECTION_OK) fail(PQerrorMessage(connection.get()));
  return connection;
}

Answer execute(const Connection& connection, const std::string& sql) {
  return {PQexec(connection.get(), sql.c_str()), &PQclear};
}

bool is_error(const Answer& answer) {
  const ExecStatusType status = PQresultStatus(answer.get());
  return status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && status != PGRES_EMPTY_QUERY;
}

std::string as_psql_prints(const Answer& answer) {
  std::string text;
  for (int row = 0; row < PQntuples(answer.get()); ++row) {
    if (row > 0) text += '\n';
    for (int column = 0; column < PQnfields(answer.get()); ++column) {
      if (column > 0) text += '|';
      text += PQgetvalue(answer.get(), row, column);
    }
  }
  return text;
}

// What a test program that runs without ctest has for itself.
class OwnCluster {
 public:
  OwnCluster() {
    auto opened = pg::PrivateCluster::open(directory_.path() / "shared",
                                           {.fsync = false, .settings = shared_cluster_settings()});
    if (!opened.ok()) fail(opened.error());
    cluster_.emplace(std::move(opened).value());
  }
  ~OwnCluster() { std::ignore = cluster_->stop(pg::Shutdown::kImmediate); }
  OwnCluster(const OwnCluster&) = delete;
  OwnCluster& operator=(const OwnCluster&) = delete;

  [[nodiscard]] std::string conninfo() const { return cluster_->conninfo(); }

 private:
  TestDirectory directory_;
  std::optional<pg::PrivateCluster> cluster_;
};

// The fixture leaves a file that names the cluster; no lock is held on it, so that it does not stop
// between two tests.
std::string shared_conninfo(const std::string& database) {
  static const std::string server = [] {
    std::string line;
    if (const char* directory = std::getenv("PGTALLY_TEST_DIRECTORY")) {
      std::ifstream file(fs::path(directory) / "shared" / "conninfo");
      std::getline(file, line);
    }
    if (line.empty()) {
      static const OwnCluster own;
      line = own.conninfo();
    }
    return line.substr(0, line.find(" dbname="));
  }();
  return server + " dbname=" + database;
}

// Otherwise the database cannot be dropped.
void roll_back_prepared_transactions(const Connection& connection, const std::string& database) {
  const Answer names =
      execute(connection, "SELECT quote_literal(gid) FROM pg_prepared_xacts WHERE database = '" +
                              database + "'");
  if (PQntuples(names.get()) == 0) return;
  const Connection inside = connect(shared_conninfo(database));
  for (int row = 0; row < PQntuples(names.get()); ++row)
    execute(inside, std::string("ROLLBACK PREPARED ") + PQgetvalue(names.get(), row, 0));
}

// A WAL sender goes on for a moment after its client has gone, and keeps its slot for that long.
void drop_replication_slots(const Connection& connection, const std::string& database) {
  const std::string slots = " FROM pg_replication_slots WHERE database = '" + database + "'";
  for (int i = 0; i < 500; ++i) {
    execute(connection, "SELECT pg_terminate_backend(active_pid)" + slots + " AND active");
    execute(connection, "SELECT pg_drop_replication_slot(slot_name)" + slots + " AND NOT active");
    if (PQntuples(execute(connection, "SELECT slot_name" + slots).get()) == 0) return;
    usleep(10'000);
  }
}

std::string unique_name() {
  static std::atomic<int> count = 0;
  return "test_" + std::to_string(getpid()) + "_" + std::to_string(++count);
}

}  // namespace

std::string Server::psql(const std::string& sql) const {
  const Connection connection = connect(conninfo());
  const Answer answer = execute(connection, sql);
  if (is_error(answer)) fail(PQerrorMessage(connection.get()));
  return as_psql_prints(answer);
}

std::string Server::psql_error(const std::string& sql) const {
  const Connection connection = connect(conninfo());
  const Answer answer = execute(connection, sql);
  if (!is_error(answer)) return {};
  const char* state = PQresultErrorField(answer.get(), PG_DIAG_SQLSTATE);
  const char* message = PQresultErrorField(answer.get(), PG_DIAG_MESSAGE_PRIMARY);
  if (state == nullptr || message == nullptr) return PQerrorMessage(connection.get());
  return std::string(state) + " " + message;
}

std::vector<std::pair<std::string, std::string>> shared_cluster_settings() {
  return {{"max_connections", "200"},
          {"max_prepared_transactions", "50"},
          {"wal_level", "logical"},
          {"max_replication_slots", "50"},
          {"max_wal_senders", "50"}};
}

TestDatabase::TestDatabase() : name_(unique_name()) {
  // A process id comes round again, and a killed test leaves its database.
  const Connection connection = connect(shared_conninfo(pg::PrivateCluster::kDatabase));
  for (const std::string& sql : {"DROP DATABASE IF EXISTS " + name_ + " WITH (FORCE)",
                                 "CREATE DATABASE " + name_ + " TEMPLATE template0"}) {
    if (is_error(execute(connection, sql))) fail(PQerrorMessage(connection.get()));
  }
}

TestDatabase::~TestDatabase() {
  try {
    const Connection connection = connect(shared_conninfo(pg::PrivateCluster::kDatabase));
    roll_back_prepared_transactions(connection, name_);
    drop_replication_slots(connection, name_);
    execute(connection, "DROP DATABASE IF EXISTS " + name_ + " WITH (FORCE)");
    execute(connection,
            "DO $$ DECLARE r name; BEGIN FOR r IN SELECT rolname FROM pg_roles "
            "WHERE starts_with(rolname, '" +
                name_ + "_') LOOP EXECUTE format('DROP ROLE %I', r); END LOOP; END $$");
  } catch (const std::runtime_error&) {
    // The cluster is gone, and with it what was to be dropped.
  }
}

std::string TestDatabase::conninfo() const {
  return shared_conninfo(name_);
}

struct TestCluster::State {
  TestDirectory directory;
  std::optional<pg::PrivateCluster> cluster;
};

TestCluster::TestCluster(const Settings& settings) : state_(std::make_unique<State>()) {
  Settings all = shared_cluster_settings();
  all.insert(all.end(), settings.begin(), settings.end());
  auto opened = pg::PrivateCluster::open(state_->directory.path() / "cluster",
                                         {.fsync = true, .settings = std::move(all)});
  if (!opened.ok()) fail(opened.error());
  state_->cluster.emplace(std::move(opened).value());
}

TestCluster::~TestCluster() {
  std::ignore = state_->cluster->stop(pg::Shutdown::kImmediate);
}

std::string TestCluster::conninfo() const {
  return state_->cluster->conninfo();
}

const fs::path& TestCluster::directory() const {
  return state_->cluster->directory();
}

void TestCluster::stop() {
  if (auto done = state_->cluster->stop(pg::Shutdown::kFast); !done.ok()) fail(done.error());
}

void TestCluster::stop_immediately() {
  if (auto done = state_->cluster->stop(pg::Shutdown::kImmediate); !done.ok()) fail(done.error());
}

void TestCluster::kill_postmaster() {
  if (auto done = state_->cluster->stop(pg::Shutdown::kKill); !done.ok()) fail(done.error());
}

void TestCluster::start() {
  if (auto done = state_->cluster->start(); !done.ok()) fail(done.error());
}

TestDirectory::TestDirectory()
    : TestDirectory([] {
        const char* parent = std::getenv("PGTALLY_TEST_DIRECTORY");
        return fs::path(parent == nullptr ? "/tmp" : parent);
      }()) {}

TestDirectory::TestDirectory(const fs::path& parent) {
  fs::create_directories(parent);
  std::string name = parent / "pgtally-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) fail("cannot make a directory like " + name);
  // So that a server which runs as another user gets in.
  chmod(name.c_str(), 0755);
  path_ = name;
}

TestDirectory::~TestDirectory() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace pgtally::test
