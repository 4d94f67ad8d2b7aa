// The auditor's bundle: all that an audit needs of a log, in one file.
//
// Whoever made it may be hostile, so nothing in it is believed for its own sake: entries are compared
// with signed checkpoints, documents with their hashes, contents with the tables through the salts.
// What it says about itself and about sources is the operator's word, and decides no more than how
// soon a difference that may have come later is called a finding.
//
// A bundle holds whole sections in one order, so it is written and read in one go; memory is bounded
// by the limits below, whatever its size. Reading at other places needs the index that scan_bundle()
// makes of it.
//
// Spec: docs/formats.md, section Bundle.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/sha256.h"
#include "pgtally/note.h"
#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

inline constexpr std::size_t kMaxBundleSources = 10'000;
inline constexpr std::size_t kMaxBundleDocuments = std::size_t{1} << 18;
inline constexpr std::size_t kMaxBundledCheckpoint = 8 + kMaxNoteSize;
inline constexpr std::size_t kMaxBundleAbout = 4096;  // bytes of what is said about one source
inline constexpr std::size_t kSaltsInBlock = 4096;    // but for the last block
inline constexpr std::size_t kSaltRecord = 8 + Hash::kSize;

struct BundleAbout {
  Time made_at;  // the database's clock
  bool operator==(const BundleAbout&) const = default;
};

// What the operator says of a source.
struct BundleSource {
  std::string name = {};
  bool salts = false;                  // section salts has those of all its entries
  std::string place = {};              // host:port/database; empty: the ledger's own database
  bool tracks_changes = false;         // updates and deletes of its rows are entries, too
  bool skips_existing = false;         // rows that were there when it was added are not recorded
  std::optional<Time> loaded_at = {};  // when those had been recorded, where they are
  // Which history of which cluster its rows are in, and below which transaction of that all were in
  // the log. Empty and none: not known.
  std::string server = {};
  std::optional<std::uint64_t> complete_below = {};
  bool operator==(const BundleSource&) const = default;
};

struct BundleCheckpoint {
  Time signed_at;  // the operator's word
  std::string note;
  bool operator==(const BundleCheckpoint&) const = default;
};

// Writes a bundle from its beginning to its end. Calls come in the order of the sections, which is
// that of the functions; within one, checkpoints ascend by size, documents by hash, salts by id.
class BundleEncoder {
 public:
  using Write = std::function<Result<void>(ByteView)>;
  explicit BundleEncoder(Write write) : write_(std::move(write)) {}

  [[nodiscard]] Result<void> about(const BundleAbout& about);
  [[nodiscard]] Result<void> source(const BundleSource& source);
  [[nodiscard]] Result<void> checkpoint(Time signed_at, std::string_view note);
  [[nodiscard]] Result<void> entry(ByteView entry);
  [[nodiscard]] Result<void> document(std::string_view text);
  [[nodiscard]] Result<void> salt(LeafIndex id, const Hash& salt);
  [[nodiscard]] Result<void> finish();

 private:
  // Ends the sections before it, begins it and those between. kReject if it has ended already.
  [[nodiscard]] Result<void> enter(std::uint8_t section);
  [[nodiscard]] Result<void> put(ByteView bytes);
  [[nodiscard]] Result<void> put_block(ByteView block);
  [[nodiscard]] Result<void> flush();

  Write write_;
  Sha256Stream hash_;
  std::uint8_t section_ = 0;
  std::string pending_;  // entries or salts that fill no block yet
  std::size_t pending_count_ = 0;
};

// Bytes at any place.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // How many were read: fewer than asked for at the end alone.
  [[nodiscard]] virtual Result<std::size_t> read_at(std::uint64_t offset,
                                                    std::span<std::uint8_t> into) = 0;
};

// Reads on from one place. Views are valid until the next call.
class BundleCursor {
 public:
  // `hash`, if there is one, sees all that is taken.
  BundleCursor(ByteSource& source, std::uint64_t offset, Sha256Stream* hash = nullptr)
      : source_(&source), offset_(offset), hash_(hash) {}

  // kReject if the source ends before; `what` says inside of what.
  [[nodiscard]] Result<ByteView> take(std::size_t count, std::string_view what);
  // The next block of a section; nothing at its end, behind which the cursor then stands. kReject
  // for one of more than `most` bytes.
  [[nodiscard]] Result<std::optional<ByteView>> block(std::size_t most, std::string_view what);
  [[nodiscard]] std::uint64_t offset() const { return offset_; }  // of what comes next

 private:
  ByteSource* source_;
  std::uint64_t offset_;
  Sha256Stream* hash_;
  Bytes buffer_;
  std::size_t used_ = 0;
};

struct BundledDocument {
  Hash hash;
  std::uint64_t offset = 0;
  std::uint32_t size = 0;
};

// Where things stand in a bundle.
struct BundleIndex {
  BundleAbout about;
  std::vector<BundleSource> sources;  // by ascending name
  std::uint64_t checkpoints_at = 0;   // the first block; likewise below
  std::uint64_t checkpoints = 0;
  std::uint64_t entries_at = 0;
  TreeSize size;                           // entries; what the newest checkpoint says, too
  std::vector<BundledDocument> documents;  // by ascending hash
  std::uint64_t salts_at = 0;
  std::uint64_t salts = 0;
};

// Goes through all of it once. kReject for anything that BundleEncoder would not have written, for a
// file that ends early, and for one whose bytes were damaged. What entries and signatures say is not
// looked at; whoever wants to see each entry meanwhile gives `take`, and should not rely on what is not
// known to be whole yet.
using TakeEntry = std::function<Result<void>(ByteView entry)>;
[[nodiscard]] Result<BundleIndex> scan_bundle(ByteSource& source, const TakeEntry& take = {});

// One block of the section checkpoints, and the checkpoint's size.
[[nodiscard]] Result<BundleCheckpoint> decode_bundle_checkpoint(ByteView block);
[[nodiscard]] Result<TreeSize> size_of_note(std::string_view note);

}  // namespace pgtally
