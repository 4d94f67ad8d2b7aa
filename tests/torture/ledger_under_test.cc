#include "torture/ledger_under_test.h"

#include "capture/modes.h"
#include "ledger/registry.h"
#include "service/founding.h"
#include "torture/must.h"

namespace pgtally::torture {
namespace {

constexpr const char* kTablesSql = R"sql(
CREATE TABLE public.event (
  id   bigserial PRIMARY KEY,
  body text NOT NULL,
  xid  xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX ON public.event (xid, id);
ALTER TABLE public.event
  ADD CONSTRAINT xid_is_the_writers_own CHECK (xid = pg_current_xact_id()) NOT VALID;
CREATE TABLE public.reading (id bigserial PRIMARY KEY, body text NOT NULL);
)sql";

// Rows before, in, and after blocks that are rolled back, and in one that is not. Returns those
// that stay, in the order in which they were written.
constexpr const char* kExceptionsSql = R"sql(
CREATE FUNCTION public.write_with_exceptions(stays text[], goes text)
RETURNS TABLE (relation integer, id bigint)
LANGUAGE plpgsql AS $$
BEGIN
  RETURN QUERY INSERT INTO public.event (body) VALUES (stays[1]) RETURNING 1, event.id;
  BEGIN
    INSERT INTO public.event (body) VALUES (goes);
    INSERT INTO public.reading (body) VALUES (goes);
    INSERT INTO pgtally.append_only_log (data) VALUES (convert_to(goes, 'UTF8'));
    RAISE EXCEPTION 'never mind';
  EXCEPTION WHEN raise_exception THEN
    RETURN QUERY INSERT INTO public.reading (body) VALUES (stays[2]) RETURNING 2, reading.id;
  END;
  BEGIN
    RETURN QUERY INSERT INTO pgtally.append_only_log (data) VALUES (convert_to(stays[3], 'UTF8'))
                 RETURNING 0, append_only_log.id;
  EXCEPTION WHEN division_by_zero THEN
    RAISE;
  END;
END $$;
)sql";

void add_source(const Ledger& ledger, Table table, const std::string& mode, bool blind) {
  SourceRequest request;
  request.name = name_of(table);
  request.table = relation_of(table);
  request.key = {"id"};
  request.mode = mode;
  request.blind = blind;
  must(pgtally::add_source(ledger, must(plan_source(ledger, capture_modes(), request))));
}

}  // namespace

const char* name_of(Table table) {
  return table == Table::kStaging ? "append_only_log"
         : table == Table::kEvent ? "event"
                                  : "reading";
}

const char* relation_of(Table table) {
  switch (table) {
    case Table::kStaging:
      return "pgtally.append_only_log";
    case Table::kEvent:
      return "public.event";
    case Table::kReading:
      return "public.reading";
  }
  return "";
}

const char* body_of(Table table) {
  return table == Table::kStaging ? "convert_from(data, 'UTF8')" : "body";
}

void found(const std::string& conninfo, const std::string& state_directory) {
  auto connection = must(pg::Connection::open(conninfo));
  FoundingRequest request;
  request.origin = kOrigin;
  request.schema = kDefaultSchema;
  request.state_directory = state_directory;
  request.roles = Roles::kNone;
  must(found_ledger(connection, request));
  must(connection.execute(kTablesSql));
  must(connection.execute(kExceptionsSql));
}

void add_sources(const std::string& conninfo) {
  auto connection = must(pg::Connection::open(conninfo));
  const Ledger ledger = must(Ledger::open(connection, std::string(kDefaultSchema)));
  add_source(ledger, Table::kEvent, "xid", true);
  add_source(ledger, Table::kReading, "poll", false);
}

RunnerOptions runner_options(const std::string& conninfo, const std::string& state_directory) {
  RunnerOptions options;
  options.conninfo = conninfo;
  options.schema = kDefaultSchema;
  options.state_directory = state_directory;
  return options;
}

}  // namespace pgtally::torture
