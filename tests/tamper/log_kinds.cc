#include "tamper/kind.h"

namespace pgtally::tamper {
namespace {

const EntryName kPayment{"payment", {"7000"}};
const EntryName kOther{"payment", {"7001"}};

// Rows of the ledger's tables are refused to everybody by triggers; so these go first.
Kind edit(std::string name, const std::string& table, std::string sql,
          std::vector<Expected> expected, std::vector<EntryName> entries = {}) {
  return {std::move(name),
          Way::kTriggersOff,
          "pgtally." + table,
          std::move(sql),
          std::move(expected),
          std::move(entries),
          true};
}

Expected bad_entry(int entry = 0, const std::string& source = "payment",
                   std::optional<Key> key = Key{"7000"}) {
  return {"log", source, std::move(key), entry};
}
// About the log as a whole, or a part of it.
Expected bad_log() {
  return {"log", "", std::nullopt};
}

// One column of the entry of payment 7000.
Kind entry(const std::string& column, const std::string& value, const std::string& name = "") {
  return edit(name.empty() ? "processed_log." + column : name, "processed_log",
              "UPDATE pgtally.processed_log SET " + column + " = " + value + " WHERE id = @0@",
              {bad_entry()}, {kPayment});
}

const std::string kOneBit = "set_bit(content_hash, 9, 1 - get_bit(content_hash, 9))";

std::vector<Kind> entries() {
  return {
      entry("content_hash", kOneBit),
      entry("key", "'\\x0003313535'"),
      entry("key", "'\\x000437303031'", "processed_log.key of another row"),
      entry("key", "'\\x00'", "processed_log.key that is none"),
      entry("ordinal", "ordinal + 1"),
      entry("operation", "3"),
      entry("operation", "9", "processed_log.operation that there is not"),
      entry("definition", "7"),
      entry("source_id", "(SELECT source_id FROM pgtally.source WHERE name = 'event')"),
      entry("source_id", "99", "processed_log.source_id that there is not"),
      entry("source_position", "'0'"),
      entry("source_time", "source_time + interval '1 us'"),
      entry("source_time", "NULL", "processed_log.source_time taken away"),
      entry("sequenced_at", "sequenced_at - interval '1 day'"),
      entry("sequenced_at", "sequenced_at + interval '1 us'", "processed_log.sequenced_at, a bit"),
      edit("contents of two entries swapped", "processed_log",
           "UPDATE pgtally.processed_log AS a SET content_hash = b.content_hash "
           "FROM pgtally.processed_log AS b WHERE (a.id, b.id) IN ((@0@, @1@), (@1@, @0@))",
           {bad_entry(0), bad_entry(1, "payment", Key{"7001"})}, {kPayment, kOther}),
      edit("two entries swapped", "processed_log",
           "UPDATE pgtally.processed_log SET id = -1 WHERE id = @0@;"
           "UPDATE pgtally.processed_log SET id = @0@ WHERE id = @1@;"
           "UPDATE pgtally.processed_log SET id = @1@ WHERE id = -1",
           {bad_entry(0, "payment", std::nullopt), bad_entry(1, "payment", std::nullopt)},
           {kPayment, kOther}),
      edit("an entry deleted", "processed_log", "DELETE FROM pgtally.processed_log WHERE id = @0@",
           {bad_entry()}, {kPayment}),
      edit("the last entries deleted", "processed_log",
           "DELETE FROM pgtally.processed_log WHERE id > (SELECT max(id) - 3 FROM "
           "pgtally.processed_log)",
           {bad_log()}),
      edit("processed_log emptied", "processed_log", "TRUNCATE pgtally.processed_log",
           {many("log", "*")}),
      edit(
          "the data of a define entry", "processed_log",
          "UPDATE pgtally.processed_log SET data = overlay(data PLACING 'x' FROM 5) WHERE id = @0@",
          {bad_entry(0, "payment", std::nullopt)}, {{"payment", {}}}),
      edit("a define entry and its document", "processed_log",
           "UPDATE pgtally.processed_log SET data = replace(convert_from(data, 'UTF8'), "
           "'\"name\":\"payer\"', '\"name\":\"prayer\"')::bytea WHERE id = @0@;"
           "UPDATE pgtally.processed_log SET content_hash = sha256(data) WHERE id = @0@",
           {bad_entry(0, "payment", std::nullopt)}, {{"payment", {}}}),
      // A forged entry at the end, with numbers that fit.
      {"an entry for a row that there never was",
       Way::kSql,
       "",
       "INSERT INTO pgtally.processed_log SELECT h.next_id, s.source_id, 0, "
       "h.next_ordinals[s.source_id + 1], 1, '\\x00053938373635', '98765', now(), sha256('x'), "
       "NULL, "
       "h.sequenced_at FROM pgtally.source AS s, (SELECT * FROM pgtally.log_head ORDER BY head_id "
       "DESC LIMIT 1) AS h WHERE s.name = 'payment'",
       {missing("payment", {"98765"})},
       {},
       true},
      // No full tile has this one.
      edit("one of the last entries", "processed_log",
           "UPDATE pgtally.processed_log SET content_hash = " + kOneBit +
               " WHERE id = (SELECT max(id) FROM pgtally.processed_log)",
           {{"log", "stock", std::nullopt}}),
      edit("the last entry but one, dated forth", "processed_log",
           "UPDATE pgtally.processed_log SET sequenced_at = sequenced_at + interval '1 min' WHERE "
           "id = "
           "(SELECT max(id) - 1 FROM pgtally.processed_log)",
           {{"log", "stock", std::nullopt}}),
      edit("two of the last entries, dated back", "processed_log",
           "UPDATE pgtally.processed_log SET sequenced_at = sequenced_at - interval '1 day' WHERE "
           "id "
           "IN (SELECT max(id) - n FROM pgtally.processed_log, generate_series(1, 2) AS n GROUP BY "
           "n)",
           {{"log", "stock", std::nullopt}, {"log", "stock", std::nullopt}}),
  };
}

std::vector<Kind> tiles() {
  const std::string one_bit =
      "UPDATE pgtally.tile SET hashes = set_bit(hashes, 999, 1 - "
      "get_bit(hashes, 999)) WHERE ";
  return {
      edit("tile: one bit of level 0", "tile", one_bit + "level = 0 AND index = @0@ / 256",
           {{"log", "", std::nullopt}}, {kPayment}),
      edit("tile: one bit of level 1", "tile", one_bit + "level = 1 AND index = 0", {bad_log()}),
      edit("tile: one deleted", "tile", "DELETE FROM pgtally.tile WHERE level = 0 AND index = 9",
           {bad_log()}),
      edit("tile: one cut short", "tile",
           "UPDATE pgtally.tile SET hashes = substr(hashes, 1, 8160) WHERE level = 0 AND index = 9",
           {bad_log()}),
      edit("tile: one too many", "tile",
           "INSERT INTO pgtally.tile SELECT 0, 100000, hashes FROM pgtally.tile LIMIT 1",
           {bad_log()}),
  };
}

std::vector<Kind> heads() {
  const std::string newest = " WHERE size = (SELECT max(size) FROM pgtally.checkpoint)";
  const std::string head = " WHERE head_id = (SELECT max(head_id) FROM pgtally.tree_head)";
  const std::string log_head = " WHERE head_id = (SELECT max(head_id) FROM pgtally.log_head)";
  return {
      edit("checkpoint.root", "checkpoint",
           "UPDATE pgtally.checkpoint SET root = sha256('x')" + newest, {bad_log()}),
      edit("checkpoint.note: the root", "checkpoint",
           "UPDATE pgtally.checkpoint SET note = regexp_replace(note, "
           "E'\\n[^\\n]{10}([^\\n]{34})\\n', "
           "E'\\nAAAAAAAAAA\\\\1\\n')" +
               newest,
           {bad_log()}),
      edit("checkpoint.note: the signature", "checkpoint",
           "UPDATE pgtally.checkpoint SET note = reverse(overlay(reverse(note) PLACING 'AAAAAAAA' "
           "FROM 20))" +
               newest,
           {bad_log()}),
      edit("checkpoint.size", "checkpoint",
           "UPDATE pgtally.checkpoint SET size = size - 1" + newest, {bad_log()}),
      edit("checkpoint.signed_at", "checkpoint",
           "UPDATE pgtally.checkpoint SET signed_at = signed_at - interval '1 day'" + newest,
           {bad_log()}),
      edit("checkpoint: a kept one less", "checkpoint",
           "DELETE FROM pgtally.checkpoint WHERE size = (SELECT min(size) FROM pgtally.checkpoint)",
           {}),
      edit("tree_head.root", "tree_head", "UPDATE pgtally.tree_head SET root = sha256('x')" + head,
           {bad_log()}),
      edit(
          "tree_head.frontier", "tree_head",
          "UPDATE pgtally.tree_head SET frontier = set_bit(frontier, 9, 1 - get_bit(frontier, 9))" +
              head,
          {bad_log()}),
      edit("tree_head.size", "tree_head", "UPDATE pgtally.tree_head SET size = size - 1" + head,
           {bad_log()}),
      edit("tree_head emptied", "tree_head", "DELETE FROM pgtally.tree_head", {bad_log()}),
      edit("log_head.next_id", "log_head",
           "UPDATE pgtally.log_head SET next_id = next_id + 1" + log_head, {bad_log()}),
      edit("log_head.next_ordinals", "log_head",
           "UPDATE pgtally.log_head SET next_ordinals[4] = next_ordinals[4] + 1" + log_head,
           {bad_log()}),
      edit("log_head.sequenced_at", "log_head",
           "UPDATE pgtally.log_head SET sequenced_at = sequenced_at - interval '1 day'" + log_head,
           {bad_log()}),
      edit("log_head emptied", "log_head", "DELETE FROM pgtally.log_head", {bad_log()}),
  };
}

std::vector<Kind> registry() {
  const auto source = [](const std::string& column, const std::string& value) {
    return edit("source." + column, "source",
                "UPDATE pgtally.source SET " + column + " = " + value + " WHERE name = 'payment'",
                {{"log", "payment", std::nullopt, -1, true}});
  };
  const auto definition = [](const std::string& name, const std::string& sql) {
    return edit(name, "definition",
                sql +
                    " WHERE source_id = (SELECT source_id FROM pgtally.source "
                    "WHERE name = 'payment')",
                {{"log", "payment", std::nullopt}});
  };
  return {
      edit("source.name", "source",
           "UPDATE pgtally.source SET name = 'payments' WHERE name = 'payment'",
           {many("log", "*")}),
      source("mode", "'xid'"),
      source("blind", "NOT blind"),
      source("definition", "7"),
      source("state", "'removed'"),
      definition("definition.document",
                 "UPDATE pgtally.definition SET document = replace(convert_from(document, 'UTF8'), "
                 "'\"excluded\":[\"internal\"]', '\"excluded\":[]')::bytea"),
      definition("definition.entry_id", "UPDATE pgtally.definition SET entry_id = entry_id + 1"),
      definition("definition.number", "UPDATE pgtally.definition SET number = 7"),
      definition("definition: the row deleted", "DELETE FROM pgtally.definition"),
      edit(
          "secret.secret", "secret",
          "UPDATE pgtally.secret SET secret = sha256('x') WHERE source_id = (SELECT source_id FROM "
          "pgtally.source WHERE name = 'payment')",
          {many("*", "payment")}),
      {"a staged row deleted",
       Way::kTriggersOff,
       "pgtally.append_only_log",
       "DELETE FROM pgtally.append_only_log WHERE id = (SELECT max(id) FROM "
       "pgtally.append_only_log WHERE source_id = 1)",
       {{"missing", "append_only_log"}},
       {},
       true},
      {"staged data",
       Way::kSql,
       "",
       "UPDATE pgtally.append_only_log SET data = 'another line' WHERE id = (SELECT max(id) "
       "FROM pgtally.append_only_log WHERE source_id = 1)",
       {{"changed", "append_only_log", std::nullopt}},
       {},
       true},
  };
}

// One act, with more and more of the rest made to fit it.
std::vector<Kind> consistent() {
  using Forged = Kind::Forged;
  const auto content = [](std::string name, Forged how, std::vector<Expected> expected) {
    Kind kind = entry("content_hash", kOneBit, name);
    kind.forged = how;
    kind.expected = std::move(expected);
    return kind;
  };
  // The row is changed as well, and its entry says so.
  const auto row = [](std::string name, Forged how, std::vector<Expected> expected,
                      bool outside = false) {
    Kind kind{std::move(name),
              Way::kReplica,
              "",
              "UPDATE package SET size = size + 1 WHERE name = 'package-2000'",
              std::move(expected),
              {{"package", {"package-2000", "1.5-1", "amd64"}}},
              true};
    kind.forged = how;
    kind.rehash = true;
    kind.outside = outside;
    return kind;
  };
  const Expected named = bad_entry(0, "package", Key{"package-2000", "1.5-1", "amd64"});
  const Expected somewhere = bad_entry(0, "", std::nullopt);
  return {
      content("an entry and its tile", Forged::kTile, {bad_entry()}),
      content("an entry, all tiles and the head", Forged::kTree, {bad_entry()}),
      // The log is one again, but the row is not what it says.
      content("an entry, the tree and what was signed, with the real key", Forged::kSigned,
              {changed("payment", {"7000"})}),
      row("a row and its entry", Forged::kNothing, {named}),
      row("a row, its entry and its tile", Forged::kTile, {somewhere}),
      row("a row, its entry, all tiles and the head", Forged::kTree, {somewhere}),
      row("a row and the whole ledger, signed by another key", Forged::kSignedByOther,
          {many("log", "")}),
      row("a row and the whole ledger, with the real key", Forged::kSigned, {}),
      row("a row and the whole ledger, with the real key, but somebody remembers", Forged::kSigned,
          {somewhere}, true),
  };
}

}  // namespace

std::vector<Kind> log_kinds() {
  std::vector<Kind> all;
  for (auto part : {entries(), tiles(), heads(), registry(), consistent()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

}  // namespace pgtally::tamper
