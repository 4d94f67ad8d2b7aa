// Keys and row hashes that the generated SQL makes, held against the C++ and the texts on the wire.
#include "pgtally/content.h"

#include <gtest/gtest.h>

#include "base/encoding.h"
#include "crypto/sha256.h"
#include "pgtally/key.h"
#include "support/test_ledger.h"

namespace pgtally {
namespace {

using test::must;
using test::TestSchema;

// H of each row, from the texts that the server sends: what every other capture mode hashes.
std::vector<std::string> hashes_from_the_wire(const TestSchema& schema, const std::string& query) {
  auto connection = schema.connect();
  must(Ledger::open(connection, "pgtally"));  // pins the settings that texts depend on
  const pg::Rows rows = must(connection.query_text(query));
  std::vector<std::string> hashes;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    std::vector<RowColumnView> columns;
    for (std::size_t c = 0; c < rows.columns(); ++c) {
      columns.push_back({rows.name(c), must(rows.get<std::optional<std::string_view>>(r, c))});
    }
    hashes.push_back(to_hex(sha256(must(encode_row(columns))).view()));
  }
  return hashes;
}

std::vector<std::string> recorded(const TestSchema& schema, const std::string& source) {
  return test::lines(
      schema.psql("SELECT encode(content_hash, 'hex') FROM pgtally.processed_log JOIN "
                  "pgtally.source USING (source_id) WHERE name = '" +
                  source + "' AND operation = 1 ORDER BY source_position::bigint"));
}

struct TypeCase {
  const char* name;
  const char* type;
  const char* values;  // as VALUES takes them
};
void PrintTo(const TypeCase& type, std::ostream* out) {
  *out << type.type;
}

class RowHash : public testing::TestWithParam<TypeCase> {};
INSTANTIATE_TEST_SUITE_P(
    of, RowHash,
    testing::Values(
        TypeCase{"boolean", "boolean", "(true), (false)"},
        TypeCase{"integers", "smallint", "(-32768), (0), (32767)"},
        TypeCase{"numeric", "numeric", "(1.50), (-0.00), ('NaN'), ('Infinity'), (1e100), (1e-50)"},
        TypeCase{"numeric_of_a_scale", "numeric(10,3)", "(1.5), (0), (-7)"},
        TypeCase{"real", "real", "(0.1), ('NaN'), ('-Infinity'), (1e30), (-0.0)"},
        TypeCase{"float", "double precision", "(0.1), (1/3.0), ('NaN'), ('Infinity'), (5e-324)"},
        TypeCase{"money", "money", "('12.34'::money), ('-1234567.89'::money)"},
        TypeCase{"text", "text",
                 "(''), ('a'), ('ä€😀'), (E'tab\\tnewline\\n'), (repeat('x', 100000))"},
        TypeCase{"varchar", "varchar(9)", "(''), ('a  ')"},
        TypeCase{"char_with_its_blanks", "char(5)", "(''), ('ab'), ('abcde')"},
        TypeCase{"bytea", "bytea", "(''), ('\\x00ff'), ('\\x5c')"},
        TypeCase{
            "timestamptz", "timestamptz",
            "('2024-02-29 12:00:00.123456+05'), ('infinity'), ('-infinity'), ('4713-01-01 BC')"},
        TypeCase{"timestamp", "timestamp", "('2024-02-29 12:00:00'), ('infinity')"},
        TypeCase{"date", "date", "('2024-02-29'), ('infinity'), ('0001-01-01 BC')"},
        TypeCase{"time", "time", "('24:00:00'), ('01:02:03.5')"},
        TypeCase{"timetz", "timetz", "('01:02:03+05:30')"},
        TypeCase{"interval", "interval", "('1 mon -2 days 03:04:05.6'), ('-1 year'), ('0')"},
        TypeCase{"uuid", "uuid", "('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11')"},
        TypeCase{"inet", "inet", "('10.0.0.1'), ('10.0.0.1/24'), ('::1/128')"},
        TypeCase{"cidr", "cidr", "('10.0.0.0/8'), ('10.0.0.1/32')"},
        TypeCase{"macaddr", "macaddr", "('08:00:2B:01:02:03')"},
        TypeCase{"json", "json", "('{ \"a\" : 1.0 }'), ('null')"},
        TypeCase{"jsonb", "jsonb", "('{ \"b\" : 1.0, \"a\": null }'), ('null')"},
        TypeCase{"bits", "bit(4)", "('1010'), ('0000')"},
        TypeCase{"varbits", "varbit", "(''), ('10101')"},
        TypeCase{"arrays", "text[]",
                 "('{}'), ('{a,NULL,\"b c\",\"\\\"\"}'), ('[2:3]={x,y}'), ('{{a},{b}}')"},
        TypeCase{"arrays_of_numbers", "float8[]", "('{0.1,NaN,NULL}')"},
        TypeCase{"ranges", "int4range", "('empty'), ('[1,5)'), ('(,)'), ('[1,1]')"},
        TypeCase{"multiranges", "tstzmultirange", "('{[2024-01-01,2024-01-02)}'), ('{}')"},
        TypeCase{"points", "point", "('(0.1,-2)')"},
        TypeCase{"tsvector", "tsvector", "('a:1 b:2A')"},
        TypeCase{"enum", "mood", "('so so'), ('happy')"},
        TypeCase{"domain", "positive", "(1), (70000)"},
        TypeCase{"composite", "pair",
                 "(ROW(1, 'a')), (ROW(NULL, NULL)), (ROW(NULL, '')), (ROW(1, 'a,\"b'))"},
        TypeCase{"arrays_of_composites", "pair[]", "(ARRAY[ROW(1, NULL)::pair, NULL])"},
        TypeCase{"xml", "xml", "('<a>b</a>'::xml)"},
        TypeCase{"name", "name", "('abc'), ('Ünicode')"}),
    [](const auto& param) { return std::string(param.param.name); });

TEST_P(RowHash, from_sql_is_that_of_the_text_on_the_wire) {
  const TestSchema schema;
  schema.psql(
      "CREATE TYPE mood AS ENUM ('so so', 'happy'); CREATE DOMAIN positive AS integer CHECK (value "
      "> 0);"
      "CREATE TYPE pair AS (number integer, text text)");
  schema.psql(std::string("CREATE TABLE t (id bigserial PRIMARY KEY, \"Z\" int DEFAULT 1, v ") +
              GetParam().type + ", ä text)");
  schema.psql(std::string("INSERT INTO t (v) VALUES ") + GetParam().values);
  schema.psql("INSERT INTO t (v, ä, \"Z\") VALUES (NULL, 'x', NULL)");
  schema.add_source("t", "public.t", {"id"}, [](SourceRequest& r) { r.blind = false; });
  EXPECT_GE(schema.drain(), 2);
  EXPECT_EQ(recorded(schema, "t"),
            hashes_from_the_wire(schema, "SELECT * FROM public.t ORDER BY id"));
}

// Whatever the session that calls it has set.
TEST(RowHash, does_not_depend_on_the_settings_of_who_sequences) {
  const TestSchema schema;
  schema.psql(
      "CREATE TABLE t (id int PRIMARY KEY, a timestamptz, b interval, c float8, d bytea, e money)");
  schema.add_source("t", "public.t", {"id"}, [](SourceRequest& r) { r.blind = false; });
  schema.psql(
      "INSERT INTO t VALUES (1, '2024-02-29 12:00+05', '1 day 02:00', 0.1, '\\xff00', '5.5')");
  schema.psql(
      "SET datestyle = 'German'; SET timezone = 'Asia/Kolkata'; SET intervalstyle = 'iso_8601';"
      "SET extra_float_digits = -5; SET bytea_output = 'escape'; SET search_path = public;"
      "SET quote_all_identifiers = on; SET standard_conforming_strings = off; SET "
      "escape_string_warning = off;"
      "SET default_transaction_read_only = off; SET client_encoding = 'LATIN1';"
      "SELECT pgtally.process_next_batch()");
  EXPECT_EQ(recorded(schema, "t"), hashes_from_the_wire(schema, "SELECT * FROM public.t"));
}

TEST(RowHash, leaves_out_generated_excluded_and_unnamed_columns) {
  const TestSchema schema;
  schema.psql(
      "CREATE TABLE t (id int PRIMARY KEY, a text, b text, c text GENERATED ALWAYS AS (a || b) "
      "STORED,"
      " d regclass, e \"char\", f aclitem)");
  const auto refused = schema.try_add_source("t", "public.t", {"id"});
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().hint.find("--exclude"), std::string::npos);
  schema.add_source("some", "public.t", {"id"}, [](SourceRequest& r) {
    r.blind = false;
    r.columns = {"b", "id"};
  });
  schema.add_source("rest", "public.t", {"id"}, [](SourceRequest& r) {
    r.blind = false;
    r.exclude = {"d", "e", "f"};
  });
  schema.psql("INSERT INTO t VALUES (1, 'x', 'y', DEFAULT, 't', 'e')");
  schema.drain();
  EXPECT_EQ(recorded(schema, "some"), hashes_from_the_wire(schema, "SELECT id, b FROM public.t"));
  EXPECT_EQ(recorded(schema, "rest"),
            hashes_from_the_wire(schema, "SELECT id, a, b FROM public.t"));
}

class KeyBytes : public testing::Test {
 protected:
  void expect(const TestSchema& schema, const std::string& source,
              const std::vector<std::vector<std::string>>& keys) {
    std::vector<std::string> expected;
    for (const auto& key : keys) expected.push_back(to_hex(must(encode_key(key))));
    EXPECT_EQ(test::lines(schema.psql("SELECT encode(key, 'hex') FROM pgtally.processed_log JOIN "
                                      "pgtally.source USING (source_id) WHERE name = '" +
                                      source + "' AND operation = 1 ORDER BY ordinal")),
              expected);
  }
};

TEST_F(KeyBytes, of_every_length_are_those_of_the_entry_format) {
  const TestSchema schema;
  schema.psql(
      "CREATE TABLE t (n int PRIMARY KEY, a text NOT NULL, b text NOT NULL);"
      "CREATE UNIQUE INDEX ON t (n, a, b) WHERE false");
  // Long texts do not fit into an index row unless they compress.
  schema.psql("CREATE TABLE k (a text, b text, PRIMARY KEY (a, b))");
  schema.add_source("k", "public.k", {"a", "b"});
  std::vector<std::vector<std::string>> keys;
  const std::vector<std::size_t> lengths{0,    1,    255,   1019,  1020,  1021,
                                         1022, 1023, 65534, 65535, 65536, 70000};
  for (const std::size_t length : lengths) keys.push_back({std::string(length, 'a'), "b"});
  for (const std::size_t length : lengths) keys.push_back({"x", std::string(length, 'y')});
  keys.push_back({"ä", "€"});
  for (const auto& key : keys) {
    schema.psql("INSERT INTO k VALUES ('" + key[0] + "', '" + key[1] + "')");
  }
  schema.sweep("k", 5);
  std::sort(keys.begin(), keys.end());
  EXPECT_EQ(
      schema.psql(
          "SELECT count(*), count(DISTINCT key) FROM pgtally.processed_log WHERE source_id = 2 "
          "AND operation = 1"),
      "25|25");
  for (const auto& key : keys) {
    EXPECT_EQ(schema.psql("SELECT count(*) FROM pgtally.processed_log WHERE key = '\\x" +
                          to_hex(must(encode_key(key))) + "'"),
              "1")
        << key[0].size() << " " << key[1].size();
  }
  // A second sweep knows them all, the hashed ones too.
  schema.sweep("k");
  EXPECT_EQ(schema.psql("SELECT count(*) FROM pgtally.processed_log WHERE source_id = 2"), "26");
}

TEST_F(KeyBytes, are_made_of_the_output_texts_of_the_columns) {
  const TestSchema schema;
  schema.psql(
      "CREATE TYPE mood AS ENUM ('so so', 'happy');"
      "CREATE TABLE k (a mood, b char(3), c numeric(6,2), d timestamptz, e boolean, f bytea, g "
      "date,"
      " PRIMARY KEY (b, a, c, d, e, f, g))");
  schema.add_source("k", "public.k", {"a", "b", "c", "d", "e", "f", "g"});
  schema.psql(
      "INSERT INTO k VALUES ('happy', 'x', 1.5, '2024-01-01 00:00+01', true, '\\xff', "
      "'2024-02-29')");
  schema.sweep("k");
  expect(schema, "k",
         {{"happy", "x  ", "1.50", "2023-12-31 23:00:00+00", "t", "\\xff", "2024-02-29"}});
}

TEST_F(KeyBytes, of_integers_and_uuids_need_no_hashing) {
  const TestSchema schema;
  schema.psql("CREATE TABLE k (a uuid, b bigint, c inet, PRIMARY KEY (a, b, c))");
  schema.add_source("k", "public.k", {"c", "a", "b"});
  schema.psql(
      "INSERT INTO k VALUES ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', -9223372036854775808, "
      "'10.0.0.1')");
  schema.sweep("k");
  expect(schema, "k",
         {{"10.0.0.1", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "-9223372036854775808"}});
}

}  // namespace
}  // namespace pgtally
