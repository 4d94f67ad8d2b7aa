#include "audit/row_judge.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"
#include "pgtally/entry.h"
#include "pgtally/key.h"

namespace pgtally {
namespace {

using Kind = Difference::Kind;

constexpr const char* kNotYet = "it is not in the log yet";

std::string as_entry(const KeyState& state) {
  return fmt::format("{} as entry {}", hash_for_people(state.content), state.id.value);
}

Finding finding_of(const Difference& d) {
  Finding finding;
  const bool is_living = d.state != nullptr && d.state->is_living();
  if (is_living) finding.recorded = as_entry(*d.state);
  switch (d.kind) {
    case Kind::kChanged:
      finding.kind = FindingKind::kChanged;
      finding.actual = d.content ? hash_for_people(*d.content) : "no hash of 32 bytes";
      break;
    case Kind::kMissing:
      finding.kind = FindingKind::kMissing;
      finding.actual = "no row";
      break;
    case Kind::kUnrecorded:
      finding.kind = FindingKind::kUnrecorded;
      finding.recorded = d.state == nullptr ? "nothing"
                         : d.state->operation == Operation::kDelete
                             ? fmt::format("deleted as entry {}", d.state->id.value)
                             : fmt::format("entry {}, and a truncate after it", d.state->id.value);
      finding.actual = d.row->key.empty() ? "a row whose key is null or not text" : "a row";
      break;
    case Kind::kDuplicate:
      finding.kind = FindingKind::kDuplicate;
      if (!is_living) finding.recorded = "one row at most";
      finding.actual = "a second row of the same key";
      break;
    case Kind::kRepeated:
      finding.kind = FindingKind::kDuplicate;
      finding.recorded = fmt::format("inserted before entry {}, and living since entry {}",
                                     d.insert.value, d.before.value);
      finding.actual = fmt::format("inserted again as entry {}", d.insert.value);
      finding.id = d.insert;
      break;
  }
  if (d.state != nullptr && !d.state->is_staged()) finding.id = d.state->id;
  return finding;
}

}  // namespace

std::string hash_for_people(const Hash& hash) {
  return "hash " + to_hex(ByteView(hash.bytes).first(8)) + "…";
}

std::vector<std::string> key_for_people(ByteView key) {
  const auto decoded = decode_key(key);
  if (!decoded.ok()) return {};
  if (decoded->hashed) return {"sha256:" + to_hex(key.last(Hash::kSize))};
  return decoded->columns;
}

RowJudge::RowJudge(const LoggedSource& source, const RowPlace& place, const TableFit* fit,
                   LogOutcome& log, SourceReport& report)
    : source_(&source), place_(&place), fit_(fit), log_(&log), report_(&report) {}

bool RowJudge::may_accuse(const Difference& d) const {
  if (d.kind == Kind::kRepeated) return false;  // that is about the log alone
  if (d.state == nullptr) return !d.row->skipped;
  return !d.state->bad &&
         (d.state->is_staged() || log_->suspects.doubt(d.state->id) != Doubt::kBad);
}

bool RowJudge::is_asked_for(const Difference& d) const {
  return d.kind == Kind::kUnrecorded && !d.row->key.empty() && may_accuse(d);
}

// A row may have been read before or after any of these.
bool RowJudge::is_explained(const Difference& d, const Later& later) const {
  if (d.kind == Kind::kDuplicate) return false;
  const auto found = later.states.find(d.key);
  if (d.row == nullptr) {
    return later.truncated ||
           (found != later.states.end() &&
            std::any_of(found->second.begin(), found->second.end(),
                        [](const KeyState& state) { return !state.is_living(); }));
  }
  if (later.recorded.contains(d.key)) return true;
  if (found == later.states.end() || fit_ == nullptr) return false;
  return std::any_of(found->second.begin(), found->second.end(), [&](const KeyState& state) {
    const auto shape = fit_->shape_of(state.definition);
    return state.is_living() && shape && published(d.row->contents[*shape], state) == state.content;
  });
}

std::string RowJudge::undecided(const Difference& d, const Later* later) {
  const bool is_other = d.kind == Kind::kChanged || d.kind == Kind::kMissing;
  if (is_other && !place_->changed_because.empty()) return place_->changed_because;
  if (d.state != nullptr && d.state->is_staged()) return kNotYet;
  if (d.kind == Kind::kDuplicate) return "";
  if (later != nullptr && !later->undecided.empty()) return later->undecided;
  if (later != nullptr && later->states.contains(d.key)) {
    // Hashed under a definition that came after the log was read; or its salt is not known.
    const auto& states = later->states.at(d.key);
    const bool known = std::all_of(states.begin(), states.end(), [&](const KeyState& state) {
      return !state.is_living() || (fit_ != nullptr && fit_->shape_of(state.definition));
    });
    if (!known || !report_->content_checked) return "it was changed while it was read";
  }
  if (is_other) return "";
  if (later != nullptr && later->waiting.contains(d.key)) {
    return later->waiting_because;
  }
  if (later != nullptr && later->asked_alone && asked_ > kMostAsked) {
    return "more rows are not in the log than can be looked at again";
  }
  if (!place_->unrecorded_because.empty()) return place_->unrecorded_because;
  // One without a key is taken by nothing.
  const bool claims_to_be_new = d.row->time == Time{} || d.row->time >= place_->swept;
  if (place_->sweeps_only && !d.row->key.empty() && claims_to_be_new) {
    return "the next sweep looks for it";
  }
  return "";
}

// What was changed then is not in the log, and the log says so.
std::string RowJudge::notices_since(LeafIndex id) const {
  std::string text;
  for (const Pause& pause : source_->pauses) {
    if (pause.to && *pause.to < id) continue;
    text += fmt::format(
        "{} from entry {} to {}",
        text.empty() ? "; the source was paused, and its changes not recorded," : ",",
        pause.from.value, pause.to ? "entry " + std::to_string(pause.to->value) : "now");
  }
  const auto missed = std::ranges::upper_bound(source_->missed, id);
  if (missed != source_->missed.end()) {
    text += fmt::format("; changes were missed, as the notice in entry {} says", missed->value);
  }
  return text;
}

// What the table has no longer is one finding, and not one for each row; and none at all where the
// newest definition says that it is not there: that it covers less is a finding of the log's.
bool RowJudge::is_about_gone_columns(const Difference& d) {
  if (d.kind != Kind::kChanged || fit_ == nullptr) return false;
  const std::vector<std::string>& gone = fit_->gone(d.state->definition);
  if (gone.empty()) return false;
  const auto expected = std::find_if(gone.begin(), gone.end(), [&](const std::string& column) {
    return fit_->is_expected(column);
  });
  if (expected != gone.end() && place_->changed_because.empty()) {
    ++gone_[*expected];
  } else {
    hold_undecided(d, "it was recorded with column " + quoted(gone.front()) +
                          ", which the table has no longer");
  }
  return true;
}

Result<void> RowJudge::judge(const Difference& d, const Later* later) {
  if (d.kind == Kind::kRepeated) {
    if (log_->suspects.doubt(d.before) == Doubt::kNone &&
        log_->suspects.doubt(d.insert) == Doubt::kNone) {
      hold(d, finding_of(d));
    }
    return {};
  }
  if (!may_accuse(d)) return {};
  if (is_asked_for(d)) ++asked_;
  if (later != nullptr && is_explained(d, *later)) return {};
  if (const std::string because = undecided(d, later); !because.empty()) {
    hold_undecided(d, because);
    return {};
  }
  if (is_about_gone_columns(d)) return {};
  Finding finding = finding_of(d);
  const bool may_have_been_missed = d.kind == Kind::kChanged || d.kind == Kind::kMissing;
  if (may_have_been_missed && place_->tracks_changes && !d.state->is_staged()) {
    finding.actual += notices_since(d.state->id);
  }
  if (d.state != nullptr && log_->suspects.doubt(d.state->id) == Doubt::kRange) {
    log_->suspects.pin(d.state->id);
    finding.kind = FindingKind::kLog;
  }
  hold(d, std::move(finding));
  return {};
}

void RowJudge::accuse(FindingKind kind, std::string recorded, std::string actual) {
  Finding finding;
  finding.kind = kind;
  finding.source = source_->name;
  finding.recorded = std::move(recorded);
  finding.actual = std::move(actual);
  log_->findings.add(std::move(finding));
}

void RowJudge::hold(const Difference& d, Finding finding) {
  finding.source = source_->name;
  if (++listed_[finding.kind] > Findings::kMostListed) {
    ++unlisted_[finding.kind];
    return;
  }
  Held held{std::move(finding), {}, false, d.kind != Kind::kDuplicate && d.kind != Kind::kRepeated};
  if (d.row != nullptr) held.key = d.row->key;
  held_.push_back(std::move(held));
}

void RowJudge::leave_undecided(std::uint64_t rows, const std::string& because) {
  report_->undecided += rows;
  if (report_->undecided_because.empty()) report_->undecided_because = because;
}

void RowJudge::hold_undecided(const Difference& d, const std::string& because) {
  leave_undecided(1, because);
  if (report_->undecided > kMostUndecidedKeys) return;
  Held held;
  held.is_undecided = true;
  if (d.row != nullptr) held.key = d.row->key;
  if (d.state != nullptr && !d.state->is_staged()) held.finding.id = d.state->id;
  held_.push_back(std::move(held));
}

Result<void> RowJudge::finish(AuditedLog& log) {
  // A log may be readable in its order alone.
  std::stable_sort(held_.begin(), held_.end(), [](const Held& a, const Held& b) {
    return a.finding.id.value_or(LeafIndex{}) < b.finding.id.value_or(LeafIndex{});
  });
  for (Held& held : held_) {
    if (held.key.empty() && held.finding.id) {
      TRY(auto entry, log.entry(*held.finding.id));
      if (entry) held.key = std::move(entry->key);
    }
    if (!held.key.empty()) held.finding.key = key_for_people(held.key);
    if (held.is_undecided) {
      if (!held.finding.key.empty()) report_->undecided_keys.push_back(std::move(held.finding.key));
      continue;
    }
    const bool is_lost = held.may_be_lost && held.finding.kind != FindingKind::kLog &&
                         !held.key.empty() &&
                         log_->suspects.claim_lost(source_->name, held.finding.key, held.key,
                                                   held.finding.kind == FindingKind::kUnrecorded);
    if (!is_lost) log_->findings.add(std::move(held.finding));
  }
  held_.clear();
  // Behind those with keys, because only the first are listed.
  for (const auto& [kind, rows] : unlisted_) log_->findings.count_more(source_->name, kind, rows);
  unlisted_.clear();
  for (const auto& [column, rows] : gone_) {
    accuse(FindingKind::kChanged, fmt::format("{} rows with column {}", rows, quoted(column)),
           "the table has no such column any more");
  }
  gone_.clear();
  return {};
}

}  // namespace pgtally
