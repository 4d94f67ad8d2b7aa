#include "audit/row_audit.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "audit/comparison.h"
#include "audit/key_states.h"
#include "audit/ledger_places.h"
#include "audit/row_judge.h"
#include "audit/table_fit.h"
#include "audit/table_rows.h"
#include "ledger/position_key.h"

namespace pgtally {
namespace {

constexpr std::size_t kLeastMemory = std::size_t{256} << 10;  // of one source

// Truncating a table, and altering it so that it is written anew, takes its rows from snapshots that
// were taken before; detaching a partition does as well. Catalogs that are read by SQL are those of the
// snapshot, what these functions tell is of now; and since the table was read, it stays as it is.
Result<bool> is_as_in_snapshot(pg::Connection& connection, std::uint32_t table) {
  TRY(const auto rows, connection.query(R"sql(
    WITH RECURSIVE part(oid) AS (
      SELECT $1::int8::oid
       UNION SELECT i.inhrelid FROM pg_inherits AS i JOIN part AS p ON i.inhparent = p.oid)
    SELECT bool_and(c.relfilenode::int8 = coalesce(pg_relation_filenode(c.oid)::int8, 0)
                    AND (NOT c.relispartition OR c.oid = $1::int8::oid
                         OR EXISTS (SELECT FROM pg_partition_tree($1::int8::oid::regclass) AS t
                                     WHERE t.relid = c.oid)))
      FROM part JOIN pg_class AS c USING (oid))sql",
                                        pg::Params().int8(table)));
  TRY(const auto same, rows.get<std::optional<bool>>(0, 0));
  return same.value_or(false);
}

struct Source {
  KeyStates states;
  std::size_t memory;
  bool has_salts;
  std::uint64_t inserted = 0;  // and not deleted again, since the last truncate
};

class RowPass : public RowAudit {
 public:
  RowPass(AuditedLog& log, std::unique_ptr<RowPlaces> places, const AuditOptions& options,
          const KeyHasher& hasher)
      : log_(&log), places_(std::move(places)), options_(options), hasher_(hasher) {}

  Result<void> visit(const VisitedEntry& visited) override;
  Result<std::vector<SourceReport>> compare(LogOutcome& log) override;

 private:
  [[nodiscard]] bool is_asked_for(std::string_view name) const;
  // Salts that come with the entries are kept, those that can be made are made when they are needed.
  [[nodiscard]] Comparison::Rules rules(const std::string& name, bool salts) const {
    Comparison::Rules rules;
    rules.salts = salts;
    if (log_->salts_at_any_time()) {
      rules.salts_of = [log = log_, name](std::span<const LeafIndex> ids, std::span<Hash> made) {
        return log->salts(name, ids, made);
      };
    }
    return rules;
  }
  Source& source(std::string_view name);
  [[nodiscard]] Result<void> take_staged();
  [[nodiscard]] Result<void> compare_source(const LoggedSource& logged, LogOutcome& log,
                                            SourceReport& report);
  [[nodiscard]] Result<void> compare_appended(const LoggedSource& logged, LogOutcome& log,
                                              SourceReport& report);
  [[nodiscard]] Result<void> compare_table(const LoggedSource& logged, RowPlace place,
                                           LogOutcome& log, SourceReport& report);
  [[nodiscard]] Result<void> add_rows(const LoggedSource& logged, TableRows& rows,
                                      Comparison& comparison);
  [[nodiscard]] Result<void> report_unread(const LoggedSource& logged, const RowPlace& place,
                                           const std::string& sqlstate, const Error& error,
                                           RowJudge& judge, SourceReport& report);
  [[nodiscard]] Result<void> judge_rows(const LoggedSource& logged, const RowPlace& place,
                                        Comparison& comparison, RowJudge& judge);
  [[nodiscard]] Result<void> judge_numbers(const LoggedSource& logged, const RowPlace& place,
                                           std::uint64_t rows, RowJudge& judge);
  [[nodiscard]] Result<void> report_gone(const LoggedSource& logged, const std::string& what,
                                         RowJudge& judge, SourceReport& report);
  void progress(const std::string& phase, std::uint64_t done, std::uint64_t total) const {
    if (options_.progress) options_.progress(phase, done, total);
  }

  AuditedLog* log_;
  std::unique_ptr<RowPlaces> places_;
  AuditOptions options_;
  KeyHasher hasher_;
  std::map<std::string, Source, std::less<>> sources_;
  std::string last_name_;  // entries of one source come together
  Source* last_ = nullptr;
};

bool RowPass::is_asked_for(std::string_view name) const {
  return name != kLedgerSource &&
         (options_.sources.empty() || std::find(options_.sources.begin(), options_.sources.end(),
                                                name) != options_.sources.end());
}

Source& RowPass::source(std::string_view name) {
  if (last_ != nullptr && name == last_name_) return *last_;
  auto found = sources_.find(name);
  if (found == sources_.end()) {
    // Memory goes to sources by their shares of the log.
    const std::uint64_t all = std::max<std::uint64_t>(log_->size().value, 1);
    const std::uint64_t known = places_->entries_of(name);
    const std::uint64_t entries = std::min(known == 0 ? all : known, all);
    const auto memory = std::max(
        kLeastMemory,
        static_cast<std::size_t>(static_cast<double>(options_.memory) *
                                 (static_cast<double>(entries) / static_cast<double>(all))));
    found = sources_
                .emplace(std::string(name),
                         Source{KeyStates(entries, memory, hasher_, spool_directory(),
                                          !log_->salts_at_any_time()),
                                memory, log_->has_salts(name)})
                .first;
  }
  last_name_ = name;
  last_ = &found->second;
  return *last_;
}

Result<void> RowPass::visit(const VisitedEntry& visited) {
  const EntryView& entry = visited.entry;
  if (entry.operation > Operation::kTruncate || !is_asked_for(entry.source)) return {};
  Source& s = source(entry.source);
  if (entry.operation == Operation::kTruncate) {
    if (visited.bad) return {};
    s.states.truncate(visited.id);
    s.inserted = 0;
    return {};
  }
  if (entry.operation == Operation::kInsert) ++s.inserted;
  if (entry.operation == Operation::kDelete && s.inserted > 0) --s.inserted;
  KeyState state;
  state.id = visited.id;
  state.definition = entry.definition;
  state.operation = entry.operation;
  state.bad = visited.bad;
  state.content = entry.content_hash;
  // A key that only a bad entry has ended is left alone, whether its row is there or not.
  if (s.has_salts && state.is_living()) {
    state.salted = true;
    if (!log_->salts_at_any_time()) {
      TRY_VOID(log_->salts(entry.source, std::span(&visited.id, 1), std::span(&state.salt, 1)));
    }
  }
  return s.states.put(entry.key, state);
}

Result<void> RowPass::take_staged() {
  std::uint64_t id = kStagedIds;
  return places_->read_staged([&](const StagedEntry& entry) -> Result<void> {
    if (!is_asked_for(entry.source)) return {};
    Source& s = source(std::string(entry.source));
    KeyState state;
    state.id = LeafIndex{id++};
    state.definition = entry.definition;
    state.operation = entry.operation;
    state.content = entry.content;
    if (entry.operation == Operation::kTruncate) {
      s.states.truncate(state.id);
      s.inserted = 0;
      return {};
    }
    if (entry.operation == Operation::kInsert) ++s.inserted;
    if (entry.operation == Operation::kDelete && s.inserted > 0) --s.inserted;
    return s.states.put(entry.key, state);
  });
}

Result<std::vector<SourceReport>> RowPass::compare(LogOutcome& log) {
  TRY_VOID(take_staged());
  std::vector<SourceReport> reports;
  for (const auto& [name, logged] : log.sources) {
    if (!is_asked_for(name)) continue;
    SourceReport& report = reports.emplace_back();
    report.name = name;
    report.entries = logged.entries;
    if (logged.definitions.empty()) {
      report.why_not = "none of its definitions can be read";
      continue;
    }
    report.mode = logged.definitions.rbegin()->second.mode;
    report.relation = logged.definitions.rbegin()->second.relation;
    TRY_VOID(source(name).states.finish());
    auto done = compare_source(logged, log, report);
    if (!done.ok()) return std::move(done).error().within("source " + name);
    sources_.erase(name);
    last_ = nullptr;
  }
  return reports;
}

Result<void> RowPass::compare_source(const LoggedSource& logged, LogOutcome& log,
                                     SourceReport& report) {
  if (logged.definitions.rbegin()->second.content == ContentKind::kData) {
    return compare_appended(logged, log, report);
  }
  TRY(RowPlace place, places_->open(logged));
  if (!place.mode.empty()) report.mode = place.mode;
  report.place = place.place;
  if (place.connection == nullptr) {
    report.why_not = place.why_not;
    report.cannot_be_read = place.cannot_be_read;
    return {};
  }
  return compare_table(logged, std::move(place), log, report);
}

Result<void> RowPass::compare_table(const LoggedSource& logged, RowPlace place, LogOutcome& log,
                                    SourceReport& report) {
  Source& s = source(logged.name);
  const SourceDefinition& newest = logged.definitions.rbegin()->second;
  RowJudge counting(logged, place, nullptr, log, report);
  const std::string relation = place.relation.empty() ? newest.relation : place.relation;
  report.relation = relation;
  // What cannot be read of one table does not end the snapshot for the others.
  TRY_VOID(place.connection->execute("SAVEPOINT audit_source"));
  const auto shape = describe_table(*place.connection, relation);
  if (!shape.ok()) {
    if (shape.error().code != ErrorCode::kReject) return shape.error();
    TRY_VOID(place.connection->execute("ROLLBACK TO audit_source"));
    return report_gone(logged, "table " + relation + " is not there", counting, report);
  }
  const auto make_fit = [&] {
    return TableFit::make(logged.definitions, s.states.definitions(), *shape, place.renamed_since);
  };
  const auto fitted = make_fit();
  if (!fitted.ok()) return report_gone(logged, fitted.error().message, counting, report);
  const TableFit& fit = *fitted;
  const bool salts = s.has_salts || !newest.blind;
  report.content_checked =
      salts && newest.content == ContentKind::kRow && !has_position_key(newest);

  Comparison::Rules how = rules(logged.name, salts);
  how.shape_of = [&](std::uint32_t definition) { return fit.shape_of(definition); };
  Comparison comparison(s.states, s.memory / 8, spool_directory(), std::move(how));
  RowJudge judge(logged, place, &fit, log, report);
  RowStream::Extras extras;
  extras.skipped = place.skipped;
  if (place.has_xid) extras.xid = "t.xid";
  if (place.sweeps_only && newest.time) extras.time = *newest.time;
  TableRows rows(place);
  const auto read = [&]() -> Result<void> {
    TRY_VOID(rows.start(relation, *shape, make_fit, extras));
    return add_rows(logged, rows, comparison);
  };
  const auto done = read();
  report.rows = comparison.rows();
  if (!done.ok()) return report_unread(logged, place, rows.sqlstate(), done.error(), judge, report);
  TRY_VOID(place.connection->execute("RELEASE audit_source"));
  report.rows_checked = true;
  TRY(const bool whole, is_as_in_snapshot(*place.connection, shape->oid));
  if (!whole) {
    place.changed_because = "its table was truncated or rewritten while the log was read";
  }
  if (has_position_key(newest)) {
    report.not_covered = fit.not_covered(s.states.definitions(), *shape);
    return judge_numbers(logged, place, comparison.rows(), judge);
  }
  TRY_VOID(judge_rows(logged, place, comparison, judge));
  report.not_covered = fit.not_covered(comparison.living_definitions(), *shape);
  return judge.finish(*log_);
}

Result<void> RowPass::add_rows(const LoggedSource& logged, TableRows& rows,
                               Comparison& comparison) {
  const std::string phase = "reading " + logged.name;
  RowBlock block;
  while (true) {
    TRY(const bool more, rows.next(block));
    if (!more) return {};
    TRY_VOID(comparison.add(block.hashed()));
    progress(phase, comparison.rows(), source(logged.name).states.count());
  }
}

// Rows cannot be read because they are damaged, which is a finding, or altered meanwhile; all else is an
// error.
Result<void> RowPass::report_unread(const LoggedSource& logged, const RowPlace& place,
                                    const std::string& sqlstate, const Error& error,
                                    RowJudge& judge, SourceReport& report) {
  // What the server says of damaged pages, and of bytes that are no value of their type.
  const bool is_damaged = sqlstate.starts_with("XX") || sqlstate.starts_with("22") ||
                          sqlstate == "58P01" || sqlstate == "54000";
  const bool is_altered = sqlstate == "42703" || sqlstate == "42P01";
  if (!is_damaged && !is_altered) return error;
  TRY_VOID(place.connection->execute("ROLLBACK TO audit_source"));
  report.content_checked = false;
  if (is_altered) {
    report.why_not = "its table was altered while the log was read: " + error.message;
    return {};
  }
  report.why_not = "its table cannot be read: " + error.message;
  judge.accuse(FindingKind::kChanged, fmt::format("{} entries", logged.entries), report.why_not);
  return {};
}

Result<void> RowPass::judge_rows(const LoggedSource& logged, const RowPlace& place,
                                 Comparison& comparison, RowJudge& judge) {
  std::optional<Later> later;
  if (place.look_again) {
    bool differs = false;
    std::vector<RowPlaces::Unrecorded> unrecorded;
    TRY_VOID(comparison.run([&](const Difference& difference) {
      differs = differs || judge.may_accuse(difference);
      if (judge.is_asked_for(difference) && unrecorded.size() < RowJudge::kMostAsked) {
        unrecorded.push_back({difference.key, difference.row->key, difference.row->xid});
      }
      return Result<void>();
    }));
    if (differs) {
      progress("waiting for " + logged.name, 0, 0);
      TRY(later, places_->look_again(logged, hasher_, unrecorded));
    }
  }
  return comparison.run([&](const Difference& difference) {
    return judge.judge(difference, later ? &*later : nullptr);
  });
}

// Rows of a table without a key are no more than a number.
Result<void> RowPass::judge_numbers(const LoggedSource& logged, const RowPlace& place,
                                    std::uint64_t rows, RowJudge& judge) {
  std::uint64_t least = source(logged.name).inserted;
  std::uint64_t most = least;
  if (rows == least) return {};
  std::string because = rows > most ? place.unrecorded_because : place.changed_because;
  if (place.look_again) {
    TRY(const Later later, places_->look_again(logged, hasher_, {}));
    least -= later.truncated ? least : std::min(least, later.deleted);
    most += later.inserted;
    if (because.empty()) because = later.undecided;
  }
  if (rows >= least && rows <= most) return {};
  const std::uint64_t differing = rows > most ? rows - most : least - rows;
  if (!because.empty()) {
    judge.leave_undecided(differing, because);
  } else {
    judge.accuse(rows > most ? FindingKind::kUnrecorded : FindingKind::kMissing,
                 fmt::format("{} rows", rows > most ? most : least),
                 fmt::format("{} rows{}", rows, judge.notices_since(LeafIndex{0})));
  }
  return {};
}

// One finding for all rows of a table that is gone, or whose key is.
Result<void> RowPass::report_gone(const LoggedSource& logged, const std::string& what,
                                  RowJudge& judge, SourceReport& report) {
  Source& s = source(logged.name);
  Comparison nothing(s.states, kLeastMemory, spool_directory(), {});
  std::uint64_t living = 0;
  TRY_VOID(nothing.run([&](const Difference& difference) {
    if (difference.kind == Difference::Kind::kMissing && !difference.state->is_staged()) ++living;
    return Result<void>();
  }));
  report.why_not = what;
  if (living > 0) {
    judge.accuse(FindingKind::kMissing, fmt::format("{} rows were recorded", living), what);
  }
  return {};
}

// What was appended waits in staging until it is pruned; and stays in the log, if it is asked to.
Result<void> RowPass::compare_appended(const LoggedSource& logged, LogOutcome& log,
                                       SourceReport& report) {
  Source& s = source(logged.name);
  const bool salts = s.has_salts || !logged.definitions.rbegin()->second.blind;
  Comparison::Rules how = rules(logged.name, salts);
  how.shape_of = [](std::uint32_t) { return std::optional<std::size_t>(0); };
  Comparison comparison(s.states, s.memory / 8, spool_directory(), std::move(how));
  const RowPlace place;
  RowJudge judge(logged, place, nullptr, log, report);
  TableRow row;
  row.contents.resize(1);
  const auto appended = places_->read_appended(
      logged,
      [&](ByteView key, const Hash& content) {
        row.key.assign(key.begin(), key.end());
        row.contents[0] = content;
        return comparison.add(std::span(&row, 1));
      },
      [&](LeafIndex id, const Hash& entry, const Hash& content) -> Result<void> {
        KeyState state;
        state.id = id;
        state.content = entry;
        state.salted = s.has_salts;
        if (s.has_salts) {
          TRY_VOID(log_->salts(logged.name, std::span(&id, 1), std::span(&state.salt, 1)));
        }
        Difference difference;
        difference.state = &state;
        difference.content = published(content, state);
        if (!salts || difference.content == state.content) return {};
        return judge.judge(difference, nullptr);
      });
  if (!appended.ok()) return appended.error();
  if (!appended->why_not.empty() && s.states.count() > 0) {
    report.why_not = appended->why_not;
    return {};
  }
  report.rows = comparison.rows();
  report.rows_checked = true;
  report.content_checked = salts;
  TRY_VOID(comparison.run([&](const Difference& difference) -> Result<void> {
    const bool was_pruned = difference.kind == Difference::Kind::kMissing && !appended->all;
    return was_pruned ? Result<void>() : judge.judge(difference, nullptr);
  }));
  return judge.finish(*log_);
}

}  // namespace

Result<std::unique_ptr<RowAudit>> make_row_audit(AuditedLog& log, std::unique_ptr<RowPlaces> places,
                                                 const AuditOptions& options) {
  TRY(const KeyHasher hasher, KeyHasher::random());
  return std::unique_ptr<RowAudit>(
      std::make_unique<RowPass>(log, std::move(places), options, hasher));
}

Result<std::unique_ptr<RowAudit>> rows_of_ledger(const Ledger& ledger, AuditedLog& log,
                                                 const AuditOptions& options, SideSessions* sides) {
  TRY(auto places, LedgerPlaces::open(ledger, log.size(), options.wait, sides));
  return make_row_audit(log, std::move(places), options);
}

}  // namespace pgtally
