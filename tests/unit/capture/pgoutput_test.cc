#include "capture/pgoutput.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "support/pgoutput_messages.h"

namespace pgtally::pgoutput {
namespace {

using namespace pgtally::test;  // the messages
using testing::HasSubstr;

constexpr std::int64_t kYear2000 = 946'684'800'000'000;

// Keeps the messages that it decoded, so that the views into them stay valid.
class Reader {
 public:
  template <typename T>
  T read(Bytes message, bool streamed = false) {
    auto result = decoder_.decode(kept_.emplace_back(std::move(message)), streamed);
    if (!result.ok()) throw std::runtime_error(result.error().message);
    return std::get<T>(*result);
  }

 private:
  Decoder decoder_;
  std::deque<Bytes> kept_;
};

std::string error_of(const Bytes& message, bool streamed = false) {
  Decoder decoder;
  const auto result = decoder.decode(message, streamed);
  return result.ok() ? "no error" : result.error().message;
}

struct Sample {
  Bytes message;
  bool streamed;
};

// Every kind of message, each in both forms where there are two.
std::vector<Sample> samples() {
  std::vector<Sample> all;
  for (const std::uint32_t xid : {0U, 731U}) {
    const bool streamed = xid != 0;
    for (const Bytes& message :
         {relation_message(16384, "account", {{"id", true, 20}, {"name"}}, xid, 'f'),
          insert_message(16384, {"1", kNull, kUnchanged, ""}, xid),
          update_message(16384, 0, {}, {"1", "b"}, xid),
          update_message(16384, 'K', {"1", kNull}, {"2", "b"}, xid),
          update_message(16384, 'O', {"1", "a"}, {"2", kUnchanged}, xid),
          delete_message(16384, 'K', {"1", kNull}, xid),
          delete_message(16384, 'O', {"1", "a"}, xid), truncate_message({16384, 16385}, 3, xid),
          MessageWriter('Y', xid).u32(16390).text("public").text("mood").bytes(),
          MessageWriter('M', xid).u8(1).u64(77).text("prefix").u32(3).raw("abc").bytes()}) {
      all.push_back({message, streamed});
    }
  }
  for (const Bytes& message :
       {begin_message(0x100, 731), commit_message(0x100, 0x130),
        MessageWriter('O').u64(0x90).text("elsewhere").bytes(), stream_start_message(731, true),
        stream_stop_message(), stream_commit_message(731, 0x100, 0x130),
        stream_abort_message(731, 732)}) {
    all.push_back({message, false});
  }
  return all;
}

TEST(Pgoutput, reads_where_and_when_a_transaction_commits) {
  Reader reader;
  const auto begin = reader.read<Begin>(begin_message(0x16B3748, 731, 5'000'000));
  EXPECT_EQ(to_string(begin.commit_lsn), "0/16B3748");
  EXPECT_EQ(begin.commit_time.microseconds, kYear2000 + 5'000'000);
  EXPECT_EQ(begin.xid, 731U);
  const auto commit = reader.read<Commit>(commit_message(0x16B3748, 0x16B3780));
  EXPECT_EQ(commit.commit_lsn.value, 0x16B3748U);
  EXPECT_EQ(commit.end_lsn.value, 0x16B3780U);
  EXPECT_EQ(commit.commit_time.microseconds, kYear2000);
}

TEST(Pgoutput, reads_what_describes_a_table) {
  Reader reader;
  const auto relation = reader.read<RelationView>(
      relation_message(16384, "account", {{"id", true, 20}, {"name"}}, 0, 'i'));
  EXPECT_EQ(relation.oid, 16384U);
  EXPECT_EQ(relation.schema, "public");
  EXPECT_EQ(relation.name, "account");
  EXPECT_EQ(relation.identity, ReplicaIdentity::kIndex);
  ASSERT_EQ(relation.columns.size(), 2U);
  EXPECT_TRUE(relation.columns[0].key);
  EXPECT_EQ(relation.columns[0].name, "id");
  EXPECT_EQ(relation.columns[0].type, 20U);
  EXPECT_EQ(relation.columns[0].typmod, -1);
  EXPECT_FALSE(relation.columns[1].key);
}

TEST(Pgoutput, an_empty_schema_is_pg_catalog) {
  Reader reader;
  const auto relation = reader.read<RelationView>(
      MessageWriter('R').u32(1).text("").text("t").letter('d').u16(0).bytes());
  EXPECT_EQ(relation.schema, "pg_catalog");
}

TEST(Pgoutput, tells_null_unchanged_and_empty_values_apart) {
  Reader reader;
  const auto insert = reader.read<Insert>(insert_message(16384, {"", kNull, kUnchanged, "\u20ac"}));
  ASSERT_EQ(insert.row.size(), 4U);
  EXPECT_EQ(insert.row[0].kind, ValueKind::kText);
  EXPECT_EQ(insert.row[0].text, "");
  EXPECT_EQ(insert.row[1].kind, ValueKind::kNull);
  EXPECT_EQ(insert.row[2].kind, ValueKind::kUnchanged);
  EXPECT_EQ(insert.row[3].text, "\u20ac");
}

TEST(Pgoutput, says_what_is_known_of_the_old_row) {
  Reader reader;
  auto update = reader.read<Update>(update_message(1, 0, {}, {"1", "b"}));
  EXPECT_EQ(update.old_kind, OldRow::kNone);
  EXPECT_TRUE(update.old_row.empty());
  EXPECT_EQ(update.row[1].text, "b");
  update = reader.read<Update>(update_message(1, 'K', {"1", kNull}, {"2", "b"}));
  EXPECT_EQ(update.old_kind, OldRow::kKey);
  EXPECT_EQ(update.old_row[0].text, "1");
  EXPECT_EQ(update.row[0].text, "2");
  const auto deleted = reader.read<Delete>(delete_message(1, 'O', {"1", "b"}));
  EXPECT_EQ(deleted.old_kind, OldRow::kFull);
  EXPECT_EQ(deleted.old_row[1].text, "b");
}

TEST(Pgoutput, a_truncate_names_all_its_tables) {
  Reader reader;
  const auto truncate = reader.read<Truncate>(truncate_message({7, 8, 9}, 2));
  EXPECT_THAT(truncate.relations, testing::ElementsAre(7U, 8U, 9U));
  EXPECT_FALSE(truncate.cascade);
  EXPECT_TRUE(truncate.restart_identity);
}

TEST(Pgoutput, inside_a_stream_block_changes_carry_their_subtransaction) {
  Reader reader;
  const Bytes message = insert_message(16384, {"1"}, 732);
  EXPECT_EQ(reader.read<Insert>(message, true).xid, 732U);
  EXPECT_EQ(*streamed_xid(message), 732U);
  EXPECT_EQ(*streamed_xid(stream_stop_message()), 0U);
  EXPECT_FALSE(streamed_xid(Bytes{'I', 0, 0}).ok());
  EXPECT_FALSE(streamed_xid({}).ok());
}

TEST(Pgoutput, reads_the_messages_of_streamed_transactions) {
  Reader reader;
  EXPECT_TRUE(reader.read<StreamStart>(stream_start_message(731, true)).first);
  const auto commit = reader.read<StreamCommit>(stream_commit_message(731, 0x100, 0x130));
  EXPECT_EQ(commit.xid, 731U);
  EXPECT_EQ(commit.commit_lsn.value, 0x100U);
  EXPECT_EQ(commit.end_lsn.value, 0x130U);
  const auto abort = reader.read<StreamAbort>(stream_abort_message(731, 735));
  EXPECT_EQ(abort.xid, 731U);
  EXPECT_EQ(abort.subxid, 735U);
}

TEST(Pgoutput, refuses_every_message_that_is_cut_short_anywhere) {
  Decoder decoder;
  for (const auto& [message, streamed] : samples()) {
    ASSERT_TRUE(decoder.decode(message, streamed).ok()) << message[0];
    for (std::size_t size = 0; size < message.size(); ++size) {
      // A copy of that size, so that reading past it is seen by a sanitizer.
      const Bytes cut(message.begin(), message.begin() + static_cast<std::ptrdiff_t>(size));
      const auto result = decoder.decode(cut, streamed);
      ASSERT_FALSE(result.ok()) << message[0] << " at " << size;
      EXPECT_EQ(result.error().code, ErrorCode::kReject);
    }
  }
}

TEST(Pgoutput, refuses_every_message_with_a_byte_too_many) {
  for (auto& [message, streamed] : samples()) {
    Bytes longer = message;
    longer.push_back(0);
    EXPECT_THAT(error_of(longer, streamed), HasSubstr("1 bytes left over")) << message[0];
  }
}

TEST(Pgoutput, says_in_which_message_and_at_which_byte_it_went_wrong) {
  const Bytes message =
      MessageWriter('I').u32(16384).letter('N').u16(1).letter('t').u32(5).raw("abc").bytes();
  EXPECT_EQ(error_of(message),
            "message 'I' of pgoutput: value at byte 13: 5 bytes expected, 3 left");
}

TEST(Pgoutput, refuses_lengths_and_counts_that_nothing_can_have) {
  const auto row = [](std::uint16_t count) {
    return MessageWriter('I').u32(1).letter('N').u16(count);
  };
  EXPECT_THAT(error_of(row(1).letter('t').u32(0xffffffff).raw("abc").bytes()),
              HasSubstr("4294967295 bytes expected"));
  EXPECT_THAT(error_of(row(0xffff).bytes()), HasSubstr("number of columns"));
  EXPECT_THAT(error_of(row(1665).bytes()), HasSubstr("number of columns"));
  EXPECT_THAT(error_of(MessageWriter('T').u32(0xffffffff).u8(0).u32(1).bytes()),
              HasSubstr("bytes expected, 4 left"));
  EXPECT_THAT(error_of(MessageWriter('M').u8(0).u64(1).text("p").u32(0xffffffff).bytes()),
              HasSubstr("content"));
  EXPECT_THAT(error_of(relation_message(1, std::string(1025, 'x'), {})), HasSubstr("at most 1024"));
  EXPECT_THAT(error_of(relation_message(1, "t", {{std::string(1025, 'x')}})),
              HasSubstr("at most 1024"));
}

TEST(Pgoutput, refuses_letters_that_it_does_not_know) {
  const auto row = [] { return MessageWriter('I').u32(1).letter('N').u16(1); };
  EXPECT_THAT(error_of(row().letter('b').u32(1).raw("x").bytes()), HasSubstr("not n, u or t"));
  EXPECT_THAT(error_of(MessageWriter('I').u32(1).letter('O').row({}).bytes()), HasSubstr("not N"));
  EXPECT_THAT(error_of(MessageWriter('U').u32(1).letter('X').row({}).bytes()),
              HasSubstr("not K, O or N"));
  EXPECT_THAT(error_of(MessageWriter('D').u32(1).letter('N').row({}).bytes()),
              HasSubstr("not K or O"));
  EXPECT_THAT(error_of(relation_message(1, "t", {}, 0, 'x')), HasSubstr("replica identity"));
  EXPECT_THAT(error_of(MessageWriter('S').u32(1).u8(2).bytes()), HasSubstr("first segment"));
  EXPECT_THAT(error_of(MessageWriter('C').u8(1).u64(1).u64(1).u64(0).bytes()), HasSubstr("flags"));
  EXPECT_THAT(error_of(MessageWriter('Z').bytes()), HasSubstr("'Z'"));
  EXPECT_THAT(error_of(Bytes{0xff}), HasSubstr("message 255"));
}

}  // namespace
}  // namespace pgtally::pgoutput
