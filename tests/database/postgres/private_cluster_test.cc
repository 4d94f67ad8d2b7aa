#include "postgres/private_cluster.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "helpers.h"
#include "postgres/postmaster.h"
#include "support/test_database.h"

namespace pgtally::pg {
namespace {

namespace fs = std::filesystem;
using test::TestDirectory;
using testing::HasSubstr;

const PrivateClusterOptions kQuick{.fsync = false, .settings = {}};

std::string query(const PrivateCluster& cluster, const std::string& sql) {
  struct : test::Server {
    std::string address;
    [[nodiscard]] std::string conninfo() const override { return address; }
  } server;
  server.address = cluster.conninfo();
  return server.psql(sql);
}

pid_t server_pid(const fs::path& directory) {
  const auto postmaster = find_postmaster(directory / "data");
  return postmaster ? postmaster->pid : 0;
}

// Opens the cluster in a process of its own, which then is killed without a chance to clean up.
void use_and_get_killed(const fs::path& directory) {
  const pid_t user = fork();
  if (user == 0) {
    const auto cluster = PrivateCluster::open(directory, kQuick);
    if (cluster.ok()) kill(getpid(), SIGKILL);
    _exit(1);
  }
  int status = 0;
  waitpid(user, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
}

TEST(PrivateCluster, keeps_its_rows_when_it_is_stopped_and_opened_again) {
  const TestDirectory directory;
  const fs::path dir = directory.path() / "not" / "there yet";
  {
    const auto cluster = must(PrivateCluster::open(dir, kQuick));
    query(cluster, "CREATE TABLE t AS SELECT 42 AS x");
    EXPECT_EQ(query(cluster, "SHOW server_encoding"), "UTF8");
    EXPECT_EQ(query(cluster, "SHOW data_checksums"), "on");
  }
  EXPECT_EQ(server_pid(dir), 0);
  const auto again = must(PrivateCluster::open(dir, kQuick));
  EXPECT_EQ(query(again, "SELECT x FROM t"), "42");
}

TEST(PrivateCluster, opens_no_port_and_lets_no_other_user_near_its_socket) {
  const TestDirectory directory;
  const auto cluster = must(PrivateCluster::open(directory.path() / "c", kQuick));
  EXPECT_EQ(query(cluster, "SHOW listen_addresses"), "");
  struct stat status{};
  ASSERT_EQ(stat(cluster.socket_directory().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700U);
}

TEST(PrivateCluster, has_fsync_on_unless_it_was_asked_for_otherwise) {
  const TestDirectory directory;
  const auto safe = must(PrivateCluster::open(directory.path() / "safe"));
  EXPECT_EQ(query(safe,
                  "SELECT current_setting('fsync'),"
                  " current_setting('pgtally.fsync_off_was_asked_for', true) IS NULL"),
            "on|t");
  const auto quick = must(PrivateCluster::open(directory.path() / "quick", kQuick));
  EXPECT_EQ(query(quick,
                  "SELECT current_setting('fsync'),"
                  " current_setting('pgtally.fsync_off_was_asked_for', true)"),
            "off|on");
}

TEST(PrivateCluster, takes_settings_but_not_those_that_would_open_it) {
  const TestDirectory directory;
  const PrivateClusterOptions options{
      .fsync = false,
      .settings = {{"application_name", "it's \"quoted\""}, {"listen_addresses", "*"}}};
  const auto cluster = must(PrivateCluster::open(directory.path() / "c", options));
  EXPECT_EQ(query(cluster, "SELECT reset_val FROM pg_settings WHERE name = 'application_name'"),
            "it's \"quoted\"");
  EXPECT_EQ(query(cluster, "SHOW listen_addresses"), "");
}

TEST(PrivateCluster, is_stopped_by_its_last_user_and_by_no_other) {
  const TestDirectory directory;
  auto first = must(PrivateCluster::open(directory.path() / "c", kQuick));
  auto second = must(PrivateCluster::open(directory.path() / "c", kQuick));
  must(first.close());
  EXPECT_EQ(query(second, "SELECT 1"), "1");
  must(second.close());
  EXPECT_EQ(server_pid(directory.path() / "c"), 0);
}

TEST(PrivateCluster, is_not_stopped_by_a_forked_child_that_ends) {
  const TestDirectory directory;
  auto cluster = must(PrivateCluster::open(directory.path() / "c", kQuick));
  const pid_t child = fork();
  if (child == 0) _exit(cluster.close().ok() ? 0 : 1);
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(query(cluster, "SELECT 1"), "1");
}

TEST(PrivateCluster, can_be_opened_by_many_at_the_same_instant) {
  const TestDirectory directory;
  std::vector<pid_t> users;
  for (int i = 0; i < 8; ++i) {
    users.push_back(fork());
    if (users.back() != 0) continue;
    for (int round = 0; round < 3; ++round) {
      const auto cluster = PrivateCluster::open(directory.path() / "c", kQuick);
      if (!cluster.ok()) {
        std::cerr << cluster.error().message << '\n' << cluster.error().hint << '\n';
        _exit(1);
      }
      if (query(*cluster, "SELECT 1") != "1") _exit(2);
    }
    _exit(0);
  }
  for (const pid_t user : users) {
    int status = -1;
    waitpid(user, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(server_pid(directory.path() / "c"), 0);
}

TEST(PrivateCluster, takes_over_the_server_of_a_user_that_was_killed) {
  const TestDirectory directory;
  use_and_get_killed(directory.path() / "c");
  const pid_t left_behind = server_pid(directory.path() / "c");
  EXPECT_NE(left_behind, 0);
  auto next = must(PrivateCluster::open(directory.path() / "c", kQuick));
  EXPECT_EQ(server_pid(directory.path() / "c"), left_behind);
  must(next.close());
  EXPECT_EQ(server_pid(directory.path() / "c"), 0);
}

TEST(PrivateCluster, recovers_what_was_committed_when_the_postmaster_is_killed) {
  const TestDirectory directory;
  auto cluster = must(PrivateCluster::open(directory.path() / "c", kQuick));
  for (int i = 0; i < 5; ++i) {
    query(cluster, "CREATE TABLE t" + std::to_string(i) + "(); SELECT pg_sleep(0)");
    must(cluster.stop(Shutdown::kKill));
    must(cluster.start());
  }
  EXPECT_EQ(query(cluster, "SELECT count(*) FROM pg_tables WHERE tablename LIKE 't_'"), "5");
}

TEST(PrivateCluster, believes_no_pid_file_that_names_somebody_elses_process) {
  const TestDirectory directory;
  const fs::path dir = directory.path() / "c";
  std::string stale;
  {
    const auto cluster = must(PrivateCluster::open(dir, kQuick));
    std::ifstream file(dir / "data" / "postmaster.pid");
    stale.assign(std::istreambuf_iterator<char>(file), {});
  }
  // A process of the server's own user that lives on, which PostgreSQL would take for its server.
  struct stat owner{};
  ASSERT_EQ(stat((dir / "data").c_str(), &owner), 0);
  const pid_t bystander = must(start_in_background(
      {.arguments = {"/bin/sleep", "60"}, .user = OsUser::by_id(owner.st_uid)}));
  const std::string rest = stale.substr(stale.find('\n'));
  std::ofstream(dir / "data" / "postmaster.pid") << bystander << rest;
  std::ofstream(dir / "socket" / ".s.PGSQL.5432.lock") << bystander << rest;

  const auto cluster = PrivateCluster::open(dir, kQuick);
  kill(bystander, SIGKILL);
  EXPECT_EQ(query(must(PrivateCluster::open(dir, kQuick)), "SELECT 1"), "1");
  EXPECT_TRUE(cluster.ok()) << cluster.error().message;
}

TEST(PrivateCluster, starts_again_where_an_initdb_was_killed_halfway) {
  const TestDirectory directory;
  const fs::path dir = directory.path() / "c";
  fs::create_directories(dir / "initdb-aB3dE6" / "base");
  std::ofstream(dir / "pgtally.lock").flush();
  const auto cluster = must(PrivateCluster::open(dir, kQuick));
  EXPECT_EQ(query(cluster, "SELECT 1"), "1");
  EXPECT_FALSE(fs::exists(dir / "initdb-aB3dE6"));
}

TEST(PrivateCluster, works_in_a_directory_with_a_name_too_long_or_too_odd_for_a_socket) {
  const TestDirectory directory;
  for (const std::string& name : {std::string(120, 'x'), std::string("a,b'c\\d \"e\" ü")}) {
    auto cluster = must(PrivateCluster::open(directory.path() / name, kQuick));
    EXPECT_EQ(query(cluster, "SELECT 1"), "1");
    const std::string sockets = cluster.socket_directory();
    must(cluster.close());
    EXPECT_FALSE(fs::exists(sockets)) << sockets;
  }
}

TEST(PrivateCluster, works_where_the_user_of_the_server_cannot_get_to_by_name) {
  if (geteuid() != 0) GTEST_SKIP() << "only root runs the server as another user";
  const TestDirectory directory;
  fs::permissions(directory.path(), fs::perms::owner_all);
  auto cluster = must(PrivateCluster::open(directory.path() / "c", kQuick));
  query(cluster, "CREATE TABLE t(); CHECKPOINT");
  must(cluster.stop(Shutdown::kImmediate));
  must(cluster.start());
  EXPECT_EQ(query(cluster, "SELECT count(*) FROM t"), "0");
}

TEST(PrivateCluster, moves_along_when_its_directory_is_renamed_under_a_server_left_behind) {
  const TestDirectory directory;
  use_and_get_killed(directory.path() / "before");
  fs::rename(directory.path() / "before", directory.path() / "after");
  const auto cluster = must(PrivateCluster::open(directory.path() / "after", kQuick));
  EXPECT_EQ(query(cluster, "SELECT 1"), "1");
}

TEST(PrivateCluster, refuses_a_directory_that_holds_something_else_and_leaves_it_alone) {
  const TestDirectory directory;
  std::ofstream(directory.path() / "thesis.tex") << "chapter 1";
  const Error error = error_of(PrivateCluster::open(directory.path(), kQuick));
  EXPECT_EQ(error.code, ErrorCode::kOperator);
  EXPECT_THAT(error.message, HasSubstr("thesis.tex"));
  EXPECT_EQ(std::distance(fs::directory_iterator(directory.path()), {}), 1);
}

TEST(PrivateCluster, refuses_a_cluster_of_another_major_version) {
  const TestDirectory directory;
  fs::create_directories(directory.path() / "data");
  std::ofstream(directory.path() / "pgtally.lock").flush();
  std::ofstream(directory.path() / "data" / "PG_VERSION") << "9\n";
  if (geteuid() == 0) {
    const OsUser user = must(OsUser::by_name("postgres"));
    ASSERT_EQ(chown((directory.path() / "data").c_str(), user.uid, user.gid), 0);
  }
  const Error error = error_of(PrivateCluster::open(directory.path(), kQuick));
  EXPECT_THAT(error.message, HasSubstr("PostgreSQL 9"));
  EXPECT_THAT(error.hint, HasSubstr("apt-get install postgresql-9"));
}

TEST(PrivateCluster, quotes_the_log_of_a_server_that_does_not_start) {
  const TestDirectory directory;
  const PrivateClusterOptions wrong{.fsync = false, .settings = {{"max_connections", "lots"}}};
  const Error error = error_of(PrivateCluster::open(directory.path() / "c", wrong));
  EXPECT_THAT(error.message, HasSubstr("max_connections"));
  EXPECT_THAT(error.hint, HasSubstr("server.log"));
  EXPECT_EQ(query(must(PrivateCluster::open(directory.path() / "c", kQuick)), "SELECT 1"), "1");
}

TEST(PrivateCluster, refuses_a_socket_directory_that_somebody_else_could_enter) {
  const TestDirectory directory;
  const fs::path dir = directory.path() / "c";
  auto cluster = must(PrivateCluster::open(dir, kQuick));
  // Below a directory that the server's user cannot enter it stands elsewhere.
  const fs::path sockets = query(cluster, "SHOW unix_socket_directories");
  must(cluster.close());
  fs::create_directory(sockets);
  fs::permissions(sockets, fs::perms::all);
  const Error error = error_of(PrivateCluster::open(dir, kQuick));
  EXPECT_THAT(error.message, HasSubstr("others may enter"));
  fs::remove(sockets);
}

}  // namespace
}  // namespace pgtally::pg
