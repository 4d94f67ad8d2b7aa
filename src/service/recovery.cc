#include "service/recovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/encoding.h"
#include "format/entry_bundle.h"
#include "format/times.h"
#include "ledger/entry_reader.h"
#include "ledger/tree_head.h"
#include "merkle/proof.h"
#include "pgtally/key.h"
#include "pgtally/merkle.h"
#include "pgtally/verify.h"

namespace pgtally {
namespace {

// The entries of the database, hashed anew, with the roots at the sizes that are asked for.
class DatabasePass {
 public:
  void want(TreeSize size) { roots_[size.value]; }

  [[nodiscard]] Result<void> run(const Ledger& ledger, const RecoveryProgress& progress) {
    TRY(const auto head,
        ledger.query("SELECT next_id FROM pgtally.log_head ORDER BY head_id DESC LIMIT 1"));
    if (head.empty()) return tampered("the head of the log is missing");
    TRY(const LeafIndex end, head.get<LeafIndex>(0, 0));
    note_root();
    const auto read = read_entries(ledger, LeafIndex{0}, end, [&](LeafIndex id, ByteView entry) {
      tree_.append(leaf_hash(entry));
      if (tree_.size().value % kTileWidth == 0) full_tiles_ = tree_;
      note_root();
      if (progress && id.value % kTileWidth == 0) progress(id.value, end.value);
      return Result<void>();
    });
    if (!read.ok() && read.error().code != ErrorCode::kTampered) return read;
    // What comes behind an entry that cannot be one is not this log's any more.
    if (!read.ok()) broken_ = read.error().message;
    return {};
  }

  [[nodiscard]] TreeSize size() const { return tree_.size(); }
  [[nodiscard]] Hash root() const { return tree_.root(); }
  [[nodiscard]] const Frontier& full_tiles() const { return full_tiles_; }
  [[nodiscard]] const std::string& broken() const { return broken_; }
  // Nothing beyond the end.
  [[nodiscard]] std::optional<Hash> root_at(TreeSize size) const {
    const auto it = roots_.find(size.value);
    return it == roots_.end() ? std::nullopt : it->second;
  }

 private:
  void note_root() {
    const std::uint64_t size = tree_.size().value;
    const auto it = roots_.find(size);
    if (it != roots_.end() || size % kRootEvery == 0) roots_[size] = tree_.root();
  }

  Frontier tree_;
  Frontier full_tiles_;
  std::map<std::uint64_t, std::optional<Hash>> roots_;
  std::string broken_;
};

Result<std::optional<SignedSize>> newest_kept(const Ledger& ledger) {
  TRY(auto key, VerifierKey::parse(ledger.vkey()));
  TRY(const Policy own, Policy::trust(std::move(key)));
  TRY(const auto rows, ledger.query("SELECT note FROM pgtally.checkpoint ORDER BY size DESC"));
  for (std::size_t r = 0; r < rows.size(); ++r) {
    TRY(const auto note, rows.get<std::string>(r, 0));
    const auto verified = verify_checkpoint(note, own);
    if (verified.ok()) {
      return std::optional(SignedSize{verified->checkpoint.size, verified->checkpoint.root});
    }
  }
  return std::optional<SignedSize>{};
}

std::string shown(const SignedSize& head) {
  return fmt::format("size {}, root {}", head.size.value, to_base64(head.root.view()));
}

class Diagnostician {
 public:
  Diagnostician(const Ledger& ledger, const Guard& guard, const PublishedCopy* copy)
      : ledger_(ledger), guard_(guard), copy_(copy) {}

  [[nodiscard]] Result<Diagnosis> run(const RecoveryProgress& progress) {
    TRY_VOID(look_at_guard());
    TRY(found_.kept, newest_kept(ledger_));
    if (copy_ != nullptr) {
      found_.published = SignedSize{copy_->checkpoint.size, copy_->checkpoint.root};
    }
    if (found_.guard) pass_.want(found_.guard->size);
    if (found_.kept) pass_.want(found_.kept->size);
    if (found_.published) pass_.want(found_.published->size);
    TRY_VOID(pass_.run(ledger_, progress));
    found_.size = pass_.size();
    found_.root = pass_.root();
    found_.full_tiles = pass_.full_tiles();

    if (found_.guard) compare("the guard", {found_.guard->size, found_.guard->root});
    if (found_.published) compare("the published log", *found_.published);
    if (found_.kept) compare("the newest checkpoint in the database", *found_.kept);
    if (!pass_.broken().empty()) {
      parted_ = true;
      found_.reasons.push_back(pass_.broken() + ".");
    }
    if (copy_ != nullptr) TRY_VOID(compare_with_copy());
    decide();
    return std::move(found_);
  }

 private:
  [[nodiscard]] Result<void> look_at_guard() {
    auto state = guard_.read();
    if (!state.ok()) {
      found_.guard_problem = state.error().message;
      return {};
    }
    const auto head = read_tree_head(ledger_);
    if (state->ended) {
      found_.guard_problem = log_has_ended(state->origin).message;
    } else if (state->origin != ledger_.origin()) {
      found_.guard_problem = "the guard of this host belongs to another log: " + state->origin;
      return {};  // its head says nothing about this one
    } else if (head.ok() && state->id != head->guard_id) {
      found_.guard_problem = "the database names another guard than the one of this host";
    }
    found_.guard = std::move(*state);
    return {};
  }

  // A head that was signed, or released for signing, against the entries.
  void compare(const char* what, const SignedSize& head) {
    if (!found_.last_signed || found_.last_signed->size < head.size) found_.last_signed = head;
    const auto root = pass_.root_at(head.size);
    if (!root) {
      behind_ = true;
      found_.reasons.push_back(fmt::format("The database has {} of the {} entries that {} names.",
                                           found_.size.value, head.size.value, what));
    } else if (*root != head.root) {
      parted_ = true;
      found_.reasons.push_back(
          fmt::format("The first {} entries of the database have another root than {} ({}).",
                      head.size.value, what, shown(head)));
    }
  }

  [[nodiscard]] Result<void> compare_with_copy() {
    LogTiles tiles(*copy_->log, copy_->checkpoint.size);
    TRY(const Hash whole, root_at(tiles, copy_->checkpoint.size));
    if (whole != copy_->checkpoint.root) {
      return tampered("the tiles in " + copy_->place + " do not have the root of its checkpoint",
                      "They were damaged; this copy cannot be used.");
    }
    TRY_VOID(compare_signed(tiles, found_.guard ? std::optional<SignedSize>(SignedSize{
                                                      found_.guard->size, found_.guard->root})
                                                : std::nullopt));
    TRY_VOID(compare_signed(tiles, found_.kept));
    const TreeSize both{std::min(found_.size.value, copy_->checkpoint.size.value)};
    TRY(const Hash published, root_at(tiles, both));
    const auto here = both == found_.size ? found_.root : pass_.root_at(both).value_or(Hash{});
    if (published == here) return {};
    parted_ = true;
    return find_parting(tiles, both);
  }

  // Two heads that the key has signed, or was released to sign.
  [[nodiscard]] Result<void> compare_signed(LogTiles& tiles,
                                            const std::optional<SignedSize>& head) {
    if (!head) return {};
    const Checkpoint& copy = copy_->checkpoint;
    if (head->size <= copy.size) {
      TRY(const Hash published, root_at(tiles, head->size));
      found_.two_histories |= published != head->root;
    } else if (pass_.root_at(head->size) == head->root) {
      // The entries that are here were signed; so are those of the copy, which it does not begin with.
      const auto beginning = pass_.root_at(copy.size);
      found_.two_histories |= beginning && *beginning != copy.root;
    }
    return {};
  }

  // Stretches first, by the roots that the pass has kept; then leaf by leaf.
  [[nodiscard]] Result<void> find_parting(LogTiles& tiles, TreeSize both) {
    std::uint64_t same = 0;
    std::uint64_t differs = (both.value + kRootEvery - 1) / kRootEvery;
    while (differs - same > 1) {
      const std::uint64_t middle = same + (differs - same) / 2;
      const TreeSize size{middle * kRootEvery};
      TRY(const Hash published, root_at(tiles, size));
      (pass_.root_at(size) == published ? same : differs) = middle;
    }
    const std::uint64_t from = same * kRootEvery;
    const std::uint64_t to = std::min(from + kRootEvery, both.value);
    std::optional<LeafIndex> at;
    Bytes mine;
    std::vector<Hash> tile;
    for (std::uint64_t index = from / kTileWidth; index * kTileWidth < to && !at; ++index) {
      const TileId id{0, index};
      TRY(const auto read, copy_->log->tiles({&id, 1}, copy_->checkpoint.size));
      const std::uint64_t begin = index * kTileWidth;
      const std::uint64_t end = std::min<std::uint64_t>(begin + kTileWidth, to);
      TRY_VOID(read_entries(ledger_, LeafIndex{begin}, LeafIndex{end},
                            [&](LeafIndex entry_id, ByteView entry) -> Result<void> {
                              if (at || leaf_hash(entry) == read[0][entry_id.value - begin])
                                return {};
                              at = entry_id;
                              mine.assign(entry.begin(), entry.end());
                              return {};
                            }));
    }
    if (!at) {
      return tampered("the tiles in " + copy_->place + " do not fit each other",
                      "They were damaged; this copy cannot be used.");
    }
    const std::uint64_t index = at->value / kTileWidth;
    TRY(const auto bundles, copy_->log->bundles(index, 1, copy_->checkpoint.size));
    const auto width = tile_width({0, index}, copy_->checkpoint.size);
    TRY(const auto entries, parse_bundle(as_bytes(bundles[0]), width));
    found_.parting =
        Parting{*at, describe_entry(entries[at->value % kTileWidth]), describe_entry(mine)};
    return {};
  }

  void decide() {
    if (parted_ || found_.two_histories) {
      found_.ground = Ground::kParted;
    } else if (!found_.guard && !found_.published) {
      found_.ground =
          Ground::kUnknown;  // the database's own checkpoint went back with it, if it did
    } else if (!behind_) {
      found_.ground = Ground::kWhole;
    } else {
      const bool all_there = found_.published && found_.published->size >= found_.last_signed->size;
      found_.ground = all_there ? Ground::kBehind : Ground::kShort;
    }
  }

  const Ledger& ledger_;
  const Guard& guard_;
  const PublishedCopy* copy_;
  DatabasePass pass_;
  Diagnosis found_;
  bool behind_ = false;
  bool parted_ = false;
};

}  // namespace

std::string_view name_of(Ground ground) {
  switch (ground) {
    case Ground::kWhole:
      return "whole";
    case Ground::kBehind:
      return "behind";
    case Ground::kShort:
      return "short";
    case Ground::kParted:
      return "parted";
    case Ground::kUnknown:
      break;
  }
  return "unknown";
}

std::string describe_entry(ByteView bytes) {
  const auto entry = decode_entry(bytes);
  if (!entry.ok()) return "an entry that this program does not know: " + entry.error().message;
  std::string text = fmt::format("{} of {}", name_of(entry->operation), entry->source);
  if (has_key(entry->operation)) {
    if (const auto key = decode_key(entry->key); key.ok()) {
      for (const std::string& column : key->columns) text += " " + quoted(column);
    }
  }
  return text + ", recorded " + time_for_people(entry->sequenced_at);
}

Result<Diagnosis> diagnose(const Ledger& ledger, const Guard& guard, const PublishedCopy* copy,
                           const RecoveryProgress& progress) {
  return Diagnostician(ledger, guard, copy).run(progress);
}

}  // namespace pgtally
