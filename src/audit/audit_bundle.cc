#include "audit/audit_bundle.h"

#include <algorithm>

#include "audit/bundle_places.h"
#include "audit/row_audit.h"
#include "base/encoding.h"
#include "format/times.h"
#include "ledger/other_database.h"
#include "ledger/session_settings.h"
#include "pgtally/checkpoint.h"

namespace pgtally {
namespace {

Result<void> check_sources(const BundleLog& log, const std::vector<std::string>& named) {
  for (const std::string& name : named) {
    if (log.entries_of(name) > 0) continue;
    return reject("the log has no source " + quoted(name) + " in this bundle");
  }
  return {};
}

// A bundle of another ledger is a mistake, and no tampering.
Result<void> check_origin(BundleLog& log, const Policy& policy) {
  std::string origin;
  TRY_VOID(log.read_checkpoints([&](const AuditedCheckpoint& kept) -> Result<void> {
    TRY(const SignedNote note, parse_note(kept.note));
    TRY(const Checkpoint checkpoint, parse_checkpoint(note.text));
    origin = checkpoint.origin;
    return {};
  }));
  const bool is_known = std::ranges::any_of(
      policy.logs(), [&](const PolicyLog& trusted) { return trusted.key.name() == origin; });
  if (is_known) return {};
  return reject("the bundle is of the ledger " + quoted(origin) +
                    ", and the key that is trusted is of " +
                    quoted(policy.logs().front().key.name()),
                "Give the verifier key of that ledger, or the bundle of this one.");
}

Result<AuditReport> audit_in_snapshot(BundleLog& log, pg::Connection& connection,
                                      SideSessions& sides, const Policy& policy,
                                      const AuditOptions& options, bool as_of_bundle) {
  TRY(const auto clock, connection.query("SELECT clock_timestamp()"));
  TRY(const Time begun, clock.get<Time>(0, 0));
  TRY(auto places, BundlePlaces::open(log, connection, sides, options.sources, as_of_bundle));
  TRY(const auto rows, make_row_audit(log, std::move(places), options));
  TRY(AuditReport report, run_audit(log, *rows, policy, options));
  report.begun = begun;
  TRY(const auto end, connection.query("SELECT clock_timestamp()"));
  TRY(report.ended, end.get<Time>(0, 0));
  report.remarks.push_back(
      "The log was read from a bundle that was made at " + time_for_people(log.about().made_at) +
      ", as whoever made it says. " +
      (as_of_bundle ? "Rows were judged on the word that nobody has written to the tables since."
                    : "Rows that may have come or changed since are not judged; a newer bundle "
                      "decides."));
  return report;
}

}  // namespace

Result<AuditReport> audit_bundle(BundleLog& log, pg::Connection& connection, const Policy& policy,
                                 const AuditOptions& options, bool as_of_bundle) {
  TRY_VOID(check_sources(log, options.sources));
  TRY_VOID(check_origin(log, policy));
  TRY_VOID(check_source_server(connection, "the tables' place"));
  TRY_VOID(prepare_session(connection));
  TRY(SideSessions sides, SideSessions::begin(connection));
  auto report = audit_in_snapshot(log, connection, sides, policy, options, as_of_bundle);
  // Whether the connection still answers says nothing about what was found.
  const auto ended = connection.execute("ROLLBACK");
  if (report.ok() && !ended.ok()) return ended.error();
  return report;
}

}  // namespace pgtally
