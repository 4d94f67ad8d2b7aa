#include "harness.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <sstream>

#include "service/settings.h"

namespace pgtally::bench {
namespace {

// What a server for a million rows would be set to, and nothing that only a benchmark would: the
// checkpoint that a run starts with is its own, autovacuum is not left to fall on one side of a pair.
const std::vector<std::pair<std::string, std::string>> kSettings{
    {"shared_buffers", "1GB"}, {"max_wal_size", "8GB"}, {"checkpoint_timeout", "1h"},
    {"work_mem", "64MB"},      {"autovacuum", "off"},
};

std::int64_t number(const char* text) {
  char* end = nullptr;
  const std::int64_t n = std::strtoll(text, &end, 10);
  if (*end == '\0' && n > 0) return n;
  fail(reject(std::string("not a positive number: ") + text));
}

}  // namespace

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Arguments Arguments::parse(int argc, char** argv) {
  Arguments a;
  a.batch_rows = ServiceSettings().batch_rows;
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    if (i + 1 == argc) fail(reject(name + " needs a value"));
    if (name == "--database") {
      a.database = argv[i + 1];
    } else if (name == "--rows") {
      a.rows = number(argv[i + 1]);
    } else if (name == "--pairs") {
      a.pairs = static_cast<int>(number(argv[i + 1]));
    } else if (name == "--batch") {
      a.batch_rows = static_cast<std::int32_t>(number(argv[i + 1]));
    } else if (name == "--mode") {
      a.mode = argv[i + 1];
    } else if (name == "--seconds") {
      a.seconds = static_cast<int>(number(argv[i + 1]));
    } else {
      fail(reject("there is no option " + name,
                  "--database URI, --rows N, --pairs N, --batch N, --seconds N, --mode "
                  "poll|xid|append|trigger|logical"));
    }
  }
  return a;
}

pg::Connection connect(const std::string& conninfo) {
  return must(pg::Connection::open(conninfo));
}

std::string value(pg::Connection& connection, const std::string& sql) {
  const auto rows = must(connection.query_text(sql));
  return must(rows.get<std::string>(0, 0));
}

double cpu_seconds_of(pid_t pid) {
  std::ifstream in(fmt::format("/proc/{}/stat", pid));
  std::string line;
  std::getline(in, line);
  // The name, in brackets, may hold blanks; utime and stime are the 14th and 15th field.
  std::istringstream fields(line.substr(std::min(line.rfind(')') + 1, line.size())));
  std::string skipped;
  for (int i = 3; i < 14; ++i) fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

double server_cpu_seconds(const pg::Connection& connection) {
  return cpu_seconds_of(connection.backend_pid());
}

double own_cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

Server::Server(const Arguments& arguments, const Settings& settings)
    : directory_(std::filesystem::temp_directory_path() /
                 ("pgtally-bench." + std::to_string(::getpid()))) {
  std::filesystem::create_directories(directory_);
  if (arguments.database.empty()) {
    Settings all = kSettings;
    all.insert(all.end(), settings.begin(), settings.end());
    cluster_.emplace(
        must(pg::PrivateCluster::open(directory_ / "cluster", {.settings = std::move(all)})));
    conninfo_ = cluster_->conninfo();
  } else {
    conninfo_ = arguments.database;
  }
  auto connection = connect(conninfo_);
  for (const char* setting : {"fsync", "synchronous_commit"}) {
    if (value(connection, std::string("SHOW ") + setting) != "off") continue;
    fail(operator_error(std::string(setting) + " is off, so nothing measured here would count"));
  }
}

Server::~Server() {
  {
    auto connection = connect(conninfo_);
    for (const std::string& database : databases_) drop(connection, database);
  }
  cluster_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void Server::print_settings() {
  auto connection = connect(conninfo_);
  std::string line = "PostgreSQL " + value(connection, "SHOW server_version");
  for (const char* name : {"fsync", "synchronous_commit", "full_page_writes", "shared_buffers",
                           "work_mem", "max_wal_size", "wal_level", "autovacuum"}) {
    line += fmt::format(", {} {}", name, value(connection, std::string("SHOW ") + name));
  }
  fmt::print("{}; {} CPUs\n", line, ::sysconf(_SC_NPROCESSORS_ONLN));
  std::fflush(stdout);
}

void Server::drop(pg::Connection& connection, const std::string& database) {
  (void)connection.query(
      "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = $1",
      pg::Params().text(database));
  (void)connection.execute("DROP DATABASE IF EXISTS " + database + " WITH (FORCE)");
}

std::string Server::fresh_database(const std::string& name) {
  auto connection = connect(conninfo_);
  drop(connection, name);
  databases_.insert(name);
  must(connection.execute("CREATE DATABASE " + name + " TEMPLATE template0 ENCODING 'UTF8'"));
  if (cluster_) return cluster_->conninfo(name);
  // A URI names its database between the authority and the parameters.
  const std::size_t authority = conninfo_.find("://");
  if (authority == std::string::npos) return conninfo_ + " dbname=" + name;
  const std::size_t parameters = conninfo_.find('?');
  const std::size_t path = std::min(conninfo_.find('/', authority + 3), parameters);
  return conninfo_.substr(0, path) + "/" + name +
         (parameters == std::string::npos ? "" : conninfo_.substr(parameters));
}

std::string Server::fresh_directory() {
  const auto path = directory_ / ("state." + std::to_string(++made_));
  std::filesystem::create_directory(path);
  return path.string();
}

int run(int argc, char** argv, const std::function<bool(const Arguments&, Server&)>& measure,
        const Server::Settings& settings) {
  try {
    const Arguments arguments = Arguments::parse(argc, argv);
    Server server(arguments, settings);
    server.print_settings();
    return measure(arguments, server) ? 0 : 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 2;
  }
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void Comparison::add(double ours, double limit) {
  ours_.push_back(ours);
  limits_.push_back(limit);
  ratios_.push_back(ours / limit);
  fmt::print("  {}: {:.0f} {}, limit {:.0f}, ratio {:.2f}\n", what_, ours, unit_, limit,
             ours / limit);
  std::fflush(stdout);
}

bool Comparison::report() const {
  const double ratio = median(ratios_);
  const auto [low, high] = std::minmax_element(ratios_.begin(), ratios_.end());
  fmt::print("| {} | {:.0f} {} | {:.0f} {} | {:.2f} ({:.2f}-{:.2f}) | {} |\n", what_, median(ours_),
             unit_, median(limits_), unit_, ratio, *low, *high,
             required_ > 0 ? fmt::format("{:.2f}", required_) : "");
  return ratio >= required_;
}

}  // namespace pgtally::bench
