// Definitions: the documents in which the log says itself what its entries mean.
//
// The content hash of a `define` entry is the plain SHA-256 of such a document's text. A `define`
// entry stands under the source that it defines, with the number of the definition as its
// `definition`; the ledger's own one is entry 0, source "pgtally", definition 0.
//
// Spec: docs/formats.md, section Definitions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pgtally/document.h"
#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

// What entry 0 of every ledger holds.
struct LedgerDefinition {
  std::string origin;
  std::string vkey;
  Hash nonce;  // 32 random bytes, so that no two ledgers begin alike

  bool operator==(const LedgerDefinition&) const = default;
};

struct ColumnDefinition {
  std::string name;
  std::string type;          // as format_type(oid, NULL) names it
  std::int32_t typmod = -1;  // pg_attribute.atttypmod

  bool operator==(const ColumnDefinition&) const = default;
};

// An enum, domain or composite type that a covered column uses.
struct TypeDefinition {
  enum class Kind { kEnum, kDomain, kComposite };
  Kind kind = Kind::kEnum;
  std::string name;                       // schema-qualified
  std::vector<std::string> labels;        // of an enum, in order; otherwise empty
  std::vector<ColumnDefinition> columns;  // of a composite; of a domain one, named "value"

  bool operator==(const TypeDefinition&) const = default;
};

// That a column had another name under the definition before.
struct RenamedColumn {
  std::string from;
  std::string to;

  bool operator==(const RenamedColumn&) const = default;
};

// How the content hash H of a row comes about.
enum class ContentKind {
  kRow,     // "row/v1": the row hash over `columns`
  kColumn,  // "column": the 32 bytes that the application put into `hash_column`
  kData,    // "data": SHA-256 of the appended bytes
};

struct SourceDefinition {
  std::string source;
  std::uint32_t number = 0;
  std::string relation;          // schema-qualified and quoted as SQL writes it
  std::string mode;              // how rows are found: "xid", "poll", …
  std::vector<std::string> key;  // column names, in the order of the entry's key
  std::vector<ColumnDefinition> columns;
  std::vector<std::string> excluded;
  ContentKind content = ContentKind::kRow;
  std::optional<std::string> hash_column;  // set if and only if content is kColumn
  bool blind = true;
  std::optional<std::string> time;  // the column that source_time comes from
  std::vector<RenamedColumn> renamed;
  std::string server_version;
  std::vector<TypeDefinition> types;

  bool operator==(const SourceDefinition&) const = default;
};

// The document's text: what is hashed, stored and served.
[[nodiscard]] Result<std::string> encode(const LedgerDefinition& definition);
[[nodiscard]] Result<std::string> encode(const SourceDefinition& definition);

// Strict: every member is there, no other is, and encoding again gives the same text.
[[nodiscard]] Result<LedgerDefinition> decode_ledger_definition(std::string_view text);
[[nodiscard]] Result<SourceDefinition> decode_source_definition(std::string_view text);

}  // namespace pgtally
