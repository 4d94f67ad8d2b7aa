// Holes of polled sources: keys that were skipped, and who could still fill them.
#include <gtest/gtest.h>

#include "support/test_ledger.h"

namespace pgtally {
namespace {

using test::must;
using test::TestSchema;
using Texts = std::vector<std::string>;

class Polled : public testing::Test {
 protected:
  explicit Polled(const std::string& type = "bigint") {
    ledger.psql("CREATE TABLE p (id " + type + " PRIMARY KEY)");
    ledger.add_source("p", "public.p", {"id"});
  }
  void insert(const std::string& id) const { ledger.psql("INSERT INTO p VALUES (" + id + ")"); }
  [[nodiscard]] Texts keys() const { return ledger.keys_of("p"); }
  [[nodiscard]] std::string holes() const {
    return ledger.psql(
        "SELECT coalesce(string_agg(ranges::text, ' ' ORDER BY barrier_id), '') "
        "FROM pgtally.hole");
  }

  TestSchema ledger;
};

TEST_F(Polled, takes_a_row_that_fills_a_hole_after_higher_keys_were_taken) {
  insert("1");
  ledger.drain();
  auto slow = ledger.connect();
  must(slow.execute("BEGIN; INSERT INTO p VALUES (2)"));
  insert("3");
  EXPECT_EQ(ledger.drain(), 1);
  // However often it is asked meanwhile.
  for (int i = 0; i < 5; ++i) EXPECT_EQ(ledger.drain(), 0);
  must(slow.execute("COMMIT"));
  EXPECT_EQ(ledger.drain(), 1);
  EXPECT_EQ(keys(), (Texts{"1", "3", "2"}));
  EXPECT_EQ(ledger.gaps(), "");
}

TEST_F(Polled, gives_a_hole_up_once_everything_that_could_fill_it_has_ended) {
  insert("1");
  insert("10");
  ledger.drain();
  ledger.drain();
  ledger.drain();
  EXPECT_EQ(holes(), "");
  EXPECT_EQ(ledger.psql("SELECT count(*) FROM pgtally.barrier"), "0");
}

// nextval() assigns no transaction id, and PREPARE drops the virtual one.
TEST_F(Polled, waits_for_a_transaction_that_prepared_itself_after_the_hole_was_seen) {
  const std::string gid = ledger.database().name() + "_p";
  auto slow = ledger.connect();
  must(slow.execute("BEGIN; SELECT 1"));  // no transaction id yet
  insert("3");
  ledger.drain();
  must(slow.execute("INSERT INTO p VALUES (2); PREPARE TRANSACTION '" + gid + "'"));
  for (int i = 0; i < 5; ++i) ledger.drain();
  EXPECT_NE(holes(), "");
  ledger.psql("COMMIT PREPARED '" + gid + "'");
  ledger.drain();
  EXPECT_EQ(keys(), (Texts{"3", "2"}));
}

TEST_F(Polled, waits_for_a_transaction_that_was_prepared_before_the_hole_was_seen) {
  const std::string gid = ledger.database().name() + "_p";
  ledger.psql("BEGIN; INSERT INTO p VALUES (2); PREPARE TRANSACTION '" + gid + "'");
  insert("3");
  for (int i = 0; i < 5; ++i) ledger.drain();
  ledger.psql("COMMIT PREPARED '" + gid + "'");
  ledger.drain();
  EXPECT_EQ(keys(), (Texts{"3", "2"}));
}

TEST_F(Polled, keeps_holes_that_were_seen_in_a_batch_that_settles_all_barriers) {
  // More barriers than are kept apart, all of them held up by one transaction.
  auto slow = ledger.connect();
  must(slow.execute("BEGIN; SELECT 1"));
  for (int i = 1; i <= 40; ++i) {
    insert(std::to_string(i * 10));
    ledger.drain();
  }
  EXPECT_EQ(ledger.psql("SELECT count(*) FROM pgtally.barrier"), "32");
  auto other = ledger.connect();
  must(slow.execute("COMMIT"));
  // This hole is seen by the batch that gives up all of those.
  must(other.execute("BEGIN; INSERT INTO p VALUES (405)"));
  insert("410");
  for (int i = 0; i < 10; ++i) ledger.drain();
  must(other.execute("COMMIT"));
  ledger.drain();
  EXPECT_EQ(keys().back(), "405");
}

TEST_F(Polled, keeps_holes_that_are_seen_while_batches_are_cut_off) {
  auto slow = ledger.connect();
  must(slow.execute("BEGIN; INSERT INTO p VALUES (5), (15), (25)"));
  ledger.psql("INSERT INTO p SELECT * FROM generate_series(1, 30) AS g(i) WHERE i % 10 <> 5");
  ledger.drain(2);
  must(slow.execute("COMMIT"));
  ledger.drain(2);
  const Texts taken = keys();
  ASSERT_EQ(taken.size(), 30U);
  EXPECT_EQ(Texts(taken.end() - 3, taken.end()), (Texts{"5", "15", "25"}));
}

TEST_F(Polled, forgets_its_holes_also_when_a_batch_is_smaller_than_the_number_of_feeds) {
  insert("10");
  for (int i = 0; i < 4; ++i) ledger.take(1);
  EXPECT_EQ(holes(), "");
}

TEST_F(Polled, takes_the_lowest_and_the_highest_keys_that_there_are) {
  const std::string lowest = "-9223372036854775808";
  const std::string highest = "9223372036854775807";
  auto slow = ledger.connect();
  must(slow.execute(
      "BEGIN; INSERT INTO p VALUES (0), (-9223372036854775807), (9223372036854775806)"));
  ledger.psql("INSERT INTO p VALUES (" + lowest + "), (" + highest + ")");
  EXPECT_EQ(ledger.drain(), 2);
  must(slow.execute("COMMIT"));
  EXPECT_EQ(ledger.drain(), 3);
  EXPECT_EQ(keys(), (Texts{lowest, highest, "-9223372036854775807", "0", "9223372036854775806"}));
  for (int i = 0; i < 3; ++i) ledger.drain();
  EXPECT_EQ(holes(), "");
}

TEST_F(Polled, takes_extreme_keys_one_at_a_time) {
  const Texts expected{"9223372036854775807", "-9223372036854775808", "5"};
  auto slow = ledger.connect();
  must(slow.execute("BEGIN; SELECT 1"));  // keeps the holes open
  for (const std::string& key : expected) {
    insert(key);
    EXPECT_EQ(ledger.drain(), 1) << key;
  }
  EXPECT_EQ(keys(), expected);
}

TEST_F(Polled, leaves_the_oldest_of_more_than_ten_thousand_ranges_to_the_sweep) {
  auto slow = ledger.connect();
  must(slow.execute("BEGIN; SELECT 1"));
  ledger.psql("INSERT INTO p SELECT generate_series(2, 12000, 2)");
  ledger.drain();
  ledger.psql("INSERT INTO p SELECT generate_series(12002, 24000, 2)");
  ledger.drain();
  EXPECT_LE(
      std::stoi(ledger.psql("SELECT sum((SELECT count(*) FROM unnest(ranges))) FROM pgtally.hole")),
      10000);
  ledger.psql("INSERT INTO p VALUES (3), (23999)");
  EXPECT_EQ(ledger.drain(), 1);
  EXPECT_EQ(keys().back(), "23999");
  ledger.sweep("p");
  EXPECT_EQ(keys().back(), "3");
  EXPECT_EQ(keys().size(), 12002U);
}

TEST_F(Polled, gives_a_row_in_a_closed_hole_to_the_next_sweep_exactly_once) {
  insert("1");
  insert("10");
  for (int i = 0; i < 3; ++i) ledger.drain();
  insert("5");
  EXPECT_EQ(ledger.drain(), 0);
  ledger.sweep("p");
  ledger.sweep("p");
  EXPECT_EQ(keys(), (Texts{"1", "10", "5"}));
}

TEST_F(Polled, leaves_rows_above_the_high_key_and_in_open_holes_to_the_feed) {
  auto slow = ledger.connect();
  must(slow.execute("BEGIN; INSERT INTO p VALUES (5)"));
  insert("10");
  ledger.drain();
  must(slow.execute("COMMIT"));
  insert("11");
  EXPECT_EQ(ledger.psql("SELECT staged FROM pgtally.sweep_step(2, 100)"), "0");
  ledger.drain();
  EXPECT_EQ(keys(), (Texts{"10", "5", "11"}));
}

class PolledInt2 : public Polled {
 protected:
  PolledInt2() : Polled("smallint") {}
};
TEST_F(PolledInt2, takes_the_extremes_of_a_narrow_key_too) {
  ledger.psql("INSERT INTO p VALUES (-32768), (32767)");
  EXPECT_EQ(ledger.drain(), 2);
  insert("0");
  ledger.sweep("p");
  EXPECT_EQ(keys(), (Texts{"-32768", "32767", "0"}));
}

class PolledInt4 : public Polled {
 protected:
  PolledInt4() : Polled("integer") {}
};
TEST_F(PolledInt4, takes_the_extremes_of_an_integer_key_too) {
  auto slow = ledger.connect();
  must(slow.execute("BEGIN; INSERT INTO p VALUES (0)"));
  ledger.psql("INSERT INTO p VALUES (-2147483648), (2147483647)");
  EXPECT_EQ(ledger.drain(), 2);
  must(slow.execute("COMMIT"));
  EXPECT_EQ(ledger.drain(), 1);
  EXPECT_EQ(keys(), (Texts{"-2147483648", "2147483647", "0"}));
}

// A serial key: the number is taken long before the row is there.
TEST(Hole, is_not_given_up_while_a_transaction_holds_a_number_that_it_has_not_used_yet) {
  const TestSchema ledger;
  ledger.psql("CREATE TABLE s (id bigserial PRIMARY KEY)");
  ledger.add_source("s", "public.s", {"id"});
  auto slow = ledger.connect();
  must(slow.execute("BEGIN; SELECT nextval('s_id_seq')"));
  for (int i = 0; i < 5; ++i) {
    ledger.psql("INSERT INTO s DEFAULT VALUES");
    ledger.drain();
    ledger.drain();
  }
  must(slow.execute("INSERT INTO s VALUES (1); COMMIT"));
  ledger.drain();
  EXPECT_EQ(ledger.keys_of("s"), (Texts{"2", "3", "4", "5", "6", "1"}));
}

}  // namespace
}  // namespace pgtally
