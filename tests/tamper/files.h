// Tampering without the server: a bit of a data file is changed while the cluster is stopped.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tamper/kind.h"
#include "tamper/specimen.h"

namespace pgtally::tamper {

struct FileKind {
  std::string name;
  std::string table;  // or an expression for the relation's oid, where it is another
  // SQL that gives the bytes, as bytea, of which the last is changed in its lowest bit, or the one that
  // `changed` is the place of; they stand in the file once. Or, for a row that is to vanish, nothing.
  std::string bytes;
  std::string row;  // then the condition that names it
  std::vector<Expected> expected;
  std::vector<EntryName> entries = {};
  std::optional<std::size_t> changed = {};
};

[[nodiscard]] std::vector<FileKind> file_kinds();

// What has to be done once the cluster is stopped.
struct FileEdit {
  std::string file;  // below the data directory
  std::string bytes;
  std::size_t changed = 0;  // of the bytes
  std::uint64_t item = 0;   // where the line pointer of the row is, if it is to vanish
};
// `ids`: of the kind's entries.
[[nodiscard]] FileEdit locate(const Specimen& specimen, const std::string& database,
                              const FileKind& kind, const std::vector<std::uint64_t>& ids);
void carry_out(const Specimen& specimen, const FileEdit& edit);

}  // namespace pgtally::tamper
