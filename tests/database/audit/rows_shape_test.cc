// Tables of all shapes: keys, types, names, partitions, columns that come and go.

#include "database/audit/row_audit_test.h"

namespace pgtally {
namespace {

using test::at_once;
using test::audit_rows;
using test::AuditedRows;
using test::must;
using test::TestSchema;
using Texts = std::vector<std::string>;

std::string troubles(const AuditedRows& audited) {
  std::string out;
  for (const std::string& finding : audited.findings()) out += finding + "\n";
  return out + audited.undecided();
}

void add_tracked(const TestSchema& ledger, const std::string& name, const std::string& table,
                 const std::vector<std::string>& key,
                 const std::function<void(SourceRequest&)>& change = {}) {
  ledger.add_source(name, table, key, [&](SourceRequest& request) {
    request.mode = "trigger";
    request.track_changes = true;
    if (change) change(request);
  });
  ledger.drain();
  ledger.sweep(name);
}

TEST(RowsShape, may_have_keys_of_every_type_and_of_several_columns) {
  TestSchema ledger;
  const std::vector<std::pair<std::string, std::string>> types{
      {"text", "'a\\\\b' || chr(9) || chr(10) || g"},
      {"uuid", "md5(g::text)::uuid"},
      {"numeric", "g / 10.0"},
      {"timestamptz", "now() + g * interval '1 s'"},
      {"bytea", "int4send(g)"},
      {"boolean", "g % 2 = 0"},
      {"char(9)", "g::text"}};
  for (std::size_t i = 0; i < types.size(); ++i) {
    const std::string table = "k" + std::to_string(i);
    ledger.psql("CREATE TABLE " + table + " (\"the key\" " + types[i].first +
                ", second int, note text, PRIMARY KEY (\"the key\", second)); INSERT INTO " +
                table + " SELECT " + types[i].second + ", g, 'n' FROM generate_series(1, 20) AS g");
    add_tracked(ledger, table, table, {"the key", "second"});
    ledger.psql("UPDATE " + table + " SET note = 'x' WHERE second = 3; DELETE FROM " + table +
                " WHERE second = 4");
  }
  EXPECT_EQ(troubles(audit_rows(ledger, at_once())), "");
  ledger.drain();
  EXPECT_EQ(troubles(audit_rows(ledger, at_once())), "");
  ledger.psql("ALTER TABLE k1 DISABLE TRIGGER ALL; UPDATE k1 SET note = 'y' WHERE second = 7");
  EXPECT_EQ(audit_rows(ledger, at_once()).findings(),
            Texts{"changed k1 " + ledger.psql("SELECT md5('7')::uuid") + "|7"});
}

TEST(RowsShape, may_have_keys_that_are_too_long_for_an_entry) {
  TestSchema ledger;
  ledger.psql(
      "CREATE TABLE p (id text, note text);"
      "CREATE UNIQUE INDEX ON p (md5(id)); ALTER TABLE p ALTER id SET NOT NULL;"
      "ALTER TABLE p ADD CONSTRAINT p_key UNIQUE (id);"
      "INSERT INTO p SELECT repeat(g::text, 1500), 'n' FROM generate_series(1, 9) AS g");
  add_tracked(ledger, "p", "p", {"id"});
  EXPECT_EQ(troubles(audit_rows(ledger, at_once())), "");
  ledger.psql("ALTER TABLE p DISABLE TRIGGER ALL; UPDATE p SET note = 'y' WHERE id LIKE '7%'");
  const Texts found = audit_rows(ledger, at_once()).findings();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_TRUE(found[0].starts_with("changed p sha256:")) << found[0];
}

TEST(RowsShape, may_be_partitioned_and_oddly_named_with_generated_and_excluded_columns) {
  TestSchema ledger;
  ledger.psql(
      "CREATE SCHEMA \"Odd one\"; CREATE TYPE \"Odd one\".mood AS ENUM ('fine', 'not');"
      "CREATE DOMAIN \"Odd one\".small AS int CHECK (VALUE < 1000);"
      "CREATE TYPE \"Odd one\".pair AS (a int, b text);"
      "CREATE TABLE \"Odd one\".\"a \"\"b\" (\"Id\" int PRIMARY KEY, \"t\" text, mood \"Odd "
      "one\".mood,"
      " small \"Odd one\".small, pair \"Odd one\".pair, twice int GENERATED ALWAYS AS (small * 2) "
      "STORED,"
      " secret text, list int[], gone text) PARTITION BY RANGE (\"Id\");"
      "ALTER TABLE \"Odd one\".\"a \"\"b\" DROP gone;"
      "CREATE TABLE \"Odd one\".low PARTITION OF \"Odd one\".\"a \"\"b\" FOR VALUES FROM (0) TO "
      "(50);"
      "CREATE TABLE \"Odd one\".high PARTITION OF \"Odd one\".\"a \"\"b\" FOR VALUES FROM (50) TO "
      "(999);"
      "INSERT INTO \"Odd one\".\"a \"\"b\" (\"Id\", t, mood, small, pair, secret, list) SELECT g, "
      "NULL, "
      "'fine', g, (g, 'x')::\"Odd one\".pair, 's', ARRAY[g, NULL] FROM generate_series(1, 90) AS "
      "g");
  add_tracked(ledger, "odd", "\"Odd one\".\"a \"\"b\"", {"Id"},
              [](SourceRequest& request) { request.exclude = {"secret"}; });
  ledger.psql(
      "UPDATE \"Odd one\".\"a \"\"b\" SET \"Id\" = \"Id\" + 60 WHERE \"Id\" BETWEEN 40 AND 45 "
      "AND false; UPDATE \"Odd one\".\"a \"\"b\" SET \"Id\" = 200 WHERE \"Id\" = 44;"
      "UPDATE \"Odd one\".\"a \"\"b\" SET secret = 'other'");
  const AuditedRows audited = audit_rows(ledger, at_once());
  EXPECT_EQ(troubles(audited), "");
  EXPECT_EQ(audited.source("odd").rows, 90u);
  EXPECT_EQ(audited.source("odd").not_covered, (Texts{"twice", "secret"}));
  ledger.psql(
      "ALTER TABLE \"Odd one\".\"a \"\"b\" DISABLE TRIGGER ALL;"
      "ALTER TABLE \"Odd one\".high DISABLE TRIGGER ALL;"
      "UPDATE \"Odd one\".\"a \"\"b\" SET mood = 'not' WHERE \"Id\" = 77;"
      "UPDATE \"Odd one\".\"a \"\"b\" SET pair.b = 'y' WHERE \"Id\" = 78;"
      "UPDATE \"Odd one\".\"a \"\"b\" SET list[2] = 0 WHERE \"Id\" = 79");
  ledger.drain();
  EXPECT_EQ(audit_rows(ledger, at_once()).findings(),
            (Texts{"changed odd 77", "changed odd 78", "changed odd 79"}));
}

TEST(RowsShape, may_get_columns_and_wider_ones_where_texts_stay_the_same) {
  TestSchema ledger;
  ledger.psql(
      "CREATE TABLE p (id int PRIMARY KEY, amount int, note varchar(10));"
      "INSERT INTO p SELECT g, g, 'n' FROM generate_series(1, 9) AS g");
  add_tracked(ledger, "p", "p", {"id"});
  ledger.psql(
      "ALTER TABLE p ADD extra text; ALTER TABLE p ALTER amount TYPE bigint,"
      "ALTER note TYPE text; CREATE INDEX ON p (note)");
  ledger.psql("VACUUM FULL p");
  const AuditedRows audited = audit_rows(ledger, at_once());
  EXPECT_EQ(troubles(audited), "");
  EXPECT_EQ(audited.source("p").not_covered, Texts{"extra"});
}

TEST(RowsShape, of_a_hash_column_are_compared_by_what_it_asserts) {
  TestSchema ledger;
  ledger.psql(
      "CREATE TABLE p (id int PRIMARY KEY, h bytea NOT NULL, note text);"
      "INSERT INTO p SELECT g, sha256(int4send(g)), 'n' FROM generate_series(1, 9) AS g");
  add_tracked(ledger, "p", "p", {"id"}, [](SourceRequest& request) { request.hash_column = "h"; });
  const AuditedRows audited = audit_rows(ledger, at_once());
  EXPECT_EQ(troubles(audited), "");
  EXPECT_FALSE(audited.source("p").content_checked);
  EXPECT_EQ(audited.source("p").not_covered, Texts{"note"});
  ledger.psql(
      "ALTER TABLE p DISABLE TRIGGER ALL; UPDATE p SET h = sha256('x') WHERE id = 3;"
      "UPDATE p SET h = 'short' WHERE id = 4; UPDATE p SET note = 'not seen' WHERE id = 5");
  const AuditedRows forged = audit_rows(ledger, at_once());
  EXPECT_EQ(forged.findings(), (Texts{"changed p 3", "changed p 4"}));
}

TEST(RowsShape, under_a_row_policy_are_an_error_and_not_an_omission) {
  TestSchema ledger;
  ledger.psql("CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p VALUES (1), (2)");
  add_tracked(ledger, "p", "p", {"id"});
  const std::string role = ledger.database().name() + "_auditor";
  ledger.psql("CREATE ROLE " + role +
              "; ALTER TABLE p ENABLE ROW LEVEL SECURITY;"
              "CREATE POLICY none ON p USING (false); GRANT USAGE ON SCHEMA public, pgtally TO " +
              role + "; GRANT SELECT ON ALL TABLES IN SCHEMA public, pgtally TO " + role +
              "; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pgtally TO " + role +
              "; ALTER TABLE pgtally.append_only_log DISABLE ROW LEVEL SECURITY;"
              "GRANT pg_read_all_settings, pg_monitor TO " +
              role);
  auto connection = ledger.connect();
  const Ledger opened = must(Ledger::open(connection, "pgtally"));
  must(connection.execute("SET ROLE " + role));
  must(connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"));
  try {
    (void)test::audit_rows_within(opened, at_once());
    ADD_FAILURE() << "this should have failed";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("row-level security"), std::string::npos)
        << error.what();
    EXPECT_NE(std::string(error.what()).find("BYPASSRLS"), std::string::npos) << error.what();
  }
}

TEST(RowsShape, of_a_damaged_table_are_a_finding_and_the_other_tables_are_read) {
  TestSchema ledger;
  ledger.psql(
      "CREATE TYPE mood AS ENUM ('fine', 'not'); CREATE TABLE a (id int PRIMARY KEY, mood mood);"
      "INSERT INTO a VALUES (1, 'fine'); CREATE TABLE b (id int PRIMARY KEY); INSERT INTO b VALUES "
      "(1)");
  add_tracked(ledger, "a", "a", {"id"});
  add_tracked(ledger, "b", "b", {"id"});
  ledger.psql("ALTER TABLE b DISABLE TRIGGER ALL; DELETE FROM b; DELETE FROM pg_enum");
  const AuditedRows audited = audit_rows(ledger, at_once());
  EXPECT_EQ(audited.findings(), (Texts{"changed a", "missing b 1"}));
  EXPECT_TRUE(audited.source("a").why_not.starts_with("its table cannot be read"))
      << audited.source("a").why_not;
}

}  // namespace
}  // namespace pgtally
