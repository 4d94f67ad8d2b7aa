// Keys and hashes that triggers make in the application's session, held against those of a feed, and hashes
// of all types against vectors in golden_test.cc.
#include <gtest/gtest.h>

#include "database/capture/trigger_source.h"

namespace pgtally {
namespace {

using test::must;
using test::TriggerLedger;

constexpr const char* kOddSession =
    "SET datestyle = 'German'; SET timezone = 'Asia/Kolkata'; SET intervalstyle = 'iso_8601';"
    "SET extra_float_digits = -5; SET bytea_output = 'escape'; SET search_path = public;"
    "SET quote_all_identifiers = on; SET standard_conforming_strings = off;"
    "SET escape_string_warning = off; SET client_encoding = 'LATIN1'; SET row_security = off;"
    "SET xmlbinary = hex; SET transform_null_equals = on; SET array_nulls = off;";

// A key of any type is the same key, however long it is.
TEST(TriggerKey, in_any_session_is_that_of_a_feed) {
  const TriggerLedger ledger;
  ledger.psql(
      "CREATE TABLE a (b text, c timestamptz, d bytea, e float8, v text, PRIMARY KEY (b, c, d, "
      "e))");
  const std::vector<std::string> key{"b", "c", "d", "e"};
  ledger.add("a", true, "b", [&](SourceRequest& request) {
    request.key = key;
    request.columns = {"v"};  // a key that is not covered is named all the same
  });
  for (const char* text : {"'x'", "repeat('ü', 300)", "repeat('y', 2000)"}) {
    ledger.psql(std::string(kOddSession) + "INSERT INTO a SELECT " + text +
                ", '2024-02-29 12:00+05'::timestamptz, '\\\\x00ff'::bytea, 0.1::float8, 'v'");
  }
  ledger.psql(std::string(kOddSession) + "UPDATE a SET v = 'w'");
  ledger.add_source("p", "a", key, [&](SourceRequest& request) {
    request.mode = "poll";
    request.columns = {"v"};
    request.blind = false;
  });
  ledger.sweep("p");
  EXPECT_EQ(ledger.psql("SELECT string_agg(n::text, ' ') FROM (SELECT key, count(*) AS n FROM "
                        "pgtally.processed_log WHERE source_id >= 2 AND operation IN (1, 2) GROUP "
                        "BY key) AS k"),
            "3 3 3");
}

// A statement that inserts one row has it hashed by a text of its own (ledger/single_row.h).
class TriggerHash : public testing::Test {
 protected:
  // Of each row of table a there are two entries, by the trigger and by a sweep, and they are equal.
  void expect_equal_to_a_feed(int rows) const {
    ledger_.add_source("p", "a", {"id"}, [](SourceRequest& request) {
      request.mode = "poll";
      request.blind = false;
    });
    ledger_.sweep("p");
    EXPECT_EQ(ledger_.psql("SELECT count(*), min(n), max(n) FROM (SELECT count(*) AS n FROM "
                           "pgtally.processed_log WHERE source_id >= 2 AND operation = 1 GROUP BY "
                           "key, content_hash) AS k"),
              std::to_string(rows) + "|2|2");
    EXPECT_FALSE(ledger_.info().failure);
  }
  const TriggerLedger ledger_;
};

constexpr const char* kValues[] = {
    "1, 1, 'f', '2024-02-29', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '2024-02-29 12:00:00.5+05',"
    "'2024-02-29', '10.0.0.1/8', '10.0.0.0/8', '08:00:2b:01:02:03', 1.50, 0.1, 0.1, 'x', 'y', 7",
    "2, -32768, 't', 'infinity', NULL, 'infinity', '-infinity', "
    "'1234:1234:1234:1234:1234:1234:255.255.255.255/127', '::/0', NULL, 'NaN', 'NaN', '-Infinity', "
    "'', '', -9223372036854775808",
    "3, 32767, 't', '4713-01-01 BC', NULL, '4713-02-01 00:00:00.000001 BC', "
    "'294276-12-31 23:59:59.999999', NULL, NULL, NULL, -1e-300, '-0', 5e-324, E'\\\\000\\\\', "
    "E'\\'\\n\\t\"', 0",
    "4, 0, 'f', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL",
    "5, 0, 'f', NULL, NULL, NULL, NULL, NULL, NULL, NULL, repeat('9', 300)::numeric, NULL, NULL, "
    "repeat('ü', 100000), 'ä€😀', NULL"};

TEST_F(TriggerHash, of_a_row_alone_is_that_of_a_feed) {
  ledger_.psql(
      "CREATE TABLE a (id int PRIMARY KEY, c1 smallint NOT NULL, c2 boolean NOT NULL, c3 date, c4 "
      "uuid, "
      "c5 timestamptz, c6 timestamp, c7 inet, c8 cidr, c9 macaddr, \"C\" numeric, e real, "
      "\"it's \\ \"\"quoted\"\"\" float8, f text, g varchar(9), ü bigint, h char(4) DEFAULT "
      "E'\\\\ü', i char(4))");
  ledger_.add("a", true);
  for (const char* values : kValues) {
    ledger_.psql(std::string(kOddSession) + "INSERT INTO a VALUES (" + values + ")");
  }
  ledger_.drain();
  expect_equal_to_a_feed(5);
}

// In sessions that have prepared it, and where it is read anew.
TEST_F(TriggerHash, of_a_row_alone_is_that_of_a_feed_whatever_became_of_the_columns) {
  ledger_.psql(
      "CREATE TABLE a (id int PRIMARY KEY, n bigint NOT NULL, b bigint NOT NULL, c int NOT NULL)");
  ledger_.add("a", true);
  auto session = ledger_.connect();
  const auto insert = [&](int id, const std::string& values) {
    const std::string one = "INSERT INTO a VALUES (" + std::to_string(id);
    must(session.execute(one + values));
    ledger_.psql("INSERT INTO a VALUES (" + std::to_string(id + 1) + values);
  };
  insert(1, ", 1, 1, 1)");
  ledger_.psql("ALTER TABLE a ALTER n DROP NOT NULL");
  insert(3, ", NULL, 1, 1)");
  ledger_.psql("ALTER TABLE a ALTER b TYPE numeric");
  insert(5, ", 1, repeat('9', 300)::numeric, 1)");
  ledger_.psql("ALTER TABLE a ALTER c TYPE text");
  insert(7, ", 1, 1, E'\\\\000' || repeat('x', 200))");
  ledger_.drain();
  expect_equal_to_a_feed(8);

  // What is deleted has the hash that it was inserted with.
  must(session.execute("DELETE FROM a WHERE id % 2 = 1"));
  ledger_.psql("DELETE FROM a");
  ledger_.drain();
  EXPECT_EQ(
      ledger_.psql("SELECT count(*), max(n) FROM (SELECT count(DISTINCT content_hash) AS n FROM "
                   "pgtally.processed_log WHERE source_id = 2 AND operation IN (1, 3) GROUP BY "
                   "key HAVING count(*) = 2) AS k"),
      "8|1");
  EXPECT_EQ(ledger_.notices(), test::Lines{});
}

// Texts are taken as they would be sent to the client, where that takes UTF-8 (ledger/source_text.h).
TEST_F(TriggerHash, of_rows_together_is_that_of_a_feed_whatever_the_client_takes) {
  ledger_.psql("CREATE TABLE a (id int PRIMARY KEY, v text, n numeric, c char(5))");
  ledger_.add("a", true);
  int rows = 0;
  for (const char* encoding : {"UTF8", "LATIN1", "SQL_ASCII", "SJIS"}) {
    for (const int more : {3, 1001}) {
      ledger_.psql(
          std::string(kOddSession) + "SET client_encoding = '" + encoding +
          "'; INSERT INTO a SELECT g, CASE g % 3 WHEN 0 THEN U&'\\00e4' || g WHEN 1 "
          "THEN '' END, g / 7.0, CASE g % 2 WHEN 0 THEN chr(228) END FROM generate_series(" +
          std::to_string(rows + 1) + ", " + std::to_string(rows + more) + ") AS g");
      rows += more;
    }
  }
  ledger_.drain();
  expect_equal_to_a_feed(rows);
}

// Texts of these types all have one length, which is not asked for.
TEST_F(TriggerHash, of_values_of_fixed_length_knows_those_that_are_null) {
  ledger_.psql(
      "CREATE TABLE a (id uuid PRIMARY KEY, u uuid NOT NULL, b bool NOT NULL, m macaddr NOT NULL, "
      "n "
      "uuid)");
  ledger_.add("a", true);
  const std::string id = "'00000000-0000-0000-0000-00000000000";
  ledger_.psql("INSERT INTO a VALUES (" + id + "1', " + id + "9', false, '08:00:2b:01:02:03', " +
               id + "7')");
  ledger_.psql("ALTER TABLE a ALTER u DROP NOT NULL, ALTER b DROP NOT NULL, ALTER m DROP NOT NULL");
  ledger_.psql("INSERT INTO a VALUES (" + id + "2')");
  ledger_.psql("INSERT INTO a (id, b) VALUES (" + id + "3', true)");
  ledger_.drain();
  expect_equal_to_a_feed(3);
}

}  // namespace
}  // namespace pgtally
