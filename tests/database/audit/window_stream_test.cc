// Sources whose rows are ahead of the log: mode logical, and tables in other databases.

#include <thread>

#include "database/audit/row_audit_test.h"
#include "database/capture/logical_test.h"
#include "database/capture/remote_source.h"

namespace pgtally {
namespace {

using test::at_once;
using test::audit_rows;
using test::AuditedRows;
using test::LogicalLedger;
using test::must;
using test::RemoteSourceTest;
using Texts = std::vector<std::string>;

AuditOptions waiting(std::chrono::milliseconds wait) {
  AuditOptions options;
  options.wait = wait;
  return options;
}
constexpr std::chrono::seconds kLong{60};

class StreamWindow : public LogicalLedger, public testing::Test {
 public:
  StreamWindow() {
    psql(
        "CREATE TABLE p (id int PRIMARY KEY, note text); ALTER TABLE p REPLICA IDENTITY FULL;"
        "INSERT INTO p SELECT g, 'n' FROM generate_series(1, 5) AS g");
    add("p", "public.p");
    read_all();
  }
  // Reads the stream until `stop`, as the service does.
  void follow(const std::function<void()>& meanwhile) {
    forget_readers();
    std::atomic<bool> stop = false;
    std::thread reader([&] {
      while (!stop) must(step());
    });
    try {
      meanwhile();
    } catch (...) {
      ADD_FAILURE() << "an exception";
    }
    stop = true;
    reader.join();
    forget_readers();
  }
};

TEST_F(StreamWindow, counts_what_was_deleted_from_a_table_without_a_key) {
  psql("CREATE TABLE q (a int, b text); ALTER TABLE q REPLICA IDENTITY FULL");
  add("q", "public.q", {}, [](SourceRequest& request) { request.track_changes = true; });
  psql("INSERT INTO q VALUES (1, 'a'), (1, 'a'), (2, 'b')");
  psql("DELETE FROM q WHERE a = 2");
  read_all();
  EXPECT_EQ(audit_rows(*this, at_once()).findings(), Texts{});
  // Also those that come after the log was read.
  psql("DELETE FROM q");
  follow([&] { EXPECT_EQ(audit_rows(*this, waiting(kLong)).findings(), Texts{}); });
}

TEST_F(StreamWindow, needs_no_waiting_where_all_is_as_recorded) {
  const AuditedRows audited = audit_rows(*this, at_once());
  EXPECT_EQ(audited.findings(), Texts{});
  EXPECT_EQ(audited.undecided(), "");
  EXPECT_TRUE(audited.source("p").content_checked);
}

TEST_F(StreamWindow, leaves_open_what_its_stream_has_not_brought_while_nobody_reads_it) {
  forget_readers();
  psql(
      "INSERT INTO p VALUES (6, 'n'); UPDATE p SET note = 'x' WHERE id = 1; DELETE FROM p WHERE id "
      "= 2");
  const AuditedRows audited = audit_rows(*this, waiting(std::chrono::milliseconds(300)));
  EXPECT_EQ(audited.findings(), Texts{});
  EXPECT_EQ(audited.undecided(),
            "p: nobody reads its replication slot: is the service running?: 1 2 6");
  read_all();
  EXPECT_EQ(audit_rows(*this, at_once()).undecided(), "");
}

TEST_F(StreamWindow, waits_for_what_its_stream_brings_meanwhile) {
  psql(
      "INSERT INTO p VALUES (6, 'n'); UPDATE p SET note = 'x' WHERE id = 1;"
      "DELETE FROM p WHERE id = 2; UPDATE p SET id = 30 WHERE id = 3");
  follow([&] {
    const AuditedRows audited = audit_rows(*this, waiting(kLong));
    EXPECT_EQ(audited.findings(), Texts{});
    EXPECT_EQ(audited.undecided(), "");
  });
}

TEST_F(StreamWindow, takes_a_truncate_that_its_stream_brings_meanwhile) {
  psql("TRUNCATE p; INSERT INTO p VALUES (2, 'again')");
  follow([&] {
    const AuditedRows audited = audit_rows(*this, waiting(kLong));
    EXPECT_EQ(audited.findings(), Texts{});
    EXPECT_EQ(audited.undecided(), "");
  });
}

TEST_F(StreamWindow, once_its_stream_has_passed_finds_what_never_came_with_it) {
  const std::string publication = psql("SELECT publication FROM pgtally.stream");
  psql("BEGIN; ALTER PUBLICATION " + publication + " DROP TABLE p;" +
       "UPDATE p SET note = 'changed' WHERE id = 2; DELETE FROM p WHERE id = 4;"
       "INSERT INTO p VALUES (7, 'new'); ALTER PUBLICATION " +
       publication + " ADD TABLE p; COMMIT");
  follow([&] {
    psql("INSERT INTO p VALUES (8, 'on the record')");
    const AuditedRows audited = audit_rows(*this, waiting(kLong));
    EXPECT_EQ(audited.findings(), (Texts{"changed p 2", "missing p 4", "unrecorded p 7"}));
    EXPECT_EQ(audited.undecided(), "");
  });
}

TEST_F(StreamWindow, knows_columns_and_tables_by_the_names_that_they_have_now) {
  psql(
      "ALTER TABLE p RENAME note TO remark; ALTER TABLE p RENAME id TO key; ALTER TABLE p RENAME "
      "TO q");
  const AuditedRows before = audit_rows(*this, at_once());
  EXPECT_EQ(before.findings(), Texts{});
  EXPECT_EQ(before.source("p").relation, "public.q");
  psql(
      "INSERT INTO q VALUES (6, 'n'); ALTER TABLE q ADD extra int; UPDATE q SET extra = 1 WHERE "
      "key = 1");
  read_all();
  const AuditedRows after = audit_rows(*this, at_once());
  EXPECT_EQ(after.findings(), Texts{});
  EXPECT_EQ(after.undecided(), "");
  EXPECT_EQ(after.source("p").not_covered, Texts{"extra"}) << "by the entries of old";
}

TEST_F(StreamWindow, compares_numbers_where_there_is_no_key) {
  psql("CREATE TABLE k (note text); INSERT INTO k VALUES ('a'), ('a')");
  add("k", "public.k");
  read_all();
  const AuditedRows audited = audit_rows(*this, at_once());
  EXPECT_EQ(audited.findings(), Texts{});
  EXPECT_EQ(audited.source("k").rows, 2u);
  EXPECT_FALSE(audited.source("k").content_checked);
  EXPECT_TRUE(audited.source("k").rows_checked);
}

TEST(RemoteWindow, waits_for_readers_and_decides_by_what_they_have_passed) {
  RemoteSourceTest remote;
  remote.psql(
      "CREATE TABLE p (id bigint PRIMARY KEY, note text); INSERT INTO p SELECT g, 'n' FROM "
      "generate_series(1, 5) AS g");
  remote.create_xid_table("x");
  remote.psql("INSERT INTO x (note) VALUES ('a'), ('b'), ('c')");
  remote.add("p", {"id"}, [](SourceRequest& r) { r.mode = "poll"; });
  remote.add("x", {"id"}, [](SourceRequest& r) { r.mode = "xid"; });
  remote.read();
  remote.sweep("x");
  remote.read();
  const AuditedRows well = audit_rows(remote.ledger(), at_once());
  EXPECT_EQ(well.findings(), Texts{});
  EXPECT_EQ(well.undecided(), "");
  EXPECT_NE(well.source("p").place, "");

  remote.psql("INSERT INTO p VALUES (6, 'n'); INSERT INTO x (note) VALUES ('d')");
  const AuditedRows early = audit_rows(remote.ledger(), at_once());
  EXPECT_EQ(early.findings(), Texts{});
  EXPECT_EQ(early.undecided(), "p: it is not in the log yet: 6; x: it is not in the log yet: 4");

  remote.psql("UPDATE p SET note = 'x' WHERE id = 2; DELETE FROM x WHERE id = 1");
  const AuditedRows changed = audit_rows(remote.ledger(), at_once());
  EXPECT_EQ(changed.findings(), (Texts{"changed p 2", "missing x 1"}));
  remote.read();
  remote.psql(
      "ALTER TABLE x DROP CONSTRAINT x_xid_check; INSERT INTO p VALUES (-3, 'forged');"
      "INSERT INTO x (id, xid) VALUES (90, '20')");
  const AuditedRows forged = audit_rows(remote.ledger(), at_once());
  EXPECT_EQ(forged.findings(), (Texts{"changed p 2", "missing x 1", "unrecorded x 90"}));
  EXPECT_EQ(forged.undecided(), "p: the next sweep looks for it: -3");
}

TEST(RemoteWindow, of_a_database_that_cannot_be_reached_says_so) {
  RemoteSourceTest remote;
  remote.psql("CREATE TABLE p (id bigint PRIMARY KEY); INSERT INTO p VALUES (1)");
  remote.add("p", {"id"}, [](SourceRequest& r) { r.mode = "poll"; });
  remote.read();
  remote.ledger().psql("UPDATE pgtally.endpoint SET conninfo = 'host=/is-not-there'");
  const AuditedRows audited = audit_rows(remote.ledger(), at_once());
  EXPECT_EQ(audited.findings(), Texts{});
  EXPECT_FALSE(audited.source("p").rows_checked);
  EXPECT_TRUE(audited.source("p").why_not.starts_with("its database cannot be reached"))
      << audited.source("p").why_not;
}

}  // namespace
}  // namespace pgtally
