// Sessions beside an audit's own, and what is read by several of them.
#include "audit/side_sessions.h"

#include <thread>

#include "database/audit/row_audit_test.h"

namespace pgtally {
namespace {

using test::at_once;
using test::audit_rows;
using test::AuditedRows;
using test::must;
using test::TestSchema;
using Texts = std::vector<std::string>;

class SideSessionsTest : public TestSchema, public testing::Test {
 public:
  SideSessionsTest() { psql("CREATE TABLE t AS SELECT 1 AS a; CREATE TABLE u AS SELECT 2 AS a"); }

  static std::int64_t count(pg::Connection& connection) {
    return must(must(connection.query("SELECT count(*) FROM public.t")).get<std::int64_t>(0, 0));
  }

  pg::Connection main = TestSchema::connect();
};

TEST_F(SideSessionsTest, see_what_the_main_session_sees) {
  for (const bool ahead : {false, true}) {
    SideSessions sides = must(SideSessions::begin(main));
    if (ahead) sides.open_ahead();
    const std::int64_t seen = count(main);
    psql("INSERT INTO t VALUES (7)");
    const auto readers = sides.readers_of("public.t", 2);
    ASSERT_EQ(readers.size(), 2u);
    for (pg::Connection* reader : readers) EXPECT_EQ(count(*reader), seen);
    EXPECT_EQ(sides.readers_of("public.u", 1), std::vector{readers[0]});
    must(main.execute("ROLLBACK"));
  }
}

// The audit holds a lock, somebody waits for one that excludes it, and nobody else gets one before him.
TEST_F(SideSessionsTest, are_none_while_somebody_waits_for_the_table) {
  SideSessions sides = must(SideSessions::begin(main));
  (void)count(main);
  std::thread altering([&] { psql("ALTER TABLE t ADD COLUMN b int"); });
  while (psql("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 't'::regclass AND "
              "database = (SELECT oid FROM pg_database WHERE datname = current_database())") !=
         "1") {
    std::this_thread::yield();
  }
  EXPECT_TRUE(sides.readers_of("public.t", 2).empty());
  EXPECT_EQ(sides.readers_of("public.u", 1).size(), 1u) << "of another table they are there";
  must(main.execute("ROLLBACK"));
  altering.join();
}

TEST_F(SideSessionsTest, that_cannot_be_opened_are_done_without) {
  psql("CREATE ROLE side_sessions_alone LOGIN CONNECTION LIMIT 1");
  auto alone = test::connect(conninfo() + " user=side_sessions_alone");
  SideSessions sides = must(SideSessions::begin(alone));
  sides.open_ahead();
  EXPECT_TRUE(sides.readers_of("pg_class", 2).empty());
  must(alone.execute("ROLLBACK"));
  psql("DROP ROLE side_sessions_alone");
}

// 8 rows a page, so that a table of some rows has many pages.
class LargeTable : public TestSchema, public testing::Test {
 public:
  LargeTable() {
    psql(
        "CREATE TABLE p (id bigint PRIMARY KEY, note text) WITH (fillfactor = 10);"
        "INSERT INTO p SELECT g, 'a note that takes some room ' || g "
        "FROM generate_series(1, 12000) AS g");
    add_source("p", "p", {"id"}, [](SourceRequest& request) { request.mode = "poll"; });
    drain();
  }
};

TEST_F(LargeTable, is_read_whole_by_two_sessions) {
  const AuditedRows honest = audit_rows(*this, at_once());
  EXPECT_EQ(honest.findings(), Texts{});
  EXPECT_EQ(honest.source("p").rows, 12'000u);
  psql("UPDATE p SET note = 'x' WHERE id IN (1, 11999); DELETE FROM p WHERE id IN (2, 12000)");
  const AuditedRows audited = audit_rows(*this, at_once());
  EXPECT_EQ(audited.findings(),
            (Texts{"changed p 1", "changed p 11999", "missing p 12000", "missing p 2"}));
  EXPECT_EQ(audited.source("p").rows, 11'998u);
}

}  // namespace
}  // namespace pgtally
