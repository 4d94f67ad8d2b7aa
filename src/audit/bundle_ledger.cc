#include "audit/bundle_ledger.h"

#include <algorithm>
#include <map>

#include "audit/ledger_audit_log.h"
#include "audit/ledger_places.h"
#include "capture/remote_table.h"
#include "ledger/registry.h"
#include "ledger/tree_head.h"

namespace pgtally {
namespace {

struct Registered {
  std::int32_t id = 0;
  bool blind = false;
  bool is_local = false;
  BundleSource said;
};

// Of all sources, removed ones too, since the log has their entries; by name.
Result<std::vector<Registered>> registered(const Ledger& ledger, LedgerAuditLog& log) {
  TRY(const auto rows,
      ledger.query("SELECT s.source_id, s.blind, s.endpoint_id IS NULL, s.track_changes, "
                   "s.existing = 'skip', coalesce(e.place, '') FROM pgtally.source AS s "
                   "LEFT JOIN pgtally.endpoint AS e USING (endpoint_id) WHERE s.source_id > 0"));
  std::vector<Registered> sources;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    Registered& source = sources.emplace_back();
    TRY(source.id, rows.get<std::int32_t>(r, 0));
    TRY(source.blind, rows.get<bool>(r, 1));
    TRY(source.is_local, rows.get<bool>(r, 2));
    source.said.name = log.names().at(source.id);
    TRY(source.said.tracks_changes, rows.get<bool>(r, 3));
    TRY(source.said.skips_existing, rows.get<bool>(r, 4));
    TRY(source.said.place, rows.get<std::string>(r, 5));
    TRY(source.said.loaded_at, log.first_load_ended(source.said.name));
  }
  std::ranges::sort(sources, {}, [](const Registered& source) { return source.said.name; });
  return sources;
}

Result<void> choose_salts(const BundleOptions& options, LedgerAuditLog& log,
                          std::vector<Registered>& sources) {
  for (const std::string& name : options.salts.value_or(std::vector<std::string>())) {
    const auto found =
        std::ranges::find(sources, name, [](const Registered& source) { return source.said.name; });
    if (found == sources.end()) {
      return reject("there is no source " + name,
                    "pgtally source list shows those that there are.");
    }
    if (!found->blind) {
      return reject("source " + name + " has no salts: its content hashes are not blinded",
                    "Leave it out; whoever has the rows can compare them as it is.");
    }
  }
  for (Registered& source : sources) {
    const bool is_wanted =
        source.blind && (!options.salts || std::ranges::count(*options.salts, source.said.name));
    if (is_wanted && !log.has_salts(source.said.name)) {
      return operator_error(
          "the secret of source " + source.said.name + " is not there, or may not be read",
          "Run this as the ledger's owner, or with --no-salts.");
    }
    source.said.salts = is_wanted;
  }
  return {};
}

// Below which transaction all rows of local tables are in the log. Known where the capture has nothing
// left to bring of what this snapshot shows, and all that it has brought is signed.
Result<void> note_complete(const Ledger& ledger, LedgerAuditLog& log,
                           std::vector<Registered>& sources) {
  TRY(const auto newest, newest_checkpoint(ledger));
  if (!newest || newest->size != log.size()) return {};
  auto opened = LedgerPlaces::open(ledger, log.size(), std::chrono::milliseconds(0));
  if (!opened.ok()) {
    return operator_error(
        "a bundle takes the rights of the ledger's owner: " + opened.error().message,
        "Run this as the owner of schema " + ledger.schema() + ".");
  }
  LedgerPlaces& places = **opened;
  std::map<std::string, std::uint64_t, std::less<>> waiting;
  TRY_VOID(places.read_staged([&](const StagedEntry& entry) {
    ++waiting[std::string(entry.source)];
    return Result<void>();
  }));
  TRY(const auto rows, ledger.query(std::string("SELECT ") + kServerHistory +
                                    ", pg_snapshot_xmin(pg_current_snapshot())::text::bigint"));
  TRY(const auto server, rows.get<std::string>(0, 0));
  TRY(const auto xmin, rows.get<std::int64_t>(0, 1));
  for (Registered& source : sources) {
    if (!source.is_local || source.said.skips_existing || waiting.contains(source.said.name)) {
      continue;
    }
    const auto definition = read_definition(ledger, source.id);
    if (!definition.ok() || definition->content == ContentKind::kData ||
        definition->mode == "logical") {
      continue;
    }
    LoggedSource logged;
    logged.name = source.said.name;
    logged.definitions.emplace(definition->number, *definition);
    TRY(const RowPlace place, places.open(logged));
    const bool is_complete = place.connection != nullptr && place.unrecorded_because.empty() &&
                             !place.sweeps_only && !place.look_again;
    if (!is_complete) continue;
    source.said.server = server;
    source.said.complete_below = static_cast<std::uint64_t>(xmin);
  }
  return {};
}

Result<LedgerBundle> bundle_in_snapshot(const Ledger& ledger, const BundleOptions& options,
                                        const std::string& path) {
  BundleRequest request;
  request.progress = options.progress;
  TRY(const auto clock, ledger.query("SELECT clock_timestamp()"));
  TRY(request.about.made_at, clock.get<Time>(0, 0));
  TRY(const auto log, LedgerAuditLog::open(ledger));
  TRY(auto sources, registered(ledger, *log));
  TRY_VOID(choose_salts(options, *log, sources));
  TRY_VOID(note_complete(ledger, *log, sources));
  for (Registered& source : sources) request.sources.push_back(std::move(source.said));
  LedgerBundle bundle;
  TRY(bundle.report, write_bundle(*log, request, path));
  bundle.sources = std::move(request.sources);
  return bundle;
}

}  // namespace

Result<LedgerBundle> bundle_ledger(const Ledger& ledger, const BundleOptions& options,
                                   const std::string& path) {
  TRY_VOID(ledger.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"));
  auto bundle = bundle_in_snapshot(ledger, options, path);
  const auto ended = ledger.execute("ROLLBACK");
  if (bundle.ok() && !ended.ok()) return ended.error();
  return bundle;
}

}  // namespace pgtally
