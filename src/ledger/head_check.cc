#include "ledger/head_check.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"
#include "pgtally/policy.h"
#include "pgtally/verify.h"

namespace pgtally {

Result<void> HeadCheck::load_log_head(const Ledger& ledger) {
  TRY(const auto rows, ledger.query(R"sql(
    SELECT h.next_id, coalesce((SELECT max(id) + 1 FROM pgtally.processed_log), 0), h.next_ordinals,
           ARRAY(SELECT coalesce(p.n, 0)
                   FROM generate_series(0, (SELECT max(source_id) FROM pgtally.processed_log)) AS s
                   LEFT JOIN (SELECT source_id, max(ordinal) + 1 AS n FROM pgtally.processed_log
                               GROUP BY source_id) AS p ON p.source_id = s
                  ORDER BY s)
      FROM pgtally.log_head AS h ORDER BY h.head_id DESC LIMIT 1)sql"));
  if (rows.empty()) {
    findings_.emplace_back("the log head is missing");
    return {};
  }
  TRY(const auto next_id, rows.get<std::int64_t>(0, 0));
  TRY(const auto end, rows.get<std::int64_t>(0, 1));
  TRY(auto ordinals, rows.get<std::vector<std::int64_t>>(0, 2));
  TRY(auto counted, rows.get<std::vector<std::int64_t>>(0, 3));
  if (next_id != end) {
    findings_.push_back(
        fmt::format("the log head is damaged: it says the next id is {}, and the log "
                    "ends before {}",
                    next_id, end));
  }
  const std::size_t sources = std::max(ordinals.size(), counted.size());
  ordinals.resize(sources);
  counted.resize(sources);
  for (std::size_t s = 0; s < sources; ++s) {
    if (ordinals[s] == counted[s]) continue;
    findings_.push_back(
        fmt::format("the log head is damaged: it says the next ordinal of source {} "
                    "is {}, and the log has {}",
                    s, ordinals[s], counted[s]));
  }
  log_size_.value = static_cast<std::uint64_t>(end);
  return {};
}

Result<void> HeadCheck::load_tree_head(const Ledger& ledger) {
  TRY(const auto rows, ledger.query("SELECT size, root, frontier, guard_id FROM pgtally.tree_head "
                                    "ORDER BY head_id DESC LIMIT 1"));
  if (rows.empty()) {
    return operator_error("table tree_head is empty", "Restore the database from a backup.");
  }
  TRY(head_size_, rows.get<TreeSize>(0, 0));
  TRY(head_root_, rows.get<Hash>(0, 1));
  TRY(const auto frontier, rows.get<ByteView>(0, 2));
  for (std::size_t at = 0; at + Hash::kSize <= frontier.size(); at += Hash::kSize) {
    std::copy_n(frontier.begin() + static_cast<std::ptrdiff_t>(at), Hash::kSize,
                head_frontier_.emplace_back().bytes.begin());
  }
  TRY(const auto guard_id, rows.get<ByteView>(0, 3));
  std::copy_n(guard_id.begin(), std::min(guard_id.size(), guard_id_.size()), guard_id_.begin());
  return {};
}

Result<void> HeadCheck::load_checkpoints(const Ledger& ledger) {
  TRY(auto key, VerifierKey::parse(ledger.vkey()));
  TRY(const Policy policy, Policy::trust(std::move(key)));
  TRY(const auto rows,
      ledger.query("SELECT size, root, note FROM pgtally.checkpoint ORDER BY size"));
  for (std::size_t r = 0; r < rows.size(); ++r) {
    TRY(const TreeSize size, rows.get<TreeSize>(r, 0));
    TRY(const Hash root, rows.get<Hash>(r, 1));
    TRY(const auto note, rows.get<std::string_view>(r, 2));
    const auto verified = verify_checkpoint(note, policy);
    if (!verified.ok()) {
      findings_.push_back(fmt::format("the checkpoint of size {} is damaged: {}", size.value,
                                      verified.error().message));
      continue;
    }
    if (verified->checkpoint.size != size || verified->checkpoint.root != root) {
      findings_.push_back(
          fmt::format("the checkpoint of size {} is damaged: its row and its signed "
                      "note differ",
                      size.value));
    }
    checkpoints_.push_back({verified->checkpoint.size, verified->checkpoint.root});
  }
  std::sort(checkpoints_.begin(), checkpoints_.end(),
            [](const Signed& a, const Signed& b) { return a.size < b.size; });
  return {};
}

Result<HeadCheck> HeadCheck::load(const Ledger& ledger) {
  HeadCheck check;
  TRY_VOID(check.load_tree_head(ledger));
  TRY_VOID(check.load_log_head(ledger));
  TRY_VOID(check.load_checkpoints(ledger));
  if (check.log_size_ < check.head_size_) {
    check.findings_.push_back(fmt::format("the tree head says {} entries, the log has only {}",
                                          check.head_size_.value, check.log_size_.value));
    check.head_is_damaged_ = true;
  }
  if (!check.checkpoints_.empty() && check.head_size_ < check.checkpoints_.back().size) {
    check.findings_.push_back(
        fmt::format("a checkpoint of {} entries was signed, the tree head is "
                    "at {}",
                    check.checkpoints_.back().size.value, check.head_size_.value));
    check.head_is_damaged_ = true;
  }
  const auto restored = Frontier::restore(check.head_size_, check.head_frontier_);
  check.head_fits_itself_ = restored.ok() && restored->root() == check.head_root_;
  check.head_is_damaged_ |= !check.head_fits_itself_;
  check.size_ = check.head_is_damaged_ ? check.log_size_ : check.head_size_;
  return check;
}

void HeadCheck::at_size(const Frontier& tree) {
  while (next_ < checkpoints_.size() && checkpoints_[next_].size == tree.size()) {
    if (tree.root() != checkpoints_[next_].root) {
      log_was_changed_ = true;
      // Every later one differs as well, which says nothing more.
      if (!first_mismatch_seen_) {
        const std::uint64_t before = next_ == 0 ? 0 : checkpoints_[next_ - 1].size.value;
        findings_.push_back(
            fmt::format("the log is not what the checkpoint of size {} signed: an "
                        "entry from {} to {} was changed",
                        tree.size().value, before, tree.size().value - 1));
      }
      first_mismatch_seen_ = true;
    }
    ++next_;
  }
}

// The frontier has a hash for each perfect subtree of the tree; the first that differs says where.
void HeadCheck::name_changed_range(const Frontier& tree) {
  std::uint64_t start = 0;
  std::size_t node = 0;
  for (int bit = 63; bit >= 0; --bit) {
    const std::uint64_t width = std::uint64_t{1} << bit;
    if ((tree.size().value & width) == 0) continue;
    if (node >= head_frontier_.size() || tree.nodes()[node] != head_frontier_[node]) {
      findings_.push_back(
          width == 1 ? fmt::format("entry {} was changed", start)
                     : fmt::format("an entry from {} to {} was changed", start, start + width - 1));
      return;
    }
    start += width;
    ++node;
  }
}

void HeadCheck::finish(const Frontier& tree, bool entry_is_named) {
  if (head_fits_itself_ && (head_root_ == tree.root() || head_size_ != size_)) return;
  if (!head_fits_itself_) {
    const char* what = head_root_ != tree.root() ? "its root is not that of the log"
                       : head_size_ != size_     ? "its size is not that of its root"
                                                 : "its frontier is not that of its root";
    findings_.push_back(
        fmt::format("the tree head of size {} is damaged: {}", head_size_.value, what));
  } else if (!entry_is_named) {
    // The head is whole and the log gives another one.
    log_was_changed_ = true;
    name_changed_range(tree);
  }
}

}  // namespace pgtally
