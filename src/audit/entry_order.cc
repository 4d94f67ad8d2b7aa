#include "audit/entry_order.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/encoding.h"
#include "crypto/sha256.h"
#include "format/times.h"
#include "pgtally/key.h"

namespace pgtally {
namespace {

// Of each list that only grows if the log was damaged. What is beyond is not explained any more, so it
// costs further findings and no memory.
constexpr std::size_t kMostKept = 10'000;
constexpr std::int64_t kMinute = 60'000'000;
constexpr std::int64_t kHour = 60 * kMinute;

bool is_finite(Time time) {
  return time.microseconds != Time::kNone && time.microseconds != Time::kInfinity &&
         time.microseconds != Time::kMinusInfinity;
}

// A local time may be 14 hours off UTC; a date names a whole day.
std::pair<std::int64_t, std::int64_t> slack_of(const SourceDefinition& definition) {
  if (!definition.time) return {0, 0};
  for (const ColumnDefinition& column : definition.columns) {
    if (column.name != *definition.time) continue;
    if (column.type == "date") return {38 * kHour, 14 * kHour};
    if (column.type == "timestamp without time zone") return {14 * kHour, 14 * kHour};
    return {0, 0};
  }
  // Not covered, so its type is not known.
  return {38 * kHour, 14 * kHour};
}

// The key where it is one integer.
std::optional<std::int64_t> integer_key(const EntryView& entry) {
  // One column is its length, in two bytes, and its text.
  constexpr std::size_t kLength = 2;
  const ByteView key = entry.key;
  if (key.size() < kLength || (std::size_t{key[0]} << 8 | key[1]) != key.size() - kLength)
    return {};
  const std::string_view text = as_text(key.subspan(kLength));
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

// A row that a stream copied from its table: "0/1A2B3C/s17".
bool is_loaded(const EntryView& entry) {
  return entry.source_position.find("/s") != std::string_view::npos;
}

}  // namespace

EntryOrder::State& EntryOrder::state_of(std::string_view source) {
  if (recent_ != nullptr && recent_->logged.name == source) return *recent_;
  auto found = states_.find(source);
  if (found == states_.end()) {
    found = states_.try_emplace(std::string(source)).first;
    found->second.logged.name = source;
  }
  recent_ = &found->second;
  return *recent_;
}

EntryOrder::Step EntryOrder::step(LeafIndex id, const EntryView& entry) {
  Step step{id, {}};
  step.entry.assign(entry);
  return step;
}

void EntryOrder::accuse(LeafIndex id, const EntryView& entry, std::string recorded,
                        std::string actual) {
  if (!accused_.insert(id).second) return;
  Finding finding = finding_of(id, entry);
  finding.recorded = std::move(recorded);
  finding.actual = std::move(actual);
  findings_.push_back(std::move(finding));
}

void EntryOrder::take(LeafIndex id, const EntryView& entry) {
  State& state = state_of(entry.source);
  ++state.logged.entries;
  check_ordinal(id, entry, state);
  check_definition(id, entry, state);
  check_claim(id, entry, state);
  times_.take(id, entry.sequenced_at);
}

void EntryOrder::take_unknown(LeafIndex id) {
  if (unknown_.size() < kMostKept) unknown_.push_back(id);
}

void EntryOrder::misfit(LeafIndex id, const EntryView& entry, std::uint64_t expected) {
  if (misfits_.size() < kMostKept)
    misfits_.push_back({std::string(entry.source), entry.ordinal, expected});
  accuse(id, entry, fmt::format("ordinal {} of {} comes here", expected, entry.source),
         fmt::format("the entry has ordinal {}", entry.ordinal));
}

void EntryOrder::add_gap(std::string_view source, std::uint64_t from, std::uint64_t to,
                         LeafIndex before) {
  for (std::uint64_t ordinal = from; ordinal < to && gaps_.size() < kMostKept; ++ordinal) {
    gaps_.push_back({std::string(source), ordinal, before});
  }
}

void EntryOrder::check_ordinal(LeafIndex id, const EntryView& entry, State& state) {
  if (state.jump) {
    // What follows an entry whose ordinal was too high shows whether it or those before it are wrong.
    const Step jump = *std::move(state.jump);
    state.jump.reset();
    if (entry.ordinal == jump.entry.ordinal + 1) {
      add_gap(entry.source, state.next_ordinal, jump.entry.ordinal, jump.id);
      state.next_ordinal = entry.ordinal;
    } else {
      misfit(jump.id, jump.entry, state.next_ordinal);
      if (entry.ordinal == state.next_ordinal + 1) ++state.next_ordinal;
    }
  }
  if (entry.ordinal == state.next_ordinal) {
    ++state.next_ordinal;
  } else if (entry.ordinal > state.next_ordinal) {
    state.jump = step(id, entry);
  } else {
    misfit(id, entry, state.next_ordinal);
  }
}

Result<void> EntryOrder::accuse_time(const TimeOrder::Misfit& misfit) {
  if (accused_.contains(misfit.id)) return {};
  std::optional<Entry> entry;
  if (accused_.size() < kMostKept) {
    TRY(entry, log_->entry(misfit.id));
  }
  std::string where = "after an entry of " + time_for_people(misfit.before);
  if (misfit.before.microseconds == Time::kNone) {
    where = "before an entry of " + time_for_people(misfit.after);
  } else if (misfit.after.microseconds != Time::kNone) {
    where = fmt::format("between entries of {} and {}", time_for_people(misfit.before),
                        time_for_people(misfit.after));
  }
  accuse(misfit.id, entry.value_or(Entry{}), "times never go back along the log",
         fmt::format("it says it was recorded {}, {}", time_for_people(misfit.at), where));
  return {};
}

// What is known of how its first rows came may be asked for while entries are read.
void EntryOrder::begin_source(const EntryView& entry, State& state) {
  state.logged.added = entry.sequenced_at;
  if (const auto ended = log_->first_load_ended(entry.source); ended.ok()) {
    state.first_load_ended = *ended;
  }
  auto sweeps = log_->sweeps(entry.source);
  state.in_order = sweeps.has_value();
  if (sweeps) state.sweeps = *std::move(sweeps);
}

void EntryOrder::take_bad(LeafIndex id, const EntryView& now) {
  take_unknown(id);
  if (now.operation != Operation::kDefine) return;
  State& state = state_of(now.source);
  if (state.newest_definition < 0) begin_source(now, state);
  state.newest_definition =
      std::max(state.newest_definition, static_cast<std::int64_t>(now.definition));
}

void EntryOrder::check_definition(LeafIndex id, const EntryView& entry, State& state) {
  const bool is_ledger = entry.source == kLedgerSource;
  const auto number = static_cast<std::int64_t>(entry.definition);
  if (entry.operation == Operation::kDefine) {
    if (number != state.newest_definition + 1) {
      accuse(id, entry, fmt::format("definition {} comes next", state.newest_definition + 1),
             fmt::format("the entry defines {}", number));
    }
    if (state.newest_definition < 0) begin_source(entry, state);
    state.newest_definition = std::max(state.newest_definition, number);
  } else if (is_ledger != (entry.operation == Operation::kNotice)) {
    accuse(id, entry,
           is_ledger ? "the ledger's own source takes no rows" : "a source has no notices",
           "the entry is " + text_of(entry));
  } else if (number > state.newest_definition) {
    // Once for each source and number. If entries cannot be read, the definition may be among them.
    const std::int64_t newest = std::exchange(state.newest_definition, number);
    if (!unknown_.empty()) return;
    accuse(id, entry, fmt::format("definition {} is the newest", newest),
           fmt::format("the entry names definition {}, which was not recorded before it", number));
  }
  if (!has_key(entry.operation) && entry.operation != Operation::kTruncate) {
    defined_.push_back({id, std::string(entry.source), entry.definition, entry.content_hash,
                        entry.sequenced_at, entry.operation});
  }
}

void EntryOrder::check_claim(LeafIndex id, const EntryView& entry, State& state) {
  // A changed row keeps the time of its insertion, and a deleted one too.
  if (entry.operation != Operation::kInsert || is_loaded(entry)) return;
  if (!is_finite(entry.source_time)) return;
  const std::int64_t claimed = entry.source_time.microseconds;
  const std::int64_t recorded = entry.sequenced_at.microseconds;
  const bool is_old = entry.source_time < state.logged.added;
  const bool is_late = check_sweeps(id, entry, state);
  if (!is_old && !state.fresh_since && claimed <= recorded + kMinute) {
    state.fresh_since = entry.sequenced_at;
  }
  const bool is_far = claimed < 0 || recorded - claimed > late_after_ ||
                      (claimed > recorded && claimed - recorded > late_after_);
  if (!is_far || is_late) return;
  // The first load brings what was there, and what it found may have waited in staging for a while.
  const auto& loaded = state.in_order ? state.fresh_since : state.first_load_ended;
  const bool in_first_load = !loaded || recorded <= loaded->microseconds + late_after_;
  if (is_old && in_first_load) return;
  if (state.slack.contains(entry.definition)) {
    judge_claim(id, entry, state);
  } else {
    claims_.push_back(step(id, entry));
  }
}

void EntryOrder::judge_claim(LeafIndex id, const EntryView& entry, const State& state) {
  std::pair<std::int64_t, std::int64_t> slack{0, 0};
  if (const auto found = state.slack.find(entry.definition); found != state.slack.end()) {
    slack = found->second;
  }
  // In double: far beyond any rounding, and hostile times cannot overflow it.
  const double behind = static_cast<double>(entry.sequenced_at.microseconds) -
                        static_cast<double>(entry.source_time.microseconds);
  const double most = static_cast<double>(late_after_);
  if (behind <= most + static_cast<double>(slack.first) &&
      behind >= -most - static_cast<double>(slack.second)) {
    return;
  }
  Finding finding = finding_of(id, entry);
  finding.kind = FindingKind::kLate;
  finding.recorded = "recorded " + time_for_people(entry.sequenced_at);
  finding.actual = "says that it is of " + time_for_people(entry.source_time);
  findings_.push_back(std::move(finding));
}

// A key below those of earlier batches that is recorded after a sweep has found something, and no more
// of them than it has found: such a row was not there when its turn was, or nobody saw it.
bool EntryOrder::check_sweeps(LeafIndex id, const EntryView& entry, State& state) {
  if (state.sweeps.empty()) return false;
  const auto key = integer_key(entry);
  if (!key) return false;
  if (entry.sequenced_at != state.batch) {
    state.batch = entry.sequenced_at;
    state.highest_before = state.highest;
  }
  state.highest = std::max(*key, state.highest.value_or(*key));
  if (!state.highest_before || *key >= *state.highest_before) return false;
  for (PastSweep& sweep : state.sweeps) {
    if (sweep.found == 0 || entry.sequenced_at < sweep.began ||
        entry.sequenced_at.microseconds > sweep.ended.microseconds + late_after_) {
      continue;
    }
    --sweep.found;
    Finding finding = finding_of(id, entry);
    finding.kind = FindingKind::kLate;
    finding.recorded = fmt::format("recorded {}, after key {}", time_for_people(entry.sequenced_at),
                                   *state.highest_before);
    finding.actual = "a sweep found it out of its source's order";
    findings_.push_back(std::move(finding));
    return true;
  }
  return false;
}

Result<void> EntryOrder::settle() {
  for (const TimeOrder::Misfit& misfit : times_.take_misfits()) TRY_VOID(accuse_time(misfit));
  for (const Defined& defined : defined_) TRY_VOID(define(defined));
  defined_.clear();
  for (const Step& claim : claims_) {
    judge_claim(claim.id, claim.entry, state_of(claim.entry.source));
  }
  claims_.clear();
  return {};
}

void EntryOrder::take_notice(LeafIndex id, std::string_view text) {
  const auto notice = pause_of(text);
  if (!notice) return;
  for (const std::string& source : notice->sources) {
    const auto found = states_.find(source);
    if (found == states_.end()) continue;
    std::vector<Pause>& known = found->second.logged.pauses;
    const bool is_paused = !known.empty() && !known.back().to;
    using Kind = PauseNotice::Kind;
    if (notice->kind == Kind::kBegins && !is_paused) known.push_back({id, {}});
    if (notice->kind == Kind::kEnds && is_paused) known.back().to = id;
    if (notice->kind == Kind::kMissed) found->second.logged.missed.push_back(id);
  }
}

Result<void> EntryOrder::define(const Defined& defined) {
  const auto text = log_->document(defined.hash);
  const auto accuse_document = [&](const std::string& actual) {
    Finding finding;
    finding.source = defined.source == kLedgerSource ? "" : defined.source;
    finding.id = defined.id;
    finding.recorded_at = defined.at;
    finding.recorded =
        fmt::format("{} {}: a document with SHA-256 {}",
                    defined.operation == Operation::kNotice ? "a notice" : "definition",
                    defined.number, to_hex(defined.hash.view()));
    finding.actual = actual;
    findings_.push_back(std::move(finding));
  };
  if (!text.ok()) {
    if (text.error().code != ErrorCode::kReject) return text.error();
    accuse_document("what is stored is another one, or none");
    return {};
  }
  if (defined.operation == Operation::kNotice) {
    take_notice(defined.id, *text);
    return {};
  }
  if (defined.source == kLedgerSource) {
    auto ledger = decode_ledger_definition(*text);
    if (!ledger.ok()) accuse_document("it is no definition of a ledger: " + ledger.error().message);
    if (ledger.ok() && !ledger_) ledger_ = *std::move(ledger);
    return {};
  }
  auto definition = decode_source_definition(*text);
  if (!definition.ok()) {
    accuse_document("it is no definition: " + definition.error().message);
    return {};
  }
  if (definition->source != defined.source || definition->number != defined.number) {
    accuse_document(
        fmt::format("it is definition {} of {}", definition->number, definition->source));
    return {};
  }
  auto& definitions = state_of(defined.source).logged.definitions;
  const auto before =
      defined.number == 0 ? definitions.end() : definitions.find(defined.number - 1);
  if (before != definitions.end()) compare_definitions(defined, before->second, *definition);
  state_of(defined.source).slack.try_emplace(defined.number, slack_of(*definition));
  definitions.emplace(defined.number, *std::move(definition));
  return {};
}

void EntryOrder::compare_definitions(const Defined& defined, const SourceDefinition& before,
                                     const SourceDefinition& now) {
  std::vector<std::string> dropped;
  for (const ColumnDefinition& column : before.columns) {
    std::string name = column.name;
    for (const RenamedColumn& renamed : now.renamed) {
      if (renamed.from == column.name) name = renamed.to;
    }
    const bool stays = std::ranges::any_of(
        now.columns, [&](const ColumnDefinition& each) { return each.name == name; });
    if (!stays) dropped.push_back(column.name);
  }
  const bool hides = before.content == ContentKind::kRow && now.content == ContentKind::kColumn;
  if (dropped.empty() && !hides) return;
  Finding finding;
  finding.kind = FindingKind::kNarrowed;
  finding.source = defined.source;
  finding.id = defined.id;
  finding.recorded_at = defined.at;
  finding.recorded =
      hides ? fmt::format("definition {} covered the row", before.number)
            : fmt::format("definition {} covered {}", before.number, fmt::join(dropped, ", "));
  finding.actual =
      hides ? fmt::format("definition {} covers what the application asserts", now.number)
            : fmt::format("definition {} does not", now.number);
  findings_.push_back(std::move(finding));
}

// Each gap is explained by one entry that is no more what it was: one that cannot be read, or one that
// has turned up under another source or another number. Of several that changed side by side, only the
// first is known to stand where its own number is missing; so any may explain a gap that comes later.
void EntryOrder::close_gaps() {
  std::vector<bool> used(misfits_.size());
  const auto take_misfit = [&](const auto& explains) {
    std::size_t m = 0;
    while (m < misfits_.size() && (used[m] || !explains(misfits_[m]))) ++m;
    if (m == misfits_.size()) return false;
    used[m] = true;
    return true;
  };
  std::erase_if(gaps_, [&](const Gap& gap) {
    return take_misfit([&](const Misfit& misfit) {
      return misfit.source == gap.source ? misfit.expected == gap.ordinal
                                         : misfit.ordinal == gap.ordinal;
    });
  });
  for (const Gap& gap : gaps_) {
    if (take_misfit([&](const Misfit& misfit) {
          return misfit.source == gap.source && misfit.expected < gap.ordinal;
        })) {
      continue;
    }
    const auto unknown = std::ranges::find_if(
        unknown_, [&](LeafIndex id) { return id < gap.before && !lost_from_.contains(id); });
    if (unknown != unknown_.end()) {
      lost_from_[*unknown] = gap.source;
      continue;
    }
    Finding finding;
    finding.source = gap.source;
    finding.id = gap.before;
    finding.recorded = fmt::format("ordinals of {} have no gap", gap.source);
    finding.actual = fmt::format("before this entry, ordinal {} is missing", gap.ordinal);
    if (accused_.insert(gap.before).second) findings_.push_back(std::move(finding));
  }
  gaps_.clear();
}

Result<void> EntryOrder::finish(const std::optional<TimeOrder::Range>& suspects) {
  times_.finish(suspects);
  TRY_VOID(settle());
  for (auto& [name, state] : states_) {
    if (!state.jump) continue;
    const Step jump = *std::move(state.jump);
    state.jump.reset();
    const std::uint64_t missing = jump.entry.ordinal - state.next_ordinal;
    if (missing <= unknown_.size() + misfits_.size()) {
      add_gap(name, state.next_ordinal, jump.entry.ordinal, jump.id);
      state.next_ordinal = jump.entry.ordinal + 1;
    } else {
      misfit(jump.id, jump.entry, state.next_ordinal);
      ++state.next_ordinal;
    }
  }
  close_gaps();
  return {};
}

std::vector<Finding> EntryOrder::take_findings() {
  return std::exchange(findings_, {});
}

std::map<std::string, LoggedSource> EntryOrder::sources() const {
  std::map<std::string, LoggedSource> sources;
  for (const auto& [name, state] : states_) {
    if (name != kLedgerSource) sources.emplace(name, state.logged);
  }
  return sources;
}

std::map<std::string, std::uint64_t> EntryOrder::next_ordinals() const {
  std::map<std::string, std::uint64_t> next;
  for (const auto& [name, state] : states_) next[name] = state.next_ordinal;
  return next;
}

}  // namespace pgtally
