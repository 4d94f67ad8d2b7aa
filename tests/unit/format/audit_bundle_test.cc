#include "format/audit_bundle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "format/entry_bundle.h"
#include "support/memory_bundle.h"

namespace pgtally {
namespace {

using testing::HasSubstr;

Result<BundleIndex> scan(const std::string& bytes) {
  test::MemorySource source(bytes);
  return scan_bundle(source);
}

std::string why_not(const std::string& bytes) {
  const auto index = scan(bytes);
  if (index.ok()) return "it was taken";
  EXPECT_EQ(index.error().code, ErrorCode::kReject);
  return index.error().message;
}
std::string why_not(const test::BundleParts& parts) {
  const auto bytes = parts.encode();
  return bytes.ok() ? why_not(*bytes) : bytes.error().message;
}

// With the checksum that fits, as somebody who means to deceive would have it.
std::string with_checksum(std::string bytes) {
  bytes.resize(bytes.size() - Hash::kSize);
  const Hash sum = sha256(bytes);
  return bytes + std::string(as_text(sum.view()));
}

TEST(AuditBundle, gives_back_what_was_put_in) {
  const test::BundleParts parts = test::small_bundle();
  const std::string bytes = *parts.encode();
  test::MemorySource source(bytes);
  const auto index = scan_bundle(source);
  ASSERT_TRUE(index.ok()) << index.error().message;
  EXPECT_EQ(index->about, parts.about);
  EXPECT_EQ(index->sources, parts.sources);
  EXPECT_EQ(index->size, TreeSize{300});
  EXPECT_EQ(index->checkpoints, 2U);
  EXPECT_EQ(index->salts, 150U);
  ASSERT_EQ(index->documents.size(), 3U);
  for (std::size_t d = 0; d < 3; ++d) {
    const BundledDocument& document = index->documents[d];
    EXPECT_EQ(bytes.substr(document.offset, document.size), parts.documents[d]);
  }
  BundleCursor checkpoints(source, index->checkpoints_at);
  for (const BundleCheckpoint& expected : parts.checkpoints) {
    const auto block = *checkpoints.block(1000, "checkpoints");
    ASSERT_TRUE(block.has_value());
    EXPECT_EQ(*decode_bundle_checkpoint(*block), expected);
  }
  EXPECT_FALSE(checkpoints.block(1000, "checkpoints")->has_value());
  BundleCursor entries(source, index->entries_at);
  EXPECT_EQ(parse_bundle(**entries.block(100'000, "entries"))->size(), 256U);
  EXPECT_EQ(as_text(parse_bundle(**entries.block(100'000, "entries"))->back()), "entry 299");
}

TEST(AuditBundle, is_refused_wherever_it_is_cut_off) {
  const std::string bytes = *test::small_bundle(20).encode();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_THAT(why_not(bytes.substr(0, size)),
                HasSubstr("cut off: it ends at byte " + std::to_string(size)))
        << size;
  }
  EXPECT_THAT(why_not(bytes.substr(0, bytes.size() - 1)), HasSubstr("section checksum"));
  EXPECT_EQ(why_not(bytes + "x"), "something stands behind the end of the bundle, at byte " +
                                      std::to_string(bytes.size()));
}

TEST(AuditBundle, is_refused_with_any_bit_of_it_flipped) {
  const std::string bytes = *test::small_bundle(5, 1).encode();
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    std::string damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(scan(damaged).ok()) << "bit " << bit;
  }
}

TEST(AuditBundle, with_a_checksum_that_fits_never_says_more_than_it_holds) {
  const std::string bytes = *test::small_bundle(5, 1).encode();
  int taken = 0;
  for (std::size_t at = 18; at + Hash::kSize < bytes.size(); ++at) {
    for (const int change : {1, 0x80, 0xFF}) {
      std::string changed = bytes;
      changed[at] = static_cast<char>(changed[at] ^ change);
      const auto index = scan(with_checksum(changed));
      if (!index.ok()) continue;
      ++taken;
      EXPECT_EQ(index->size, TreeSize{5}) << at;
      EXPECT_EQ(index->checkpoints, 2U) << at;
    }
  }
  EXPECT_GT(taken, 0);  // contents of entries, of salts, of notes
}

TEST(AuditBundle, of_something_else_is_told_from_a_damaged_one) {
  EXPECT_EQ(why_not(std::string(1000, 'x')), "this is no bundle of a ledger");
  std::string damaged = *test::small_bundle().encode();
  damaged[damaged.find("entry 17")] = 'E';
  EXPECT_THAT(why_not(damaged), HasSubstr("the bundle is damaged"));
}

TEST(AuditBundle, ends_where_its_newest_checkpoint_ends) {
  test::BundleParts parts = test::small_bundle(10);
  parts.entries.pop_back();
  parts.salts.pop_back();
  EXPECT_THAT(why_not(parts), HasSubstr("is of size 10, and it has 9 entries"));
  parts.entries.resize(11, "unsigned");
  EXPECT_THAT(why_not(parts), HasSubstr("is of size 10, and it has 11 entries"));
  parts.checkpoints.clear();
  EXPECT_THAT(why_not(parts), HasSubstr("is of size 0, and it has 11 entries"));
}

TEST(AuditBundle, has_everything_in_one_order) {
  test::BundleParts parts = test::small_bundle();
  std::swap(parts.sources[0], parts.sources[1]);
  EXPECT_THAT(why_not(parts), HasSubstr("sources out of order"));
  parts = test::small_bundle();
  parts.sources[0].name = "payment";
  EXPECT_THAT(why_not(parts), HasSubstr("sources out of order"));
  parts = test::small_bundle();
  std::swap(parts.checkpoints[0], parts.checkpoints[1]);
  EXPECT_THAT(why_not(parts), HasSubstr("checkpoints out of order"));
  parts = test::small_bundle();
  parts.documents.push_back(parts.documents.back());
  EXPECT_THAT(why_not(parts), HasSubstr("documents out of order"));
  parts = test::small_bundle();
  parts.salts.push_back(parts.salts.back());
  EXPECT_THAT(why_not(parts), HasSubstr("salts out of order"));
  parts = test::small_bundle();
  parts.salts.emplace_back(300, Hash{});
  EXPECT_THAT(why_not(parts), HasSubstr("of entries that are not there"));
}

TEST(AuditBundle, is_written_in_the_order_of_its_sections) {
  BundleEncoder encoder([](ByteView) { return Result<void>(); });
  ASSERT_TRUE(encoder.entry(as_bytes("entry")).ok());
  EXPECT_EQ(encoder.checkpoint(Time{1}, test::note_of_size(1)).error().message,
            "section checkpoints of a bundle stands before entries");
  ASSERT_TRUE(encoder.finish().ok());
  EXPECT_FALSE(encoder.entry(as_bytes("entry")).ok());
}

TEST(AuditBundle, takes_no_source_that_says_too_much_and_no_name_that_is_none) {
  test::BundleParts parts = test::small_bundle();
  parts.sources[1].place = std::string(kMaxBundleAbout, 'x');
  EXPECT_THAT(why_not(parts), HasSubstr("has room for 4096"));
  parts.sources[1].place = std::string(3800, 'x');
  EXPECT_EQ(why_not(parts), "it was taken");
  parts.sources[1].name = "Payment";
  EXPECT_EQ(why_not(parts), "no source is named \"Payment\"");
}

TEST(AuditBundle, has_as_many_sources_and_documents_as_it_says_and_no_more) {
  test::BundleParts parts = test::small_bundle(1, 0);
  parts.sources.clear();
  for (std::size_t s = 0; s < kMaxBundleSources; ++s) {
    parts.sources.push_back({.name = "s" + std::to_string(100'000 + s)});
  }
  EXPECT_EQ(why_not(parts), "it was taken");
  parts.sources.push_back({.name = "t"});
  EXPECT_THAT(why_not(parts), HasSubstr("more than 10000 sources"));

  parts = test::small_bundle(1, kMaxBundleDocuments + 1);
  EXPECT_THAT(why_not(parts), HasSubstr("more than 262144 documents"));
  parts.documents.pop_back();
  EXPECT_EQ(why_not(parts), "it was taken");
}

TEST(AuditBundle, of_a_length_that_no_block_has_is_refused_before_memory_is_taken) {
  std::string bytes = *test::small_bundle(5, 1).encode();
  const std::size_t entries = bytes.find(std::string("\0\7entry 0", 9)) - 4;
  for (int b = 0; b < 4; ++b) bytes[entries + static_cast<std::size_t>(b)] = '\xFF';
  EXPECT_THAT(why_not(with_checksum(bytes)), HasSubstr("has a block of 4294967295 bytes"));
}

TEST(AuditBundle, fills_its_blocks_so_that_a_salt_is_found_without_reading_the_others) {
  const std::uint64_t size = 2 * (2 * kSaltsInBlock + 1);
  const std::string bytes = *test::small_bundle(size).encode();
  const auto index = scan(bytes);
  ASSERT_TRUE(index.ok());
  ASSERT_EQ(index->salts, 2 * kSaltsInBlock + 1);
  const std::size_t last = index->salts_at + 2 * (4 + kSaltsInBlock * kSaltRecord) + 4;
  EXPECT_EQ(bytes.substr(last + 8, 32), as_text(sha256("salt " + std::to_string(size - 1)).view()));

  // A block that is not full, and others behind it.
  std::string torn = bytes;
  torn[index->salts_at + 2] = 0;  // 4096 * 40 = 0x028000: a first block of 0x020000 bytes
  EXPECT_FALSE(scan(with_checksum(torn)).ok());
}

TEST(AuditBundle, is_read_by_a_cursor_in_pieces_of_any_size) {
  std::string bytes(1'000'000, 'x');
  bytes[999'999] = 'y';
  test::MemorySource source(bytes);
  BundleCursor cursor(source, 10);
  EXPECT_EQ(cursor.take(1, "x")->size(), 1U);
  EXPECT_EQ(cursor.take(900'000, "x")->size(), 900'000U);
  EXPECT_EQ(cursor.offset(), 900'011U);
  EXPECT_EQ(as_text(*cursor.take(99'989, "x")).back(), 'y');
  EXPECT_THAT(cursor.take(1, "x").error().message, HasSubstr("cut off: it ends at byte 1000000"));
}

}  // namespace
}  // namespace pgtally
