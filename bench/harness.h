// What the programs here have in common: a server to measure on, settings shown and checked, and
// two sides timed in turns.
//
// A figure counts only against its limit, measured in the same run: on a shared machine the same
// work takes twice as long a minute later. So every comparison is made of pairs, one of each side
// with the order changing, and what is reported is the median of the pairs' ratios.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "pgtally/result.h"
#include "postgres/connection.h"
#include "postgres/private_cluster.h"

namespace pgtally::bench {

inline constexpr std::int64_t kMillion = 1'000'000;

// Ends the program with status 2, through run(), so that a private server does not stay behind.
[[noreturn]] inline void fail(const Error& error) {
  throw std::runtime_error(error.message + "\n" + error.hint);
}
template <typename T>
T must(Result<T> result) {
  if (!result.ok()) fail(result.error());
  return std::move(result).value();
}
inline void must(Result<void> result) {
  if (!result.ok()) fail(result.error());
}

double seconds_of(const std::function<void()>& work);

// --database URI, or a private cluster; --rows N, --pairs N, --batch N, --mode M, --seconds N.
struct Arguments {
  std::string database;
  std::int64_t rows = kMillion;
  std::optional<int> pairs;
  std::int32_t batch_rows = 0;  // the service's own
  std::string mode;             // empty: all
  int seconds = 5;              // how long a workload runs each time

  [[nodiscard]] int pairs_or(int usual) const { return pairs.value_or(usual); }

  static Arguments parse(int argc, char** argv);
};

// A server with fsync and synchronous_commit on, or none: the program ends where they are off. A
// private one goes away at the end.
class Server {
 public:
  using Settings = std::vector<std::pair<std::string, std::string>>;
  // `settings` are those of a private one, beside what all have.
  explicit Server(const Arguments& arguments, const Settings& settings = {});
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  void print_settings();
  // An empty database; the one of that name that was made before is dropped, with its replication
  // slots. No connection to it may be open.
  std::string fresh_database(const std::string& name = "pgtally_bench");
  // For what belongs to a ledger but not into the database: a fresh directory, likewise.
  std::string fresh_directory();

 private:
  std::filesystem::path directory_;
  std::optional<pg::PrivateCluster> cluster_;
  std::string conninfo_;
  std::set<std::string> databases_;
  int made_ = 0;

  void drop(pg::Connection& connection, const std::string& database);
};

pg::Connection connect(const std::string& conninfo);
// CPU seconds that a process of this machine has used; 0 if there is none.
double cpu_seconds_of(pid_t pid);
// The same of the server's process for this connection; 0 if that is another machine.
double server_cpu_seconds(const pg::Connection& connection);
double own_cpu_seconds();
// The first value of the first row, as text.
std::string value(pg::Connection& connection, const std::string& sql);

// Our rate against the limit, in pairs.
class Comparison {
 public:
  Comparison(std::string what, std::string unit, double required)
      : what_(std::move(what)), unit_(std::move(unit)), required_(required) {}

  void add(double ours, double limit);
  // A row of a Markdown table: | what | ours | limit | ratio, lowest and highest | required |
  // False if the median ratio is not what is required.
  bool report() const;

 private:
  std::string what_;
  std::string unit_;
  double required_;
  std::vector<double> ours_;
  std::vector<double> limits_;
  std::vector<double> ratios_;
};

double median(std::vector<double> values);

// What a main() does: the options, a server whose settings are printed, then `measure`, which is
// false if a figure is not what is required (status 1).
int run(int argc, char** argv, const std::function<bool(const Arguments&, Server&)>& measure,
        const Server::Settings& settings = {});

}  // namespace pgtally::bench
