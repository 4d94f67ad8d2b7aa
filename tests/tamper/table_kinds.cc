#include "tamper/kind.h"

namespace pgtally::tamper {
namespace {

Kind truncated(const std::string& table, Way way) {
  return {"TRUNCATE " + table, way, table, "TRUNCATE " + table, {many("missing", table)}, {}, true};
}

// One more row that is the same; the index that forbids it goes first.
Kind doubled(const std::string& table, Way way, const std::string& columns,
             const std::string& condition, Key key) {
  return {"a row of " + table + " that is there twice",
          way,
          table,
          "ALTER TABLE " + table + " DROP CONSTRAINT " + table + "_pkey; INSERT INTO " + table +
              " (" + columns + ") SELECT " + columns + " FROM " + table + " WHERE " + condition,
          {{"duplicate", table, std::move(key)}},
          {},
          true};
}

// The source's newest definition with these replacements, recorded by whoever may define sources.
Kind defined_anew(std::string name, const std::string& source,
                  const std::vector<std::pair<std::string, std::string>>& replacements,
                  std::vector<Expected> expected) {
  std::string text = "convert_from(document, 'UTF8')";
  for (const auto& [pattern, by] : replacements) {
    text = "regexp_replace(" + text + ", '" + pattern + "', '" + by + "')";
  }
  return {std::move(name),
          Way::kSql,
          "",
          "SELECT pgtally.define(source_id, 1, convert_to(" + text +
              ", 'UTF8')) FROM pgtally.source JOIN pgtally.definition USING (source_id) "
              "WHERE name = '" +
              source + "'",
          std::move(expected),
          {},
          true};
}

Kind all_of(std::string name, const std::string& source, Way way, std::string sql) {
  return {std::move(name), way, source, std::move(sql), {many("changed", source)}, {}, true};
}

}  // namespace

std::vector<Kind> table_kinds() {
  return {
      truncated("event", Way::kSql),
      truncated("payment", Way::kReplica),
      truncated("package", Way::kReplica),
      truncated("account", Way::kTriggersOff),
      all_of("every row of a table changed", "payment", Way::kReplica,
             "UPDATE payment SET amount = amount + 1"),
      all_of("a column of fewer digits", "payment", Way::kSql,
             "ALTER TABLE payment DROP COLUMN total; "
             "ALTER TABLE payment ALTER amount TYPE numeric(12,1)"),
      all_of("a time column that lost its zone", "payment", Way::kSql,
             "ALTER TABLE payment ALTER at TYPE timestamp"),
      all_of("a label of an enum renamed", "event", Way::kSql,
             "ALTER TYPE mood RENAME VALUE 'sad' TO 'gloomy'"),
      all_of("a column dropped", "account", Way::kSql, "ALTER TABLE account DROP COLUMN risk"),
      all_of("a column emptied", "package", Way::kReplica, "UPDATE package SET depends = '{}'"),
      {"a table emptied and filled again with one row less",
       Way::kReplica,
       "",
       "CREATE TABLE kept AS SELECT * FROM package WHERE name <> 'package-7'; TRUNCATE package; "
       "INSERT INTO package SELECT * FROM kept; DROP TABLE kept",
       {missing("package", {"package-7", "1.0-1", "arm64"})},
       {},
       true},
      doubled("event", Way::kChecksOff, "id, at, kind, actor, origin, body, raw, weight, note, xid",
              "id = 1200", {"1200"}),
      doubled("payment", Way::kReplica,
              "id, payer, amount, fee, currency, at, day, tags, settled, remark, ratio, internal",
              "id = 1200", {"1200"}),
      doubled("package", Way::kReplica,
              "name, version, architecture, size, sha256, depends, installed, priority, flags",
              "name = 'package-1200'", key_of("package", 1200)),
      doubled("account", Way::kTriggersOff,
              "id, owner, email, balance, created, opened, limits, home, active, risk, code",
              "id = 1200", {"1200"}),
      {"another table under the name of the source",
       Way::kSql,
       "",
       "ALTER TABLE package RENAME TO package_before; "
       "CREATE TABLE package (LIKE package_before INCLUDING ALL); "
       "INSERT INTO package SELECT name, version, architecture, "
       "size + CASE WHEN name = 'package-8' THEN 1 ELSE 0 END, sha256, depends, installed, "
       "priority, "
       "flags FROM package_before",
       {changed("package", {"package-8", "1.1-1", "amd64"})},
       {},
       true},
  };
}

// What comes later is recorded as it would be by a service.
std::vector<Kind> capture_kinds() {
  const auto recorded = [](std::string name, std::string sql, Expected expected) {
    return Kind{.name = std::move(name),
                .sql = std::move(sql),
                .expected = {std::move(expected)},
                .alone = true,
                .then = "SELECT pgtally.process_next_batch(10000)",
                .strict_times = true};
  };
  const std::string in_hole =
      "INSERT INTO payment (id, payer, amount, currency, at, day, tags, settled, ratio) "
      "SELECT 157, payer, amount, currency, now(), day, tags, settled, ratio FROM payment "
      "WHERE id = 1101;";
  const auto sweep_of = [](const std::string& source) {
    return "DO $$ BEGIN WHILE NOT (SELECT done FROM pgtally.sweep_step((SELECT source_id FROM "
           "pgtally.source WHERE name = '" +
           source + "'), 100000)) LOOP END LOOP; END $$";
  };
  return {
      recorded("a row that claims to be of yesterday",
               "SELECT write_events(80000, 80000, now() - interval '1 day')",
               {"late", "event", Key{"80000"}}),
      recorded("a polled row that claims to be of yesterday",
               "SELECT write_payments(80000, 80000, now() - interval '1 day')",
               {"late", "payment", Key{"80000"}}),
      recorded("a tracked row that claims to be of yesterday",
               "SELECT write_accounts(80000, 80000, now() - interval '1 day')",
               {"late", "account", Key{"80000"}}),
      recorded(
          "a row that only sweeps find and that claims to be of last week",
          "SELECT write_packages(80000, 80000, now() - interval '7 days');" + sweep_of("package"),
          {"late", "package", key_of("package", 80000)}),
      recorded("a row that claims to be of tomorrow",
               "SELECT write_events(80001, 80001, now() + interval '1 day')",
               {"late", "event", Key{"80001"}}),
      recorded("a row in a hole, recorded by a sweep", in_hole + sweep_of("payment"),
               {"late", "payment", Key{"157"}}),
      recorded("a row deleted and written again under its key",
               "DELETE FROM event WHERE id = 2000; SELECT write_events(2000, 2000, now())",
               {"duplicate", "event", Key{"2000"}}),
  };
}

// Nothing is forged here, so that all fits but what the source says of itself.
std::vector<Kind> definition_kinds() {
  const std::pair<std::string, std::string> next{R"("number":"0")", R"("number":"1")"};
  return {
      defined_anew(
          "a source defined anew without a column", "payment",
          {next, {R"(\{"name":"fee",[^}]*\},)", ""}, {R"("excluded":\[)", R"("excluded":["fee",)"}},
          {{"narrowed", "payment"}}),
      defined_anew(
          "a source defined anew that takes the application's word", "package",
          {next,
           {R"("columns":\[.*\],"content":"row/v1")", R"("columns":[],"content":"column")"},
           {R"("hash_column":null)", R"("hash_column":"sha256")"},
           {R"("types":\[.*\],"v")", R"("types":[],"v")"}},
          {{"narrowed", "package"}}),
      defined_anew("a source defined anew as it was", "account", {next}, {}),
      defined_anew(
          "a source defined anew that covers a column more", "event",
          {next,
           {R"(\],"content")", R"(,{"name":"note","type":"text","typmod":"-1"}],"content")"},
           {R"("excluded":\["note"\])", R"("excluded":[])"}},
          {}),
  };
}

// Of mode logical. The publication does not have the table while it is changed, so that the server does
// not send the change.
std::vector<Kind> stream_kinds() {
  return {
      {"a streamed row changed",
       Way::kSql,
       "",
       "UPDATE stock SET quantity = quantity + 1 WHERE sku = 'SKU-1000'",
       {changed("stock", {"SKU-1000"})}},
      {"a streamed row deleted",
       Way::kSql,
       "",
       "DELETE FROM stock WHERE sku = 'SKU-1001'",
       {missing("stock", {"SKU-1001"})}},
      {"a row slipped in behind the stream",
       Way::kSql,
       "",
       "SELECT write_stock(90000, 90000)",
       {unrecorded("stock", {"SKU-90000"})}},
      {"a streamed change undone",
       Way::kSql,
       "",
       "UPDATE stock SET quantity = quantity - 1 WHERE sku = 'SKU-500'",
       {changed("stock", {"SKU-500"})}},
      {"a row that the stream deleted put back",
       Way::kSql,
       "",
       "SELECT write_stock(600, 600)",
       {unrecorded("stock", {"SKU-600"})}},
      {"a streamed key changed",
       Way::kSql,
       "",
       "UPDATE stock SET sku = 'sku-1002' WHERE sku = 'SKU-1002'",
       {missing("stock", {"SKU-1002"}), unrecorded("stock", {"sku-1002"})}},
      {"a day for 24 hours",
       Way::kSql,
       "",
       "UPDATE stock SET lead = '1 day' WHERE sku = 'SKU-1003'",
       {changed("stock", {"SKU-1003"})}},
      {"a cent of money",
       Way::kSql,
       "",
       "UPDATE stock SET price = price + 0.01::numeric::money WHERE sku = 'SKU-1004'",
       {changed("stock", {"SKU-1004"})}},
      {"another way to write the same XML",
       Way::kSql,
       "",
       "UPDATE stock SET doc = '<item n=\"1005\"></item>' WHERE sku = 'SKU-1005'",
       {changed("stock", {"SKU-1005"})}},
      {"a bound that is in for one that is out",
       Way::kSql,
       "",
       "UPDATE stock SET span = tstzrange(lower(span), upper(span), '[]') WHERE sku = 'SKU-1006'",
       {changed("stock", {"SKU-1006"})}},
  };
}

}  // namespace pgtally::tamper
