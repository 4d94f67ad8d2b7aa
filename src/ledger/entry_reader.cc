#include "ledger/entry_reader.h"

#include <fmt/format.h>

#include "postgres/copy.h"

namespace pgtally {
namespace {

Result<EntryView> entry_at(const pg::CopyOut& row, const SourceNames& names) {
  EntryView entry;
  TRY(const auto source_id, row.get<std::int32_t>(1));
  TRY(entry.source, names.name(source_id));
  TRY(const auto definition, row.get<std::int32_t>(2));
  entry.definition = static_cast<std::uint32_t>(definition);
  TRY(const auto ordinal, row.get<std::int64_t>(3));
  entry.ordinal = static_cast<std::uint64_t>(ordinal);
  TRY(const auto operation, row.get<std::int16_t>(4));
  entry.operation = static_cast<Operation>(operation);
  TRY(entry.key, row.get<ByteView>(5));
  TRY(entry.source_position, row.get<std::string_view>(6));
  TRY(entry.source_time, row.get<Time>(7));
  TRY(entry.content_hash, row.get<Hash>(8));
  TRY(entry.sequenced_at, row.get<Time>(9));
  return entry;
}

Error not_an_entry(std::int64_t id, const Error& why) {
  return tampered("row " + std::to_string(id) +
                  " of processed_log cannot be an entry: " + why.message);
}

}  // namespace

Result<void> SourceNames::load() {
  TRY(const auto rows, ledger_->query("SELECT source_id, name FROM pgtally.source"));
  for (std::size_t r = 0; r < rows.size(); ++r) {
    TRY(const auto id, rows.get<std::int32_t>(r, 0));
    TRY(names_[id], rows.get<std::string>(r, 1));
  }
  return {};
}

Result<std::string_view> SourceNames::name(std::int32_t source_id) const {
  const auto it = names_.find(source_id);
  if (it == names_.end()) {
    return tampered("source " + std::to_string(source_id) + " is not in the registry");
  }
  return std::string_view(it->second);
}

Result<void> read_entries(const Ledger& ledger, LeafIndex from, LeafIndex to,
                          const EntrySink& take) {
  if (from >= to) return {};
  SourceNames names(ledger);
  TRY_VOID(names.load());
  TRY(auto copy,
      pg::CopyOut::start(
          ledger.connection(),
          ledger.sql(fmt::format(
              "COPY (SELECT id, source_id, definition, ordinal, operation, key, source_position, "
              "source_time, content_hash, sequenced_at FROM pgtally.processed_log "
              "WHERE id >= {} AND id < {} ORDER BY id) TO STDOUT (FORMAT binary)",
              from.value, to.value))));
  EntryBuffer buffer;
  LeafIndex expected = from;
  while (true) {
    TRY(const bool more, copy.next());
    if (!more) break;
    TRY(const auto id, copy.get<std::int64_t>(0));
    if (static_cast<std::uint64_t>(id) != expected.value) break;
    const auto entry = entry_at(copy, names);
    if (!entry.ok()) return not_an_entry(id, entry.error());
    const auto bytes = encode_into(*entry, buffer);
    if (!bytes.ok()) return not_an_entry(id, bytes.error());
    TRY_VOID(take(expected, *bytes));
    ++expected.value;
  }
  if (expected != to) {
    return tampered("entry " + std::to_string(expected.value) + " is missing from processed_log",
                    "The log has no gaps unless somebody made one.");
  }
  return {};
}

Result<Bytes> read_entry(const Ledger& ledger, LeafIndex id) {
  Bytes out;
  TRY_VOID(read_entries(ledger, id, LeafIndex{id.value + 1}, [&](LeafIndex, ByteView entry) {
    out.assign(entry.begin(), entry.end());
    return Result<void>();
  }));
  return out;
}

}  // namespace pgtally
