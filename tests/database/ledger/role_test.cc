// What the three roles, and everybody else, can and cannot do. All of it is tried.
#include <gtest/gtest.h>

#include "ledger/sequencer.h"
#include "ledger/sweeper.h"
#include "support/test_ledger.h"

namespace pgtally {
namespace {

using test::must;
using test::TestSchema;

class RoleRights : public testing::Test {
 protected:
  RoleRights() {
    for (const std::string role : {"writer", "sequencer", "reader"}) {
      ledger.psql("CREATE ROLE " + member(role) + " LOGIN IN ROLE " + ledger.database().name() +
                  "_pgtally_" + role);
    }
    ledger.psql("CREATE ROLE " + member("nobody") + " LOGIN");
    ledger.psql("CREATE TABLE t (id int PRIMARY KEY); CREATE ROLE " + member("other_app"));
    ledger.add_source("t", "public.t", {"id"});
    ledger.add_source("mine", "", {}, [](SourceRequest& r) { r.append = true; });
    ledger.add_source("theirs", "", {}, [&](SourceRequest& r) {
      r.append = true;
      r.writer = member("other_app");
    });
    ledger.psql("INSERT INTO t VALUES (1); SELECT pgtally.append('secret content')");
  }
  [[nodiscard]] std::string member(const std::string& role) const {
    return ledger.database().name() + "_a_" + role;
  }
  // What comes of it for somebody who has that role and is connected as himself.
  [[nodiscard]] std::string attempt(const std::string& role, const std::string& sql) const {
    auto connection = test::connect(ledger.conninfo() + " user=" + member(role));
    const auto result = connection.execute(sql);
    return result.ok() ? "" : std::string(connection.last_sqlstate());
  }
  void expect_denied(const std::string& role, const std::vector<std::string>& attempts) const {
    for (const std::string& sql : attempts)
      EXPECT_EQ(attempt(role, sql), "42501") << role << ": " << sql;
  }

  TestSchema ledger;
};

TEST_F(RoleRights, a_writer_appends_to_the_sources_that_were_granted_to_it) {
  EXPECT_EQ(
      attempt("writer",
              "SELECT pgtally.append('a'); SELECT pgtally.append('b', 'mine');"
              "INSERT INTO pgtally.append_only_log (data) VALUES ('c') RETURNING id;"
              "INSERT INTO pgtally.append_only_log (source_id, data, source_position, source_time)"
              " VALUES (3, 'd', 'p', '2020-01-01'), (1, '', NULL, 'infinity'), (1, 'x', '', NULL)"),
      "");
  EXPECT_EQ(ledger.drain(), 8);
  EXPECT_EQ(ledger.gaps(), "");
}

TEST_F(RoleRights, a_writer_forges_nothing) {
  const std::string insert = "INSERT INTO pgtally.append_only_log ";
  expect_denied("writer",
                {insert + "(source_id, data) VALUES (2, 'a')",  // a source with a table of its own
                 insert + "(source_id, data) VALUES (4, 'a')",  // somebody else's
                 insert + "(source_id, data) VALUES (99, 'a')",
                 insert + "(source_id, data) VALUES (0, 'a')",
                 insert + "(source_id, data) VALUES (NULL, 'a')",
                 insert + "(source_position, data) VALUES (repeat('x', 256), 'a')",
                 insert + "(operation, data) VALUES (3, 'a')",
                 insert + "(definition, data) VALUES (1, 'a')",
                 insert + "(xid, data) VALUES (pg_current_xact_id(), 'a')",
                 insert + "(content_hash) VALUES (sha256('a'))",
                 insert + "(data) VALUES (NULL)",
                 insert + "(data, content_hash) VALUES ('a', sha256('b'))",
                 insert + "(key, data) VALUES ('\\x000131', 'a')",
                 insert + "(created_at, data) VALUES (now(), 'a')",
                 insert + "(id, data) OVERRIDING SYSTEM VALUE VALUES (1000, 'a')",
                 "COPY pgtally.append_only_log (xid, data) FROM STDIN",
                 "UPDATE pgtally.append_only_log SET data = 'b'",
                 "DELETE FROM pgtally.append_only_log",
                 "TRUNCATE pgtally.append_only_log",
                 "SELECT data FROM pgtally.append_only_log",
                 "SELECT pgtally.append('a', 'theirs')",
                 "INSERT INTO pgtally.processed_log SELECT * FROM pgtally.processed_log",
                 "SELECT * FROM pgtally.processed_log",
                 "SELECT * FROM pgtally.secret",
                 "UPDATE pgtally.source SET writer = current_user",
                 "SELECT pgtally.process_next_batch()",
                 "SELECT pgtally.lock_ledger()",
                 "SELECT pgtally.define(1, 1, 'x')",
                 "SET ROLE " + ledger.database().name() + "_pgtally_sequencer"});
  EXPECT_EQ(attempt("writer", insert + "(source_position, data) VALUES (repeat('x', 255), 'a')"),
            "");
  // Of what others staged, not even the ids are to be seen.
  auto connection = test::connect(ledger.conninfo() + " user=" + member("writer"));
  EXPECT_EQ(must(must(connection.query("SELECT count(id) FROM pgtally.append_only_log"))
                     .get<std::int64_t>(0, 0)),
            0);
}

TEST_F(RoleRights, a_reader_reads_the_log_and_nothing_that_rows_hold) {
  EXPECT_EQ(attempt("reader",
                    "SELECT id, key, content_hash FROM pgtally.processed_log;"
                    "SELECT * FROM pgtally.tile, pgtally.checkpoint, pgtally.definition;"
                    "SELECT * FROM pgtally.waiting()"),
            "");
  expect_denied(
      "reader",
      {"SELECT data FROM pgtally.processed_log", "SELECT * FROM pgtally.processed_log",
       "SELECT id FROM pgtally.append_only_log", "SELECT * FROM pgtally.secret",
       "SELECT * FROM pgtally.pending(1)", "SELECT pgtally.append('a')",
       "SELECT pgtally.process_next_batch()", "SELECT pgtally.thin_checkpoints()",
       "INSERT INTO pgtally.checkpoint VALUES (1, sha256(''), '')",
       "INSERT INTO pgtally.tile VALUES (0, 9, sha256(''))", "DELETE FROM pgtally.log_head",
       "UPDATE pgtally.source SET state = 'removed'", "SELECT * FROM public.t"});
}

TEST_F(RoleRights, a_sequencer_does_the_services_work_without_reading_rows_or_secrets) {
  auto connection = test::connect(ledger.conninfo() + " user=" + member("sequencer"));
  const Ledger opened = must(Ledger::open(connection, "pgtally"));
  EXPECT_EQ(must(Sequencer::best_road(opened)), Road::kSql);
  Sequencer sequencer(10000, nullptr);
  ledger.psql("INSERT INTO pgtally.append_only_log (data) SELECT 'x' FROM generate_series(1, 600)");
  EXPECT_EQ(must(sequencer.take_next(opened, Road::kSql)).rows, 602U);
  ledger.psql("INSERT INTO pgtally.append_only_log (data) SELECT 'x' FROM generate_series(1, 600)");
  EXPECT_EQ(must(sequencer.take_next(opened, Road::kSql)).head.size.value, 1207U);
  EXPECT_FALSE(must(sweep_targets(opened)).empty());
  EXPECT_TRUE(must(sweep_window(opened, 2)).done);
  EXPECT_EQ(attempt("sequencer",
                    "SELECT pgtally.process_next_batch(); SELECT pgtally.thin_checkpoints()"),
            "");
  expect_denied(
      "sequencer",
      {"SELECT * FROM pgtally.secret", "SELECT data FROM pgtally.processed_log",
       "SELECT data FROM pgtally.append_only_log", "SELECT * FROM pgtally.pending(10)",
       "SELECT * FROM pgtally.staged(10, NULL)", "SELECT * FROM public.t",
       "INSERT INTO pgtally.processed_log (id) VALUES (0)", "SELECT pgtally.define(1, 1, 'x')",
       "SELECT pgtally.repair_tile(0, 0, 'x')", "SELECT pgtally.drop_holes('{1}')",
       "SELECT * FROM pgtally.open_batch()", "DELETE FROM pgtally.checkpoint",
       "DELETE FROM pgtally.hole", "UPDATE pgtally.source SET blind = false",
       "INSERT INTO pgtally.log_head (next_id, sequenced_at, next_ordinals) VALUES (0, now(), "
       "'{}')",
       "INSERT INTO pgtally.round (since) VALUES (pg_current_snapshot())",
       "INSERT INTO pgtally.capture (feed, high) VALUES (2, 1000)"});
}

TEST_F(RoleRights, everybody_else_can_do_nothing) {
  EXPECT_EQ(ledger.psql(
                "SELECT string_agg(proname, ' ') FROM pg_proc, aclexplode(coalesce(proacl, "
                "acldefault('f', proowner))) AS a WHERE pronamespace = 'pgtally'::regnamespace AND "
                "a.grantee = 0"),
            "");
  EXPECT_EQ(
      ledger.psql("SELECT string_agg(relname, ' ') FROM pg_class, aclexplode(relacl) AS a WHERE "
                  "relnamespace = 'pgtally'::regnamespace AND a.grantee = 0"),
      "");
  // Functions that run as their owner say where they look for names.
  EXPECT_EQ(ledger.psql("SELECT string_agg(proname, ' ') FROM pg_proc WHERE pronamespace = "
                        "'pgtally'::regnamespace "
                        "AND prosecdef AND NOT coalesce('search_path=pg_catalog, pg_temp' = "
                        "ANY(proconfig), false)"),
            "");
  expect_denied("nobody", {"SELECT pgtally.append('a')", "SELECT * FROM pgtally.ledger",
                           "SELECT pgtally.process_next_batch()", "SELECT pgtally.feed_2(1, NULL)",
                           "SELECT pgtally.lock_ledger()"});
}

TEST_F(RoleRights, each_role_may_call_the_functions_that_are_meant_for_it_and_no_others) {
  const std::vector<std::pair<std::string, std::string>> expected{
      {"writer", "append"},
      {"reader", "documents waiting"},
      {"sequencer",
       "clear_failure documents forget_overtaken lock_ledger may_have_more note_failure "
       "note_overtaken order_triggers overtaken_triggers process_next_batch prune "
       "set_aside_failing settle_step sweep_step take_inserts_first thin_checkpoints waiting"}};
  for (const auto& [role, functions] : expected) {
    EXPECT_EQ(ledger.psql("SELECT string_agg(proname, ' ' ORDER BY proname) FROM pg_proc WHERE "
                          "pronamespace = 'pgtally'::regnamespace AND has_function_privilege('" +
                          member(role) + "', oid, 'EXECUTE')"),
              functions);
  }
}

TEST_F(RoleRights, none_of_them_may_make_things_in_the_ledgers_schema) {
  for (const std::string role : {"writer", "sequencer", "reader", "nobody"}) {
    expect_denied(role,
                  {"CREATE TABLE pgtally.x ()",
                   "CREATE FUNCTION pgtally.x() RETURNS int LANGUAGE sql RETURN 1",
                   "ALTER TABLE pgtally.processed_log DISABLE TRIGGER continue_log",
                   "CREATE TRIGGER x BEFORE INSERT ON pgtally.processed_log FOR EACH ROW EXECUTE "
                   "FUNCTION pgtally.refuse_change()"});
  }
}

}  // namespace
}  // namespace pgtally
