#include "format/audit_bundle.h"
#include "format/entry_bundle.h"
#include "require.h"
#include "support/memory_bundle.h"

using namespace pgtally;

namespace {

Result<std::string> written_again(const std::string& bytes, ByteSource& source,
                                  const BundleIndex& index) {
  test::BundleParts parts;
  parts.about = index.about;
  parts.sources = index.sources;
  BundleCursor checkpoints(source, index.checkpoints_at);
  for (std::uint64_t c = 0; c < index.checkpoints; ++c) {
    TRY(const auto block, checkpoints.block(kMaxBundledCheckpoint, "checkpoints"));
    TRY(parts.checkpoints.emplace_back(), decode_bundle_checkpoint(*block));
  }
  BundleCursor entries(source, index.entries_at);
  while (parts.entries.size() < index.size.value) {
    TRY(const auto block, entries.block(kMaxBundleSize, "entries"));
    TRY(const auto views, parse_bundle(*block));
    for (const ByteView entry : views) parts.entries.emplace_back(as_text(entry));
  }
  for (const BundledDocument& document : index.documents) {
    parts.documents.push_back(bytes.substr(document.offset, document.size));
  }
  BundleCursor salts(source, index.salts_at);
  while (parts.salts.size() < index.salts) {
    TRY(const auto block, salts.block(kSaltsInBlock * kSaltRecord, "salts"));
    for (std::size_t at = 0; at < block->size(); at += kSaltRecord) {
      std::uint64_t id = 0;
      Hash salt;
      for (std::size_t b = 0; b < 8; ++b) id = id << 8 | (*block)[at + b];
      std::copy_n(block->begin() + static_cast<std::ptrdiff_t>(at) + 8, Hash::kSize,
                  salt.bytes.begin());
      parts.salts.emplace_back(id, salt);
    }
  }
  return parts.encode();
}

}  // namespace

// The input lacks the checksum, which no fuzzer finds.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view body = as_text({data, size});
  const Hash sum = sha256(body);
  const std::string bytes = std::string(body) + std::string(as_text(sum.view()));
  test::MemorySource source(bytes);
  const auto index = scan_bundle(source);
  if (!index.ok()) return 0;
  const auto again = written_again(bytes, source, *index);
  require(again.ok() && *again == bytes);
  return 0;
}
