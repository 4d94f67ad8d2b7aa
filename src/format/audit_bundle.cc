#include "format/audit_bundle.h"

#include "base/byte_io.h"
#include "format/audit_bundle_layout.h"
#include "format/entry_bundle.h"

namespace pgtally {

using namespace audit_bundle;  // NOLINT: what this file is about

Result<void> BundleEncoder::put(ByteView bytes) {
  hash_.update(bytes);
  return write_(bytes);
}

Result<void> BundleEncoder::put_block(ByteView block) {
  ByteWriter length;
  length.u32(static_cast<std::uint32_t>(block.size()));
  TRY_VOID(put(length.bytes()));
  return put(block);
}

Result<void> BundleEncoder::flush() {
  if (pending_count_ == 0) return {};
  TRY_VOID(put_block(as_bytes(pending_)));
  pending_.clear();
  pending_count_ = 0;
  return {};
}

Result<void> BundleEncoder::enter(std::uint8_t section) {
  if (section < section_) {
    return reject("section " + std::string(name_of(section)) + " of a bundle stands before " +
                  std::string(name_of(section_)));
  }
  while (section_ < section) {
    TRY_VOID(flush());
    ByteWriter between;
    if (section_ == 0) {
      between.raw(kMagic);
    } else {
      between.u32(0);
    }
    ++section_;
    if (section_ < kEnd) between.u8(section_);
    TRY_VOID(put(between.bytes()));
  }
  return {};
}

Result<void> BundleEncoder::about(const BundleAbout& about) {
  TRY_VOID(enter(kAbout));
  TRY(const std::string text, encode(about));
  return put_block(as_bytes(text));
}

Result<void> BundleEncoder::source(const BundleSource& source) {
  TRY_VOID(enter(kAbout));
  TRY(const std::string text, encode(source));
  return put_block(as_bytes(text));
}

Result<void> BundleEncoder::checkpoint(Time signed_at, std::string_view note) {
  TRY_VOID(enter(kCheckpoints));
  ByteWriter block;
  block.u64(static_cast<std::uint64_t>(signed_at.microseconds));
  block.raw(note);
  return put_block(block.bytes());
}

Result<void> BundleEncoder::entry(ByteView entry) {
  TRY_VOID(enter(kEntries));
  TRY_VOID(append_to_bundle(pending_, entry));
  if (++pending_count_ < kTileWidth) return {};
  return flush();
}

Result<void> BundleEncoder::document(std::string_view text) {
  TRY_VOID(enter(kDocuments));
  return put_block(as_bytes(text));
}

Result<void> BundleEncoder::salt(LeafIndex id, const Hash& salt) {
  TRY_VOID(enter(kSalts));
  ByteWriter record;
  record.u64(id.value);
  record.raw(salt.view());
  pending_ += as_text(record.bytes());
  if (++pending_count_ < kSaltsInBlock) return {};
  return flush();
}

Result<void> BundleEncoder::finish() {
  TRY_VOID(enter(kEnd));
  const Hash sum = hash_.finish();
  return write_(sum.view());
}

}  // namespace pgtally
