// What values of all types are hashed as, by whatever way they come, in databases and sessions with odd
// settings; held against tests/vectors, which never change.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "database/capture/logical_test.h"
#include "format/row_encoder.h"
#include "postgres/copy.h"
#include "postgres/copy_text.h"
#include "postgres/quote.h"
#include "support/format_vectors.h"

namespace pgtally {
namespace {

using test::LogicalLedger;
using test::must;

using test::VectorRecord;

std::string vector_file(const std::string& name) {
  return test::read_file(std::string(PGTALLY_VECTORS) + "/" + name);
}
std::string identifier(const std::string& name) {
  return must(pg::quote_identifier(name));
}

// Hashes by key. Keys are those of a column "#": the number of the vector in its file.
using Hashes = std::map<std::string, std::string>;

// All that an output function may look at, and more, for every session of the database that does not
// know better.
constexpr const char* kOddSettings = R"sql(
DO $do$
DECLARE
  setting text;
  odd_locale text := 'C.UTF-8';
BEGIN
  BEGIN
    PERFORM set_config('lc_monetary', 'de_DE.UTF-8', true);
    odd_locale := 'de_DE.UTF-8';
  EXCEPTION WHEN invalid_parameter_value THEN
    NULL;  -- not everywhere
  END;
  FOREACH setting IN ARRAY ARRAY[
    'datestyle = ''German, DMY''', 'timezone = ''Asia/Kolkata''', 'intervalstyle = ''iso_8601''',
    'extra_float_digits = -5', 'bytea_output = ''escape''', 'search_path = golden, public',
    'quote_all_identifiers = on', 'standard_conforming_strings = off', 'client_encoding = LATIN1',
    'escape_string_warning = off', 'xmloption = document', 'xmlbinary = hex', 'array_nulls = off',
    'transform_null_equals = on', format('lc_monetary = %L', odd_locale),
    format('lc_numeric = %L', odd_locale), format('lc_time = %L', odd_locale)]
  LOOP
    EXECUTE format('ALTER DATABASE %I SET %s', current_database(), setting);
  END LOOP;
END $do$)sql";

class GoldenLedger : public LogicalLedger {
 public:
  void set_odd_settings() const { psql(kOddSettings); }

  [[nodiscard]] Hashes in_log(const std::string& source, int operation) const {
    Hashes hashes;
    for (const std::string& line : test::lines(psql(
             "SELECT convert_from(substr(key, 3), 'UTF8') || ' ' || encode(content_hash, 'hex') "
             "FROM pgtally.processed_log JOIN pgtally.source USING (source_id) WHERE name = '" +
             source + "' AND operation = " + std::to_string(operation)))) {
      hashes[line.substr(0, line.find(' '))] = line.substr(line.find(' ') + 1);
    }
    return hashes;
  }

  // From the table as it is now, by what the wire gives.
  [[nodiscard]] Hashes by_encoder(const std::string& source) const {
    auto connection = connect();
    const Ledger ledger = must(Ledger::open(connection, schema()));
    const auto definition = must(read_definition(ledger, must(find_source(ledger, source)).id));
    std::vector<std::string> columns{"#"};
    std::string list = identifier("#");
    for (const auto& column : definition.columns) {
      columns.push_back(column.name);
      list += ", " + identifier(column.name);
    }
    const auto encoder = must(RowEncoder::make(definition, columns));
    auto copy = must(pg::CopyOut::start(
        connection, "COPY (SELECT " + list + " FROM ONLY " + definition.relation + ") TO STDOUT"));
    Hashes hashes;
    pg::CopyLine line;
    while (must(copy.next())) {
      must(line.parse(copy.line()));
      const auto row = must(encoder.encode(line.values()));
      hashes[std::string(*line.values()[0])] = to_hex(row.content.view());
    }
    return hashes;
  }
};

// One vector for each record of types/values.txt.
class GoldenValues : public GoldenLedger {
 public:
  GoldenValues() : vectors_(test::vectors_of(vector_file("types/values.txt"))) {
    psql(vector_file("types/types.sql"));
    std::string columns;
    for (const std::string& type : types()) columns += ", " + identifier(type) + " " + type;
    for (const char* table : {"given", "streamed"}) {
      psql("CREATE TABLE public." + std::string(table) + " (\"#\" int PRIMARY KEY" + columns + ")");
    }
    std::string rows;
    for (std::size_t n = 0; n < vectors_.size(); ++n) {
      rows += "INSERT INTO public.given (\"#\", " + identifier(vectors_[n].word("type")) +
              ") VALUES (" + std::to_string(n) + ", " + vectors_[n].word("value") + ");";
    }
    psql(rows);
  }

  [[nodiscard]] const std::vector<VectorRecord>& vectors() const { return vectors_; }
  [[nodiscard]] std::set<std::string> types() const {
    std::set<std::string> types;
    for (const auto& vector : vectors_) types.insert(vector.word("type"));
    return types;
  }
  // By the number of the vector; with a type, only its own.
  [[nodiscard]] Hashes golden(const std::string& type = "") const {
    Hashes hashes;
    for (std::size_t n = 0; n < vectors_.size(); ++n) {
      if (!type.empty() && vectors_[n].word("type") != type) continue;
      hashes[std::to_string(n)] = vectors_[n].word("hash");
    }
    return hashes;
  }
  // What stands for the vector in an error.
  void expect_golden(const Hashes& hashes, const std::string& way,
                     const std::string& type = "") const {
    const Hashes expected = golden(type);
    EXPECT_EQ(hashes.size(), expected.size()) << way << " " << type;
    for (const auto& [number, hash] : hashes) {
      const auto& vector = vectors_.at(std::stoul(number));
      EXPECT_EQ(hash, vector.word("hash"))
          << way << ": " << vector.word("type") << " " << vector.word("value");
    }
  }

 private:
  std::vector<VectorRecord> vectors_;
};

std::function<void(SourceRequest&)> covering(std::vector<std::string> columns,
                                             const std::string& mode) {
  return [columns = std::move(columns), mode](SourceRequest& request) {
    request.columns = columns;
    request.mode = mode;
    request.blind = false;
    request.track_changes = mode == "trigger";
  };
}

TEST(GoldenValues, have_these_texts_on_this_server) {
  const GoldenValues ledger;
  ledger.set_odd_settings();
  auto connection = ledger.connect();
  must(Ledger::open(connection, "pgtally"));
  auto heedless = ledger.connect();  // the settings are so odd that it reads other texts
  int others = 0;
  for (std::size_t n = 0; n < ledger.vectors().size(); ++n) {
    const auto& vector = ledger.vectors()[n];
    const std::string query = "SELECT " + identifier(vector.word("type")) +
                              " FROM public.given WHERE \"#\" = " + std::to_string(n);
    const auto read = [&](pg::Connection& by) {
      return must(must(by.query_text(query)).get<std::optional<std::string>>(0, 0));
    };
    std::optional<std::string> text;
    if (vector.has("text")) text = vector.text("text");
    EXPECT_EQ(read(connection), text) << vector.word("value");
    if (read(heedless) != text) ++others;
  }
  EXPECT_GT(others, 30);
}

TEST(GoldenValues, are_hashed_so_by_feeds_and_by_what_the_wire_gives) {
  const GoldenValues ledger;
  const auto types = ledger.types();
  ledger.add_source("given", "public.given", {"#"}, covering({types.begin(), types.end()}, "poll"));
  ledger.set_odd_settings();
  ledger.drain();
  ledger.sweep("given");
  ledger.expect_golden(ledger.in_log("given", 1), "feed");
  ledger.expect_golden(ledger.by_encoder("given"), "encoder");
}

// Each type alone in its table, so that a trigger has no settings but those that its type needs; with
// values out of line that are not compressed.
TEST(GoldenValues, are_hashed_so_by_triggers) {
  const GoldenValues ledger;
  const auto types = ledger.types();
  int number = 0;
  std::string script;
  for (const std::string& type : types) {
    const std::string table = "t" + std::to_string(++number);
    ledger.psql("CREATE TABLE public." + table + " (\"#\" int PRIMARY KEY, " + identifier(type) +
                " " + type + ")");
    if (type == "text" || type == "bytea" || type == "jsonb") {
      ledger.psql("ALTER TABLE public." + table + " ALTER " + identifier(type) +
                  " SET STORAGE EXTERNAL");
    }
    ledger.add_source(table, "public." + table, {"#"}, covering({type}, "trigger"));
    std::string numbers;
    for (const auto& [n, hash] : ledger.golden(type)) numbers += (numbers.empty() ? "" : ",") + n;
    script += "INSERT INTO public." + table + " SELECT \"#\", " + identifier(type) +
              " FROM public.given WHERE \"#\" IN (" + numbers + ");" + "UPDATE public." + table +
              " SET \"#\" = \"#\";";
  }
  ledger.set_odd_settings();
  ledger.psql(script);
  ledger.drain();
  EXPECT_EQ(ledger.psql("SELECT count(*) FROM pgtally.missed"), "0");
  number = 0;
  for (const std::string& type : types) {
    const std::string table = "t" + std::to_string(++number);
    ledger.expect_golden(ledger.in_log(table, 1), "insert trigger", type);
    ledger.expect_golden(ledger.in_log(table, 2), "update trigger", type);
  }
}

TEST(GoldenValues, are_hashed_so_by_replication) {
  GoldenValues ledger;
  ledger.psql("ALTER TABLE public.streamed REPLICA IDENTITY FULL");
  const auto types = ledger.types();
  ledger.add("streamed", "public.streamed", {"#"},
             covering({types.begin(), types.end()}, "logical"));
  ledger.set_odd_settings();
  ledger.psql("INSERT INTO public.streamed SELECT * FROM public.given");
  ledger.psql("UPDATE public.streamed SET \"#\" = \"#\"");
  ledger.read_all();
  ledger.expect_golden(ledger.in_log("streamed", 1), "insert");
  ledger.expect_golden(ledger.in_log("streamed", 2), "update");
}

TEST(GoldenValues, are_there_for_every_built_in_type_that_has_values_and_is_not_refused) {
  GoldenValues ledger;
  std::string with_vectors;
  for (const std::string& type : ledger.types()) {
    with_vectors += (with_vectors.empty() ? "'" : ", '") + type + "'::regtype";
  }
  // Of the last ones there are no values but in the server's own statistics and indexes.
  const auto others = test::lines(ledger.psql(
      "SELECT format_type(oid, NULL) FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace "
      "AND typtype IN ('b', 'r', 'm') AND (typcategory <> 'A' OR typelem = 0) AND oid NOT IN (" +
      with_vectors +
      ") AND typname !~ '^(pg_brin_.*|pg_ndistinct|pg_dependencies|pg_mcv_list|gtsvector)$'"));
  EXPECT_FALSE(others.empty());
  for (const std::string& type : others) {
    ledger.psql("CREATE TABLE refused (id int PRIMARY KEY, v " + type + ")");
    EXPECT_FALSE(ledger.try_add_source("refused", "refused", {"id"}, covering({"v"}, "poll")).ok())
        << type;
    ledger.psql("DROP TABLE refused");
  }
}

// The rows of format/rows.txt whose columns a table can have.
TEST(GoldenRows, of_columns_with_any_names_are_hashed_so_by_every_way) {
  GoldenLedger ledger;
  const auto vectors = test::format_vectors("rows.txt");
  std::map<std::string, Hashes> expected;  // by table
  for (const auto& vector : vectors) {
    std::vector<std::string> names;
    std::string columns;
    std::string values;
    bool possible = true;
    for (const auto& [field, value] : vector.fields) {
      if (field != "column" && field != "null") continue;
      const std::size_t space = value.find(' ');
      names.push_back(test::text_of_hex(value.substr(0, space)));
      if (names.back().size() > 63) possible = false;
      if (!possible) break;
      columns += ", " + identifier(names.back()) + " text";
      const std::string text =
          space == std::string::npos ? "" : test::text_of_hex(value.substr(space + 1));
      values += field == "null" ? ", NULL"
                                : ", convert_from('\\x" + to_hex(as_bytes(text)) + "', 'UTF8')";
    }
    if (names.empty() || !possible) continue;
    const std::string table = "r" + std::to_string(expected.size());
    ledger.psql("CREATE TABLE " + table + " (\"#\" int PRIMARY KEY" + columns + ")");
    ledger.psql("ALTER TABLE " + table + " REPLICA IDENTITY FULL");
    ledger.add_source("trigger." + table, table, {"#"}, covering(names, "trigger"));
    ledger.add_source("poll." + table, table, {"#"}, covering(names, "poll"));
    ledger.add("logical." + table, table, {"#"}, covering(names, "logical"));
    ledger.psql("INSERT INTO " + table + " VALUES (7" + values + ")");
    expected[table] = {{"7", vector.word("hash")}};
  }
  EXPECT_GE(expected.size(), 7U);
  ledger.read_all();
  for (const auto& [table, hashes] : expected) {
    for (const char* mode : {"trigger.", "poll.", "logical."}) {
      EXPECT_EQ(ledger.in_log(mode + table, 1), hashes) << mode << table;
    }
    EXPECT_EQ(ledger.by_encoder("poll." + table), hashes) << table;
  }
}

}  // namespace
}  // namespace pgtally
