// One kind of tampering: how it is done, and what an audit has to say of it.
//
// Kinds that do not stand `alone` are applied to one copy of the ledger together; each of them concerns
// keys that no other does, so what is found is attributed by its key.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace pgtally::tamper {

using Key = std::vector<std::string>;

// The first entry of a key, whose id stands for @0@, @1@, … in the SQL.
struct EntryName {
  std::string source;
  Key key;  // empty: the source's first definition
};

struct Expected {
  std::string kind;  // as the JSON names it
  std::string source;
  std::optional<Key> key = {};  // nothing: whatever it says
  int entry = -1;     // the finding is about this one of Kind::entries, or a range that has it
  bool many = false;  // any number of such findings, but at least one
};

enum class Way {
  kSql,          // as superuser
  kReplica,      // session_replication_role = replica
  kTriggersOff,  // ALTER TABLE `table` DISABLE TRIGGER USER, put back afterwards
  kChecksOff,    // without the CHECK constraint on the xid of `table`, put back afterwards
};

struct Kind {
  std::string name;
  Way way = Way::kSql;
  std::string table = {};
  std::string sql = {};
  std::vector<Expected> expected = {};
  std::vector<EntryName> entries = {};
  bool alone = false;
  std::string then = {};  // SQL of a session that comes afterwards
  bool rehash = false;    // then the first entry gets the content of the row as it is now
  // What is done to the tree and the checkpoints after the SQL, by somebody who can compute.
  enum class Forged { kNothing, kTile, kTree, kSignedByOther, kSigned } forged = Forged::kNothing;
  // Of the audit. The first load of a source is late for nobody, and that is taken generously: what the
  // audit allows has to have passed since.
  bool strict_times = false;
  bool outside = false;  // the audit is given a checkpoint that was kept elsewhere
};

[[nodiscard]] std::vector<Kind> row_kinds();    // single rows
[[nodiscard]] std::vector<Kind> table_kinds();  // whole tables
[[nodiscard]] std::vector<Kind>
capture_kinds();  // rows that are recorded, and should not have been
[[nodiscard]] std::vector<Kind> definition_kinds();  // what sources say that they cover
[[nodiscard]] std::vector<Kind> log_kinds();         // the ledger's own tables
[[nodiscard]] std::vector<Kind> stream_kinds();  // rows of mode logical, behind the stream's back

// Of the row with this number, as tables.sql makes it.
inline Key key_of(const std::string& table, int n) {
  const std::string number = std::to_string(n);
  if (table == "stock") return {"SKU-" + number};
  if (table != "package") return {number};
  return {"package-" + number, "1." + std::to_string(n % 7) + "-1", n % 2 == 0 ? "amd64" : "arm64"};
}

inline Expected changed(std::string source, Key key) {
  return {"changed", std::move(source), std::move(key)};
}
inline Expected missing(std::string source, Key key) {
  return {"missing", std::move(source), std::move(key)};
}
inline Expected unrecorded(std::string source, Key key) {
  return {"unrecorded", std::move(source), std::move(key)};
}
inline Expected many(std::string kind, std::string source) {
  return {std::move(kind), std::move(source), std::nullopt, -1, true};
}

}  // namespace pgtally::tamper
