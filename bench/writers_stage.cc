#include "writers_stage.h"

#include <fmt/format.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "postgres/copy.h"
#include "postgres/server_programs.h"

namespace pgtally::bench {
namespace {

// More branches than clients, so that these do not wait for each other's updates.
constexpr const char* kScale = "20";
constexpr std::chrono::seconds kPatience{300};

constexpr const char* kEvent = R"sql(
  CREATE TABLE public.event (
    id          bigserial PRIMARY KEY,
    happened_at timestamptz NOT NULL DEFAULT now(),
    account     bigint NOT NULL,
    note        varchar(80) NOT NULL);  -- short enough to stay in the row
)sql";

constexpr const char* kInsert =
    "\\set account random(1, 100000)\n"
    "INSERT INTO public.event (account, note) "
    "VALUES (:account, 'a note of some forty characters, as usual');\n";

constexpr const char* kXid = R"sql(
  ALTER TABLE {0} ADD COLUMN xid xid8 NOT NULL DEFAULT pg_current_xact_id();
  ALTER TABLE {0} ADD CONSTRAINT xid_is_the_writers_own CHECK (xid = pg_current_xact_id()) NOT VALID;
  CREATE INDEX ON {0} (xid, id);
)sql";

constexpr const char* kQueue = R"sql(
  CREATE TABLE public.queue (
    id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    key bigint NOT NULL);
  CREATE INDEX ON public.queue (xid, id);
  CREATE FUNCTION public.queue_row() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    INSERT INTO public.queue (key) VALUES (NEW.id);
    RETURN NULL;
  END $$;
  CREATE TRIGGER queue_row AFTER INSERT ON public.event
    FOR EACH ROW EXECUTE FUNCTION public.queue_row();
)sql";

constexpr const char* kSlot = "pgtally_bench_floor";

std::string program(const char* name) {
  return (must(pg::find_server_programs(std::nullopt)) / name).string();
}

}  // namespace

const char* name_of(Workload workload) {
  return workload == Workload::kInserts ? "single-row inserts" : "TPC-B-like";
}

WritersStage::WritersStage(Server& server, const std::string& mode, Workload workload)
    : mode_(mode),
      workload_(workload),
      alone_(server.fresh_database("pgtally_bench_alone")),
      recorded_(server.fresh_database("pgtally_bench")),
      state_(server.fresh_directory()),
      script_(std::filesystem::path(server.fresh_directory()) / "insert.sql") {
  std::ofstream(script_) << kInsert;
  prepare(alone_, false);
  prepare(recorded_, true);
  output_of({PGTALLY_PROGRAM, "--database", recorded_, "init", "--origin", "bench.example/log",
             "--roles", "none", "--state", state_});
  add_sources();
  if (workload == Workload::kInserts && (mode == "trigger" || mode == "logical")) {
    floor_ = server.fresh_database("pgtally_bench_floor");
    prepare_floor();
  }
}

void WritersStage::prepare_floor() {
  prepare(floor_, false);
  auto connection = connect(floor_);
  if (mode_ == "trigger") {
    must(connection.execute(kQueue));
    return;
  }
  must(connection.execute("CREATE PUBLICATION floor FOR TABLE public.event"));
  must(connection.execute(
      fmt::format("SELECT pg_create_logical_replication_slot('{}', 'pgoutput')", kSlot)));
}

void WritersStage::prepare(const std::string& conninfo, bool recorded) {
  auto connection = connect(conninfo);
  std::string table = "public.event";
  if (workload_ == Workload::kInserts) {
    must(connection.execute(kEvent));
  } else {
    table = "public.pgbench_history";
    output_of({program("pgbench"), "--initialize", "--quiet", "--scale", kScale, conninfo});
    if (mode_ != "logical") {
      must(connection.execute("ALTER TABLE " + table + " ADD COLUMN id bigserial PRIMARY KEY"));
    }
  }
  if (recorded && mode_ == "xid") must(connection.execute(fmt::format(kXid, table)));
  must(connection.execute("VACUUM ANALYZE"));
}

void WritersStage::add_sources() {
  const auto add = [&](const std::string& name, const std::string& table, const std::string& key,
                       bool changes) {
    std::vector<std::string> command{PGTALLY_PROGRAM, "--database", recorded_,    "source",
                                     "add",           name,         "--table",    "public." + table,
                                     "--mode",        mode_,        "--existing", "skip"};
    if (!key.empty()) command.insert(command.end(), {"--key", key});
    if (table == "event") command.insert(command.end(), {"--time", "happened_at"});
    if (changes && mode_ == "trigger") command.push_back("--track-changes");
    output_of(command);
  };
  if (workload_ == Workload::kInserts) {
    add("event", "event", "id", false);
    return;
  }
  add("history", "pgbench_history", mode_ == "logical" ? "" : "id", false);
  if (mode_ == "logical" || mode_ == "trigger") add("accounts", "pgbench_accounts", "aid", true);
}

// Until nothing was recorded for a while after a row of its own was.
void WritersStage::await_idle() {
  auto connection = connect(recorded_);
  const auto size = [&] { return value(connection, "SELECT max(id) FROM pgtally.processed_log"); };
  std::string before = size();
  must(connection.execute(workload_ == Workload::kInserts
                              ? "INSERT INTO public.event (account, note) VALUES (0, 'the last')"
                              : "INSERT INTO public.pgbench_history (tid, bid, aid, delta, mtime) "
                                "VALUES (1, 1, 1, 0, now())"));
  const auto begin = std::chrono::steady_clock::now();
  auto since = begin;
  bool moved = false;
  while (!moved || std::chrono::steady_clock::now() - since < std::chrono::milliseconds(500)) {
    if (std::chrono::steady_clock::now() - begin > kPatience) {
      fail(operator_error("the service does not come to the end of its backlog"));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    service_->check_running();
    const std::string now = size();
    if (now == before) continue;
    before = now;
    moved = true;
    since = std::chrono::steady_clock::now();
  }
  backlog_seconds_ = std::chrono::duration<double>(since - begin).count();
}

void WritersStage::start_service() {
  service_.emplace(recorded_, state_, Service::Log::kDiscard);
  await_idle();
}

void WritersStage::end_service() {
  service_->check_running();
  await_idle();
  service_.reset();
}

double WritersStage::pgbench(const std::string& conninfo, int clients, int seconds, int rate) {
  auto connection = connect(conninfo);
  must(connection.execute("CHECKPOINT"));
  std::vector<std::string> command{
      program("pgbench"), "--no-vacuum",           "--time", std::to_string(seconds),
      "--client",         std::to_string(clients), "--jobs", clients > 1 ? "2" : "1"};
  if (workload_ == Workload::kInserts) command.insert(command.end(), {"--file", script_});
  if (rate > 0) command.insert(command.end(), {"--rate", std::to_string(rate)});
  command.push_back(conninfo);
  const std::string output = output_of(command);
  const std::size_t at = output.find("tps = ");
  if (at == std::string::npos) fail(operator_error("pgbench printed no tps", output));
  return std::stod(output.substr(at + 6));
}

double WritersStage::alone(int clients, int seconds) {
  return pgbench(alone_, clients, seconds);
}

double WritersStage::recorded(int clients, int seconds) {
  start_service();
  const double tps = pgbench(recorded_, clients, seconds);
  end_service();
  return tps;
}

WritersStage::Taken WritersStage::taken_at(int rate, int seconds) {
  start_service();
  auto connection = connect(recorded_);
  const auto now = [&] {
    Taken taken;
    const auto pids =
        must(connection.query("SELECT pid, backend_type = 'walsender' FROM pg_stat_activity "
                              "WHERE datname = current_database() AND application_name = 'pgtally' "
                              "AND pid <> pg_backend_pid()"));
    for (std::size_t r = 0; r < pids.size(); ++r) {
      const double cpu = cpu_seconds_of(must(pids.get<std::int32_t>(r, 0)));
      (must(pids.get<bool>(r, 1)) ? taken.wal_sender : taken.sessions) += cpu;
    }
    taken.service = cpu_seconds_of(service_->pid());
    taken.rows = std::stod(value(connection, "SELECT max(id) FROM pgtally.processed_log"));
    return taken;
  };
  const Taken before = now();
  pgbench(recorded_, 4, seconds, rate);
  await_idle();
  Taken taken = now();
  taken.late_median = std::stod(
      value(connection,
            fmt::format("SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM "
                        "sequenced_at - source_time)) FROM pgtally.processed_log WHERE id > {}",
                        static_cast<std::int64_t>(before.rows))));
  taken.rows -= before.rows;
  taken.service -= before.service;
  taken.sessions -= before.sessions;
  taken.wal_sender -= before.wal_sender;
  end_service();
  return taken;
}

double WritersStage::floor(int clients, int seconds) {
  if (mode_ == "trigger") return pgbench(floor_, clients, seconds);
  Process receiver({program("pg_recvlogical"), "--dbname", floor_, "--slot", kSlot, "--start",
                    "--file", "/dev/null", "--option", "proto_version=2", "--option",
                    "publication_names=floor"});
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  const double tps = pgbench(floor_, clients, seconds);
  receiver.check_running();
  return tps;
}

double WritersStage::copy(const std::string& conninfo, std::int64_t rows) {
  auto connection = connect(conninfo);
  must(connection.execute("CHECKPOINT"));
  return seconds_of([&] {
    auto copy = must(pg::CopyIn::start(
        connection, "COPY public.event (account, note) FROM STDIN (FORMAT binary)"));
    for (std::int64_t i = 0; i < rows; ++i) {
      copy.int8(i);
      copy.text("a note of some forty characters, as usual");
      must(copy.end_row());
    }
    if (must(copy.finish()) != static_cast<std::uint64_t>(rows)) {
      fail(tampered("rows are missing"));
    }
  });
}

double WritersStage::copy_recorded(std::int64_t rows) {
  start_service();
  const double seconds = copy(recorded_, rows);
  end_service();
  return seconds;
}

}  // namespace pgtally::bench
