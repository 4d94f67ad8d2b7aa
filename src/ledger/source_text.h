// The pieces of SQL that the capture of one source is put together from.
//
// All of them follow from the definition, which is in the log. In the generated functions the table
// is always `t` and its columns are always qualified; inner queries give names to
//   k1, k2, …   the key columns in their own types      t1, t2, …   their output texts
//   v1, v2, …   covered columns' texts as bytes
//   tm, hx, x   time, hash column, xid
// and outer ones call an inner query `w`.
//
// Spec: docs/formats.md for keys and row hashes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ledger/catalog.h"
#include "ledger/single_row.h"
#include "pgtally/definition.h"
#include "pgtally/result.h"

namespace pgtally {

struct SourceText {
  std::string schema;  // the ledger's
  std::int32_t id = 0;
  std::uint32_t definition = 0;
  bool integer_key = false;             // the key is one integer column
  bool has_time = false;                // rows claim one
  std::string source;                   // its name, as a literal
  std::string table;                    // with its alias: public.payment AS t
  std::string columns;                  // the select list of the inner queries
  std::string columns_to_client;        // the same at less cost, where a variable `utf8` tells it
                                        // that the session's client_encoding is UTF8
  std::string variables;                // the same for triggers: declarations of v1, …, tm, and
  std::string assignments;              // what fills them from t, which costs less than a query
  std::string key;                      // bytea, from w; of the covered columns' bytes, where the
  std::string covered_key;              // key is among them, it is cheaper to make
  std::string content;                  // bytea, from w
  std::string time;                     // timestamptz, from t
  std::string claimed;                  // the same, but maybe later than an entry can hold
  std::string order;                    // t."a", t."b"
  std::string first_key;                // t."a"
  std::vector<std::string> cast_types;  // of the key columns
  std::size_t keys = 0;
  std::optional<SingleRowText>
      single;  // key and content of one row from t, where it is of such types

  // `form` for n = 1 … keys, with {n} in it replaced, put together.
  [[nodiscard]] std::string each_key(const std::string& form,
                                     const std::string& separator = ", ") const;
  // Declarations of cursor_1, …, and the assignments that fill them from an expression of text[].
  [[nodiscard]] std::string cursor_variables() const;
  [[nodiscard]] std::string cursor_from(const std::string& array) const;
  // (t."a", t."b") > (cursor_1, cursor_2)
  [[nodiscard]] std::string beyond_cursor() const;
  // The columns of pending_row, from w.
  [[nodiscard]] std::string pending_columns(const std::string& position, const std::string& xid,
                                            const std::string& cursor) const;
};

// `shape` is the table as it is now: key casts come from there.
[[nodiscard]] Result<SourceText> source_text(const std::string& schema, std::int32_t source_id,
                                             const SourceDefinition& definition,
                                             const TableShape& shape);

// Quotes for a function's body: a column may have any name, that of the usual quotes included.
[[nodiscard]] std::string dollar_quote(const std::string& body);

// CREATE OR REPLACE FUNCTION …; in PL/pgSQL with a pinned search_path, ended by a semicolon.
[[nodiscard]] std::string plpgsql_function(const std::string& head, const std::string& returns,
                                           const std::string& volatility, const std::string& body);

// SELECT of the covered columns' output texts (text, NULL where NULL) of the row whose key columns
// have the output texts $1, $2, …; in the order of definition.columns.
[[nodiscard]] Result<std::string> row_query(const SourceDefinition& definition,
                                            const TableShape& shape);

}  // namespace pgtally
