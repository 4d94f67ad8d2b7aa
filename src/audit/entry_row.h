// A row of processed_log as the entry that it should be. Nothing of it is trusted.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "pgtally/entry.h"
#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

// Of sources, by id, as they stand in entries.
using SourceIdNames = std::unordered_map<std::int32_t, std::string>;

inline constexpr const char* kEntryColumns =
    "id, source_id, definition, ordinal, operation, key, source_position, source_time, "
    "content_hash, sequenced_at";

// `row.get<T>(column)` reads a column of kEntryColumns. An error says why it is no entry.
template <typename Row>
[[nodiscard]] Result<EntryView> entry_of_row(const Row& row, const SourceIdNames& names) {
  EntryView entry;
  TRY(const auto source_id, row.template get<std::int32_t>(1));
  const auto name = names.find(source_id);
  if (name == names.end()) {
    return tampered(fmt::format("its source {} is not registered", source_id));
  }
  entry.source = name->second;
  TRY(const auto definition, row.template get<std::int32_t>(2));
  TRY(const auto ordinal, row.template get<std::int64_t>(3));
  TRY(const auto operation, row.template get<std::int16_t>(4));
  if (definition < 0) return tampered(fmt::format("its definition is {}", definition));
  if (ordinal < 0) return tampered(fmt::format("its ordinal is {}", ordinal));
  if (operation < 1 || operation > 6) {
    return tampered(fmt::format("its operation is {}", operation));
  }
  entry.definition = static_cast<std::uint32_t>(definition);
  entry.ordinal = static_cast<std::uint64_t>(ordinal);
  entry.operation = static_cast<Operation>(operation);
  TRY(entry.key, row.template get<ByteView>(5));
  TRY(entry.source_position, row.template get<std::string_view>(6));
  TRY(entry.source_time, row.template get<Time>(7));
  TRY(entry.content_hash, row.template get<Hash>(8));
  TRY(entry.sequenced_at, row.template get<Time>(9));
  return entry;
}

}  // namespace pgtally
