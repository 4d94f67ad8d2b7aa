// The log as it is read from its table: by one session or two, in the order of the file or of the ids.
#include "audit/entry_stream.h"

#include <atomic>

#include "audit/side_sessions.h"
#include "database/audit/row_audit_test.h"

namespace pgtally {
namespace {

using test::must;
using test::TestSchema;
using Entries = std::vector<Bytes>;
using Order = EntryStream::Order;

class EntryStreamTest : public TestSchema, public testing::Test {
 public:
  static constexpr LeafIndex kEnd{60'003};

  EntryStreamTest() {
    psql(
        "CREATE TABLE p AS SELECT g::bigint AS id FROM generate_series(1, 60000) AS g;"
        "ALTER TABLE p ADD PRIMARY KEY (id)");
    add_source("p", "p", {"id"}, [](SourceRequest& request) { request.mode = "poll"; });
    drain();
    psql(
        "SET session_replication_role = replica;"
        "ALTER TABLE pgtally.processed_log DISABLE TRIGGER ALL");
    for (std::int32_t id = 0; id < 3; ++id) names[id] = "p";
  }

  // `id`: what is taken for a row's id, which need not be what its index says.
  EntryStream::Query query(std::string id = "id") {
    return [this, id](LeafIndex from, LeafIndex to, Order order) {
      const bool by_file = order == Order::kFile;
      ++(by_file ? by_file_ : by_id_);
      return fmt::format(
          "SELECT {}, {} FROM pgtally.processed_log AS l WHERE l.id >= {} AND l.id < {} "
          "ORDER BY {}",
          id, std::string_view(kEntryColumns).substr(sizeof "id," - 1), from.value, to.value,
          by_file ? "l.ctid" : "l.id");
    };
  }

  // With so many side sessions, or with the main one.
  Entries read(std::size_t count, LeafIndex from, const EntryStream::Query& asked) {
    SideSessions sides = must(SideSessions::begin(connection));
    auto sessions = sides.readers_of("pgtally.processed_log", count);
    if (count == 0) sessions.assign(1, &connection);
    Entries entries;
    {
      EntryStream stream(sessions, asked, names, from, kEnd);
      EntryBlock block;
      while (stream.next() < kEnd) {
        EXPECT_EQ(stream.next().value, from.value + entries.size());
        must(stream.read(block));
        for (const ByteView entry : block.entries) entries.emplace_back(entry.begin(), entry.end());
      }
    }
    must(connection.execute("ROLLBACK"));
    return entries;
  }
  static std::vector<std::size_t> empty(const Entries& entries) {
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (entries[i].empty()) places.push_back(i);
    }
    return places;
  }

  pg::Connection connection = connect();
  SourceIdNames names;
  std::atomic<int> by_file_ = 0;
  std::atomic<int> by_id_ = 0;
};

TEST_F(EntryStreamTest, reads_the_file_alone_where_the_entries_stand_in_order) {
  const Entries entries = read(0, LeafIndex{0}, query());
  EXPECT_EQ(entries.size(), kEnd.value);
  EXPECT_TRUE(empty(entries).empty());
  EXPECT_EQ(read(2, LeafIndex{0}, query()), entries);
  EXPECT_EQ(by_id_, 0);
}

TEST_F(EntryStreamTest, gives_the_same_whatever_the_file_has_become) {
  const Entries entries = read(0, LeafIndex{0}, query());
  by_file_ = 0;
  psql("UPDATE pgtally.processed_log SET id = id WHERE id IN (0, 700, 4095, 30000)");
  for (const std::size_t sessions : {0U, 1U, 2U}) {
    EXPECT_EQ(read(sessions, LeafIndex{0}, query()), entries) << sessions;
  }
  EXPECT_EQ(by_file_, 4) << "each session has seen once that it is of no use";
  EXPECT_GE(by_id_, 4);
}

TEST_F(EntryStreamTest, leaves_out_what_is_not_there_however_many_sessions_read) {
  // One, a whole block, and the last.
  psql("DELETE FROM pgtally.processed_log WHERE id = 77 OR id BETWEEN 2048 AND 3071 OR id = 60002");
  for (const LeafIndex from : {LeafIndex{0}, LeafIndex{1024}, LeafIndex{30'000}}) {
    const Entries alone = read(0, from, query());
    ASSERT_EQ(alone.size(), kEnd.value - from.value);
    EXPECT_TRUE(alone.back().empty());
    EXPECT_EQ(read(1, from, query()), alone);
    EXPECT_EQ(read(2, from, query()), alone);
  }
  const Entries all = read(2, LeafIndex{0}, query());
  EXPECT_EQ(empty(all).size(), 1026u);
  EXPECT_TRUE(all[77].empty() && all[2048].empty() && all[3071].empty() && !all[3072].empty());
}

// Ids that were edited in the file, where no index knows of it: to a neighbour's and back from it, into
// another block and back from it, below all, and beyond all.
TEST_F(EntryStreamTest, does_not_take_a_row_that_is_not_in_its_place) {
  Entries entries = read(0, LeafIndex{0}, query());
  const auto edited = query(
      "CASE id WHEN 100 THEN 101 WHEN 201 THEN 200 WHEN 300 THEN 5000 WHEN 5001 THEN 400 "
      "WHEN 3000 THEN -7 WHEN 4095 THEN 4097 WHEN 60002 THEN 99999 ELSE id END");
  const std::vector<std::size_t> places{100, 201, 300, 3000, 4095, 5001, 60'002};
  for (const std::size_t place : places) entries[place].clear();
  for (const std::size_t sessions : {0U, 2U}) {
    const Entries seen = read(sessions, LeafIndex{0}, edited);
    EXPECT_EQ(empty(seen), places);
    EXPECT_EQ(seen, entries);
  }
}

}  // namespace
}  // namespace pgtally
