// Keys and hashes that triggers make in the application's session, held against those of a feed.
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

struct TypeCase {
  const char* name;
  const char* type;
  const char* values;  // expressions, as INSERT … SELECT unnest(ARRAY[…]) takes them
};
void PrintTo(const TypeCase& type, std::ostream* out) {
  *out << type.type;
}

class TriggerHash : public testing::TestWithParam<TypeCase> {};
INSTANTIATE_TEST_SUITE_P(
    of, TriggerHash,
    testing::Values(
        TypeCase{"boolean", "boolean", "(true), (false)"},
        TypeCase{"smallint", "smallint", "(-32768), (32767)"},
        TypeCase{"bigint", "bigint", "(-9223372036854775808), (0)"},
        TypeCase{"numeric", "numeric", "(1.50), (-0.00), ('NaN'), ('Infinity'), (1e100)"},
        TypeCase{"numeric_of_a_scale", "numeric(10,3)", "(1.5), (-7)"},
        TypeCase{"real", "real", "(0.1), ('NaN'), ('-Infinity')"},
        TypeCase{"float", "double precision", "(0.1), (1/3.0), (5e-324)"},
        TypeCase{"money", "money", "('12.34'::money)"},
        TypeCase{"text", "text",
                 "(''), ('ä€😀'), (E'tab\\tnewline\\n\\\\x00'), (repeat('x', 100000))"},
        TypeCase{"varchar", "varchar(9)", "(''), ('a  ')"},
        TypeCase{"char_with_its_blanks", "char(5)", "(''), ('ab')"},
        TypeCase{"bytea", "bytea", "(''), ('\\x00ff'), ('\\x5c')"},
        TypeCase{"timestamptz", "timestamptz",
                 "('2024-02-29 12:00:00.123456+05'), ('infinity'), ('4713-01-01 BC')"},
        TypeCase{"timestamp", "timestamp", "('2024-02-29 12:00:00'), ('-infinity')"},
        TypeCase{"date", "date", "('2024-02-29'), ('infinity'), ('0001-01-01 BC')"},
        TypeCase{"time", "time", "('24:00:00'), ('01:02:03.5')"},
        TypeCase{"timetz", "timetz", "('01:02:03+05:30')"},
        TypeCase{"interval", "interval", "('1 mon -2 days 03:04:05.6'), ('0')"},
        TypeCase{"uuid", "uuid", "('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11')"},
        TypeCase{"inet", "inet", "('10.0.0.1'), ('10.0.0.1/24'), ('::1/128')"},
        TypeCase{"cidr", "cidr", "('10.0.0.0/8')"},
        TypeCase{"macaddr", "macaddr", "('08:00:2B:01:02:03')"},
        TypeCase{"json", "json", "('{ \"a\" : 1.0 }'), ('null')"},
        TypeCase{"jsonb", "jsonb", "('{ \"b\" : 1.0, \"a\": null }')"},
        TypeCase{"bits", "bit(4)", "('1010')"}, TypeCase{"varbits", "varbit", "(''), ('101')"},
        TypeCase{"arrays_of_numbers", "float8[]", "('{0.1,NaN}')"},
        TypeCase{"arrays_of_times", "timestamptz[]", "('{2024-02-29 12:00:00+05}')"},
        TypeCase{"ranges", "tstzrange", "('empty'), ('[2024-01-01,2024-01-02)')"},
        TypeCase{"multiranges", "int4multirange", "('{[1,5)}')"},
        TypeCase{"points", "point", "('(0.1,-2)')"}, TypeCase{"lsn", "pg_lsn", "('16/B374D848')"},
        TypeCase{"tsvector", "tsvector", "('a:1 b:2A')"},
        TypeCase{"enum", "mood", "('so so'), ('happy')"},
        TypeCase{"domain", "moment", "('2024-02-29 12:00')"},
        TypeCase{"composite", "pair", "(ROW(0.1, 'a')), (ROW(NULL, NULL)), (ROW(1, 'a,\"b'))"},
        TypeCase{"xml", "xml", "('<a>b</a>'::xml)"}, TypeCase{"name", "name", "('abc')"}),
    [](const auto& param) { return std::string(param.param.name); });

// By the statement trigger for the inserts, and by the row trigger for the updates.
TEST_P(TriggerHash, in_any_session_is_that_of_a_feed) {
  const TriggerLedger ledger;
  ledger.psql(
      "CREATE TYPE mood AS ENUM ('so so', 'happy'); CREATE DOMAIN moment AS timestamptz;"
      "CREATE TYPE pair AS (number float8, text text)");
  const std::string type = GetParam().type;
  ledger.psql("CREATE TABLE given (id bigserial PRIMARY KEY, v " + type + ")");
  ledger.psql(std::string("INSERT INTO given (v) VALUES ") + GetParam().values + ", (NULL)");
  ledger.psql("CREATE TABLE a (id bigint PRIMARY KEY, \"Z\" int DEFAULT 1, v " + type +
              ", ä text)");
  ledger.add("a", true);
  ledger.psql(std::string(kOddSession) +
              "INSERT INTO a SELECT id, nullif(id, 2), v, 'q' FROM given");
  ledger.psql(std::string(kOddSession) + "UPDATE a SET v = v");
  ledger.add_source("p", "a", {"id"}, [](SourceRequest& request) {
    request.mode = "poll";
    request.blind = false;
  });
  ledger.drain();
  ledger.drain();
  EXPECT_EQ(ledger.psql("SELECT count(*) FROM pgtally.missed"), "0");
  EXPECT_EQ(
      ledger.psql("SELECT string_agg(DISTINCT n || ' entries, ' || hashes || ' hashes', ';') FROM "
                  "(SELECT key, count(*) AS n, count(DISTINCT content_hash) AS hashes FROM "
                  "pgtally.processed_log WHERE source_id >= 2 AND operation IN (1, 2) GROUP "
                  "BY key) AS k"),
      "3 entries, 1 hashes");
}

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
