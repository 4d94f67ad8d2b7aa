// Databases for tests.
//
// Under ctest all tests share one cluster, which the fixture `postgres` starts before and stops
// after them (pgtally_test(... DATABASE) in tests/CMakeLists.txt). A test program that is run by
// hand starts a cluster of its own at first use and removes it at exit. Either way: fsync off,
// max_connections 200, max_prepared_transactions 50, wal_level logical.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace pgtally::test {

// What both kinds below can do. Each call of psql() is a connection of its own.
class Server {
 public:
  virtual ~Server() = default;

  // For libpq; the user is a superuser.
  [[nodiscard]] virtual std::string conninfo() const = 0;

  // Runs one or more statements in one go and returns what `psql -At` would print for the last one:
  // a line for each row, '|' between columns, nothing for NULL. Throws std::runtime_error with the
  // server's message if one fails.
  std::string psql(const std::string& sql) const;

  // The error that the statements end with, as "42501 permission denied for …"; "" if there is
  // none.
  std::string psql_error(const std::string& sql) const;
};

// Settings that the shared cluster runs with.
std::vector<std::pair<std::string, std::string>> shared_cluster_settings();

// A fresh, empty database with a unique name. Dropped at the end, together with its replication slots
// and the roles whose names begin with that of the database (pgtally's roles do).
class TestDatabase : public Server {
 public:
  TestDatabase();
  ~TestDatabase() override;
  TestDatabase(const TestDatabase&) = delete;
  TestDatabase& operator=(const TestDatabase&) = delete;

  [[nodiscard]] std::string conninfo() const override;
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  std::string name_;
};

// A cluster of the test's own, for what would hurt other tests: crashes, settings, a full restart.
// fsync is on. Made in a temporary directory and removed at the end; takes about a second.
class TestCluster : public Server {
 public:
  using Settings = std::vector<std::pair<std::string, std::string>>;
  explicit TestCluster(const Settings& settings = {});
  ~TestCluster() override;
  TestCluster(const TestCluster&) = delete;
  TestCluster& operator=(const TestCluster&) = delete;

  [[nodiscard]] std::string conninfo() const override;
  // What to give to `--embedded`.
  [[nodiscard]] const std::filesystem::path& directory() const;

  void stop();              // pg_ctl stop -m fast
  void stop_immediately();  // pg_ctl stop -m immediate
  void kill_postmaster();   // kill -9
  void start();
  void restart() { stop(), start(); }

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// A directory that is removed, with all that is in it, at the end: below PGTALLY_TEST_DIRECTORY,
// which ctest sets and whose fixture removes what a killed test left, else below /tmp; or below
// `parent`, for what has to have a short name that every user can reach.
class TestDirectory {
 public:
  TestDirectory();
  explicit TestDirectory(const std::filesystem::path& parent);
  ~TestDirectory();
  TestDirectory(const TestDirectory&) = delete;
  TestDirectory& operator=(const TestDirectory&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace pgtally::test
