#include "bench_ledger.h"

#include <fmt/format.h>

#include "capture/modes.h"
#include "ledger/registry.h"
#include "service/founding.h"

namespace pgtally::bench {
namespace {

constexpr const char* kFill = R"sql(
  DO $$ BEGIN
    FOR low IN 1 .. {0} BY 10000 LOOP
      INSERT INTO {1}
      SELECT {2} FROM generate_series(low, least(low + 9999, {0})) AS i;
      COMMIT;
    END LOOP;
  END $$)sql";

constexpr const char* kTable = R"sql(
  CREATE TABLE public.event (
    id bigint PRIMARY KEY,
    happened_at timestamptz NOT NULL,
    sha256 bytea NOT NULL{});
)sql";

// The columns of processed_log as the source gives them.
constexpr const char* kBareInsert = R"sql(
  INSERT INTO public.bare (id, source_id, definition, ordinal, operation, key, source_position,
                           source_time, content_hash, data, sequenced_at)
  SELECT row_number() OVER (ORDER BY {0}) - 1, 2, 0, row_number() OVER (ORDER BY {0}) - 1,
         1::smallint, int2send(octet_length(id::text)::int2) || convert_to(id::text, 'UTF8'),
         {1}, {2}, NULL, now()
    FROM {3} ORDER BY {0})sql";

}  // namespace

const char* name_of(Mode mode) {
  switch (mode) {
    case Mode::kPoll:
      return "poll";
    case Mode::kXid:
      return "xid";
    case Mode::kAppend:
      break;
  }
  return "append";
}

BenchLedger::BenchLedger(Server& server, Mode mode, std::int64_t rows) : mode_(mode) {
  options_.conninfo = server.fresh_database();
  options_.schema = std::string(kDefaultSchema);
  options_.state_directory = server.fresh_directory();
  connection_ = connect(options_.conninfo);
  must(found_ledger(*connection_, {.origin = "bench.example/log",
                                   .schema = options_.schema,
                                   .state_directory = options_.state_directory,
                                   .signing_key = "",
                                   .roles = Roles::kNone}));
  const Ledger ledger = must(Ledger::open(*connection_, options_.schema));
  SourceRequest request;
  request.name = "event";
  request.blind = false;
  if (mode == Mode::kAppend) {
    request.append = true;
  } else {
    const bool xid = mode == Mode::kXid;
    must(connection_->execute(fmt::format(
        fmt::runtime(kTable),
        xid ? ", xid xid8 NOT NULL DEFAULT pg_current_xact_id() CHECK (xid = pg_current_xact_id())"
            : "")));
    if (xid) must(connection_->execute("CREATE INDEX ON public.event (xid, id)"));
    request.table = "public.event";
    request.key = {"id"};
    request.mode = name_of(mode);
    request.time = "happened_at";
    request.hash_column = "sha256";
  }
  must(add_source(ledger, must(plan_source(ledger, capture_modes(), request))));
  full_size_ = run_once(options_.settings.batch_rows) + static_cast<std::uint64_t>(rows);

  const bool staged = mode == Mode::kAppend;
  must(connection_->execute(fmt::format(
      fmt::runtime(kFill), rows,
      staged ? "pgtally.append_only_log (source_id, content_hash)"
             : "public.event (id, happened_at, sha256)",
      staged ? "(SELECT source_id FROM pgtally.source WHERE name = 'event'), sha256(int8send(i))"
             : "i, clock_timestamp(), sha256(int8send(i))")));
  must(connection_->execute(
      "CREATE TABLE public.bare (id bigint PRIMARY KEY, source_id integer NOT NULL, definition "
      "integer NOT NULL, ordinal bigint NOT NULL, operation smallint NOT NULL, key bytea NOT NULL, "
      "source_position text NOT NULL, source_time timestamptz, content_hash bytea NOT NULL, data "
      "bytea, sequenced_at timestamptz NOT NULL)"));
  must(connection_->execute("CREATE INDEX ON public.bare (source_id, key)"));
  // So that neither side sets the hint bits for the other.
  must(connection_->execute(staged ? "VACUUM ANALYZE pgtally.append_only_log"
                                   : "VACUUM ANALYZE public.event"));
}

std::uint64_t BenchLedger::run_once(std::int32_t batch_rows, StepObserver* observer) {
  auto connection = connect(options_.conninfo);
  RunnerOptions options = options_;
  options.settings.batch_rows = batch_rows;
  options.observer = observer;
  const OnceReport report = must(pgtally::run_once(connection, options, {}));
  server_cpu_ = server_cpu_seconds(connection);
  return report.checkpoint ? report.checkpoint->size.value : 0;
}

std::uint64_t BenchLedger::bare_insert() {
  auto connection = connect(options_.conninfo);
  const bool poll = mode_ == Mode::kPoll;
  const std::string from = mode_ == Mode::kAppend ? "pgtally.append_only_log" : "public.event";
  const auto rows = must(connection.query(fmt::format(
      fmt::runtime(kBareInsert), poll ? "id" : "xid, id", poll ? "id::text" : "xid::text",
      mode_ == Mode::kAppend ? "source_time, content_hash" : "happened_at, sha256", from)));
  server_cpu_ = server_cpu_seconds(connection);
  return rows.affected();
}

}  // namespace pgtally::bench
