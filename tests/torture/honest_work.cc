// honest_work [--minutes N]
//
// Writers on tables that are captured in every way there is, in two databases, while the service runs,
// administrators do what they do (columns, indexes, VACUUM FULL, CLUSTER, settings, wider types), and
// one audit follows the other. In the end the ledger is dumped and restored into another database, and
// audited there. Nobody does anything wrong, so no audit may find anything.
//
// Exit status: 0 nothing was found, 1 something was, 2 it could not be found out.
#include <fmt/format.h>

#include <boost/json.hpp>
#include <chrono>
#include <csignal>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>

#include "postgres/server_programs.h"
#include "support/test_database.h"
#include "torture/change_writers.h"
#include "torture/child_process.h"
#include "torture/must.h"
#include "torture/pgtally_program.h"
#include "torture/source_tables.h"

namespace pgtally::torture {
namespace {

using std::chrono::steady_clock;
namespace json = boost::json;

constexpr int kWriters = 6;

// Covered columns that an administrator will widen.
constexpr const char* kNarrowColumns =
    "ALTER TABLE public.{0} ADD COLUMN label varchar(10) DEFAULT 'a label', "
    "ADD COLUMN small integer DEFAULT 7, ADD COLUMN at timestamptz DEFAULT now()";

// {0} is a table, {1} a number that is never the same. What cannot be had within a second, because a
// writer holds the table, is tried again later.
constexpr const char* kOnTable[] = {
    "ALTER TABLE public.{0} ADD COLUMN extra_{1} text",
    "CREATE INDEX ON public.{0} (body)",
    "VACUUM FULL public.{0}",
    "CLUSTER public.{0} USING {0}_pkey",
    "ALTER TABLE public.{0} ALTER label TYPE text",
    "ALTER TABLE public.{0} ALTER small TYPE bigint",
    "ALTER TABLE public.{0} ALTER body SET STATISTICS 7",
    "REINDEX TABLE public.{0}",
    "ALTER TABLE public.{0} ALTER label SET DEFAULT 'no label'",
    "ANALYZE public.{0}",
};
// Of the database; {0} is its name.
constexpr const char* kOnDatabase[] = {
    "ALTER DATABASE {0} SET datestyle = 'German'",
    "ALTER DATABASE {0} SET timezone = 'Asia/Kolkata'",
    "ALTER DATABASE {0} SET extra_float_digits = -5",
    "ALTER DATABASE {0} SET bytea_output = 'escape'",
    "ALTER DATABASE {0} SET search_path = 'public'",
    "ALTER DATABASE {0} SET quote_all_identifiers = on",
    "CHECKPOINT",
};

class Administrator {
 public:
  Administrator(const Databases& databases, const std::vector<SourceTable>& tables) {
    for (const Place place : {Place::kHome, Place::kElsewhere}) {
      connections_.emplace(place, must(pg::Connection::open(databases.of(place))));
      must(connections_.at(place).execute("SET lock_timeout = '1s'"));
    }
    for (const char* what : kOnTable) {
      for (const SourceTable& table : tables) {
        if (!table.is_staging()) tasks_.push_back({table.place, what, table.name});
      }
    }
    for (const char* what : kOnDatabase) {
      tasks_.push_back({Place::kHome, what, "pgtally"});
      tasks_.push_back({Place::kElsewhere, what, "elsewhere"});
    }
  }

  // The next few things that there are to do.
  void work() {
    for (int i = 0; i < 7; ++i) {
      // 7 and the number of tasks have no divisor in common but by chance; all get their turn.
      const Task& task = tasks_[next_++ * 17 % tasks_.size()];
      const std::string sql = fmt::format(fmt::runtime(task.what), task.of, next_);
      if (connections_.at(task.place).execute(sql).ok()) {
        ++done_[task.what];
      } else {
        ++refused_;
      }
    }
  }

  void print() const {
    std::uint64_t all = 0;
    for (const auto& [what, times] : done_) all += times;
    fmt::print("  administrators did {} things of {} kinds; {} more had to be put off\n", all,
               done_.size(), refused_);
  }

 private:
  struct Task {
    Place place;
    const char* what;
    std::string of;
  };
  std::map<Place, pg::Connection> connections_;
  std::vector<Task> tasks_;
  std::size_t next_ = 0;
  std::map<std::string, std::uint64_t> done_;
  std::uint64_t refused_ = 0;
};

std::string content_of(const std::string& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

class Auditor {
 public:
  explicit Auditor(const test::TestDirectory& directory) : directory_(directory) {}

  // One audit; says what it found.
  void audit(const std::string& conninfo) {
    const std::string out = directory_.path() / "audit.json";
    std::vector<std::string> command{"/bin/sh", "-c", R"(exec "$@" >"$0" 2>"$0.err")", out};
    const auto program = pgtally_command(conninfo, {"audit", "--json"});
    command.insert(command.end(), program.begin(), program.end());
    const int status = ChildProcess(command, out + ".log").wait();
    const std::string text = content_of(out);
    boost::system::error_code broken;
    const json::value report = json::parse(text, broken);
    if (status > 1 || broken || !report.is_object() || !report.get_object().contains("findings")) {
      throw std::runtime_error(
          fmt::format("audit: exit status {}\n{}{}", status, text, content_of(out + ".err")));
    }
    ++audits_;
    rows_ += report.at("rows_checked").to_number<std::uint64_t>();
    undecided_ = 0;
    last_undecided_.clear();
    for (const json::value& source : report.at("sources").as_array()) {
      const json::value* undecided = source.get_object().if_contains("undecided");
      if (undecided == nullptr || *undecided == 0) continue;
      undecided_ += undecided->to_number<std::uint64_t>();
      last_undecided_ += json::serialize(source) + "\n";
    }
    undecided_ever_ += undecided_;
    const std::uint64_t before = findings_;
    for (const json::value& finding : report.at("findings").as_array()) {
      if (is_late_key(finding.as_object())) {
        ++late_keys_;
        continue;
      }
      if (++findings_ <= 20) fmt::print("  FOUND {}\n", json::serialize(finding));
    }
    const bool clean = report.at("findings").as_array().empty();
    if ((status == 0) != clean) {
      throw std::runtime_error(
          fmt::format("exit status {} and {} findings", status, findings_ - before));
    }
  }

  void print() const {
    fmt::print(
        "  {} audits of {} rows in all: {} findings, {} rows undecided, {} times that a late key "
        "was called late\n",
        audits_, rows_, findings_, undecided_ever_, late_keys_);
  }
  // The writers also use keys that they drew long before. Where a table is polled only a sweep finds
  // such a row, out of the order of its source, and `late` says just that.
  [[nodiscard]] static bool is_late_key(const json::object& finding) {
    const json::value& source = finding.at("source");
    return finding.at("kind") == "late" && (source == "reading" || source == "far_reading");
  }
  [[nodiscard]] std::uint64_t findings() const { return findings_; }
  [[nodiscard]] std::uint64_t undecided() const { return undecided_; }  // by the last audit
  // The sources that these are of, as the report has them.
  [[nodiscard]] const std::string& last_undecided() const { return last_undecided_; }

 private:
  const test::TestDirectory& directory_;
  std::uint64_t audits_ = 0;
  std::uint64_t rows_ = 0;
  std::uint64_t findings_ = 0;
  std::uint64_t undecided_ = 0;
  std::string last_undecided_;
  std::uint64_t undecided_ever_ = 0;
  std::uint64_t late_keys_ = 0;
};

// Of the ledger's database into another one of the cluster.
std::string restored(const test::TestCluster& cluster, const std::string& home,
                     const test::TestDirectory& directory) {
  const std::string other = home.substr(0, home.find(" dbname=")) + " dbname=restored";
  cluster.psql("CREATE DATABASE restored TEMPLATE template0");
  const auto programs = must(pg::find_server_programs(std::nullopt));
  const std::string file = directory.path() / "home.dump";
  const std::string log = directory.path() / "dump.log";
  const std::string dump = programs / "pg_dump";
  const std::string restore = programs / "pg_restore";
  if (ChildProcess({dump, "-Fc", "-f", file, home}, log).wait() != 0 ||
      ChildProcess({restore, "--exit-on-error", "-d", other, file}, log).wait() != 0) {
    throw std::runtime_error("dump and restore: " + end_of(log));
  }
  return other;
}

int run(double minutes) {
  test::TestCluster cluster;
  const test::TestDirectory directory;
  const std::vector<SourceTable> tables = source_tables({});
  const Databases databases = make_databases(cluster, directory, tables);
  for (const SourceTable& table : tables) {
    if (table.is_staging()) continue;
    auto connection = must(pg::Connection::open(databases.of(table.place)));
    must(connection.execute(fmt::format(kNarrowColumns, table.name)));
  }
  const std::string state = signing_state(directory);
  ChangeWriters writers(databases, tables, kWriters);
  add_sources(databases, directory, tables);
  run_pgtally({"run", "--once", "--state", state}, databases.home, directory);
  writers.settle();

  const std::string log = directory.path() / "run.log";
  ChildProcess service(
      pgtally_command(databases.home, {"run", "--state", state, "--interval", "100ms",
                                       "--sweep-interval", "5s", "--late-sweep-interval", "10s"}),
      log);
  const auto begin = steady_clock::now();
  const auto end = begin + std::chrono::duration<double>(minutes * 60);
  Administrator administrator(databases, tables);
  Auditor auditor(directory);
  do {
    administrator.work();
    auditor.audit(databases.home);
    if (!service.is_running()) throw std::runtime_error("pgtally run ended: " + end_of(log));
  } while (steady_clock::now() < end);
  writers.stop();
  // Now everything can be decided, as soon as a sweep has been there.
  const auto quiet = steady_clock::now() + std::chrono::seconds(60);
  do {
    auditor.audit(databases.home);
  } while (auditor.undecided() > 0 && steady_clock::now() < quiet);
  const std::uint64_t undecided = auditor.undecided();
  if (undecided > 0) fmt::print("{}", auditor.last_undecided());
  service.send(SIGTERM);
  service.wait();
  auditor.audit(restored(cluster, databases.home, directory));

  fmt::print("honest work, {:.0f} s, {} changes committed\n",
             std::chrono::duration<double>(steady_clock::now() - begin).count(),
             writers.committed());
  administrator.print();
  auditor.print();
  if (undecided > 0) fmt::print("  {} rows undecided when all was quiet\n", undecided);
  return auditor.findings() + undecided == 0 ? 0 : 1;
}

double minutes_of(int argc, char** argv) {
  if (argc == 1) return 20;
  if (argc == 3 && std::string(argv[1]) == "--minutes") return std::stod(argv[2]);
  throw std::runtime_error("usage: honest_work [--minutes N]");
}

}  // namespace
}  // namespace pgtally::torture

int main(int argc, char** argv) {
  try {
    return pgtally::torture::run(pgtally::torture::minutes_of(argc, argv));
  } catch (const std::exception& error) {
    fmt::print(stderr, "honest_work: {}\n", error.what());
    return 2;
  }
}
