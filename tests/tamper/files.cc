#include "tamper/files.h"

#include <fmt/format.h>

#include <fstream>
#include <iterator>
#include <stdexcept>

#include "base/encoding.h"
#include "tamper/apply.h"
#include "torture/must.h"

namespace pgtally::tamper {
namespace {

constexpr std::uint64_t kPage = 8192;
constexpr std::uint64_t kPageHeader = 24;
constexpr std::uint64_t kItem = 4;  // a line pointer: offset, flags, length

std::string newest(const std::string& what, const std::string& table, const std::string& order) {
  return "SELECT " + what + " FROM pgtally." + table + " ORDER BY " + order + " DESC LIMIT 1";
}

// As it stands in memory: the lowest byte first.
std::string in_memory(const std::string& sent, int bytes) {
  return fmt::format(
      "(SELECT string_agg(substr({0}, {1} + 1 - n, 1), '' ORDER BY n) FROM "
      "generate_series(1, {1}) AS n)",
      sent, bytes);
}

FileKind entry_id(const std::string& name, std::size_t changed) {
  return {name,
          "pgtally.processed_log",
          "SELECT " + in_memory("int8send(id)", 8) + " || " + in_memory("int4send(source_id)", 4) +
              " || " + in_memory("int4send(definition)", 4) + " || " +
              in_memory("int8send(ordinal)", 8) + " FROM pgtally.processed_log WHERE id = @0@",
          "",
          {{"log", "payment", Key{"7000"}, 0}},
          {{"payment", {"7000"}}},
          changed};
}

}  // namespace

std::vector<FileKind> file_kinds() {
  const EntryName entry{"payment", {"7000"}};
  const Expected bad_entry{"log", "payment", Key{"7000"}, 0};
  const Expected bad_log{"log", "", std::nullopt};
  return {
      {"a character of a varchar in its file",
       "payment",
       "SELECT 'Remark 3000'::bytea",
       "",
       {changed("payment", {"3000"})}},
      {"a bit of bytea in its file",
       "event",
       "SELECT raw FROM event WHERE id = 3000",
       "",
       {changed("event", {"3000"})}},
      {"a bit of an integer in its file",
       "package",
       "SELECT " + in_memory("int8send(size)", 8) + " FROM package WHERE name = 'package-3000'",
       "",
       {changed("package", key_of("package", 3000))}},
      {"a character of a tracked row in its file",
       "account",
       "SELECT 'Owner 3000'::bytea",
       "",
       {changed("account", {"3000"})}},
      {"a row that vanishes from its file",
       "payment",
       "",
       "id = 3100",
       {missing("payment", {"3100"})}},
      {"a bit of an entry in its file",
       "pgtally.processed_log",
       "SELECT content_hash FROM pgtally.processed_log WHERE id = @0@",
       "",
       {bad_entry},
       {entry}},
      entry_id("an entry's id that becomes a neighbour's", 0),
      entry_id("an entry's id that becomes another one's", 1),
      entry_id("an entry's id that becomes far too large", 5),
      entry_id("an entry's id that becomes negative", 7),
      {"an entry that vanishes from its file",
       "pgtally.processed_log",
       "",
       "id = @0@",
       {bad_entry},
       {entry}},
      {"a bit of a tile in its file",
       "(SELECT reltoastrelid FROM pg_class WHERE oid = 'pgtally.tile'::regclass)",
       "SELECT substr(hashes, 1, 32) FROM pgtally.tile WHERE level = 0 AND index = 20",
       "",
       {bad_log}},
      {"a character of a checkpoint in its file",
       "pgtally.checkpoint",
       newest("substr(encode(root, 'base64'), 1, 20)::bytea", "checkpoint", "size"),
       "",
       {bad_log}},
      {"a bit of the head in its file",
       "pgtally.tree_head",
       newest("root", "tree_head", "head_id"),
       "",
       {bad_log}},
  };
}

FileEdit locate(const Specimen& specimen, const std::string& database, const FileKind& kind,
                const std::vector<std::uint64_t>& ids) {
  const std::string home = specimen.conninfo(database);
  const std::string relation =
      kind.table.front() == '(' ? kind.table : "'" + kind.table + "'::regclass";
  FileEdit edit;
  edit.file = sql(home, "SELECT pg_relation_filepath(" + relation + ")");
  if (!kind.bytes.empty()) {
    const Bytes bytes = torture::must(from_hex(
        sql(home, "SELECT encode(b, 'hex') FROM (" + with_ids(kind.bytes, ids) + ") AS q(b)")));
    edit.bytes.assign(bytes.begin(), bytes.end());
    edit.changed = kind.changed.value_or(bytes.size() - 1);
    return edit;
  }
  const std::string place =
      sql(home, "SELECT ctid FROM " + kind.table + " WHERE " + with_ids(kind.row, ids));
  const std::size_t comma = place.find(',');
  const std::uint64_t page = std::stoull(place.substr(1, comma - 1));
  const std::uint64_t item = std::stoull(place.substr(comma + 1));
  edit.item = page * kPage + kPageHeader + (item - 1) * kItem;
  return edit;
}

void carry_out(const Specimen& specimen, const FileEdit& edit) {
  const std::string path = specimen.data() / edit.file;
  std::ifstream in(path, std::ios::binary);
  const std::string content{std::istreambuf_iterator<char>(in), {}};
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  if (edit.bytes.empty()) {
    file.seekp(static_cast<std::streamoff>(edit.item));
    file.write("\0\0\0\0", kItem);  // unused
  } else {
    const std::size_t at = content.find(edit.bytes);
    if (at == std::string::npos || content.find(edit.bytes, at + 1) != std::string::npos) {
      throw std::runtime_error("these bytes do not stand in " + path +
                               " once: " + to_hex(as_bytes(edit.bytes)));
    }
    const std::size_t changed = at + edit.changed;
    file.seekp(static_cast<std::streamoff>(changed));
    file.put(static_cast<char>(content[changed] ^ 1));
  }
  file.flush();
  if (!file) throw std::runtime_error("cannot write " + path);
}

}  // namespace pgtally::tamper
