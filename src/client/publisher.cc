#include "client/publisher.h"

#include <fmt/format.h>

#include <filesystem>
#include <set>
#include <vector>

#include "base/durable_file.h"
#include "base/encoding.h"
#include "client/directory_log.h"
#include "client/entry_check.h"
#include "client/staged_files.h"
#include "crypto/sha256.h"
#include "format/entry_bundle.h"
#include "merkle/proof.h"
#include "pgtally/entry.h"
#include "pgtally/merkle.h"
#include "pgtally/verify.h"

namespace pgtally {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kCheckpointMode = 0666;    // less what umask takes away
constexpr std::size_t kDocumentsAtOnce = 64;  // each is an open file

std::string shown(const char* what, const Checkpoint& checkpoint) {
  return fmt::format("  {:<11} size {}  root {}\n", what, checkpoint.size.value,
                     to_base64(checkpoint.root.view()));
}

using Documents = std::set<Hash>;

// Stores what was checked, a batch at a time. `documents`: those that are stored already.
class Store : public CheckedSink {
 public:
  Store(StagedFiles& files, const Documents& documents, const Publisher::Cancelled& cancelled)
      : files_(files), documents_(documents), cancelled_(cancelled) {}

  Result<void> tile(const TileRequest& request, const std::vector<Hash>& hashes) override {
    std::string bytes;
    bytes.reserve(hashes.size() * Hash::kSize);
    for (const Hash& hash : hashes) bytes += as_text(hash.view());
    return files_.add(tile_path(request), bytes);
  }
  Result<void> bundle(const TileRequest& request, const std::string& bytes) override {
    TRY_VOID(check_documents(request, bytes));
    return files_.add(bundle_path(request.tile.index, request.width), bytes);
  }
  Result<void> verified(const Frontier&) override {
    if (cancelled_ && cancelled_()) return retry("asked to stop before all was published");
    return files_.commit();
  }

 private:
  [[nodiscard]] Result<void> check_documents(const TileRequest& request, const std::string& bytes) {
    TRY(const auto entries, parse_bundle(as_bytes(bytes), request.width));
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const auto entry = decode_entry(entries[i]);
      const bool names_one = entry.ok() && (entry->operation == Operation::kDefine ||
                                            entry->operation == Operation::kNotice);
      if (!names_one || documents_.contains(entry->content_hash)) continue;
      return tampered(
          fmt::format("the document {} that entry {} names is not in the database",
                      to_hex(entry->content_hash.view()), request.tile.index * kTileWidth + i),
          "It was changed or removed there. Bring it back from a backup.");
    }
    return {};
  }

  StagedFiles& files_;
  const Documents& documents_;
  const Publisher::Cancelled& cancelled_;
};

// The documents of the entries from `first` on; those that are there already have to be the same.
Result<Documents> store_documents(DocumentedLog& log, LeafIndex first, TreeSize size,
                                  StagedFiles& files) {
  TRY(const auto texts, log.documents(first, LeafIndex{size.value}));
  Documents documents;
  for (const std::string& text : texts) {
    const Hash hash = sha256(text);
    if (!documents.insert(hash).second) continue;
    TRY_VOID(files.add(document_path(hash), text));
    if (documents.size() % kDocumentsAtOnce == 0) TRY_VOID(files.commit());
  }
  TRY_VOID(files.commit());
  return documents;
}

// The frontier of the first `size` entries, shown to lie under the checkpoint.
Result<Frontier> frontier_at(LogReader& log, TreeSize size, const Checkpoint& checkpoint) {
  LogTiles tiles(log, checkpoint.size);
  std::vector<Hash> nodes;
  std::uint64_t begin = 0;
  for (int bit = 63; bit >= 0; --bit) {
    const std::uint64_t width = std::uint64_t{1} << bit;
    if ((size.value & width) == 0) continue;
    TRY(const Hash node, subtree_root_at(tiles, {begin, begin + width}));
    nodes.push_back(node);
    begin += width;
  }
  TRY(auto frontier, Frontier::restore(size, nodes));
  TRY(const auto path, prove_consistency(tiles, size, checkpoint.size));
  TRY_VOID(verify_consistency(size, checkpoint.size, frontier.root(), checkpoint.root, path));
  return frontier;
}

}  // namespace

// What the directory holds; an empty tree if it is new.
Result<Checkpoint> Publisher::published() {
  DirectoryLog directory(directory_);
  TRY(const std::string note, directory.checkpoint());
  if (note.empty()) {
    Checkpoint none;
    none.root = empty_root();
    return none;
  }
  const auto verified = verify_checkpoint(note, key_);
  if (!verified.ok()) {
    return tampered(directory_ + "/checkpoint is not this log's: " + verified.error().message,
                    "Nothing was overwritten. Publish each log into a directory of its own.");
  }
  const Checkpoint& checkpoint = verified->checkpoint;
  if (checkpoint.size != verified_) {
    LogTiles tiles(directory, checkpoint.size);
    TRY(const Hash root, root_at(tiles, checkpoint.size));
    if (root != checkpoint.root) {
      return tampered("the tiles in " + directory_ + " do not have the root of its checkpoint",
                      "They were damaged. Publish into an empty directory, and put that in the "
                      "place of this one.");
    }
  }
  return checkpoint;
}

// A log may show an older checkpoint while a newer one waits for its witnesses; but it has to hold all
// that is published.
Result<void> Publisher::check_holds(LogReader& log, const Checkpoint& before,
                                    const Checkpoint& now) {
  LogTiles tiles(log, before.size);
  const auto root = root_at(tiles, before.size);
  if (root.ok() && *root == before.root) return {};
  if (!root.ok() && root.error().code == ErrorCode::kRetry) return root.error();
  return tampered("the database is behind what is published in " + directory_,
                  shown("published:", before) + shown("database:", now) +
                      "It was probably restored from a backup. Nothing was published.");
}

Result<void> Publisher::check_extends(LogReader& log, const Checkpoint& before,
                                      const Checkpoint& now) {
  const std::string both = shown("published:", before) + shown("database:", now);
  LogTiles tiles(log, now.size);
  TRY(const Hash then, root_at(tiles, before.size));
  if (then != before.root) {
    return tampered("the database holds another history than the one published in " + directory_,
                    both +
                        "Nothing was overwritten. pgtally rebuild --check says whether the "
                        "database fits itself.");
  }
  TRY(const Hash root, root_at(tiles, now.size));
  if (root == now.root) return {};
  return tampered("the tree in the database does not have the root of its newest checkpoint",
                  "Nothing was published. pgtally rebuild --check says what differs.");
}

// Only tiles that were partial in the tree before, or in one that a crash kept from being published,
// can have partial files; all of these are full now.
Result<void> Publisher::remove_partial(const Checkpoint& before, const Checkpoint& now) const {
  for (int level = 0; level < kTileLevels; ++level) {
    const std::uint64_t first = hashes_at_level(level, before.size) / kTileWidth;
    const std::uint64_t end = hashes_at_level(level, now.size) / kTileWidth;
    for (std::uint64_t index = first; index < end; ++index) {
      std::error_code error;
      const std::string tile = directory_ + "/" + tile_path({{level, index}, kTileWidth});
      fs::remove_all(tile + ".p", error);
      if (!error && level == 0) {
        fs::remove_all(directory_ + "/" + bundle_path(index) + ".p", error);
      }
      if (error) return operator_error("cannot remove " + tile + ".p: " + error.message());
    }
  }
  return {};
}

// What the directory lacks under the checkpoint; how many files that were.
Result<std::uint64_t> Publisher::add_missing(DocumentedLog& log, const Checkpoint& before,
                                             const Checkpoint& now, const Cancelled& cancelled) {
  const std::string own = directory_ + "/.pgtally";
  TRY(StagedFiles files, StagedFiles::open(directory_, own + "/staging"));
  const TreeSize full{before.size.value / kTileWidth * kTileWidth};
  const LeafIndex first{before.size == verified_ ? full.value : 0};
  TRY(const Documents documents, store_documents(log, first, now.size, files));
  if (before.size != now.size) {
    Store store(files, documents, cancelled);
    TRY(Frontier frontier, frontier_at(log, full, now));
    TRY_VOID(check_entries(log, now, frontier, store));
    TRY_VOID(files.commit());
    TRY_VOID(remove_partial(before, now));
  }
  return files.written();
}

Result<PublishReport> Publisher::publish(DocumentedLog& log, const Cancelled& cancelled) {
  const std::string own = directory_ + "/.pgtally";
  std::error_code error;
  fs::create_directories(own, error);
  if (error) {
    return operator_error("cannot make " + own + ": " + error.message(),
                          "Name a directory that may be written to.");
  }
  TRY(const FileLock lock, FileLock::acquire(own + "/publish"));
  TRY(const Checkpoint before, published());
  // Under the lock, so that no other publisher can be further than what is read now.
  TRY(const std::string note, log.checkpoint());
  PublishReport report{before.size, before.size, 0};
  if (note.empty() && before.size.value == 0) return report;
  if (note.empty()) {
    return tampered("nothing is signed in the database, but a checkpoint is published in " +
                    directory_);
  }
  auto verified = verify_checkpoint(note, key_);
  if (!verified.ok()) return std::move(verified).error().within("the database's checkpoint");
  const Checkpoint& now = verified->checkpoint;
  if (now.size < before.size) {
    TRY_VOID(check_holds(log, before, now));
    return report;
  }
  TRY_VOID(check_extends(log, before, now));

  if (before.size != now.size || before.size != verified_) {
    TRY(report.files, add_missing(log, before, now, cancelled));
  }
  // The same tree may have got further signatures.
  const std::string path = directory_ + "/checkpoint";
  TRY(const auto there, read_small_file(path, kMaxNoteSize));
  if (there != note) TRY_VOID(replace_file(path, note, kCheckpointMode));
  verified_ = now.size;
  report.size = now.size;
  return report;
}

}  // namespace pgtally
