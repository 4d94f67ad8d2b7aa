// Each kind of difference between rows and entries, in each mode whose rows are in the ledger's database.

#include "database/audit/row_audit_test.h"

namespace pgtally {
namespace {

using test::at_once;
using test::audit_rows;
using test::AuditedRows;
using test::TestSchema;
using Texts = std::vector<std::string>;

// A ledger with one source p over a table p with 5 rows, in a mode.
class RowsOfMode : public TestSchema, public testing::TestWithParam<const char*> {
 public:
  RowsOfMode() {
    const std::string mode = GetParam();
    if (mode == "xid") {
      create_xid_table("p", "note text, at timestamptz DEFAULT now(),");
    } else {
      psql("CREATE TABLE p (id bigint PRIMARY KEY, note text, at timestamptz DEFAULT now())");
    }
    psql("INSERT INTO p (id, note) SELECT g, 'note ' || g FROM generate_series(1, 5) AS g");
    add_source("p", "p", {"id"}, [&](SourceRequest& request) {
      request.mode = mode == "tracked" ? "trigger" : mode;
      request.track_changes = mode == "tracked";
    });
    drain();
    if (mode != "poll") sweep("p");
  }
};

INSTANTIATE_TEST_SUITE_P(All, RowsOfMode, testing::Values("xid", "poll", "trigger", "tracked"));

// Past triggers and checks, as a superuser does it.
std::string forged(const std::string& sql) {
  return "SET session_replication_role = replica; ALTER TABLE p DISABLE TRIGGER ALL;"
         "ALTER TABLE p DROP CONSTRAINT IF EXISTS p_xid_check;" +
         sql + "; ALTER TABLE p ENABLE TRIGGER ALL";
}

TEST_P(RowsOfMode, that_are_as_recorded_give_no_finding) {
  const AuditedRows audited = audit_rows(*this, at_once());
  EXPECT_EQ(audited.findings(), Texts{});
  EXPECT_EQ(audited.undecided(), "");
  const SourceReport& report = audited.source("p");
  EXPECT_TRUE(report.rows_checked);
  EXPECT_TRUE(report.content_checked);
  EXPECT_EQ(report.rows, 5u);
  EXPECT_EQ(report.not_covered, std::string(GetParam()) == "xid" ? Texts{"xid"} : Texts{});
}

TEST_P(RowsOfMode, that_are_changed_are_named_with_both_hashes) {
  psql(forged("UPDATE p SET note = 'Note 3' WHERE id = 3"));
  const AuditedRows audited = audit_rows(*this, at_once());
  EXPECT_EQ(audited.findings(), Texts{"changed p 3"});
  EXPECT_EQ(audited.undecided(), "");
  const Finding& finding = audited.log.findings.listed().at(0);
  EXPECT_EQ(std::to_string(finding.id->value),
            psql("SELECT id FROM pgtally.processed_log WHERE operation = 1 AND key = "
                 "'\\x000133'::bytea"));
  EXPECT_TRUE(finding.recorded.starts_with("hash ")) << finding.recorded;
  EXPECT_TRUE(finding.actual.starts_with("hash ")) << finding.actual;
  EXPECT_NE(finding.recorded.substr(0, 21), finding.actual.substr(0, 21));
}

TEST_P(RowsOfMode, whose_null_became_empty_text_are_changed) {
  psql("INSERT INTO p (id) VALUES (6)");
  drain();
  psql(forged("UPDATE p SET note = '' WHERE id = 6"));
  EXPECT_EQ(audit_rows(*this, at_once()).findings(), Texts{"changed p 6"});
}

TEST_P(RowsOfMode, that_are_deleted_are_missing) {
  psql(forged("DELETE FROM p WHERE id IN (2, 5)"));
  const AuditedRows audited = audit_rows(*this, at_once());
  EXPECT_EQ(audited.findings(), (Texts{"missing p 2", "missing p 5"}));
  EXPECT_EQ(audited.log.findings.listed()[0].actual, "no row");
}

TEST_P(RowsOfMode, that_slipped_in_are_unrecorded) {
  const std::string mode = GetParam();
  // An old transaction's id, or a key below the highest; what is newer a capture would take.
  psql("INSERT INTO p (id, note) VALUES (20, 'x')");
  drain();
  psql(forged(mode == "xid" ? "INSERT INTO p (id, note, xid) VALUES (7, 'forged', '10')"
                            : "INSERT INTO p (id, note) VALUES (7, 'forged')"));
  if (mode == "poll") {
    // Until no transaction can fill the hole any more.
    for (int i = 0; psql("SELECT count(*) FROM pgtally.hole") != "0" && i < 50; ++i) {
      psql("DELETE FROM p WHERE id = 7");
      drain();
    }
    psql(forged("INSERT INTO p (id, note) VALUES (7, 'forged') ON CONFLICT DO NOTHING"));
  }
  const AuditedRows audited = audit_rows(*this, at_once());
  if (mode == "poll") {
    // It claims no time, so it may be a key that was handed out long ago.
    EXPECT_EQ(audited.findings(), Texts{});
    EXPECT_EQ(audited.undecided(), "p: the next sweep looks for it: 7");
    return;
  }
  EXPECT_EQ(audited.findings(), Texts{"unrecorded p 7"});
  EXPECT_EQ(audited.log.findings.listed()[0].recorded, "nothing");
}

TEST_P(RowsOfMode, whose_key_changed_are_missing_there_and_unrecorded_here) {
  psql(forged("UPDATE p SET id = -1 WHERE id = 1"));
  const AuditedRows audited = audit_rows(*this, at_once());
  if (std::string(GetParam()) == "poll") {
    EXPECT_EQ(audited.findings(), Texts{"missing p 1"});
    EXPECT_EQ(audited.undecided(), "p: the next sweep looks for it: -1");
  } else {
    EXPECT_EQ(audited.findings(), (Texts{"missing p 1", "unrecorded p -1"}));
  }
}

TEST_P(RowsOfMode, of_one_key_twice_are_duplicates) {
  psql(forged("ALTER TABLE p DROP CONSTRAINT p_pkey; INSERT INTO p SELECT * FROM p WHERE id = 4"));
  const Texts found = audit_rows(*this, at_once()).findings();
  EXPECT_EQ(found, Texts{"duplicate p 4"});
}

TEST_P(RowsOfMode, that_are_all_gone_are_each_missing) {
  psql(forged("TRUNCATE p"));
  const AuditedRows audited = audit_rows(*this, at_once());
  EXPECT_EQ(audited.log.findings.count(FindingKind::kMissing), 5u);
}

TEST_P(RowsOfMode, whose_table_is_gone_are_one_finding) {
  psql("DROP TABLE p");
  const AuditedRows audited = audit_rows(*this, at_once());
  EXPECT_EQ(audited.findings(), Texts{"missing p"});
  EXPECT_EQ(audited.log.findings.listed()[0].recorded, "5 rows were recorded");
  EXPECT_FALSE(audited.source("p").rows_checked);
}

TEST_P(RowsOfMode, whose_column_is_gone_are_one_finding) {
  psql("ALTER TABLE p DROP note");
  const AuditedRows audited = audit_rows(*this, at_once());
  EXPECT_EQ(audited.findings(), Texts{"changed p"});
  EXPECT_EQ(audited.log.findings.listed()[0].recorded, "5 rows with column \"note\"");
}

TEST_P(RowsOfMode, whose_key_is_null_are_unrecorded) {
  psql(
      forged("ALTER TABLE p DROP CONSTRAINT p_pkey; ALTER TABLE p ALTER id DROP NOT NULL;"
             "INSERT INTO p (note) VALUES ('a'), ('b')"));
  EXPECT_EQ(audit_rows(*this, at_once()).findings(), (Texts{"unrecorded p", "unrecorded p"}));
}

TEST(RowsOfTrigger, of_a_key_that_was_recorded_twice_are_a_duplicate_in_the_log) {
  TestSchema ledger;
  ledger.psql("CREATE TABLE p (id bigint PRIMARY KEY, note text)");
  ledger.add_source("p", "p", {"id"}, [](SourceRequest& r) { r.mode = "trigger"; });
  ledger.sweep("p");
  ledger.psql(
      "INSERT INTO p VALUES (3, 'first'); DELETE FROM p WHERE id = 3;"
      "INSERT INTO p VALUES (3, 'again')");
  ledger.drain();
  const AuditedRows audited = audit_rows(ledger, at_once());
  EXPECT_EQ(audited.findings(), Texts{"duplicate p 3"});
  EXPECT_EQ(audited.undecided(), "");
  EXPECT_EQ(std::to_string(audited.log.findings.listed().at(0).id->value),
            ledger.psql("SELECT max(id) FROM pgtally.processed_log WHERE operation = 1"));
}

TEST(RowsOfTrigger, that_changed_on_the_record_are_as_recorded) {
  TestSchema ledger;
  ledger.psql("CREATE TABLE p (id bigint PRIMARY KEY, note text)");
  ledger.add_source("p", "p", {"id"}, [](SourceRequest& r) {
    r.mode = "trigger";
    r.track_changes = true;
  });
  ledger.sweep("p");
  ledger.psql("INSERT INTO p SELECT g, 'n' FROM generate_series(1, 5) AS g");
  ledger.drain();
  for (const char* change : {"UPDATE p SET note = 'new' WHERE id = 1; DELETE FROM p WHERE id = 2;"
                             "UPDATE p SET id = 30 WHERE id = 3; DELETE FROM p WHERE id = 4;"
                             "INSERT INTO p (id) VALUES (4)",
                             "TRUNCATE p; INSERT INTO p (id) VALUES (1)", "DELETE FROM p"}) {
    ledger.psql(change);
    for (const char* when : {"while it waits", "in the log"}) {
      const AuditedRows audited = audit_rows(ledger, at_once());
      EXPECT_EQ(audited.findings(), Texts{}) << change << ", " << when;
      EXPECT_EQ(audited.undecided(), "") << change << ", " << when;
      ledger.drain();
    }
  }
}

}  // namespace
}  // namespace pgtally
