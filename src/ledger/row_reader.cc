#include "ledger/row_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"
#include "crypto/sha256.h"
#include "format/blinding.h"
#include "ledger/position_key.h"
#include "ledger/source_text.h"
#include "pgtally/content.h"
#include "pgtally/key.h"

namespace pgtally {
namespace {

// Puts column=value arguments into the order of the key's columns.
Result<std::vector<std::string>> ordered_values(const SourceDefinition& definition,
                                                const std::vector<std::string>& key) {
  std::vector<std::string> values(definition.key.size());
  std::vector<bool> named(definition.key.size(), false);
  const auto wrong = [&](const std::string& what) {
    std::string example;
    for (const std::string& column : definition.key) {
      example += (example.empty() ? "" : " ") + column + "=…";
    }
    return reject(what, "Give it as: " + example);
  };
  bool any_named = false;
  for (const std::string& argument : key) {
    const std::size_t equals = argument.find('=');
    const auto column =
        std::find(definition.key.begin(), definition.key.end(), argument.substr(0, equals));
    if (equals == std::string::npos || column == definition.key.end()) continue;
    const auto place = static_cast<std::size_t>(column - definition.key.begin());
    if (named[place]) return wrong("the key names " + *column + " twice");
    named[place] = true;
    any_named = true;
    values[place] = argument.substr(equals + 1);
  }
  if (!any_named && key.size() == definition.key.size()) return key;
  if (static_cast<std::size_t>(std::count(named.begin(), named.end(), true)) != key.size() ||
      key.size() != definition.key.size()) {
    return wrong(fmt::format("the key of {} has {} column{}, and what is given does not fit it",
                             definition.source, definition.key.size(),
                             definition.key.size() == 1 ? "" : "s"));
  }
  return values;
}

// In the log, if the source keeps it there; else in staging, under the id that is its key.
Result<Bytes> appended_data(const Ledger& ledger, LeafIndex id, const Entry& entry) {
  TRY(const DecodedKey key, decode_key(entry.key));
  TRY(const auto rows,
      ledger.query("SELECT coalesce(CASE WHEN s.keep_data THEN p.data END, (SELECT l.data FROM "
                   "pgtally.append_only_log AS l WHERE l.id = $2::text::bigint), p.data) "
                   "FROM pgtally.processed_log AS p JOIN pgtally.source AS s USING (source_id) "
                   "WHERE p.id = $1",
                   pg::Params().index(id).text(key.columns.empty() ? "" : key.columns[0])));
  if (rows.empty() || rows.is_null(0, 0)) {
    return reject(
        fmt::format("the data of entry {} was pruned, and source {} keeps none in the log "
                    "(--keep-data)",
                    id.value, entry.source),
        "Prove the entry without --row, and give whoever checks it the data: verify --row "
        "FILE takes it.");
  }
  return rows.get<Bytes>(0, 0);
}

Result<Bytes> table_row(const Ledger& ledger, const SourceDefinition& definition,
                        const std::vector<std::string>& key) {
  TRY(const TableShape shape, describe_table(ledger.connection(), definition.relation));
  TRY(const auto sql, row_query(definition, shape));
  pg::Params params;
  for (const std::string& value : key) params.unknown(value);
  TRY(const auto rows, ledger.connection().query(sql, params));
  if (rows.empty()) {
    return tampered(fmt::format("the row {} {} was recorded and is not in its table any more",
                                definition.source, fmt::join(key, " ")));
  }
  std::vector<RowColumnView> columns;
  for (std::size_t c = 0; c < definition.columns.size(); ++c) {
    TRY(const auto value, rows.get<std::optional<std::string_view>>(0, c));
    columns.push_back({definition.columns[c].name, value});
  }
  return encode_row(columns);
}

}  // namespace

Result<void> check_in_log(const Ledger& ledger, LeafIndex id) {
  TRY(const auto rows,
      ledger.query("SELECT next_id FROM pgtally.log_head ORDER BY head_id DESC LIMIT 1"));
  TRY(const LeafIndex end, rows.get<LeafIndex>(0, 0));
  if (id < end) return {};
  return reject(fmt::format("there is no entry {}: the log has {} entries, 0 to {}", id.value,
                            end.value, end.value - 1));
}

Result<std::vector<std::string>> key_values(const Ledger& ledger, const SourceInfo& source,
                                            const std::vector<std::string>& key) {
  TRY(const SourceDefinition definition, read_definition(ledger, source.id));
  TRY(auto values, ordered_values(definition, key));
  // Without its table the source's keys can still be given as they were recorded.
  const auto shape = describe_table(ledger.connection(), definition.relation);
  if (!shape.ok()) return values;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const TableColumn* column = shape->column(definition.key[i]);
    if (column == nullptr) continue;
    const auto text =
        ledger.connection().query("SELECT format('%s', CAST($1 AS " + column->cast_type + "))",
                                  pg::Params().unknown(values[i]));
    if (!text.ok()) {
      return reject(quoted(values[i]) + " is no value of key column " + column->name + " (" +
                    column->type + ")");
    }
    TRY(values[i], text->get<std::string>(0, 0));
  }
  return values;
}

Result<std::optional<Hash>> read_salt(const Ledger& ledger, const SourceInfo& source, LeafIndex id,
                                      bool required) {
  if (!source.blind) return std::optional<Hash>{};
  const auto rows = ledger.query("SELECT secret FROM pgtally.secret WHERE source_id = $1",
                                 pg::Params().int4(source.id));
  if (!rows.ok()) {
    if (ledger.connection().last_sqlstate() != "42501" || required) return rows.error();
    return std::optional<Hash>{};
  }
  if (rows->empty()) return tampered("the secret of source " + source.name + " is missing");
  TRY(const Hash secret, rows->get<Hash>(0, 0));
  return std::optional(salt_of(secret.bytes, id));
}

Result<std::string> read_definition_document(const Ledger& ledger, std::int32_t source_id,
                                             std::uint32_t number) {
  TRY(const auto rows,
      ledger.query("SELECT document FROM pgtally.definition WHERE source_id = $1 AND number = $2",
                   pg::Params().int4(source_id).int4(static_cast<std::int32_t>(number))));
  if (rows.empty()) return tampered("the definition that the entry names is missing");
  TRY(const auto document, rows.get<ByteView>(0, 0));
  return std::string(as_text(document));
}

Result<Bytes> read_recorded_row(const Ledger& ledger, const SourceInfo& source, LeafIndex id,
                                const Entry& entry, const std::optional<Hash>& salt) {
  TRY(const SourceDefinition definition, read_definition(ledger, source.id, entry.definition));
  Bytes content;
  switch (definition.content) {
    case ContentKind::kColumn:
      return reject("source " + source.name +
                        " records a hash that its application made, so there "
                        "is no row to disclose",
                    "Prove the entry without --row; verify --content-hash checks the hash.");
    case ContentKind::kData: {
      TRY(content, appended_data(ledger, id, entry));
      break;
    }
    case ContentKind::kRow: {
      if (has_position_key(definition)) {
        return reject(
            "source " + source.name + " has no key, so that its row cannot be found again",
            "Prove the entry without --row, and give whoever checks it the row: verify --row "
            "FILE takes it.");
      }
      TRY(const DecodedKey key, decode_key(entry.key));
      if (key.hashed) return reject("the key of this row is too long to be read from its entry");
      TRY(content, table_row(ledger, definition, key.columns));
      break;
    }
  }
  const Hash h = sha256(content);
  if ((salt ? blinded(*salt, h) : h) == entry.content_hash) return content;
  return tampered(
      fmt::format("the content that entry {} recorded is not what is there now: the row "
                  "was changed",
                  id.value),
      "pgtally prove without --row still proves what was recorded, and when.");
}

}  // namespace pgtally
