#include "tamper/specimen.h"

#include <fstream>
#include <iterator>
#include <thread>
#include <tuple>

#include "postgres/server_programs.h"
#include "service/state_files.h"
#include "torture/child_process.h"
#include "torture/must.h"
#include "torture/pgtally_program.h"

namespace pgtally::tamper {
namespace {

using torture::must;
using torture::run_pgtally;

// For psql(), which the tests' databases have.
class Session : public test::Server {
 public:
  explicit Session(std::string conninfo) : conninfo_(std::move(conninfo)) {}
  [[nodiscard]] std::string conninfo() const override { return conninfo_; }

 private:
  std::string conninfo_;
};

std::string script(const std::string& name) {
  std::ifstream in(std::string(TAMPER_DIRECTORY) + "/" + name);
  return {std::istreambuf_iterator<char>(in), {}};
}

pg::PrivateCluster make_cluster(const test::TestDirectory& directory) {
  auto settings = test::shared_cluster_settings();
  settings.emplace_back("autovacuum", "off");  // so that what stands in a file stays there
  return must(pg::PrivateCluster::open(directory.path() / "cluster",
                                       {.fsync = false, .settings = std::move(settings)}));
}

}  // namespace

std::string sql(const std::string& conninfo, const std::string& text) {
  return Session(conninfo).psql(text);
}

Specimen::Specimen() : cluster_(make_cluster(directory_)) {
  found(kName, state(), "", {});
  loaded_ = std::chrono::steady_clock::now();
  run_pgtally({"checkpoint", "-o", outside_checkpoint()}, conninfo(), directory_);
}

void Specimen::write_anew(const std::string& database, const std::string& change) const {
  found(database, directory_.path() / database, change, {"--signing-key", key_file()});
}

void Specimen::found(const std::string& database, const std::string& state,
                     const std::string& change, const std::vector<std::string>& init) const {
  const std::string home = conninfo(database);
  sql(cluster_.conninfo(), "CREATE DATABASE " + database + " TEMPLATE template0");
  sql(home, script("tables.sql"));
  if (!change.empty()) sql(home, change);
  std::vector<std::string> arguments{"init", "--origin", kOrigin, "--roles",
                                     "none", "--state",  state};
  arguments.insert(arguments.end(), init.begin(), init.end());
  run_pgtally(arguments, home, directory_);
  const auto add = [&](std::vector<std::string> how) {
    how.insert(how.begin(), {"source", "add"});
    run_pgtally(how, home, directory_);
  };
  add({"event", "--table", "event", "--key", "id", "--mode", "xid", "--time", "at", "--exclude",
       "note"});
  add({"payment", "--table", "payment", "--key", "id", "--mode", "poll", "--time", "at",
       "--exclude", "internal"});
  add({"package", "--table", "package", "--key", "name,version,architecture", "--mode", "poll",
       "--time", "installed", "--no-blind"});
  add({"account", "--table", "account", "--key", "id", "--mode", "trigger", "--track-changes",
       "--time", "created"});
  add({"stock", "--table", "stock", "--key", "sku", "--mode", "logical"});
  run_service(database, state);
  sql(home, script("later.sql"));
  run_service(database, state);
  run_pgtally({"sweep", "package", "payment"}, home, directory_);
  run_service(database, state);
}

Specimen::~Specimen() {
  std::ignore = cluster_.stop(pg::Shutdown::kImmediate);
}

std::string Specimen::conninfo(const std::string& database) const {
  return cluster_.conninfo(database);
}

void Specimen::age() const {
  std::this_thread::sleep_until(loaded_ + std::chrono::seconds(21));
}

void Specimen::copy_to(const std::string& database) const {
  sql(cluster_.conninfo(),
      "CREATE DATABASE " + database + " TEMPLATE " + kName + " STRATEGY file_copy");
}

void Specimen::drop(const std::string& database) const {
  sql(cluster_.conninfo(), "DROP DATABASE " + database + " WITH (FORCE)");
}

void Specimen::run_service(const std::string& database, const std::string& state) const {
  run_pgtally({"run", "--once", "--state", state}, conninfo(database), directory_);
}

std::string Specimen::outside_checkpoint() const {
  return directory_.path() / "outside.checkpoint";
}

torture::ChildProcess Specimen::start_service() const {
  return {torture::pgtally_command(conninfo(), {"run", "--state", state(), "--interval", "50ms"}),
          directory_.path() / "service.log"};
}

void Specimen::stop() {
  must(cluster_.stop(pg::Shutdown::kFast));
  const auto programs = must(pg::find_server_programs(std::nullopt));
  const std::string log = directory_.path() / "checksums.log";
  const int status =
      torture::ChildProcess({programs / "pg_checksums", "--disable", "--pgdata", data()}, log)
          .wait();
  if (status != 0) throw std::runtime_error("pg_checksums: " + torture::end_of(log));
}

void Specimen::start() {
  must(cluster_.start());
}

std::filesystem::path Specimen::data() const {
  return cluster_.directory() / "data";
}

std::string Specimen::state() const {
  return torture::signing_state(directory_);
}

std::string Specimen::key_file() const {
  return StateFiles::of(state(), kOrigin).key;
}

}  // namespace pgtally::tamper
