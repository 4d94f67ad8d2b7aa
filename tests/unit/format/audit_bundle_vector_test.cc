// A bundle that something other than pgtally made.

#include <gtest/gtest.h>

#include "format/audit_bundle.h"
#include "format/entry_bundle.h"
#include "support/format_vectors.h"
#include "support/memory_bundle.h"

namespace pgtally {
namespace {

// What is in a bundle, read part by part.
test::BundleParts parts_of(const std::string& bytes) {
  test::MemorySource source(bytes);
  const auto index = scan_bundle(source);
  EXPECT_TRUE(index.ok()) << index.error().message;
  test::BundleParts parts;
  parts.about = index->about;
  parts.sources = index->sources;
  BundleCursor checkpoints(source, index->checkpoints_at);
  for (std::uint64_t c = 0; c < index->checkpoints; ++c) {
    parts.checkpoints.push_back(
        *decode_bundle_checkpoint(**checkpoints.block(kMaxBundledCheckpoint, "")));
  }
  BundleCursor entries(source, index->entries_at);
  while (parts.entries.size() < index->size.value) {
    const auto block = *entries.block(kMaxBundleSize, "");
    const auto views = *parse_bundle(*block);
    for (const ByteView entry : views) {
      parts.entries.emplace_back(as_text(entry));
    }
  }
  for (const BundledDocument& document : index->documents) {
    parts.documents.push_back(bytes.substr(document.offset, document.size));
  }
  BundleCursor salts(source, index->salts_at + 4);
  for (std::uint64_t s = 0; s < index->salts; ++s) {
    const ByteView record = *salts.take(kSaltRecord, "");
    Hash salt;
    std::copy_n(record.begin() + 8, Hash::kSize, salt.bytes.begin());
    parts.salts.emplace_back(record[7], salt);  // of a log of fewer than 256 entries
  }
  return parts;
}

TEST(AuditBundleVector, is_read_as_it_was_meant_and_written_again_byte_for_byte) {
  const std::string bytes = test::format_vector_file("ledger.bundle");
  const test::BundleParts parts = parts_of(bytes);
  EXPECT_EQ(parts.about.made_at, Time{1795005600000001});
  ASSERT_EQ(parts.sources.size(), 2U);
  EXPECT_EQ(parts.sources[0].place, "packages.example:5432/debian");
  EXPECT_FALSE(parts.sources[0].salts);
  EXPECT_TRUE(parts.sources[1].salts);
  EXPECT_TRUE(parts.sources[1].tracks_changes);
  EXPECT_EQ(parts.sources[1].loaded_at, Time{1795000000250000});
  EXPECT_EQ(parts.sources[1].server, "7301234567890123456/00000001");
  EXPECT_EQ(parts.sources[1].complete_below, 4294967301U);
  EXPECT_EQ(parts.checkpoints.size(), 2U);
  EXPECT_EQ(parts.entries.size(), 19U);
  EXPECT_EQ(parts.salts.size(), 4U);
  EXPECT_EQ(*parts.encode(), bytes);
}

}  // namespace
}  // namespace pgtally
