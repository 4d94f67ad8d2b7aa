#include <fmt/format.h>

#include <algorithm>

#include "audit/log_pass.h"
#include "base/encoding.h"
#include "format/times.h"
#include "pgtally/key.h"

namespace pgtally {
namespace {

// Which checkpoint it is.
std::string identity_of(const SignedRoots::Root& root) {
  if (!root.from.empty()) return "in " + root.from;
  return "of " + time_for_people(root.at) + (root.is_remembered ? " (witnessed)" : "");
}

}  // namespace

Result<void> LogPass::conclude() {
  report_order();
  for (Finding& finding : roots_.findings()) report(std::move(finding));
  TRY_VOID(report_bad());
  report_unreadable();
  TRY_VOID(report_end());
  TRY_VOID(report_mismatch());
  for (auto& [recorded, actual] : tree_.tile_findings()) {
    report({.recorded = std::move(recorded), .actual = std::move(actual)});
  }
  TRY(const auto surplus, log_.surplus_tiles(log_.size()));
  for (const TileId& tile : surplus) {
    report({.recorded = fmt::format("{}, in a tree of {} entries", tile_path({tile, kTileWidth}),
                                    log_.size().value),
            .actual = "it holds more hashes than the tree has"});
  }
  report_heads();
  report_witnesses();
  report_founding();
  return {};
}

Result<std::optional<Entry>> LogPass::published_entry(LeafIndex id) {
  std::optional<Entry> found;
  if (options_.published == nullptr || !options_.published_checkpoint) return found;
  if (id.value >= options_.published_checkpoint->size.value) return found;
  const auto read = read_published(*options_.published, *options_.published_checkpoint, id,
                                   LeafIndex{id.value + 1}, [&](LeafIndex, ByteView bytes) {
                                     auto decoded = decode_entry(bytes);
                                     if (decoded.ok()) found = *std::move(decoded);
                                     return Result<void>();
                                   });
  // The copy explains; that it is damaged itself accuses nobody of anything in the ledger.
  if (!read.ok() && read.error().code != ErrorCode::kTampered) return read.error();
  return found;
}

Result<void> LogPass::report_bad() {
  for (const TreeCheck::BadLeaf& bad : tree_.bad()) {
    if (!bad.now) continue;  // unreadable: told below
    const auto now = remembered_.find(bad.id);
    Finding finding = now == remembered_.end() ? Finding() : finding_of(bad.id, now->second);
    finding.id = bad.id;
    finding.recorded = "an entry whose leaf hash is " + to_hex(bad.recorded.view());
    finding.actual =
        now == remembered_.end() ? "leaf hash " + to_hex(bad.now->view()) : text_of(now->second);
    if (now != remembered_.end()) {
      TRY(const auto then, published_entry(bad.id));
      if (then) {
        const Finding recorded = finding_of(bad.id, *then);
        finding.source = recorded.source;
        finding.key = recorded.key;
        finding.recorded_at = recorded.recorded_at;
        std::tie(finding.recorded, finding.actual) = differences(*then, now->second);
      }
      out_.suspects.add_lost({bad.id, "", bad.recorded, now->second});
    }
    report(std::move(finding));
  }
  return {};
}

// What stands side by side with one problem, is one finding.
void LogPass::report_unreadable() {
  for (std::size_t i = 0; i < unreadable_.size();) {
    std::size_t end = i + 1;
    while (end < unreadable_.size() &&
           unreadable_[end].id.value == unreadable_[end - 1].id.value + 1 &&
           unreadable_[end].problem == unreadable_[i].problem) {
      ++end;
    }
    Finding finding;
    finding.id = unreadable_[i].id;
    if (end - i > 1) finding.to_id = LeafIndex{unreadable_[end - 1].id.value + 1};
    finding.recorded = end - i > 1 ? fmt::format("{} entries", end - i) : "an entry";
    finding.actual = unreadable_[i].problem;
    for (std::size_t u = i; u < end; ++u) {
      const auto source = order_.lost_from().find(unreadable_[u].id);
      const std::string name = source == order_.lost_from().end() ? "" : source->second;
      if (end - i == 1) finding.source = name;
      out_.suspects.add_lost({unreadable_[u].id, name, std::nullopt, std::nullopt});
    }
    report(std::move(finding));
    i = end;
  }
}

// Entries that were cut off at the end: only what was signed, and the heads, still tell of them.
Result<void> LogPass::report_end() {
  const TreeSize size = log_.size();
  const SignedRoots::Root* largest = nullptr;
  for (const SignedRoots::Root& root : roots_.all()) {
    if (root.size > size && (largest == nullptr || root.size > largest->size)) largest = &root;
  }
  std::string recorded;
  if (largest != nullptr) {
    beyond_ = largest->size;
    recorded = fmt::format("{} entries when the checkpoint {} was signed", largest->size.value,
                           identity_of(*largest));
  } else if (heads_ && heads_->size > size && !tree_.head_is_wrong()) {
    beyond_ = heads_->size;
    recorded = fmt::format("{} entries by the tree head", heads_->size.value);
  } else {
    return {};
  }
  Finding finding;
  finding.id = LeafIndex{size.value};
  finding.to_id = LeafIndex{beyond_.value};
  finding.recorded = std::move(recorded);
  finding.actual = fmt::format("the log has {}", size.value);
  if (heads_) {
    const auto counted = order_.next_ordinals();
    std::uint64_t id = size.value;
    for (const auto& [source, next] : heads_->next_ordinals) {
      const auto there = counted.find(source);
      const std::uint64_t have = there == counted.end() ? 0 : there->second;
      for (std::uint64_t o = have; o < next && id < beyond_.value; ++o, ++id) {
        out_.suspects.add_lost({LeafIndex{id}, source, std::nullopt, std::nullopt});
      }
    }
  }
  report(std::move(finding));
  // What it signed cannot be held against a tree that is not as large; the entries that are here can.
  const bool is_published =
      options_.published_checkpoint && options_.published_checkpoint->size > size;
  if (!is_published || tree_.mismatch()) return {};
  TRY([[maybe_unused]] const bool named,
      compare_with_published(LeafIndex{0}, LeafIndex{size.value}));
  return {};
}

bool LogPass::is_explained(const TreeCheck::Mismatch& mismatch) const {
  const auto lies_in = [&](LeafIndex id) { return id >= mismatch.from && id < mismatch.to; };
  return std::ranges::any_of(misfits_, lies_in) ||
         std::ranges::any_of(unreadable_, [&](const Unreadable& each) {
           return !each.in_tree && lies_in(each.id);
         });
}

Result<void> LogPass::report_mismatch() {
  const auto& mismatch = tree_.mismatch();
  if (!mismatch || is_explained(*mismatch)) return {};
  TRY(const bool named, compare_with_published(mismatch->from, mismatch->to));
  if (named) return {};
  if (mismatch->to.value == mismatch->from.value + 1) return report_only(mismatch->from);
  out_.suspects.add_range(mismatch->from, mismatch->to);
  Finding finding;
  finding.id = mismatch->from;
  finding.to_id = mismatch->to;
  finding.actual = "the entries give root " + to_base64(mismatch->computed.view());
  if (mismatch->root == nullptr) {
    finding.recorded = fmt::format("the tree head of size {} has root {}", mismatch->size.value,
                                   to_base64(heads_->root.view()));
  } else {
    const SignedRoots::Root& root = *mismatch->root;
    finding.recorded = fmt::format("the checkpoint of size {} {} signed root {}", root.size.value,
                                   identity_of(root), to_base64(root.root.view()));
    for (const SignedRoots::Root& other : roots_.all()) {
      if (other.size != root.size || other.root == root.root) continue;
      finding.actual += ", which the same key has signed as well: there are two histories";
      break;
    }
  }
  if (mismatch->later > 0) {
    finding.actual += fmt::format("; {} later checkpoints do not fit either", mismatch->later);
  }
  report(std::move(finding));
  return {};
}

// A range of one entry.
Result<void> LogPass::report_only(LeafIndex id) {
  Finding finding;
  TRY(auto entry, log_.entry(id));
  if (entry) {
    finding = finding_of(id, *entry);
    finding.actual = text_of(*entry);
    out_.suspects.add_lost({id, "", std::nullopt, *std::move(entry)});
  }
  finding.id = id;
  finding.recorded = "another entry, by what was signed";
  out_.suspects.add_bad(id);
  report(std::move(finding));
  return {};
}

// True if the published copy has shown which entries they are.
Result<bool> LogPass::compare_with_published(LeafIndex from, LeafIndex to) {
  if (options_.published == nullptr || !options_.published_checkpoint) return false;
  const std::uint64_t end = std::min(to.value, options_.published_checkpoint->size.value);
  bool named = false;
  // In pieces, because both cannot be read at once.
  for (std::uint64_t start = from.value; start < end; start += kTileWidth) {
    const LeafIndex stop{std::min<std::uint64_t>(start + kTileWidth, end)};
    std::map<LeafIndex, Bytes> published;
    const auto read = read_published(*options_.published, *options_.published_checkpoint,
                                     LeafIndex{start}, stop, [&](LeafIndex id, ByteView entry) {
                                       published[id].assign(entry.begin(), entry.end());
                                       return Result<void>();
                                     });
    if (!read.ok()) {
      if (read.error().code != ErrorCode::kTampered) return read.error();
      out_.remarks.push_back(read.error().message + ".");
      return named;
    }
    TRY_VOID(
        log_.read_each(LeafIndex{start}, stop, [&](LeafIndex id, ByteView bytes) -> Result<void> {
          const Bytes& then = published[id];
          if (std::ranges::equal(bytes, then)) return {};
          const auto before = decode_entry(then);
          const auto now = decode_entry(bytes);
          if (!before.ok() || !now.ok()) return {};
          Finding finding = finding_of(id, *before);
          std::tie(finding.recorded, finding.actual) = differences(*before, *now);
          out_.suspects.add_bad(id);
          Entry lost;
          lost.key = before->key;
          out_.suspects.add_lost({id, before->source, std::nullopt, std::move(lost)});
          report(std::move(finding));
          named = true;
          return {};
        }));
  }
  return named;
}

void LogPass::report_heads() {
  if (!heads_) return;
  if (tree_.head_is_wrong()) {
    report({.recorded = fmt::format("the tree head of size {}, as entries and checkpoints give it",
                                    heads_->size.value),
            .actual = "its root, size and frontier do not belong together, or to this log"});
  } else if (!roots_.all().empty()) {
    TreeSize last;
    for (const SignedRoots::Root& root : roots_.all()) {
      if (root.from.empty()) last = root.size;
    }
    if (last > heads_->size && beyond_.value == 0) {
      report({.recorded = fmt::format("a checkpoint of {} entries was signed", last.value),
              .actual = fmt::format("the tree head is at {}", heads_->size.value)});
    }
  }
  // Entries that are gone or out of order have been told of, and the head only says so again.
  if (beyond_.value > 0 || !unreadable_.empty() || !misfits_.empty() || !tree_.bad().empty())
    return;
  std::string wrong;
  if (heads_->next_id != log_.size().value) {
    wrong = fmt::format("it says that the next entry is {}", heads_->next_id);
  }
  if (heads_->next_id == log_.size().value && heads_->sequenced_at != order_.last()) {
    wrong += fmt::format("it says that its last batch is of {}, not {}",
                         time_for_people(heads_->sequenced_at), time_for_people(order_.last()));
  }
  for (const auto& [source, counted] : order_.next_ordinals()) {
    const auto said = heads_->next_ordinals.find(source);
    const std::uint64_t next = said == heads_->next_ordinals.end() ? 0 : said->second;
    if (next == counted) continue;
    wrong += fmt::format("{}it says that the next ordinal of {} is {}, not {}",
                         wrong.empty() ? "" : "; ", source, next, counted);
  }
  if (wrong.empty()) return;
  report({.recorded = fmt::format("the log head of {} entries", log_.size().value),
          .actual = std::move(wrong)});
}

void LogPass::report_witnesses() {
  const auto tell = [&](std::optional<Finding>& finding, std::uint64_t marks) {
    if (!finding) return;
    if (marks > 1) finding->actual += fmt::format("; so with {} cosigned checkpoints", marks);
    report(*std::move(finding));
  };
  tell(too_late_, late_marks_);
  tell(too_early_, early_marks_);
}

// Who the ledger was founded as is the first thing that it recorded.
void LogPass::report_founding() {
  const auto& ledger = order_.ledger();
  if (!ledger) return;
  const VerifierKey& key = options_.policy.logs().front().key;
  if (ledger->origin == key.name() && ledger->vkey == key.text()) return;
  report({.id = LeafIndex{0},
          .recorded = fmt::format("the ledger {} with the key {}", ledger->origin, ledger->vkey),
          .actual = "audited with the key " + key.text()});
}

}  // namespace pgtally
