#include "tamper/forger.h"

#include <fmt/format.h>

#include "base/encoding.h"
#include "format/row_encoder.h"
#include "format/sign_checkpoint.h"
#include "ledger/entry_reader.h"
#include "ledger/registry.h"
#include "merkle/tile_cutter.h"
#include "pgtally/merkle.h"
#include "postgres/copy.h"
#include "postgres/copy_text.h"
#include "postgres/quote.h"
#include "torture/must.h"

namespace pgtally::tamper {
namespace {

using torture::must;

std::string hex(ByteView bytes) {
  return "'\\x" + to_hex(bytes) + "'";
}
std::string hex(std::span<const Hash> hashes) {
  std::string text = "'\\x";
  for (const Hash& hash : hashes) text += to_hex(hash.view());
  return text + "'";
}

// The guards are for honest people.
void write(const Ledger& ledger, const std::string& table, const std::string& statements) {
  must(ledger.execute("ALTER TABLE pgtally." + table + " DISABLE TRIGGER USER;" + statements +
                      ";ALTER TABLE pgtally." + table + " ENABLE TRIGGER USER"));
}

// The tree over the entries [0, size).
TileCutter tree_of(const Ledger& ledger, std::uint64_t size) {
  TileCutter cutter;
  must(read_entries(ledger, LeafIndex{0}, LeafIndex{size}, [&](LeafIndex, ByteView entry) {
    cutter.append(leaf_hash(entry));
    return Result<void>();
  }));
  return cutter;
}

std::vector<std::uint64_t> numbers(const Ledger& ledger, const std::string& query) {
  const auto rows = must(ledger.query(query));
  std::vector<std::uint64_t> all;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    all.push_back(static_cast<std::uint64_t>(must(rows.get<std::int64_t>(r, 0))));
  }
  return all;
}

}  // namespace

void rehash(const std::string& conninfo, const std::string& source, std::uint64_t id) {
  auto connection = must(pg::Connection::open(conninfo));
  const Ledger ledger = must(Ledger::open(connection, "pgtally"));
  const auto definition = must(read_definition(ledger, must(find_source(ledger, source)).id));
  const auto entry = must(decode_entry(must(read_entry(ledger, LeafIndex{id}))));
  std::vector<std::string> columns;
  std::string list;
  for (const auto& column : definition.columns) {
    columns.push_back(column.name);
    list += (list.empty() ? "" : ", ") + must(pg::quote_identifier(column.name));
  }
  const auto encoder = must(RowEncoder::make(definition, columns));
  std::string content;
  {
    auto copy = must(pg::CopyOut::start(
        connection, "COPY (SELECT " + list + " FROM " + definition.relation + ") TO STDOUT"));
    pg::CopyLine line;
    while (must(copy.next())) {
      must(line.parse(copy.line()));
      const auto row = must(encoder.encode(line.values()));
      if (row.key == entry.key) content = hex(row.content.view());
    }
  }
  write(
      ledger, "processed_log",
      fmt::format("UPDATE pgtally.processed_log SET content_hash = {} WHERE id = {}", content, id));
}

void forge_tile(const std::string& conninfo, std::uint64_t id) {
  auto connection = must(pg::Connection::open(conninfo));
  const Ledger ledger = must(Ledger::open(connection, "pgtally"));
  const Hash leaf = leaf_hash(must(read_entry(ledger, LeafIndex{id})));
  write(ledger, "tile",
        fmt::format("UPDATE pgtally.tile SET hashes = overlay(hashes PLACING {}::bytea FROM {}) "
                    "WHERE level = 0 AND index = {}",
                    hex(leaf.view()), id % kTileWidth * Hash::kSize + 1, id / kTileWidth));
}

void forge_tree(const std::string& conninfo) {
  auto connection = must(pg::Connection::open(conninfo));
  const Ledger ledger = must(Ledger::open(connection, "pgtally"));
  const std::uint64_t size =
      numbers(ledger, "SELECT size FROM pgtally.tree_head ORDER BY head_id DESC LIMIT 1").at(0);
  TileCutter cutter = tree_of(ledger, size);
  std::string tiles;
  for (const TileWrite& write : cutter.take_writes()) {
    tiles += fmt::format(
        "UPDATE pgtally.tile SET hashes = {} WHERE level = {} AND index = {} AND hashes <> {};",
        hex(write.hashes), write.tile.level, write.tile.index, hex(write.hashes));
  }
  write(ledger, "tile", tiles);
  write(ledger, "tree_head",
        fmt::format("UPDATE pgtally.tree_head SET root = {}, frontier = {} WHERE size = {}",
                    hex(cutter.frontier().root().view()), hex(cutter.frontier().nodes()), size));
}

void forge_checkpoints(const std::string& conninfo, const SigningKey& key) {
  auto connection = must(pg::Connection::open(conninfo));
  const Ledger ledger = must(Ledger::open(connection, "pgtally"));
  std::string statements;
  for (const std::uint64_t size :
       numbers(ledger, "SELECT size FROM pgtally.checkpoint ORDER BY size")) {
    const Hash root = tree_of(ledger, size).frontier().root();
    statements += fmt::format(
        "UPDATE pgtally.checkpoint SET root = {}, note = convert_from({}, 'UTF8') WHERE size = {};",
        hex(root.view()), hex(as_bytes(must(sign_checkpoint(key, TreeSize{size}, root)))), size);
  }
  write(ledger, "checkpoint", statements);
}

}  // namespace pgtally::tamper
