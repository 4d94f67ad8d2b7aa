// Keys that triggers make in the application's session, held against those of a feed. Their hashes are
// held against vectors in golden_test.cc.
#include <gtest/gtest.h>

#include "database/capture/trigger_source.h"

namespace pgtally {
namespace {

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

}  // namespace
}  // namespace pgtally
