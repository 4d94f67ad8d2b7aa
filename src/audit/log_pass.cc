#include "audit/log_pass.h"

#include <fmt/format.h>

#include <algorithm>

#include "format/times.h"
#include "merkle/tree.h"
#include "pgtally/key.h"

namespace pgtally {
namespace {

// A witness's clock may be that far behind the operator's.
constexpr std::int64_t kClockSlack = 60'000'000;

}  // namespace

Result<LogOutcome> LogPass::run() {
  const TreeSize size = log_.size();
  for (std::uint64_t from = 0; from < size.value; from += TreeCheck::kRange) {
    const std::uint64_t to = std::min(from + TreeCheck::kRange, size.value);
    TRY_VOID(read_range(LeafIndex{from}, LeafIndex{to}));
    if (options_.progress) options_.progress(to, size.value);
  }
  tree_.finish();
  std::optional<TimeOrder::Range> suspects;
  if (const auto& mismatch = tree_.mismatch()) suspects = {mismatch->from, mismatch->to};
  TRY_VOID(order_.finish(suspects));
  TRY_VOID(conclude());
  out_.size = size;
  out_.root = tree_.tree().root();
  out_.sources = order_.sources();
  out_.first_entry = order_.first();
  out_.last_entry = order_.last();
  out_.checkpoints_checked = roots_.checked();
  out_.remembered = roots_.remembered();
  out_.witnessed = roots_.witnessed();
  out_.has_witnessed_times = std::ranges::any_of(roots_.all(), [](const SignedRoots::Root& root) {
    return root.witnessed.microseconds != Time::kNone;
  });
  out_.checkpoints = roots_.marks();
  return std::move(out_);
}

Result<void> LogPass::read_range(LeafIndex from, LeafIndex to) {
  TRY_VOID(tree_.begin_range(from, to));
  TRY_VOID(log_.read_entries(from, to, [&](LeafIndex first, std::span<const ByteView> entries) {
    return take_some(first, entries);
  }));
  TRY_VOID(tree_.end_range());
  TRY_VOID(order_.settle());
  report_order();
  return ask_problems();
}

Result<void> LogPass::take_some(LeafIndex first, std::span<const ByteView> entries) {
  leaves_.resize(entries.size());
  leaf_hashes(entries, leaves_);
  for (std::size_t done = 0; done < entries.size();) {
    const LeafIndex id{first.value + done};
    const std::size_t to_tile_end = kTileWidth - id.value % kTileWidth;
    const auto of_tile = entries.subspan(done, std::min(to_tile_end, entries.size() - done));
    const bool all_there =
        std::ranges::none_of(of_tile, [](ByteView entry) { return entry.empty(); });
    const auto leaves = std::span(leaves_).subspan(done, of_tile.size());
    const bool at_once = all_there && tree_.append_tile(leaves);
    for (std::size_t i = 0; i < of_tile.size(); ++i) {
      const bool is_there = !of_tile[i].empty();
      const auto recorded =
          at_once ? std::nullopt : tree_.append(is_there ? std::optional(leaves[i]) : std::nullopt);
      TRY_VOID(take(LeafIndex{id.value + i}, of_tile[i], recorded));
    }
    done += of_tile.size();
  }
  return {};
}

// `recorded`: the leaf, where it is known to be another one.
Result<void> LogPass::take(LeafIndex id, ByteView bytes, const std::optional<Hash>& recorded) {
  const auto entry = log_.encodes_entries() && !bytes.empty()
                         ? Result<EntryView>(view_of_encoded(bytes))
                         : decode_entry_view(bytes);
  if (!entry.ok()) {
    order_.take_unknown(id);
    if (unreadable_.size() + to_ask_.size() < kMostRemembered) to_ask_.push_back(id);
    if (recorded && remembered_.size() < kMostRemembered) out_.suspects.add_bad(id);
    return {};
  }
  if (recorded) {
    order_.take_bad(id, *entry);
    out_.suspects.add_bad(id);
    if (remembered_.size() < kMostRemembered) remembered_[id].assign(*entry);
  } else {
    order_.take(id, *entry);
    check_signing_times(id, *entry);
    check_witnesses(id, *entry);
  }
  return visitor_.visit({id, *entry, recorded.has_value()});
}

// The operator's own time of signing is what findings say that an entry was covered since. A checkpoint was
// signed when its last entry had been recorded, and before a later one was; or the clock went back since,
// and then the times of entries, which never do, have stood still.
void LogPass::check_signing_times(LeafIndex id, const EntryView& entry) {
  const auto& roots = roots_.all();
  const auto accuse = [&](std::string recorded, Time said) {
    report({.recorded = std::move(recorded),
            .actual = "its row says that it was signed " + time_for_people(said)});
  };
  for (std::size_t r = next_witnessed_; r < roots.size() && roots[r].size.value <= id.value + 1;
       ++r) {
    const SignedRoots::Root& root = roots[r];
    if (root.size.value != id.value + 1 || !root.from.empty()) continue;
    if (root.at.microseconds < entry.sequenced_at.microseconds - kClockSlack) {
      accuse(fmt::format("the checkpoint of size {}, whose last entry was recorded {}",
                         root.size.value, time_for_people(entry.sequenced_at)),
             root.at);
    }
    const Time no_later = std::max(root.at, entry.sequenced_at);
    if (signed_last_ && signed_last_->at.microseconds > no_later.microseconds + kClockSlack) {
      accuse(fmt::format("the checkpoint of size {}, before that of size {} was signed at {}",
                         signed_last_->size.value, root.size.value, time_for_people(root.at)),
             signed_last_->at);
    }
    signed_last_ = CoveredBy{root.size, root.at};
  }
}

// Along the log both sizes and times ascend, so what a witness has seen binds the entries on both sides
// of the end that it cosigned.
void LogPass::check_witnesses(LeafIndex id, const EntryView& entry) {
  const auto& roots = roots_.all();
  const auto blame = [&](std::optional<Finding>& finding, std::uint64_t& marks,
                         const SignedRoots::Root& root, const char* relation) {
    ++marks;
    if (finding) return;
    finding = finding_of(id, entry);
    finding->recorded = fmt::format("{} the checkpoint of size {}, cosigned {}", relation,
                                    root.size.value, time_for_people(root.witnessed));
    finding->actual = "it says it was recorded " + time_for_people(entry.sequenced_at);
  };
  while (next_witnessed_ < roots.size() && roots[next_witnessed_].size.value <= id.value + 1) {
    const SignedRoots::Root& root = roots[next_witnessed_];
    const std::int64_t witnessed = root.witnessed.microseconds;
    const std::int64_t at = entry.sequenced_at.microseconds;
    if (witnessed != Time::kNone && root.size.value == id.value + 1 &&
        at - kClockSlack > witnessed) {
      blame(too_late_, late_marks_, root, "before the end of");
    }
    // Whether what comes next is too early can only be seen there.
    if (root.size.value == id.value + 1) break;
    if (witnessed != Time::kNone && root.size.value == id.value &&
        at + options_.late_after.count() < witnessed) {
      blame(too_early_, early_marks_, root, "behind");
    }
    ++next_witnessed_;
  }
}

Result<void> LogPass::ask_problems() {
  for (const LeafIndex id : to_ask_) {
    TRY(auto problem, log_.problem_of(id));
    unreadable_.push_back({id, std::move(problem), out_.suspects.doubt(id) == Doubt::kBad});
  }
  to_ask_.clear();
  return {};
}

void LogPass::report(Finding finding) {
  if (out_.of_entries.size() < LogOutcome::kMostKept) {
    out_.of_entries.push_back(std::move(finding));
  } else {
    out_.findings.add(std::move(finding));
  }
}

void LogPass::report_order() {
  for (Finding& finding : order_.take_findings()) {
    if (finding.kind != FindingKind::kLog || !finding.id) {
      out_.findings.add(std::move(finding));
      continue;
    }
    if (misfits_.size() < kMostRemembered) {
      misfits_.push_back(*finding.id);
      out_.suspects.add_bad(*finding.id);
      if (!finding.key.empty()) {
        Entry now;
        if (auto key = encode_key(std::span<const std::string>(finding.key)); key.ok()) {
          now.key = *std::move(key);
        }
        out_.suspects.add_lost({*finding.id, "", std::nullopt, std::move(now)});
      }
    }
    report(std::move(finding));
  }
}

std::optional<CoveredBy> LogOutcome::covered_by(LeafIndex id) const {
  const auto first = std::ranges::upper_bound(checkpoints, TreeSize{id.value}, {},
                                              [](const CheckpointMark& mark) { return mark.size; });
  if (first == checkpoints.end()) return std::nullopt;
  return CoveredBy{first->size, first->at};
}

Result<LogOutcome> check_log(AuditedLog& log, const LogCheckOptions& options,
                             EntryVisitor& visitor) {
  TRY(auto roots, SignedRoots::load(log, options.policy, options.outside));
  TRY(auto heads, log.heads());
  LogPass pass(log, options, visitor, std::move(roots), std::move(heads));
  return pass.run();
}

}  // namespace pgtally
