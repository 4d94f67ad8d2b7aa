#include "capture/change_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <optional>

#include "support/pgoutput_messages.h"

namespace pgtally {
namespace {

using namespace pgtally::test;  // the messages
using pgoutput::OldRow;
using pgoutput::ValueKind;
using testing::ElementsAre;
using testing::HasSubstr;

namespace fs = std::filesystem;

constexpr std::uint32_t kAccount = 16384;
constexpr std::uint32_t kOther = 16385;

std::string text_of(const pgoutput::Value& value) {
  if (value.kind == ValueKind::kNull) return "NULL";
  if (value.kind == ValueKind::kUnchanged) return "?";
  return std::string(value.text);
}

std::string text_of(pgoutput::Values values) {
  std::string text;
  for (const auto& value : values) text += (text.empty() ? "" : ",") + text_of(value);
  return text;
}

// "0/100 0 +account 1,a": commit LSN, number, what was done, table, values.
std::string text_of(const CommittedTransaction& transaction, const Change& change) {
  constexpr std::string_view kSigns = "+=-0";
  std::string text = to_string(transaction.commit_lsn) + " " + std::to_string(change.number) + " " +
                     kSigns[static_cast<std::size_t>(change.operation)] + change.table->name;
  if (change.old_kind != OldRow::kNone) text += " (" + text_of(change.old_row) + ")";
  if (!change.row.empty()) text += " " + text_of(change.row);
  return text;
}

class ChangeStreamTest : public ::testing::Test {
 protected:
  ChangeStreamTest() {
    std::string name = (fs::temp_directory_path() / "stream-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no directory");
    directory = name;
    stream.emplace(ChangeStream::Options{.memory = 1000, .directory = directory});
  }
  ~ChangeStreamTest() override { fs::remove_all(directory); }

  // What comes out of the messages; "commit …" at the end of each transaction, errors as text.
  std::vector<std::string> take(const std::vector<Bytes>& messages) {
    std::vector<std::string> out;
    for (const auto& message : messages) {
      const auto put = stream->put(message);
      if (!put.ok()) return out.push_back(put.error().message), out;
      while (true) {
        const auto event = stream->next();
        if (!event.ok()) return out.push_back(event.error().message), out;
        if (*event == ChangeStream::Event::kNone) break;
        if (*event == ChangeStream::Event::kChange) {
          out.push_back(text_of(stream->transaction(), stream->change()));
          tables.push_back(stream->change().table);
        } else {
          out.push_back("commit " + to_string(stream->transaction().end_lsn));
        }
      }
    }
    return out;
  }
  static Bytes account(std::uint32_t xid = 0) {
    return relation_message(kAccount, "account", {{"id", true, 20}, {"name"}}, xid);
  }

  fs::path directory;
  std::optional<ChangeStream> stream;
  std::vector<std::shared_ptr<const StreamedTable>> tables;
};

TEST_F(ChangeStreamTest, numbers_the_changes_of_each_transaction_from_zero) {
  EXPECT_THAT(take({begin_message(0x100, 1), account(), insert_message(kAccount, {"1", "a"}),
                    update_message(kAccount, 'K', {"1", kNull}, {"2", "a"}),
                    commit_message(0x100, 0x130), begin_message(0x200, 2),
                    delete_message(kAccount, 'K', {"2", kNull}), commit_message(0x200, 0x230)}),
              ElementsAre("0/100 0 +account 1,a", "0/100 1 =account (1,NULL) 2,a", "commit 0/130",
                          "0/200 0 -account (2,NULL)", "commit 0/230"));
  EXPECT_EQ(stream->transaction().xid, 2U);
  EXPECT_EQ(stream->transaction().changes, 1U);
}

TEST_F(ChangeStreamTest, passes_committed_transactions_through_without_keeping_them) {
  ASSERT_THAT(take({begin_message(0x100, 1), account(), insert_message(kAccount, {"1", "a"})}),
              ElementsAre("0/100 0 +account 1,a"));
  EXPECT_TRUE(stream->in_transaction());
  EXPECT_EQ(stream->bytes_in_memory(), 0U);
  EXPECT_THAT(take({commit_message(0x100, 0x130)}), ElementsAre("commit 0/130"));
  EXPECT_FALSE(stream->in_transaction());
}

TEST_F(ChangeStreamTest, a_transaction_without_changes_still_commits) {
  EXPECT_THAT(take({begin_message(0x100, 1), commit_message(0x100, 0x130)}),
              ElementsAre("commit 0/130"));
}

TEST_F(ChangeStreamTest, a_truncate_is_one_change_for_each_table_in_their_order) {
  EXPECT_THAT(
      take({begin_message(0x100, 1), account(), relation_message(kOther, "other", {{"x"}}),
            truncate_message({kOther, kAccount}), insert_message(kOther, {"1"}),
            commit_message(0x100, 0x130)}),
      ElementsAre("0/100 0 0other", "0/100 1 0account", "0/100 2 +other 1", "commit 0/130"));
}

TEST_F(ChangeStreamTest, interleaved_streams_come_out_in_the_order_of_their_commits) {
  EXPECT_THAT(
      take({stream_start_message(1, true), account(1), insert_message(kAccount, {"1", "a"}, 1),
            stream_stop_message(),                                                     //
            stream_start_message(2, true), account(2),                                 //
            insert_message(kAccount, {"2", "b"}, 2), stream_stop_message(),            //
            begin_message(0x100, 3), account(), insert_message(kAccount, {"3", "c"}),  //
            commit_message(0x100, 0x130),                                              //
            stream_start_message(1, false), insert_message(kAccount, {"4", "d"}, 1),   //
            stream_stop_message(), stream_commit_message(2, 0x200, 0x230),             //
            stream_commit_message(1, 0x300, 0x330)}),
      ElementsAre("0/100 0 +account 3,c", "commit 0/130", "0/200 0 +account 2,b", "commit 0/230",
                  "0/300 0 +account 1,a", "0/300 1 +account 4,d", "commit 0/330"));
  EXPECT_EQ(stream->open_transactions(), 0U);
  EXPECT_EQ(stream->bytes_in_memory(), 0U);
}

TEST_F(ChangeStreamTest, what_a_subtransaction_did_is_left_out_when_it_was_rolled_back) {
  EXPECT_THAT(
      take({stream_start_message(1, true), account(1), insert_message(kAccount, {"1", "a"}, 1),
            insert_message(kAccount, {"2", "b"}, 2), insert_message(kAccount, {"3", "c"}, 3),
            stream_stop_message(), stream_abort_message(1, 2), stream_start_message(1, false),
            insert_message(kAccount, {"4", "d"}, 4), stream_stop_message(),
            stream_commit_message(1, 0x300, 0x330)}),
      ElementsAre("0/300 0 +account 1,a", "0/300 1 +account 3,c", "0/300 2 +account 4,d",
                  "commit 0/330"));
}

TEST_F(ChangeStreamTest, a_rolled_back_stream_leaves_nothing) {
  EXPECT_THAT(
      take({stream_start_message(1, true), account(1), insert_message(kAccount, {"1", "a"}, 1),
            stream_stop_message(), stream_abort_message(1, 1)}),
      ElementsAre());
  EXPECT_EQ(stream->open_transactions(), 0U);
  EXPECT_EQ(stream->bytes_in_memory(), 0U);
  // Its id may come round again, and one that never came is nothing to undo.
  EXPECT_THAT(take({stream_abort_message(9, 9), stream_start_message(1, true), account(1),
                    insert_message(kAccount, {"2", "b"}, 1), stream_stop_message(),
                    stream_commit_message(1, 0x300, 0x330)}),
              ElementsAre("0/300 0 +account 2,b", "commit 0/330"));
}

TEST_F(ChangeStreamTest, keeps_no_more_in_memory_than_it_may_however_many_are_open) {
  for (std::uint32_t round = 0; round < 200; ++round) {
    for (std::uint32_t xid = 1; xid <= 5; ++xid) {
      std::vector<Bytes> block = {stream_start_message(xid, round == 0)};
      if (round == 0) block.push_back(account(xid));
      block.push_back(insert_message(kAccount, {"1", std::to_string(round).c_str()}, xid));
      block.push_back(stream_stop_message());
      ASSERT_THAT(take(block), ElementsAre());
      ASSERT_LE(stream->bytes_in_memory(), 1000U);
    }
  }
  EXPECT_GT(stream->bytes_in_files(), 20'000U);
  EXPECT_TRUE(fs::is_empty(directory));
  for (std::uint32_t xid = 5; xid >= 1; --xid) {
    const auto changes = take({stream_commit_message(xid, 0x100 * xid, 0x100 * xid + 1)});
    ASSERT_EQ(changes.size(), 201U);
    EXPECT_THAT(changes[137], HasSubstr(" 137 +account 1,137"));
  }
  EXPECT_EQ(stream->bytes_in_files(), 0U);
}

TEST_F(ChangeStreamTest, a_change_goes_with_the_description_that_counted_there) {
  const Bytes wider = relation_message(kAccount, "account", {{"id", true, 20}, {"name"}, {"x"}});
  EXPECT_THAT(take({begin_message(0x100, 1), account(), insert_message(kAccount, {"1", "a"}), wider,
                    insert_message(kAccount, {"2", "b", "x"}), commit_message(0x100, 0x130)}),
              ElementsAre("0/100 0 +account 1,a", "0/100 1 +account 2,b,x", "commit 0/130"));
  EXPECT_EQ(tables[0]->columns.size(), 2U);
  EXPECT_EQ(tables[1]->columns.size(), 3U);
}

TEST_F(ChangeStreamTest, a_description_in_a_stream_counts_for_it_alone_until_it_commits) {
  const auto wider = relation_message(kAccount, "account", {{"id", true, 20}, {"n"}, {"x"}}, 1);
  EXPECT_THAT(
      take({begin_message(0x100, 9), account(), commit_message(0x100, 0x130),
            stream_start_message(1, true), wider, insert_message(kAccount, {"1", "a", "x"}, 1),
            stream_stop_message(),                                                 //
            begin_message(0x200, 2), insert_message(kAccount, {"2", "b"}),         //
            commit_message(0x200, 0x230), stream_commit_message(1, 0x300, 0x330),  //
            begin_message(0x400, 3), insert_message(kAccount, {"3", "c", "x"}),    //
            commit_message(0x400, 0x430)}),
      ElementsAre("commit 0/130", "0/200 0 +account 2,b", "commit 0/230", "0/300 0 +account 1,a,x",
                  "commit 0/330", "0/400 0 +account 3,c,x", "commit 0/430"));
}

TEST_F(ChangeStreamTest, an_older_description_never_replaces_one_that_arrived_later) {
  const auto wider = relation_message(kAccount, "account", {{"id", true, 20}, {"n"}, {"x"}});
  EXPECT_THAT(
      take({stream_start_message(1, true), account(1), insert_message(kAccount, {"1", "a"}, 1),
            stream_stop_message(), begin_message(0x200, 2), wider,
            insert_message(kAccount, {"2", "b", "x"}), commit_message(0x200, 0x230),
            stream_commit_message(1, 0x300, 0x330), begin_message(0x400, 3),
            insert_message(kAccount, {"3", "c", "x"}), commit_message(0x400, 0x430)}),
      ElementsAre("0/200 0 +account 2,b,x", "commit 0/230", "0/300 0 +account 1,a", "commit 0/330",
                  "0/400 0 +account 3,c,x", "commit 0/430"));
}

TEST_F(ChangeStreamTest, a_description_of_a_rolled_back_subtransaction_does_not_count) {
  const auto wider = relation_message(kAccount, "account", {{"id", true, 20}, {"n"}, {"x"}}, 2);
  EXPECT_THAT(
      take({stream_start_message(1, true), account(1), insert_message(kAccount, {"1", "a"}, 1),
            wider, insert_message(kAccount, {"2", "b", "x"}, 2), stream_stop_message(),
            stream_abort_message(1, 2), stream_start_message(1, false),
            insert_message(kAccount, {"3", "c"}, 1), stream_stop_message(),
            stream_commit_message(1, 0x300, 0x330)}),
      ElementsAre("0/300 0 +account 1,a", "0/300 1 +account 3,c", "commit 0/330"));
}

TEST_F(ChangeStreamTest, an_equal_description_is_the_same_object) {
  take({begin_message(0x100, 1), account(), insert_message(kAccount, {"1", "a"}), account(),
        insert_message(kAccount, {"2", "b"}), commit_message(0x100, 0x130),
        stream_start_message(2, true), account(2), insert_message(kAccount, {"3", "c"}, 2),
        stream_stop_message(), stream_commit_message(2, 0x200, 0x230)});
  ASSERT_EQ(tables.size(), 3U);
  EXPECT_EQ(tables[0], tables[1]);
  EXPECT_EQ(tables[1], tables[2]);
}

TEST_F(ChangeStreamTest, takes_unchanged_values_from_the_old_row_where_that_has_them) {
  EXPECT_THAT(
      take({begin_message(0x100, 1), account(),
            update_message(kAccount, 'O', {"1", "old"}, {"2", kUnchanged}),
            update_message(kAccount, 'K', {"1", kNull}, {kUnchanged, "b"}),
            update_message(kAccount, 'K', {"1", kNull}, {"2", kUnchanged}),
            update_message(kAccount, 0, {}, {"2", kUnchanged}), commit_message(0x100, 0x130)}),
      ElementsAre("0/100 0 =account (1,old) 2,old", "0/100 1 =account (1,NULL) 1,b",
                  "0/100 2 =account (1,NULL) 2,?", "0/100 3 =account 2,?", "commit 0/130"));
}

TEST_F(ChangeStreamTest, what_describes_no_change_is_passed_over) {
  const Bytes origin = MessageWriter('O').u64(1).text("elsewhere").bytes();
  const Bytes note = MessageWriter('M').u8(0).u64(1).text("p").u32(0).bytes();
  const Bytes note_in_stream = MessageWriter('M', 7).u8(1).u64(1).text("p").u32(0).bytes();
  const Bytes type = MessageWriter('Y').u32(1).text("").text("mood").bytes();
  const Bytes type_in_stream = MessageWriter('Y', 7).u32(1).text("").text("mood").bytes();
  EXPECT_THAT(take({note, begin_message(0x100, 1), origin, type, note, commit_message(0x100, 0x130),
                    stream_start_message(7, true), origin, type_in_stream, note_in_stream,
                    stream_stop_message(), stream_commit_message(7, 0x200, 0x230)}),
              ElementsAre("commit 0/130", "commit 0/230"));
}

TEST_F(ChangeStreamTest, refuses_messages_that_are_out_of_place) {
  const Bytes insert = insert_message(kAccount, {"1", "a"});
  const Bytes begin = begin_message(0x100, 1);
  const std::vector<std::pair<std::vector<Bytes>, const char*>> wrong = {
      {{account()}, "outside of a transaction"},
      {{insert}, "outside of a transaction"},
      {{commit_message(0x100, 0x130)}, "a Commit without a Begin"},
      {{begin, begin}, "transaction 1 begins inside of transaction 1"},
      {{begin, commit_message(0x101, 0x130)}, "was to commit at 0/100, but committed at 0/101"},
      {{begin, insert}, "OID 16384, which was not described"},
      {{begin, truncate_message({5})}, "OID 5, which was not described"},
      {{begin, account(), insert_message(kAccount, {"1"})}, "has 1 values for 2 columns"},
      {{begin, account(), delete_message(kAccount, 'K', {"1"})}, "has 1 values for 2 columns"},
      {{begin, stream_start_message(2, true)}, "inside of transaction 1"},
      {{begin, stream_stop_message()}, "inside of transaction 1"},
      {{begin, stream_commit_message(2, 1, 2)}, "inside of transaction 1"},
      {{stream_stop_message()}, "a Stream Stop outside of a block"},
      {{stream_start_message(1, false)}, "its beginning is missing"},
      {{stream_commit_message(1, 1, 2)}, "its beginning is missing"},
      {{stream_start_message(1, true), stream_start_message(2, true)}, "inside a block"},
      {{stream_start_message(1, true), begin}, "inside a block"},
      {{stream_start_message(1, true), Bytes{'I', 0}}, "xid"},
      {{stream_start_message(1, true), stream_stop_message(), stream_start_message(1, true)},
       "begins twice"},
      {{Bytes{}}, "empty"},
  };
  for (const auto& [messages, expected] : wrong) {
    stream.emplace(ChangeStream::Options{.directory = directory});
    const auto out = take(messages);
    ASSERT_EQ(out.size(), 1U) << expected;
    EXPECT_THAT(out[0], HasSubstr(expected));
  }
}

TEST_F(ChangeStreamTest, refuses_a_message_while_changes_of_the_last_one_wait) {
  take({begin_message(0x100, 1), account()});
  const Bytes insert = insert_message(kAccount, {"1", "a"});
  ASSERT_TRUE(stream->put(insert).ok());
  EXPECT_FALSE(stream->put(insert).ok());
}

}  // namespace
}  // namespace pgtally
