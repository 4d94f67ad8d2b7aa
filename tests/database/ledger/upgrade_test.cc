// Upgrades of ledgers that the programs of earlier schema versions made: tests/vectors/schema.
#include "ledger/upgrade.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "support/test_ledger.h"

namespace pgtally {
namespace {

using test::connect;
using test::error_of;
using test::must;
using testing::HasSubstr;

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

class OldLedger {
 public:
  explicit OldLedger(int version = 1) : version_(version) { make(database_.conninfo()); }
  // Everything made by this user, who is no superuser.
  explicit OldLedger(const std::string& owner) {
    const std::string name = database_.name() + "_" + owner;
    database_.psql("CREATE ROLE " + name + " LOGIN CREATEROLE; GRANT CREATE ON DATABASE " +
                   database_.name() + " TO " + name + "; GRANT CREATE ON SCHEMA public TO " + name);
    make(database_.conninfo() + " user=" + name);
  }

  [[nodiscard]] const test::TestDatabase& database() const { return database_; }
  std::string psql(const std::string& sql) const { return database_.psql(sql); }

  [[nodiscard]] Result<UpgradePlan> upgrade() const { return upgrade_as(database_.conninfo()); }
  [[nodiscard]] static Result<UpgradePlan> upgrade_as(const std::string& conninfo) {
    auto connection = connect(conninfo);
    TRY(const Ledger ledger, Ledger::open_older(connection, "pgtally"));
    return upgrade_ledger(ledger, capture_modes());
  }
  [[nodiscard]] Result<void> open() const {
    auto connection = connect(database_.conninfo());
    TRY([[maybe_unused]] const Ledger ledger, Ledger::open(connection, "pgtally"));
    return {};
  }

  // Rows in every source: 1 to `to` in the tables, and as many staged.
  void write(int from, int to) const {
    const std::string range =
        "generate_series(" + std::to_string(from) + ", " + std::to_string(to) + ") AS g";
    psql("INSERT INTO order_line SELECT g, 'item', g FROM " + range +
         "; INSERT INTO payment SELECT g, 'payer' FROM " + range +
         "; INSERT INTO currency SELECT g::text, 'name' FROM " + range);
    psql("SELECT pgtally.append('x', 'event') FROM " + range);
  }
  [[nodiscard]] std::int64_t take(const std::string& function, int max_rows) const {
    return std::stoll(psql("SELECT " + function + "(" + std::to_string(max_rows) + ")"));
  }
  void sweep_and_drain(const std::string& function) const {
    while (psql("SELECT done FROM pgtally.sweep_step(4, 10)") != "t") {
    }
    while (take(function, 7) > 0) {
    }
  }
  // For each source how many entries there are, and of how many keys.
  [[nodiscard]] std::string entries() const {
    return psql(
        "SELECT string_agg(format('%s %s %s', name, n, keys), ', ' ORDER BY name) FROM (SELECT "
        "name, count(*) AS n, count(DISTINCT key) AS keys FROM pgtally.processed_log JOIN "
        "pgtally.source USING (source_id) WHERE operation = 1 GROUP BY name) AS s");
  }
  [[nodiscard]] std::string gaps() const {
    return psql(
        "SELECT count(*) FROM (SELECT id, row_number() OVER (ORDER BY id) - 1 AS expected, "
        "ordinal, "
        "row_number() OVER (PARTITION BY source_id ORDER BY id) - 1 AS nth FROM "
        "pgtally.processed_log) AS p WHERE id <> expected OR ordinal <> nth");
  }

  // The text of a script in tests/vectors/schema, for this database.
  [[nodiscard]] std::string vector() const {
    std::ifstream in(std::string(PGTALLY_VECTORS) + "/schema/" + std::to_string(version_) + ".sql");
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    return replaced(text, "vector_database", database_.name());
  }

 private:
  void make(const std::string& conninfo) const { must(connect(conninfo).execute(vector())); }

  int version_ = 1;
  test::TestDatabase database_;
};

// Everything that the ledger's schema is made of, and who may do what with it.
std::string catalog_of(const test::TestDatabase& database) {
  const std::string text = database.psql(R"sql(
    SELECT line FROM (
      SELECT format('function %s %s %s', regexp_replace(pg_get_functiondef(oid),
                    'TG_RELID <> \d+', 'TG_RELID <> …'), proowner::regrole, proacl) AS line
        FROM pg_proc WHERE pronamespace = 'pgtally'::regnamespace
      UNION ALL SELECT format('relation %s %s %s %s', relname, relowner::regrole, relacl, reloptions)
        FROM pg_class WHERE relnamespace = 'pgtally'::regnamespace AND relkind <> 't'
      UNION ALL SELECT format('toast of %s %s', c.relname, t.reloptions)
        FROM pg_class AS c JOIN pg_class AS t ON t.oid = c.reltoastrelid
       WHERE c.relnamespace = 'pgtally'::regnamespace
      UNION ALL SELECT format('column %s %s %s %s %s %s %s', attrelid::regclass, attnum, attname,
                              format_type(atttypid, atttypmod), attnotnull, attacl,
                              pg_get_expr(adbin, adrelid))
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
       WHERE relnamespace = 'pgtally'::regnamespace AND relkind <> 't' AND attnum > 0
      UNION ALL SELECT format('constraint %s %s', conrelid::regclass, pg_get_constraintdef(oid))
        FROM pg_constraint WHERE connamespace = 'pgtally'::regnamespace
      UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'pgtally'
      UNION ALL SELECT format('%s %s', pg_get_triggerdef(t.oid), tgenabled)
        FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = tgrelid
       WHERE relnamespace = 'pgtally'::regnamespace AND NOT tgisinternal
      UNION ALL SELECT format('policy %s %s %s %s', polname, polcmd, pg_get_expr(polqual, polrelid),
                              pg_get_expr(polwithcheck, polrelid))
        FROM pg_policy
      UNION ALL SELECT format('version %s, %s', schema_version, oldest_version) FROM pgtally.ledger
    ) AS lines ORDER BY line)sql");
  return replaced(text, database.name(), "DATABASE");
}

class UpgradeFrom : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(version, UpgradeFrom, testing::Values(1, 2, 3, 4, 5, 6));

TEST_P(UpgradeFrom, makes_of_an_old_ledger_what_a_new_one_would_be) {
  const OldLedger old(GetParam());
  const UpgradePlan plan = must(old.upgrade());
  EXPECT_EQ(plan.from, GetParam());
  std::vector<std::string> migrations{"0002_capture.sql",       "0003_staging_checks.sql",
                                      "0004_serving.sql",       "0005_staging_xid.sql",
                                      "0006_staging_plain.sql", "0007_order_triggers.sql"};
  migrations.erase(migrations.begin(), migrations.begin() + GetParam() - 1);
  std::vector<std::string> sources{"order", "payment", "currency"};
  if (GetParam() >= 2) sources.emplace_back("account");
  EXPECT_EQ(plan.migrations, migrations);
  EXPECT_EQ(plan.sources, sources);
  EXPECT_TRUE(plan.left_as_is.empty());

  const test::TestSchema fresh;
  const std::string script = old.vector();
  fresh.psql(script.substr(0, script.find("BEGIN;")));  // the users' tables
  fresh.add_source("order", "public.order_line", {"id"}, [](SourceRequest& r) { r.mode = "xid"; });
  fresh.add_source("payment", "public.payment", {"id"}, [](SourceRequest& r) {
    r.mode = "poll";
    r.time = "booked_at";
  });
  fresh.add_source("currency", "public.currency", {"the code"}, [](SourceRequest& r) {
    r.mode = "poll";
    r.blind = false;
  });
  fresh.add_source("event", "", {}, [](SourceRequest& r) { r.append = r.keep_data = true; });
  if (GetParam() >= 2) {
    fresh.add_source("account", "public.account", {"id"}, [](SourceRequest& r) {
      r.mode = "trigger";
      r.track_changes = true;
    });
  }

  const auto upgraded = test::lines(catalog_of(old.database()));
  const auto expected = test::lines(catalog_of(fresh.database()));
  std::vector<std::string> only_upgraded;
  std::vector<std::string> only_fresh;
  std::set_difference(upgraded.begin(), upgraded.end(), expected.begin(), expected.end(),
                      std::back_inserter(only_upgraded));
  std::set_difference(expected.begin(), expected.end(), upgraded.begin(), upgraded.end(),
                      std::back_inserter(only_fresh));
  EXPECT_THAT(only_upgraded, testing::IsEmpty());
  EXPECT_THAT(only_fresh, testing::IsEmpty());
}

TEST(Upgrade, loses_no_row_and_doubles_none_wherever_capture_stood) {
  const OldLedger old;
  old.write(1, 20);
  old.psql("DELETE FROM payment WHERE id IN (3, 4)");  // holes
  EXPECT_EQ(old.psql("SELECT done FROM pgtally.sweep_step(4, 10)"), "f");
  EXPECT_GT(old.take("pgtally.process_next_batch", 9), 0);
  EXPECT_EQ(old.psql("SELECT upto IS NOT NULL FROM pgtally.round ORDER BY round_id DESC LIMIT 1"),
            "t");  // in the middle of a round
  must(old.upgrade());
  old.write(21, 30);
  old.psql("INSERT INTO payment VALUES (3, 'late')");
  old.sweep_and_drain("pgtally.process_next_batch");
  EXPECT_EQ(old.entries(), "currency 30 30, event 30 30, order 30 30, payment 29 29");
  EXPECT_EQ(old.gaps(), "0");
}

// The calls that the service of version 1 makes, in its own words: the body of its batch.
TEST(Upgrade, leaves_the_calls_of_the_version_before_in_working_order) {
  const OldLedger old;
  const std::string script = old.vector();
  const std::string head = "CREATE OR REPLACE FUNCTION \"pgtally\".process_next_batch(";
  const std::size_t begin = script.find(head);
  ASSERT_NE(begin, std::string::npos);
  const std::string body = script.substr(begin, script.find("END $$;", begin) + 7 - begin);
  must(old.upgrade());
  old.psql(replaced(body, "\"pgtally\".process_next_batch(", "public.batch_of_version_1("));

  for (int i = 0; i < 6; ++i) {
    old.write(10 * i + 1, 10 * i + 10);
    for (int batch = 0; batch < 5; ++batch) {
      (void)old.take(
          batch % 2 == i % 2 ? "public.batch_of_version_1" : "pgtally.process_next_batch",
          1 + 3 * batch);
    }
  }
  old.sweep_and_drain("public.batch_of_version_1");
  EXPECT_EQ(old.entries(), "currency 60 60, event 60 60, order 60 60, payment 60 60");
  EXPECT_EQ(old.gaps(), "0");
  for (const std::string call :
       {"SELECT next_id, sequenced_at, next_ordinals, upto::text, upto_self::text, settled, "
        "has_work "
        "FROM pgtally.open_batch()",
        "SELECT feed, source_id, definition, operation, key, source_position, source_time, "
        "content, "
        "data, xid, staged_id, cursor_key FROM pgtally.pending(10, pg_current_snapshot(), NULL)",
        "SELECT pgtally.may_have_more(5, 10)", "SELECT pgtally.thin_checkpoints()",
        "SELECT source_id, waiting_rows, oldest FROM pgtally.waiting()",
        "SELECT source_id, name, mode, state, definition, blind, has_feed FROM pgtally.source",
        "SELECT size, root, frontier, guard_id FROM pgtally.tree_head",
        "SELECT origin, vkey, oldest_version FROM pgtally.ledger WHERE oldest_version <= 1",
        "SELECT pgtally.define(2, 1, 'x')",
        "INSERT INTO pgtally.source (source_id, name, mode, blind, keep_data, writer, has_feed) "
        "VALUES (6, 'n', 'poll', true, false, NULL, true)"}) {
    EXPECT_EQ(old.database().psql_error(call), "") << call;
  }
}

TEST(Upgrade, done_twice_changes_nothing_more) {
  const OldLedger old;
  must(old.upgrade());
  const std::string once = catalog_of(old.database());
  const UpgradePlan again = must(old.upgrade());
  EXPECT_EQ(again.from, kSchemaVersion);
  EXPECT_TRUE(again.migrations.empty());
  EXPECT_EQ(catalog_of(old.database()), once);
}

TEST(Upgrade, is_what_a_program_asks_for_that_finds_an_older_ledger) {
  const OldLedger old;
  const Error error = error_of(old.open());
  EXPECT_EQ(error.code, ErrorCode::kOperator);
  EXPECT_THAT(error.hint, HasSubstr("pgtally upgrade"));
  must(old.upgrade());
  EXPECT_TRUE(old.open().ok());
}

TEST(Upgrade, refuses_a_ledger_that_is_newer_than_the_program) {
  const OldLedger old;
  must(old.upgrade());
  old.psql("UPDATE pgtally.ledger SET schema_version = 99");
  EXPECT_THAT(error_of(old.upgrade()).message, HasSubstr("99"));
}

TEST(Upgrade, script_refuses_to_run_when_a_source_was_added_since) {
  const OldLedger old;
  auto connection = connect(old.database().conninfo());
  const Ledger ledger = must(Ledger::open_older(connection, "pgtally"));
  const std::string script =
      "BEGIN; " + must(plan_upgrade(ledger, capture_modes())).script + "COMMIT";
  old.psql(
      "INSERT INTO pgtally.source (source_id, name, mode, blind) VALUES (6, 'n', 'append', true)");
  EXPECT_THAT(old.database().psql_error(script), HasSubstr("has changed since"));
  EXPECT_EQ(old.psql("SELECT schema_version FROM pgtally.ledger"), "1");
  old.psql("DELETE FROM pgtally.source WHERE source_id = 6");
  EXPECT_EQ(old.database().psql_error(script), "");
  EXPECT_TRUE(old.open().ok());
}

TEST(Upgrade, leaves_a_source_whose_table_is_gone_as_it_is_and_names_it) {
  const OldLedger old;
  old.psql("DROP TABLE order_line");
  const UpgradePlan plan = must(old.upgrade());
  EXPECT_THAT(plan.sources, testing::ElementsAre("payment", "currency"));
  ASSERT_EQ(plan.left_as_is.size(), 1U);
  EXPECT_THAT(plan.left_as_is[0], HasSubstr("order"));
}

TEST(Upgrade, by_a_superuser_leaves_everything_to_the_ledgers_owner) {
  const OldLedger old("owner");
  old.psql("ALTER FUNCTION pgtally.sweep_3(text[], integer) OWNER TO CURRENT_USER");
  must(old.upgrade());
  EXPECT_EQ(old.psql("SELECT DISTINCT o::regrole FROM (SELECT relowner FROM pg_class WHERE "
                     "relnamespace = 'pgtally'::regnamespace UNION SELECT proowner FROM pg_proc "
                     "WHERE pronamespace = 'pgtally'::regnamespace) AS owners(o)"),
            old.database().name() + "_owner");
}

TEST(Upgrade, by_somebody_else_is_refused) {
  const OldLedger old;
  const std::string role = old.database().name() + "_reader_of_it";
  old.psql("CREATE ROLE " + role + " LOGIN IN ROLE " + old.database().name() + "_pgtally_reader");
  const auto result = OldLedger::upgrade_as(old.database().conninfo() + " user=" + role);
  EXPECT_THAT(error_of(result).message, HasSubstr("may not act for it"));
}

// By statement or by row: what the triggers are decides, not what `source add` would choose today.
TEST(Upgrade, writes_the_functions_of_triggers_anew_as_these_triggers_need_them) {
  const test::TestSchema ledger;
  ledger.psql("CREATE TABLE t (id bigint PRIMARY KEY)");
  ledger.add_source("t", "t", {"id"}, [](SourceRequest& r) {
    r.mode = "trigger";
    r.track_changes = true;
  });
  ledger.psql(
      "CREATE OR REPLACE FUNCTION pgtally.trigger_2() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN "
      "RETURN NULL; END'; CREATE TRIGGER other AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION "
      "suppress_redundant_updates_trigger(); ALTER TABLE t DISABLE TRIGGER other");
  must(OldLedger::upgrade_as(ledger.conninfo()));
  ledger.psql("INSERT INTO t VALUES (1), (2)");
  ledger.psql("INSERT INTO t VALUES (3)");
  ledger.drain();
  EXPECT_THAT(ledger.keys_of("t"), testing::ElementsAre("1", "2", "3"));
}

// It needs the registry for itself for a moment. A transaction that has read it, because it has
// appended something, does not have to wait for the upgrade, nor is it the victim of a deadlock.
TEST(Upgrade, gives_way_to_a_transaction_that_has_appended_something) {
  const OldLedger old;
  auto writer = connect(old.database().conninfo());
  must(writer.execute("BEGIN; SELECT pgtally.append('a', 'event')"));
  Result<UpgradePlan> upgraded = retry("not yet");
  std::thread upgrade([&] { upgraded = old.upgrade(); });
  const auto is_waiting = [&] {
    return old.psql(
               "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = "
               "'pgtally.source'::regclass") != "0";
  };
  bool seen = false;
  for (int i = 0; i < 500 && !seen; ++i) seen = is_waiting();
  EXPECT_TRUE(seen);
  EXPECT_TRUE(writer.execute("SELECT pgtally.append('b', 'event')").ok());
  EXPECT_TRUE(writer.execute("INSERT INTO pgtally.append_only_log (data) VALUES ('c')").ok());
  EXPECT_TRUE(writer.execute("SELECT count(*) FROM pgtally.source; COMMIT").ok());
  upgrade.join();
  must(std::move(upgraded));
  old.sweep_and_drain("pgtally.process_next_batch");
  EXPECT_EQ(old.entries(), "append_only_log 1 1, event 2 2");
}

TEST(Upgrade, waits_for_who_has_written_to_staging_and_holds_up_nobody_for_long) {
  const OldLedger old;
  auto writer = connect(old.database().conninfo());
  must(writer.execute("BEGIN; INSERT INTO pgtally.append_only_log (data) VALUES ('a')"));
  Result<UpgradePlan> upgraded = retry("not yet");
  std::thread upgrade([&] { upgraded = old.upgrade(); });
  auto other = connect(old.database().conninfo());
  must(other.execute("SET statement_timeout = '2s'"));
  for (int i = 0; i < 20; ++i) {
    must(other.execute("INSERT INTO pgtally.append_only_log (data) VALUES ('b')"));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  must(writer.execute("COMMIT"));
  upgrade.join();
  must(std::move(upgraded));
  old.sweep_and_drain("pgtally.process_next_batch");
  EXPECT_EQ(old.entries(), "append_only_log 21 21");
}

}  // namespace
}  // namespace pgtally
