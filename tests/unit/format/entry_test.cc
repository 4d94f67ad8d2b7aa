#include "pgtally/entry.h"

#include <gtest/gtest.h>

#include <functional>

#include "pgtally/key.h"
#include "pgtally/merkle.h"
#include "support/format_vectors.h"

namespace pgtally {
namespace {

Entry sample() {
  Entry entry;
  entry.operation = Operation::kInsert;
  entry.definition = 7;
  entry.ordinal = 3;
  entry.sequenced_at = Time{1795000000000000};
  entry.source_time = Time{};
  entry.source = "payment";
  entry.key = *encode_key(std::vector<std::string>{"42"});
  entry.source_position = "42";
  entry.content_hash.bytes.fill(0xab);
  return entry;
}

Entry changed(const std::function<void(Entry&)>& change) {
  Entry entry = sample();
  change(entry);
  return entry;
}

TEST(Entry, is_encoded_as_the_independent_vectors_say) {
  const auto vectors = test::format_vectors("entries.txt");
  ASSERT_GT(vectors.size(), 15U);
  for (const auto& vector : vectors) {
    const Entry entry{static_cast<Operation>(vector.number("operation")),
                      static_cast<std::uint32_t>(vector.number("definition")),
                      vector.number("ordinal"),
                      Time{vector.signed_number("sequenced_at")},
                      Time{vector.signed_number("source_time")},
                      vector.word("source"),
                      vector.bytes("key"),
                      vector.word("source_position"),
                      vector.hash("content_hash")};
    const auto bytes = encode(entry);
    ASSERT_TRUE(bytes.ok()) << bytes.error().message;
    EXPECT_EQ(*bytes, vector.bytes("entry"));
    EXPECT_EQ(leaf_hash(*bytes), vector.hash("leaf_hash"));
    const auto decoded = decode_entry(*bytes);
    ASSERT_TRUE(decoded.ok()) << decoded.error().message;
    EXPECT_EQ(*decoded, entry);
    Entry seen;
    seen.assign(view_of_encoded(*bytes));
    EXPECT_EQ(seen, entry);
  }
}

TEST(Entry, of_the_greatest_size_has_1408_bytes) {
  Entry entry = sample();
  entry.source = std::string(63, 's');
  entry.key = *encode_key(std::vector<std::string>{std::string(1022, 'k')});
  entry.source_position = std::string(255, 'p');
  const auto bytes = encode(entry);
  ASSERT_TRUE(bytes.ok());
  EXPECT_EQ(bytes->size(), kMaxEntrySize);
  EXPECT_EQ(*decode_entry(*bytes), entry);
}

TEST(Entry, that_breaks_a_rule_is_not_encoded) {
  const std::function<void(Entry&)> changes[] = {
      [](Entry& e) { e.operation = static_cast<Operation>(0); },
      [](Entry& e) { e.operation = static_cast<Operation>(7); },
      [](Entry& e) { e.operation = Operation::kDefine; },    // with a key
      [](Entry& e) { e.operation = Operation::kTruncate; },  // with a key and a hash
      [](Entry& e) { e.operation = Operation::kTruncate, e.key.clear(); },
      [](Entry& e) { e.key.clear(); },
      [](Entry& e) { e.key = {0, 9}; },
      [](Entry& e) { e.content_hash = Hash{}; },
      [](Entry& e) { e.sequenced_at = Time{}; },
      [](Entry& e) { e.sequenced_at = Time{-1}; },
      [](Entry& e) { e.sequenced_at = Time{Time::kInfinity}; },
      [](Entry& e) { e.source = ""; },
      [](Entry& e) { e.source = std::string(64, 'a'); },
      [](Entry& e) { e.source = "Payment"; },
      [](Entry& e) { e.source = "_a"; },
      [](Entry& e) { e.source = "a b"; },
      [](Entry& e) { e.source_position = std::string(256, '1'); },
      [](Entry& e) { e.source_position = "\xc0\x80"; },
  };
  for (const auto& change : changes) {
    const auto bytes = encode(changed(change));
    EXPECT_FALSE(bytes.ok()) << "change " << &change - changes;
    if (!bytes.ok()) {
      EXPECT_EQ(bytes.error().code, ErrorCode::kReject);
    }
  }
}

TEST(Entry, may_have_a_zero_content_hash_only_for_delete_and_truncate) {
  const auto with = [](Operation operation) {
    return encode(changed([&](Entry& e) {
             e.operation = operation;
             e.content_hash = Hash{};
             if (!has_key(operation)) e.key.clear();
           }))
        .ok();
  };
  EXPECT_TRUE(with(Operation::kDelete));
  EXPECT_TRUE(with(Operation::kTruncate));
  for (const auto operation :
       {Operation::kInsert, Operation::kUpdate, Operation::kDefine, Operation::kNotice}) {
    EXPECT_FALSE(with(operation)) << name_of(operation);
  }
}

TEST(Entry, that_is_cut_anywhere_or_goes_on_is_refused) {
  Bytes bytes = *encode(sample());
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_FALSE(decode_entry(ByteView(bytes).first(length)).ok()) << length;
  }
  bytes.push_back(0);
  EXPECT_FALSE(decode_entry(bytes).ok());
}

TEST(Entry, with_any_byte_changed_is_refused_or_another_entry) {
  const Bytes bytes = *encode(sample());
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      Bytes flipped = bytes;
      flipped[at] = static_cast<std::uint8_t>(flipped[at] ^ (1 << bit));
      const auto decoded = decode_entry(flipped);
      if (!decoded.ok()) continue;
      EXPECT_NE(*decoded, sample()) << at;
      EXPECT_EQ(*encode(*decoded), flipped) << at;
    }
  }
}

TEST(Entry, of_an_unknown_version_is_opaque) {
  Bytes bytes = *encode(sample());
  bytes[0] = 2;
  EXPECT_EQ(*entry_version(bytes), 2);
  const auto decoded = decode_entry(bytes);
  ASSERT_FALSE(decoded.ok());
  EXPECT_NE(decoded.error().message.find("version 2"), std::string::npos);
  EXPECT_FALSE(entry_version({}).ok());
}

TEST(Entry, times_keep_their_three_special_values) {
  for (const auto time : {Time::kNone, Time::kMinusInfinity, Time::kInfinity, std::int64_t{-1}}) {
    const Entry entry = changed([&](Entry& e) { e.source_time = Time{time}; });
    EXPECT_EQ(decode_entry(*encode(entry))->source_time.microseconds, time);
  }
}

}  // namespace
}  // namespace pgtally
