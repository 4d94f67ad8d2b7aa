// Going through a bundle that anybody may have made.

#include <algorithm>

#include "base/byte_io.h"
#include "base/encoding.h"
#include "crypto/sha256.h"
#include "format/audit_bundle_layout.h"
#include "format/entry_bundle.h"
#include "pgtally/checkpoint.h"
#include "pgtally/document.h"

namespace pgtally {

using namespace audit_bundle;  // NOLINT: what this file is about

namespace {

constexpr std::size_t kReadAhead = std::size_t{256} << 10;
constexpr std::size_t kTimeSize = 8;

Error malformed(std::string_view section, const std::string& what) {
  return reject("section " + std::string(section) + " of the bundle " + what,
                "Ask for it again; pgtally bundle writes none like this.");
}

class Scan {
 public:
  Scan(ByteSource& source, const TakeEntry& take)
      : source_(source), take_(take), cursor_(source, 0, &hash_) {}

  Result<BundleIndex> run() {
    TRY(const ByteView magic, cursor_.take(kMagic.size(), "header"));
    if (as_text(magic) != kMagic) {
      return reject("this is no bundle of a ledger",
                    "pgtally bundle -o FILE writes one. A newer pgtally may know a newer form.");
    }
    TRY_VOID(read_about());
    TRY_VOID(read_checkpoints());
    TRY_VOID(read_entries());
    TRY_VOID(read_documents());
    TRY_VOID(read_salts());
    TRY_VOID(check_end());
    if (newest_ != index_.size) {
      return reject("the newest checkpoint of the bundle is of size " +
                        std::to_string(newest_.value) + ", and it has " +
                        std::to_string(index_.size.value) + " entries",
                    "What nobody has signed is not judged, so the two have to agree.");
    }
    return std::move(index_);
  }

 private:
  Result<void> begin(Section section) {
    section_ = name_of(section);
    TRY(const ByteView number, cursor_.take(1, section_));
    if (number[0] == section) return {};
    return malformed(section_, "is missing: at byte " + std::to_string(cursor_.offset() - 1) +
                                   " begins section " + std::to_string(number[0]));
  }

  // `take` gets each block of the section.
  template <typename Take>
  Result<void> blocks(std::size_t most, Take take) {
    while (true) {
      TRY(const auto block, cursor_.block(most, section_));
      if (!block) return {};
      TRY_VOID(take(*block));
    }
  }

  Result<void> read_about() {
    TRY_VOID(begin(kAbout));
    bool first = true;
    TRY_VOID(blocks(kMaxBundleAbout, [&](ByteView block) -> Result<void> {
      if (first) {
        first = false;
        TRY(index_.about, decode_about(as_text(block)));
        return {};
      }
      TRY(auto source, decode_source(as_text(block)));
      if (!index_.sources.empty() && index_.sources.back().name >= source.name) {
        return malformed(section_, "has its sources out of order");
      }
      if (index_.sources.size() == kMaxBundleSources) {
        return malformed(section_,
                         "has more than " + std::to_string(kMaxBundleSources) + " sources");
      }
      index_.sources.push_back(std::move(source));
      return {};
    }));
    if (first) return malformed(section_, "is empty");
    return {};
  }

  Result<void> read_checkpoints() {
    TRY_VOID(begin(kCheckpoints));
    index_.checkpoints_at = cursor_.offset();
    return blocks(kMaxBundledCheckpoint, [&](ByteView block) -> Result<void> {
      TRY(const auto checkpoint, decode_bundle_checkpoint(block));
      TRY(const TreeSize size, size_of_note(checkpoint.note));
      if (size <= newest_) return malformed(section_, "has its checkpoints out of order");
      newest_ = size;
      ++index_.checkpoints;
      return {};
    });
  }

  Result<void> read_entries() {
    TRY_VOID(begin(kEntries));
    index_.entries_at = cursor_.offset();
    return blocks(kMaxBundleSize, [&](ByteView block) -> Result<void> {
      if (index_.size.value % kTileWidth != 0) {
        return malformed(section_, "has fewer than 256 entries in a block before the last");
      }
      TRY(const auto entries, parse_bundle(block));
      index_.size.value += entries.size();
      if (!take_) return {};
      for (const ByteView entry : entries) TRY_VOID(take_(entry));
      return {};
    });
  }

  Result<void> read_documents() {
    TRY_VOID(begin(kDocuments));
    return blocks(kMaxDocumentSize, [&](ByteView block) -> Result<void> {
      const Hash hash = sha256(block);
      if (!index_.documents.empty() && index_.documents.back().hash >= hash) {
        return malformed(section_, "has its documents out of order");
      }
      if (index_.documents.size() == kMaxBundleDocuments) {
        return malformed(section_,
                         "has more than " + std::to_string(kMaxBundleDocuments) + " documents");
      }
      index_.documents.push_back(
          {hash, cursor_.offset() - block.size(), static_cast<std::uint32_t>(block.size())});
      return {};
    });
  }

  Result<void> read_salts() {
    TRY_VOID(begin(kSalts));
    index_.salts_at = cursor_.offset();
    std::optional<std::uint64_t> last;
    return blocks(kSaltsInBlock * kSaltRecord, [&](ByteView block) -> Result<void> {
      if (index_.salts % kSaltsInBlock != 0) {
        return malformed(section_, "has a block before the last that is not full");
      }
      ByteReader reader(block);
      while (!reader.at_end()) {
        TRY(const auto id, reader.u64(section_));
        TRY([[maybe_unused]] const auto salt, reader.raw(Hash::kSize, section_));
        if ((last && *last >= id) || id >= index_.size.value) {
          return malformed(section_, "has salts out of order, or of entries that are not there");
        }
        last = id;
        ++index_.salts;
      }
      return {};
    });
  }

  Result<void> check_end() {
    const Hash sum = hash_.finish();
    TRY(const ByteView told, cursor_.take(Hash::kSize, "checksum"));
    if (!std::ranges::equal(told, sum.view())) {
      return reject("the bundle is damaged: its bytes do not have the checksum at its end",
                    "Copy it again, or ask for it again.");
    }
    std::uint8_t beyond = 0;
    TRY(const std::size_t more, source_.read_at(cursor_.offset(), {&beyond, 1}));
    if (more == 0) return {};
    return reject("something stands behind the end of the bundle, at byte " +
                  std::to_string(cursor_.offset()));
  }

  ByteSource& source_;
  const TakeEntry& take_;
  Sha256Stream hash_;
  BundleCursor cursor_;
  BundleIndex index_;
  TreeSize newest_;
  std::string_view section_;
};

}  // namespace

Result<ByteView> BundleCursor::take(std::size_t count, std::string_view what) {
  if (buffer_.size() - used_ < count) {
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(used_));
    used_ = 0;
    while (buffer_.size() < count) {
      const std::size_t before = buffer_.size();
      // In steps, so that a length alone does not make memory grow.
      buffer_.resize(before + kReadAhead);
      TRY(const std::size_t got,
          source_->read_at(offset_ + before, std::span(buffer_).subspan(before)));
      buffer_.resize(before + got);
      if (got == 0) {
        return reject("the bundle is cut off: it ends at byte " + std::to_string(offset_ + before) +
                          ", inside of section " + std::string(what),
                      "Copy it again, or ask for it again.");
      }
    }
  }
  const ByteView taken = ByteView(buffer_).subspan(used_, count);
  used_ += count;
  offset_ += count;
  if (hash_ != nullptr) hash_->update(taken);
  return taken;
}

Result<std::optional<ByteView>> BundleCursor::block(std::size_t most, std::string_view what) {
  TRY(const ByteView prefix, take(4, what));
  TRY(const std::uint32_t size, ByteReader(prefix).u32(what));
  if (size == 0) return std::optional<ByteView>{};
  if (size > most) {
    return malformed(what, "has a block of " + std::to_string(size) + " bytes, and at most " +
                               std::to_string(most) + " are taken");
  }
  TRY(const ByteView block, take(size, what));
  return std::optional(block);
}

Result<BundleCheckpoint> decode_bundle_checkpoint(ByteView block) {
  ByteReader reader(block);
  TRY(const auto signed_at, reader.u64("checkpoint"));
  const Time time{static_cast<std::int64_t>(signed_at)};
  if (time.microseconds <= Time::kMinusInfinity || time.microseconds == Time::kInfinity) {
    return malformed(name_of(kCheckpoints), "has a checkpoint that was signed at no time");
  }
  return BundleCheckpoint{time, std::string(as_text(block.subspan(kTimeSize)))};
}

Result<TreeSize> size_of_note(std::string_view note) {
  TRY(const SignedNote parsed, parse_note(note));
  TRY(const Checkpoint checkpoint, parse_checkpoint(parsed.text));
  return checkpoint.size;
}

Result<BundleIndex> scan_bundle(ByteSource& source, const TakeEntry& take) {
  return Scan(source, take).run();
}

}  // namespace pgtally
