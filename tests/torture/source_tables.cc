#include "torture/source_tables.h"

#include <fmt/format.h>

#include <algorithm>

#include "postgres/connection.h"
#include "torture/must.h"
#include "torture/pgtally_program.h"

namespace pgtally::torture {
namespace {

constexpr const char* kTable = R"sql(
CREATE TABLE public.{0} (
  id      bigserial PRIMARY KEY,
  version bigint NOT NULL DEFAULT 1,
  body    text NOT NULL
);
INSERT INTO public.{0} (body) SELECT '{0} from before, ' || i FROM generate_series(1, {1}) AS i;
)sql";

constexpr const char* kXidColumn = R"sql(
ALTER TABLE public.{0} ADD COLUMN xid xid8 NOT NULL DEFAULT pg_current_xact_id();
ALTER TABLE public.{0}
  ADD CONSTRAINT xid_is_the_writers_own CHECK (xid = pg_current_xact_id()) NOT VALID;
CREATE INDEX ON public.{0} (xid, id);
)sql";

// Without it the old row of an update or delete, whose body may be out of line, is not in the stream.
constexpr const char* kReplicaIdentity = "ALTER TABLE public.{0} REPLICA IDENTITY FULL;";

// Runs one statement in a block that is rolled back, and another in one that is not.
constexpr const char* kSupport = R"sql(
CREATE TABLE public.receipt (transaction text PRIMARY KEY);
CREATE FUNCTION public.in_block(goes text, stays text)
RETURNS TABLE (id bigint, version bigint, old_id bigint)
LANGUAGE plpgsql AS $$
BEGIN
  BEGIN
    EXECUTE goes;
    RAISE EXCEPTION 'never mind';
  EXCEPTION WHEN raise_exception THEN
    NULL;
  END;
  BEGIN
    RETURN QUERY EXECUTE stays;
  EXCEPTION WHEN division_by_zero THEN
    RAISE;
  END;
END $$;
)sql";

std::string table_sql(const SourceTable& table) {
  std::string sql = fmt::format(kTable, table.name, kRowsBefore);
  if (table.mode == "xid") sql += fmt::format(kXidColumn, table.name);
  if (table.mode == "logical") sql += fmt::format(kReplicaIdentity, table.name);
  return sql;
}

}  // namespace

std::vector<SourceTable> source_tables(const std::vector<std::string>& modes) {
  const std::vector<SourceTable> all{
      {.name = "append_only_log", .mode = "append"},
      {.name = "event", .mode = "xid"},
      {.name = "reading", .mode = "poll"},
      {.name = "payment", .mode = "trigger", .changes = true},
      {.name = "account", .mode = "logical", .changes = true},
      {.name = "far_event", .mode = "xid", .place = Place::kElsewhere, .blind = false},
      {.name = "far_reading", .mode = "poll", .place = Place::kElsewhere},
      {.name = "far_account", .mode = "logical", .place = Place::kElsewhere, .changes = true},
  };
  if (modes.empty()) return all;
  std::vector<SourceTable> chosen;
  for (const SourceTable& table : all) {
    const std::string name = (table.place == Place::kElsewhere ? "remote-" : "") + table.mode;
    if (std::find(modes.begin(), modes.end(), name) != modes.end()) chosen.push_back(table);
  }
  return chosen;
}

Databases make_databases(const test::TestCluster& cluster, const test::TestDirectory& directory,
                         const std::vector<SourceTable>& tables) {
  const std::string home = cluster.conninfo();
  const Databases databases{home, home.substr(0, home.find(" dbname=")) + " dbname=elsewhere"};
  cluster.psql("CREATE DATABASE elsewhere TEMPLATE template0");
  run_pgtally({"init", "--origin", "torture.example/log", "--roles", "none", "--state",
               signing_state(directory)},
              home, directory);
  for (const Place place : {Place::kHome, Place::kElsewhere}) {
    auto connection = must(pg::Connection::open(databases.of(place)));
    must(connection.execute(kSupport));
    for (const SourceTable& table : tables) {
      if (table.place != place || table.is_staging()) continue;
      must(connection.execute(table_sql(table)));
    }
  }
  return databases;
}

std::string body_before(const std::string& table, std::int64_t id) {
  return fmt::format("{} from before, {}", table, id);
}

void add_sources(const Databases& databases, const test::TestDirectory& directory,
                 const std::vector<SourceTable>& tables) {
  for (const SourceTable& table : tables) {
    if (table.is_staging()) continue;
    std::vector<std::string> arguments{
        "source", "add", table.name, "--table", "public." + table.name,
        "--key",  "id",  "--mode",   table.mode};
    if (table.mode == "trigger") arguments.push_back("--track-changes");
    if (!table.blind) arguments.push_back("--no-blind");
    if (table.place == Place::kElsewhere) {
      arguments.insert(arguments.end(), {"--database", databases.elsewhere});
    }
    run_pgtally(arguments, databases.home, directory);
  }
}

}  // namespace pgtally::torture
