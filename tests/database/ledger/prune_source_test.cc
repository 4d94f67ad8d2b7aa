// Pruning of a user's own table: each row is compared with its entry before it may go.
#include "ledger/prune_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ledger/prune.h"
#include "support/service_ledger.h"

namespace pgtally {
namespace {

using test::connect;
using test::error_of;
using test::must;
using testing::ElementsAre;
using testing::HasSubstr;

class Payments : public testing::Test {
 protected:
  Payments() {
    psql(
        "CREATE TABLE payment (id bigint PRIMARY KEY, payer text, amount numeric(12,2));"
        "INSERT INTO payment SELECT g, 'p' || g, g FROM generate_series(1, 30) AS g");
    add("payment", "payment", {"id"});
    must(ledger.run_once());
  }
  std::string psql(const std::string& sql) { return ledger.database().psql(sql); }
  void add(const std::string& name, const std::string& table, const std::vector<std::string>& key,
           const std::function<void(SourceRequest&)>& change = {}) {
    auto connection = connect(ledger.database().conninfo());
    const Ledger opened = must(Ledger::open(connection, "pgtally"));
    SourceRequest request;
    request.name = name;
    request.table = table;
    request.key = key;
    request.mode = "poll";
    if (change) change(request);
    must(pgtally::add_source(opened, must(plan_source(opened, capture_modes(), request))));
  }
  Result<PruneSourceReport> prune(const std::vector<std::string>& before, bool execute = false,
                                  const std::string& source = "payment") {
    auto connection = connect(ledger.database().conninfo());
    TRY(const Ledger opened, Ledger::open(connection, "pgtally"));
    return prune_source(opened, {source, before, execute}, {});
  }
  std::string left(const std::string& table = "payment") {
    return psql("SELECT count(*) FROM " + table);
  }

  test::ServiceLedger<test::TestDatabase> ledger;
};

TEST_F(Payments, that_are_all_recorded_can_be_deleted_up_to_a_key) {
  const PruneSourceReport checked = must(prune({"21"}));
  EXPECT_EQ(checked.rows, 20U);
  EXPECT_EQ(checked.refused, 0U);
  EXPECT_EQ(left(), "30");
  const PruneSourceReport done = must(prune({"id=21"}, true));
  EXPECT_EQ(done.deleted, 20U);
  EXPECT_EQ(psql("SELECT min(id), count(*) FROM payment"), "21|10");
  EXPECT_EQ(must(prune({"21"})).rows, 0U);
}

TEST_F(Payments, are_all_kept_when_one_was_changed_or_is_not_recorded) {
  psql("UPDATE payment SET amount = 99 WHERE id = 5; INSERT INTO payment VALUES (0, 'new', 1)");
  const PruneSourceReport report = must(prune({"21"}, true));
  EXPECT_EQ(report.refused, 2U);
  EXPECT_EQ(report.deleted, 0U);
  EXPECT_EQ(report.sql, "");
  EXPECT_THAT(report.why,
              ElementsAre("payment 0: not recorded", HasSubstr("payment 5: not what entry")));
  EXPECT_EQ(left(), "31");
  EXPECT_EQ(must(prune({"0"})).rows, 0U);
}

TEST_F(Payments, are_kept_until_a_checkpoint_covers_them) {
  psql("INSERT INTO payment VALUES (31, 'late', 1); SELECT pgtally.process_next_batch()");
  EXPECT_EQ(must(prune({"31"})).refused, 0U);
  const PruneSourceReport report = must(prune({"32"}, true));
  EXPECT_THAT(report.why, ElementsAre(HasSubstr("is not under a signed checkpoint yet")));
  must(ledger.run_once());
  EXPECT_EQ(must(prune({"32"}, true)).deleted, 31U);
}

TEST_F(Payments, are_not_deleted_on_the_word_of_a_checkpoint_that_nobody_signed) {
  psql(
      "INSERT INTO payment VALUES (31, 'late', 1); SELECT pgtally.process_next_batch();"
      "INSERT INTO pgtally.checkpoint (size, root, note) SELECT next_id, sha256(''), "
      "(SELECT note FROM pgtally.checkpoint ORDER BY size DESC LIMIT 1) FROM pgtally.log_head "
      "ORDER BY head_id DESC LIMIT 1");
  EXPECT_EQ(error_of(prune({"32"}, true)).code, ErrorCode::kTampered);
  EXPECT_EQ(left(), "31");
}

TEST_F(Payments, written_or_changed_after_the_check_stay_when_the_printed_sql_runs) {
  const PruneSourceReport report = must(prune({"21"}));
  psql("INSERT INTO payment VALUES (-7, 'late', 1)");
  psql("INSERT INTO payment VALUES (0, 'late', 1)");
  psql(report.sql);
  EXPECT_EQ(psql("SELECT string_agg(id::text, ' ' ORDER BY id) FROM payment WHERE id < 22"),
            "-7 0 21");
}

TEST_F(Payments, that_a_trigger_will_not_let_go_leave_the_batch_as_it_was) {
  psql(
      "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN CASE WHEN OLD.id = "
      "3 "
      "THEN NULL ELSE OLD END; END'; CREATE TRIGGER keep BEFORE DELETE ON payment FOR EACH ROW "
      "EXECUTE FUNCTION keep()");
  EXPECT_THAT(error_of(prune({"21"}, true)).message, HasSubstr("of 20 rows 19 could be deleted"));
  EXPECT_EQ(left(), "30");
}

TEST_F(Payments, under_an_older_definition_are_compared_as_it_says) {
  psql("ALTER TABLE payment ADD COLUMN note text; UPDATE payment SET note = 'not covered'");
  EXPECT_EQ(must(prune({"31"})).refused, 0U);
  psql("ALTER TABLE payment DROP COLUMN payer");
  EXPECT_FALSE(prune({"31"}).ok());
  EXPECT_EQ(left(), "30");
}

TEST_F(Payments, with_a_key_of_several_columns_of_any_type_go_as_well) {
  psql(
      "CREATE TABLE \"Order Lines\" (\"the order\" text, number numeric, what bytea, PRIMARY KEY "
      "(\"the order\", number));"
      "INSERT INTO \"Order Lines\" SELECT o, n, decode('00ff', 'hex') FROM unnest(ARRAY['a''b', "
      "'it \\ is', 'z']) AS o, generate_series(1, 3) AS n");
  add("line", "\"Order Lines\"", {"the order", "number"},
      [](SourceRequest& r) { r.blind = false; });
  must(ledger.run_once());
  const PruneSourceReport printed = must(prune({"z", "2"}, false, "line"));
  EXPECT_EQ(printed.rows, 7U);
  psql("BEGIN; " + printed.sql + "SELECT 1 / (count(*) = 2)::int FROM \"Order Lines\"; ROLLBACK");
  EXPECT_EQ(must(prune({"number=2", "the order=z"}, true, "line")).deleted, 7U);
  EXPECT_EQ(left("\"Order Lines\""), "2");
}

TEST_F(Payments, of_more_than_one_batch_all_go) {
  psql("INSERT INTO payment SELECT g, 'p', 1 FROM generate_series(31, 12345) AS g");
  must(ledger.run_once());
  const PruneSourceReport printed = must(prune({"12345"}));
  EXPECT_EQ(printed.rows, 12344U);
  psql("BEGIN; " + printed.sql + "SELECT 1 / (count(*) = 1)::int FROM payment; ROLLBACK");
  EXPECT_EQ(must(prune({"12345"}, true)).deleted, 12344U);
  EXPECT_EQ(left(), "1");
}

TEST_F(Payments, are_asked_for_by_a_source_that_has_a_table) {
  EXPECT_THAT(error_of(prune({"1"}, false, "append_only_log")).message, HasSubstr("in staging"));
  EXPECT_EQ(error_of(prune({"1"}, false, "nothing")).code, ErrorCode::kReject);
  EXPECT_EQ(error_of(prune({"x"})).code, ErrorCode::kReject);
}

}  // namespace
}  // namespace pgtally
