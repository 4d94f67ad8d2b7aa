#include "audit/audit.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "audit/ledger_audit_log.h"
#include "audit/ledger_state.h"
#include "client/open_published.h"
#include "format/times.h"
#include "pgtally/verify.h"

namespace pgtally {
namespace {

constexpr std::size_t kMostMarks = 400;  // of a timeline

Time now() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return Time{std::chrono::duration_cast<std::chrono::microseconds>(since).count()};
}

struct Published {
  std::unique_ptr<LogReader> log;
  std::optional<Checkpoint> checkpoint;
};

// Its checkpoint joins those from outside.
Result<Published> read_published_checkpoint(const AuditOptions& options, const Policy& policy,
                                            std::vector<OutsideCheckpoint>& outside) {
  Published published;
  if (options.published.empty()) return published;
  TRY(published.log, open_published(options.published));
  auto note = published.log->checkpoint();
  if (!note.ok()) return std::move(note).error().within(options.published);
  if (note->empty()) {
    return reject(options.published + " holds no published log",
                  "It should be a directory that `pgtally publish` has made, or the URL of one.");
  }
  const auto verified = verify_checkpoint(*note, policy);
  if (!verified.ok()) {
    return reject(options.published + ": " + verified.error().message, verified.error().hint);
  }
  published.checkpoint = verified->checkpoint;
  outside.push_back({options.published, *std::move(note)});
  return published;
}

// Which rows have no entry, or not that of theirs, because of what was found there.
void name_rows(const Suspects& suspects, Finding& finding) {
  const LeafIndex end = finding.to_id.value_or(LeafIndex{finding.id->value + 1});
  const auto first = suspects.claimed().lower_bound(*finding.id);
  const auto last = suspects.claimed().lower_bound(end);
  const auto count = std::distance(first, last);
  if (count == 1) {
    finding.source = first->second.source;
    finding.key = first->second.key;
  } else if (count > 1) {
    constexpr std::ptrdiff_t kMostNamed = 5;
    finding.actual += "; these rows are without entry:";
    for (auto at = first; at != std::next(first, std::min(count, kMostNamed)); ++at) {
      finding.actual += fmt::format("{} {} {}", at == first ? "" : ",", at->second.source,
                                    fmt::join(at->second.key, " "));
    }
    if (count > kMostNamed) finding.actual += fmt::format(", and {} more", count - kMostNamed);
  }
}

// What the rows have said of entries, put to what the log pass has found of them.
void settle(LogOutcome& log) {
  for (Finding& finding : log.of_entries) {
    if (finding.id) {
      if (finding.to_id && log.suspects.is_pinned(*finding.id, *finding.to_id)) continue;
      name_rows(log.suspects, finding);
    }
    log.findings.add(std::move(finding));
  }
  log.of_entries.clear();
}

// Since when a signature has covered it, and when it was recorded.
Result<void> date(AuditedLog& log, const LogOutcome& outcome, Findings& findings) {
  std::map<LeafIndex, std::vector<Finding*>> undated;
  for (Finding& finding : findings.listed()) {
    if (!finding.id) continue;
    finding.covered_by = outcome.covered_by(*finding.id);
    const bool is_entry = !finding.to_id && finding.id->value < outcome.size.value;
    if (is_entry && !finding.recorded_at) undated[*finding.id].push_back(&finding);
  }
  for (const auto& [id, of_entry] : undated) {
    TRY(const auto entry, log.entry(id));
    if (!entry) continue;
    for (Finding* each : of_entry) each->recorded_at = entry->sequenced_at;
  }
  return {};
}

std::vector<CheckpointMark> thinned(const std::vector<CheckpointMark>& marks) {
  if (marks.size() <= kMostMarks) return marks;
  std::vector<CheckpointMark> some;
  for (std::size_t i = 0; i < kMostMarks; ++i) {
    some.push_back(marks[i * (marks.size() - 1) / (kMostMarks - 1)]);
  }
  return some;
}

// Of the log, where there is something.
std::string what_others_know(const LogOutcome& log, const std::vector<OutsideCheckpoint>& outside) {
  std::vector<std::string> known;
  if (!outside.empty()) {
    std::string names;
    for (const OutsideCheckpoint& each : outside) names += (names.empty() ? "" : ", ") + each.from;
    known.push_back("what others have kept of it (" + names + ")");
  }
  if (log.witnessed) {
    std::string witnesses;
    for (const Cosigned& each : log.witnessed->cosigned_by) {
      witnesses += fmt::format("{}{} at {}", witnesses.empty() ? "" : ", ", each.witness,
                               time_for_people(time_of_seconds(each.timestamp)));
    }
    known.push_back(fmt::format("what witnesses have cosigned (size {} by {})",
                                log.witnessed->size.value, witnesses));
  }
  return fmt::format("{}", fmt::join(known, " and "));
}

std::vector<std::string> remarks_on(const LogOutcome& log, const AuditOptions& options,
                                    const std::vector<OutsideCheckpoint>& outside) {
  std::vector<std::string> remarks;
  if (!log.remembered) {
    remarks.emplace_back(
        "This shows that the ledger is consistent with itself, and that is all it can show: no "
        "checkpoint from outside was held against the log, and whoever has the signing key could "
        "have written all of it anew. Keep a checkpoint elsewhere, and audit with it "
        "(--checkpoint FILE, or --published DIR), or with a policy that names its witnesses "
        "(--policy FILE).");
  } else {
    remarks.push_back(fmt::format(
        "The log was held against {}, up to entry {}. For what was recorded after that, "
        "there is only the operator's own word.",
        what_others_know(log, outside), log.remembered->value - 1));
  }
  if (!options.policy) {
    remarks.emplace_back(
        "Signatures were checked with the key that the ledger itself names. Give the one that you "
        "know with --vkey or --policy.");
  }
  if (!log.has_witnessed_times) {
    remarks.emplace_back(
        "Times of recording are the operator's clock: no witness's time was compared with them.");
  }
  remarks.emplace_back(
      "What was changed or deleted before it was recorded does not show: only what the log has can "
      "be missed.");
  return remarks;
}

using AfterLog = std::function<Result<void>(LogOutcome&)>;

Result<AuditReport> audit(AuditedLog& log, RowAudit& rows, const Policy& policy,
                          const AuditOptions& options, const AfterLog& after_log) {
  AuditReport report;
  report.begun = now();
  LogCheckOptions checking{.policy = policy,
                           .outside = options.outside,
                           .published = nullptr,
                           .published_checkpoint = {},
                           .late_after = options.late_after,
                           .progress = {}};
  TRY(const Published published, read_published_checkpoint(options, policy, checking.outside));
  checking.published = published.log.get();
  checking.published_checkpoint = published.checkpoint;
  if (options.progress) {
    checking.progress = [&](std::uint64_t done, std::uint64_t total) {
      options.progress("checking the log", done, total);
    };
  }
  TRY(LogOutcome outcome, check_log(log, checking, rows));
  TRY_VOID(after_log(outcome));
  TRY(report.sources, rows.compare(outcome));
  settle(outcome);
  TRY_VOID(date(log, outcome, outcome.findings));

  const VerifierKey& key = policy.logs().front().key;
  report.origin = key.name();
  report.vkey = key.text();
  report.size = outcome.size;
  report.root = outcome.root;
  report.first_entry = outcome.first_entry;
  report.last_entry = outcome.last_entry;
  report.entries_checked = outcome.size.value;
  for (const SourceReport& source : report.sources) report.rows_checked += source.rows;
  report.checkpoints_checked = outcome.checkpoints_checked;
  report.remembered = outcome.remembered;
  report.witnessed = outcome.witnessed;
  report.timeline = thinned(outcome.checkpoints);
  report.remarks = remarks_on(outcome, options, checking.outside);
  report.remarks.insert(report.remarks.end(), outcome.remarks.begin(), outcome.remarks.end());
  report.findings = std::move(outcome.findings);
  report.ended = now();
  return report;
}

// The key that the ledger's first entry names, or what the database says beside it.
Result<Policy> own_key(const Ledger& ledger) {
  TRY(const auto rows, ledger.query("SELECT d.document FROM pgtally.definition AS d "
                                    "JOIN pgtally.processed_log AS p ON p.id = 0 "
                                    "AND p.content_hash = sha256(d.document) "
                                    "WHERE d.source_id = 0 AND d.number = 0"));
  std::string vkey = ledger.vkey();
  if (!rows.empty()) {
    TRY(const auto document, rows.get<ByteView>(0, 0));
    const auto definition = decode_ledger_definition(as_text(document));
    if (definition.ok()) vkey = definition->vkey;
  }
  TRY(VerifierKey key, VerifierKey::parse(vkey));
  return Policy::trust(std::move(key));
}

Result<AuditReport> audit_in_snapshot(const Ledger& ledger, SideSessions& sides,
                                      const AuditOptions& options) {
  TRY_VOID(require_rights(ledger));
  TRY_VOID(require_sources(ledger, options.sources));
  TRY(const auto clock, ledger.query("SELECT clock_timestamp()"));
  TRY(const Time begun, clock.get<Time>(0, 0));
  TRY(const Policy policy, options.policy ? *options.policy : own_key(ledger));
  TRY(const auto log, LedgerAuditLog::open(ledger, &sides));
  TRY(const auto rows, rows_of_ledger(ledger, *log, options, &sides));
  const std::string key = policy.logs().front().key.text();
  TRY(AuditReport report, audit(*log, *rows, policy, options, [&](LogOutcome& outcome) {
        if (ledger.vkey() != key) {
          outcome.of_entries.push_back({.recorded = "the ledger's key is " + key,
                                        .actual = "table ledger says " + ledger.vkey()});
        }
        return check_registry(ledger, policy.logs().front().key.name(), *log, outcome);
      }));
  report.begun = begun;
  TRY(const auto end, ledger.query("SELECT clock_timestamp()"));
  TRY(report.ended, end.get<Time>(0, 0));
  return report;
}

}  // namespace

Result<AuditReport> run_audit(AuditedLog& log, RowAudit& rows, const Policy& policy,
                              const AuditOptions& options) {
  return audit(log, rows, policy, options, [](LogOutcome&) { return Result<void>(); });
}

Result<AuditReport> audit_ledger(const Ledger& ledger, const AuditOptions& options) {
  TRY(SideSessions sides, SideSessions::begin(ledger.connection()));
  auto report = audit_in_snapshot(ledger, sides, options);
  // Whether the connection still answers says nothing about what was found.
  const auto ended = ledger.execute("ROLLBACK");
  if (report.ok() && !ended.ok()) return ended.error();
  return report;
}

}  // namespace pgtally
