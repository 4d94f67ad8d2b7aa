// --existing skip: what was in a table when it became a source is not recorded, all else is.
#include <gtest/gtest.h>

#include "support/test_ledger.h"

namespace pgtally {
namespace {

using test::must;
using test::TestSchema;
using Texts = std::vector<std::string>;

void skip(SourceRequest& request) {
  request.skip_existing = true;
}

TEST(Existing, rows_of_a_polled_table_are_skipped_and_later_ones_recorded) {
  const TestSchema ledger;
  ledger.psql(
      "CREATE TABLE p (id bigint PRIMARY KEY); INSERT INTO p SELECT generate_series(1, 50)");
  ledger.add_source("p", "public.p", {"id"}, skip);
  EXPECT_EQ(ledger.drain(), 0);
  ledger.psql("INSERT INTO p VALUES (51), (53)");
  ledger.drain();
  ledger.sweep("p");
  EXPECT_EQ(ledger.keys_of("p"), (Texts{"51", "53"}));
}

TEST(Existing, a_polled_row_that_was_being_written_is_recorded_though_its_key_is_lower) {
  const TestSchema ledger;
  ledger.psql(
      "CREATE TABLE p (id bigint PRIMARY KEY); INSERT INTO p SELECT generate_series(1, 20, 2)");
  auto slow = ledger.connect();
  must(slow.execute("BEGIN; INSERT INTO p VALUES (8)"));
  ledger.add_source("p", "public.p", {"id"}, skip);
  EXPECT_EQ(ledger.drain(), 0);
  must(slow.execute("COMMIT"));
  EXPECT_EQ(ledger.drain(), 1);
  EXPECT_EQ(ledger.keys_of("p"), (Texts{"8"}));
  ledger.drain();
  ledger.drain();
  EXPECT_EQ(ledger.psql("SELECT count(*) FROM pgtally.hole"), "0");
}

TEST(Existing, an_empty_polled_table_has_nothing_to_skip) {
  const TestSchema ledger;
  ledger.psql("CREATE TABLE p (id bigint PRIMARY KEY)");
  ledger.add_source("p", "public.p", {"id"}, skip);
  ledger.psql("INSERT INTO p VALUES (-5), (7)");
  ledger.drain();
  ledger.sweep("p");
  EXPECT_EQ(ledger.keys_of("p"), (Texts{"-5", "7"}));
}

TEST(Existing, keys_at_both_ends_of_their_type_can_be_skipped) {
  const TestSchema ledger;
  ledger.psql(
      "CREATE TABLE p (id bigint PRIMARY KEY);"
      "INSERT INTO p VALUES (-9223372036854775808), (9223372036854775807)");
  ledger.add_source("p", "public.p", {"id"}, skip);
  ledger.drain();
  ledger.sweep("p");
  EXPECT_EQ(ledger.keys_of("p"), Texts{});
}

TEST(Existing, rows_of_a_table_with_an_xid_are_skipped_but_not_those_in_flight) {
  const TestSchema ledger;
  ledger.create_xid_table("x");
  ledger.psql("INSERT INTO x SELECT generate_series(1, 50)");
  auto slow = ledger.connect();
  must(slow.execute("BEGIN; INSERT INTO x VALUES (99)"));
  ledger.add_source("x", "public.x", {"id"}, skip);
  ledger.drain();
  must(slow.execute("COMMIT"));
  ledger.psql("INSERT INTO x VALUES (100)");
  ledger.drain();
  ledger.sweep("x");
  EXPECT_EQ(ledger.keys_of("x").size(), 2U);
}

TEST(Existing, skipped_rows_stay_skipped_after_a_pause) {
  const TestSchema ledger;
  ledger.create_xid_table("x");
  ledger.psql("INSERT INTO x SELECT generate_series(1, 50)");
  ledger.add_source("x", "public.x", {"id"}, skip);
  ledger.drain();
  ledger.psql("INSERT INTO x VALUES (100)");
  ledger.psql("UPDATE pgtally.source SET state = 'paused' WHERE name = 'x'");
  ledger.psql("SELECT pgtally.begin_again(source_id) FROM pgtally.source WHERE name = 'x'");
  ledger.psql("UPDATE pgtally.source SET state = 'active' WHERE name = 'x'");
  ledger.sweep("x");
  EXPECT_EQ(ledger.keys_of("x"), (Texts{"100"}));
}

TEST(Existing, cannot_be_skipped_where_only_sweeps_find_new_rows) {
  const TestSchema ledger;
  ledger.psql("CREATE TABLE t (name text PRIMARY KEY)");
  const auto refused = ledger.try_add_source("t", "public.t", {"name"}, [](SourceRequest& request) {
    request.mode = "poll";
    request.skip_existing = true;
  });
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kReject);
}

}  // namespace
}  // namespace pgtally
