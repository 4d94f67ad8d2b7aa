// What the database refuses to everybody: changes to the log, and anything that does not continue
// it.
#include <gtest/gtest.h>

#include "postgres/copy.h"
#include "support/test_ledger.h"

namespace pgtally {
namespace {

using test::must;
using test::TestSchema;

class Immutable : public testing::Test {
 protected:
  Immutable() {
    ledger.psql("SELECT pgtally.append('a')");
    ledger.psql(
        "SELECT pgtally.process_next_batch();"
        "INSERT INTO pgtally.tile VALUES (0, 0, repeat('x', 64)::bytea);"
        "INSERT INTO pgtally.checkpoint VALUES (1, sha256('1'), 'note'), (3, sha256('3'), 'note')");
  }
  TestSchema ledger;
};

TEST_F(Immutable, log_tiles_and_checkpoints_refuse_every_change_also_from_their_owner) {
  const std::vector<std::string> attempts{
      "UPDATE pgtally.processed_log SET content_hash = content_hash",
      "UPDATE pgtally.processed_log SET key = '' WHERE false",
      "DELETE FROM pgtally.processed_log",
      "DELETE FROM pgtally.processed_log WHERE id = 2",
      "TRUNCATE pgtally.processed_log",
      "TRUNCATE pgtally.processed_log, pgtally.append_only_log CASCADE",
      "MERGE INTO pgtally.processed_log AS p USING (SELECT 1) AS u ON p.id = 0 WHEN MATCHED THEN "
      "DELETE",
      "DELETE FROM pgtally.tile",
      "TRUNCATE pgtally.tile",
      "UPDATE pgtally.tile SET hashes = substr(hashes, 1, 32)",
      "UPDATE pgtally.tile SET hashes = repeat('y', 64)::bytea",
      "UPDATE pgtally.tile SET hashes = repeat('y', 96)::bytea",
      "UPDATE pgtally.tile SET index = 7",
      "UPDATE pgtally.checkpoint SET note = 'other'",
      "DELETE FROM pgtally.checkpoint WHERE size = 1",
      "TRUNCATE pgtally.checkpoint"};
  for (const std::string setting : {"", "SET session_replication_role = replica;"}) {
    for (const std::string& attempt : attempts) {
      EXPECT_EQ(ledger.psql_error(setting + attempt).substr(0, 5), "TLR01") << setting << attempt;
    }
  }
  // A tile may grow at its end.
  ledger.psql("UPDATE pgtally.tile SET hashes = hashes || repeat('z', 32)::bytea");
}

// Who names the function that may do it is not that function.
TEST_F(Immutable, tiles_are_not_changed_by_naming_the_function_that_repairs_them) {
  const std::string role = ledger.database().name() + "_pgtally_sequencer";
  EXPECT_EQ(
      ledger
          .psql_error("SET ROLE " + role +
                      "; DO $$ BEGIN UPDATE pgtally.tile /* pgtally.repair_tile("
                      " \"pgtally\".repair_tile( */ SET hashes = repeat('y', 64)::bytea; END $$")
          .substr(0, 5),
      "TLR01");
  EXPECT_EQ(ledger.psql_error("SET ROLE " + role + "; SELECT pgtally.repair_tile(0, 0, 'x')")
                .substr(0, 5),
            "42501");
}

TEST_F(Immutable, only_thinning_removes_checkpoints_and_keeps_the_newest_and_one_a_minute) {
  ledger.psql(
      "INSERT INTO pgtally.checkpoint SELECT 100 + g, sha256('x'), 'note', "
      "date_trunc('minute', now()) - interval '1 hour' + g * interval '20 s' FROM "
      "generate_series(0, 8) AS g");
  // The two that the set-up stored are young; nine old ones in three minutes become three.
  EXPECT_EQ(ledger.psql("SELECT pgtally.thin_checkpoints()"), "6");
  EXPECT_EQ(ledger.psql("SELECT size FROM pgtally.checkpoint ORDER BY size"),
            "1\n3\n102\n105\n108");
  EXPECT_EQ(ledger.psql("SELECT pgtally.thin_checkpoints()"), "0");
  // However old, the newest stays.
  EXPECT_EQ(
      ledger.psql(
          "SELECT pgtally.thin_checkpoints('-1 day'); SELECT max(size) FROM pgtally.checkpoint"),
      "108");
}

class GapGuard : public Immutable {
 protected:
  // Three entries are there: two definitions and a row of source 1, whose next ordinal is 2.
  [[nodiscard]] std::string insert(const std::string& rows) const {
    return ledger.psql_error(
        "INSERT INTO pgtally.processed_log (id, source_id, ordinal, sequenced_at, definition, "
        "operation, "
        "key, source_position, content_hash) SELECT a, b, c, d::timestamptz, 0, 1, '\\x000131', "
        "'1', "
        "sha256('') FROM (VALUES " +
        rows + ") AS v(a, b, c, d)");
  }
  [[nodiscard]] std::string head() const {
    return ledger.psql(
        "SELECT next_id, next_ordinals FROM pgtally.log_head ORDER BY head_id DESC LIMIT 1");
  }
};

TEST_F(GapGuard, refuses_whatever_does_not_continue_the_log) {
  EXPECT_EQ(head(), "3|{1,2}");
  const std::vector<std::pair<std::string, std::string>> attempts{
      {"a gap before", "(4, 1, 2, now())"},
      {"a gap within", "(3, 1, 2, now()), (5, 1, 3, now())"},
      {"a negative id", "(-1, 1, 2, now())"},
      {"an ordinal that is skipped", "(3, 1, 3, now())"},
      {"an ordinal again", "(3, 1, 1, now())"},
      {"an ordinal twice in a batch", "(3, 1, 2, now()), (4, 1, 2, now())"},
      {"ordinals the wrong way round", "(3, 1, 3, now()), (4, 1, 2, now())"},
      {"ordinals the wrong way round between others",
       "(3, 1, 2, now()), (4, 0, 2, now()), (5, 0, 1, now()), (6, 1, 3, now())"},
      {"ordinals that make up for each other",
       "(3, 1, 2, now()), (4, 1, 4, now()), (5, 1, 3, now()), (6, 1, 5, now())"},
      {"two times in a batch", "(3, 1, 2, now()), (4, 1, 3, now() + interval '1 us')"},
      {"a time before the last", "(3, 1, 2, '2020-01-01'::timestamptz)"},
      {"a source that is not there", "(3, 99, 0, now())"}};
  for (const auto& [what, rows] : attempts) {
    EXPECT_EQ(insert(rows).substr(0, 5), "TLR02") << what;
  }
  EXPECT_EQ(insert("(2, 1, 2, now())").substr(0, 5), "23505");
  EXPECT_EQ(head(), "3|{1,2}");
  EXPECT_EQ(insert("(3, 1, 2, now()), (4, 0, 1, now()), (5, 1, 3, now())"), "");
  EXPECT_EQ(head(), "6|{2,4}");
}

TEST_F(GapGuard, lets_no_row_slip_in_by_statements_that_look_like_others) {
  const std::string row = "(4, 1, 0, 2, 1, '\\x000131', '1', NULL, sha256(''), NULL, now())";
  for (const std::string& statement : std::vector<std::string>{
           "SET session_replication_role = replica; INSERT INTO pgtally.processed_log VALUES " +
               row,
           "INSERT INTO pgtally.processed_log VALUES " + row + " ON CONFLICT DO NOTHING",
           "WITH x AS (INSERT INTO pgtally.processed_log VALUES " + row + " RETURNING 1) SELECT 1",
           "MERGE INTO pgtally.processed_log AS p USING (SELECT 1) AS u ON false WHEN NOT MATCHED "
           "THEN "
           "INSERT VALUES " +
               row}) {
    EXPECT_EQ(ledger.psql_error(statement).substr(0, 5), "TLR02") << statement;
  }
}

TEST_F(GapGuard, holds_for_copy_too) {
  auto connection = ledger.connect();
  auto copy = must(pg::CopyIn::start(
      connection,
      "COPY pgtally.processed_log (id, source_id, definition, ordinal, operation, key, "
      "source_position, content_hash, sequenced_at) FROM STDIN (FORMAT binary)"));
  copy.int8(7);
  copy.int4(1);
  copy.int4(0);
  copy.int8(2);
  copy.int2(1);
  copy.bytea(as_bytes("k"));
  copy.text("1");
  copy.hash(Hash{});
  copy.time(Time{4'000'000'000'000'000});
  must(copy.end_row());
  EXPECT_FALSE(copy.finish().ok());
  EXPECT_EQ(connection.last_sqlstate(), "TLR02");
  EXPECT_EQ(head(), "3|{1,2}");
}

TEST(Clock, that_went_back_by_more_than_a_minute_stops_sequencing_with_a_clear_error) {
  const TestSchema ledger;
  ledger.psql(
      "INSERT INTO pgtally.log_head (next_id, sequenced_at, next_ordinals) "
      "SELECT next_id, now() + interval '61 s', next_ordinals FROM pgtally.log_head "
      "ORDER BY head_id DESC LIMIT 1; SELECT pgtally.append('a')");
  EXPECT_EQ(ledger.psql_error("SELECT pgtally.process_next_batch()").substr(0, 5), "TLO02");
  ledger.psql(
      "INSERT INTO pgtally.log_head (next_id, sequenced_at, next_ordinals) "
      "SELECT next_id, now() + interval '30 s', next_ordinals FROM pgtally.log_head "
      "ORDER BY head_id DESC LIMIT 1");
  EXPECT_EQ(ledger.drain(), 1);
  EXPECT_EQ(ledger.gaps(), "");
}

}  // namespace
}  // namespace pgtally
