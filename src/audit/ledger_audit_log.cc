#include "audit/ledger_audit_log.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/read_ahead.h"
#include "crypto/sha256.h"
#include "ledger/documents.h"
#include "ledger/tile_store.h"
#include "pgtally/definition.h"
#include "pgtally/entry.h"
#include "pgtally/note.h"
#include "postgres/copy.h"

namespace pgtally {
namespace {

// More ids than this are not told one by one as missing: a head that was edited would keep the audit
// busy for ever.
constexpr std::uint64_t kMostMissing = std::uint64_t{1} << 20;

constexpr const char* kColumns =
    "id, source_id, definition, ordinal, operation, key, source_position, source_time, "
    "content_hash, "
    "sequenced_at";

using Names = std::unordered_map<std::int32_t, std::string>;

// `get` reads a column of the row, by its place in kColumns.
template <typename Row>
Result<EntryView> entry_of(const Row& row, const Names& names) {
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

// Entries that were read and encoded, one behind the other.
struct EntryBlock {
  struct Item {
    LeafIndex id;
    std::size_t size = 0;  // 0: it cannot be an entry
  };
  std::vector<Item> items;
  Bytes bytes;
};
constexpr std::size_t kBlockEntries = 1024;
constexpr std::size_t kBlocksAhead = 4;

// False if there is none.
Result<bool> read_block(pg::CopyOut& copy, const Names& names, EntryBlock& block) {
  block.items.clear();
  block.bytes.clear();
  EntryBuffer buffer;
  while (block.items.size() < kBlockEntries) {
    TRY(const bool more, copy.next());
    if (!more) break;
    EntryBlock::Item& item = block.items.emplace_back();
    TRY(item.id, copy.get<LeafIndex>(0));
    const auto entry = entry_of(copy, names);
    if (!entry.ok()) continue;
    const auto encoded = encode_into(*entry, buffer);
    if (!encoded.ok()) continue;
    item.size = encoded->size();
    block.bytes.insert(block.bytes.end(), encoded->begin(), encoded->end());
  }
  return !block.items.empty();
}

struct OnlyRow {
  const pg::Rows& rows;
  template <typename T>
  [[nodiscard]] Result<T> get(std::size_t column) const {
    return rows.get<T>(0, column);
  }
};

}  // namespace

Result<std::unique_ptr<LedgerAuditLog>> LedgerAuditLog::open(const Ledger& ledger) {
  std::unique_ptr<LedgerAuditLog> log(new LedgerAuditLog(ledger));
  TRY_VOID(log->load_size());
  TRY_VOID(log->load_documents());
  TRY_VOID(log->load_names());
  TRY_VOID(log->load_secrets());
  TRY_VOID(log->load_sweeps());
  return log;
}

// The log ends where any of its heads says, whatever ids there are beyond.
Result<void> LedgerAuditLog::load_size() {
  TRY(const auto rows, ledger_->query(R"sql(
    SELECT coalesce(max(id) + 1, 0), count(*),
           greatest(coalesce((SELECT next_id FROM pgtally.log_head ORDER BY head_id DESC LIMIT 1),
                             max(id) + 1),
                    (SELECT size FROM pgtally.tree_head ORDER BY head_id DESC LIMIT 1),
                    (SELECT max(size) FROM pgtally.checkpoint), 0)
      FROM pgtally.processed_log WHERE id >= 0)sql"));
  TRY(const TreeSize end, rows.get<TreeSize>(0, 0));
  TRY(const TreeSize count, rows.get<TreeSize>(0, 1));
  TRY(const TreeSize said, rows.get<TreeSize>(0, 2));
  size_.value = std::min({end.value, said.value, count.value + kMostMissing});
  return {};
}

// As they are told for the define and notice entries, and, where this session may read them, as they
// stand in the log itself: of two that differ one may still be right.
Result<void> LedgerAuditLog::load_documents() {
  TRY(const auto told, read_documents(*ledger_, LeafIndex{0}, LeafIndex{size_.value}));
  for (const std::string& text : told) documents_.emplace(sha256(as_bytes(text)), text);
  TRY(const auto may, ledger_->query("SELECT has_column_privilege('pgtally.processed_log', 'data', "
                                     "'SELECT')"));
  TRY(const bool may_read, may.get<bool>(0, 0));
  if (!may_read) return {};
  TRY(const auto rows,
      ledger_->query("SELECT p.data FROM pgtally.source AS s JOIN pgtally.processed_log AS p "
                     "ON p.source_id = s.source_id AND p.key = '' AND p.operation = 5 "
                     "WHERE p.data IS NOT NULL"));
  for (std::size_t r = 0; r < rows.size(); ++r) {
    TRY(const auto text, rows.get<ByteView>(r, 0));
    documents_.emplace(sha256(text), as_text(text));
  }
  return {};
}

Result<void> LedgerAuditLog::load_names() {
  TRY(const auto registered, ledger_->query("SELECT source_id, name FROM pgtally.source"));
  for (std::size_t r = 0; r < registered.size(); ++r) {
    TRY(const auto id, registered.get<std::int32_t>(r, 0));
    TRY(names_[id], registered.get<std::string>(r, 1));
  }
  TRY(const auto defined,
      ledger_->query("SELECT d.source_id, p.content_hash FROM pgtally.definition AS d "
                     "JOIN pgtally.processed_log AS p ON p.id = d.entry_id "
                     "WHERE p.source_id = d.source_id AND p.operation = 5 AND "
                     "octet_length(p.content_hash) = 32 AND d.source_id > 0 "
                     "ORDER BY d.source_id, d.number DESC"));
  for (std::size_t r = 0; r < defined.size(); ++r) {
    TRY(const auto id, defined.get<std::int32_t>(r, 0));
    TRY(const auto hash, defined.get<Hash>(r, 1));
    const auto document = documents_.find(hash);
    if (document == documents_.end()) continue;
    const auto definition = decode_source_definition(document->second);
    if (definition.ok()) names_[id] = definition->source;
  }
  names_[0] = kLedgerSource;
  return {};
}

Result<void> LedgerAuditLog::load_secrets() {
  TRY(const auto may, ledger_->query("SELECT has_table_privilege('pgtally.secret', 'SELECT')"));
  TRY(const bool may_read, may.get<bool>(0, 0));
  if (!may_read) return {};
  TRY(const auto rows, ledger_->query("SELECT source_id, secret FROM pgtally.secret"));
  for (std::size_t r = 0; r < rows.size(); ++r) {
    TRY(const auto id, rows.get<std::int32_t>(r, 0));
    TRY(const auto secret, rows.get<ByteView>(r, 1));
    const auto name = names_.find(id);
    if (name == names_.end() || secret.size() != std::tuple_size_v<BlindingSecret>) continue;
    std::ranges::copy(secret, secrets_[name->second].begin());
  }
  return {};
}

Result<void> LedgerAuditLog::read_entries(LeafIndex from, LeafIndex to, const Take& take) {
  if (from >= to) return {};
  TRY(auto copy, pg::CopyOut::start(ledger_->connection(),
                                    ledger_->sql(fmt::format(
                                        "COPY (SELECT {} FROM pgtally.processed_log WHERE id >= "
                                        "{} AND id < {} ORDER BY id) TO STDOUT (FORMAT binary)",
                                        kColumns, from.value, to.value))));
  // Reading takes as long as what is done with an entry, so a thread of its own does it.
  ReadAhead<EntryBlock> ahead(kBlocksAhead,
                              [&, ended = false](EntryBlock& block) mutable -> Result<bool> {
                                if (ended) return false;
                                TRY(const bool any, read_block(copy, names_, block));
                                ended = block.items.size() < kBlockEntries;
                                return any;
                              });
  EntryBlock block;
  LeafIndex expected = from;
  while (true) {
    TRY(const bool more, ahead.next(block));
    if (!more) break;
    ByteView rest = block.bytes;
    for (const EntryBlock::Item& item : block.items) {
      const ByteView bytes = rest.first(item.size);
      rest = rest.subspan(item.size);
      for (; expected < item.id; ++expected.value) TRY_VOID(take(expected, std::nullopt));
      // Twice only without the primary key, which audit/ledger_state.h asks for.
      if (item.id < expected) continue;
      TRY_VOID(take(item.id, item.size == 0 ? std::nullopt : std::optional(bytes)));
      ++expected.value;
    }
  }
  for (; expected < to; ++expected.value) TRY_VOID(take(expected, std::nullopt));
  return {};
}

Result<std::string> LedgerAuditLog::problem_of(LeafIndex id) {
  TRY(const auto rows,
      ledger_->query(
          fmt::format("SELECT {} FROM pgtally.processed_log WHERE id = $1 LIMIT 1", kColumns),
          pg::Params().index(id)));
  if (rows.empty()) return std::string("it is missing");
  const auto entry = entry_of(OnlyRow{rows}, names_);
  if (!entry.ok()) return entry.error().message;
  EntryBuffer buffer;
  const auto encoded = encode_into(*entry, buffer);
  return encoded.ok() ? std::string("it could be read") : encoded.error().message;
}

Result<void> LedgerAuditLog::read_checkpoints(const TakeCheckpoint& take) {
  // In pieces: there is one for every minute that the ledger lives.
  constexpr std::int64_t kAtOnce = 10'000;
  std::int64_t after = -1;
  while (true) {
    TRY(const auto rows,
        ledger_->query(
            "SELECT c.size, c.root, c.note, c.signed_at, ARRAY(SELECT s.line FROM "
            "pgtally.cosignature AS s WHERE s.size = c.size ORDER BY s.key_name, s.key_id) "
            "FROM pgtally.checkpoint AS c WHERE c.size > $1 ORDER BY c.size LIMIT $2",
            pg::Params().int8(after).int8(kAtOnce)));
    for (std::size_t r = 0; r < rows.size(); ++r) {
      TRY(after, rows.get<std::int64_t>(r, 0));
      AuditedCheckpoint checkpoint;
      TRY(checkpoint.size, rows.get<TreeSize>(r, 0));
      TRY(checkpoint.root, rows.get<Hash>(r, 1));
      TRY(checkpoint.note, rows.get<std::string>(r, 2));
      TRY(checkpoint.signed_at, rows.get<Time>(r, 3));
      TRY(const auto lines, rows.get<std::vector<std::string>>(r, 4));
      for (const std::string& line : lines) {
        const bool is_line = parse_note("x\n\n" + line + "\n").ok();
        if (is_line) checkpoint.note += line + "\n";
        checkpoint.damaged_cosignatures += is_line ? 0 : 1;
      }
      TRY_VOID(take(checkpoint));
    }
    if (rows.size() < static_cast<std::size_t>(kAtOnce)) return {};
  }
}

Result<std::vector<std::vector<Hash>>> LedgerAuditLog::tiles(std::span<const TileId> ids) {
  return read_stored_tiles(*ledger_, ids);
}

Result<std::vector<TileId>> LedgerAuditLog::surplus_tiles(TreeSize size) {
  return pgtally::surplus_tiles(*ledger_, size);
}

Result<std::optional<StoredHeads>> LedgerAuditLog::heads() {
  TRY(const auto rows, ledger_->query(R"sql(
    SELECT t.size, t.root, t.frontier, l.next_id, l.next_ordinals, l.sequenced_at
      FROM (SELECT * FROM pgtally.tree_head ORDER BY head_id DESC LIMIT 1) AS t,
           (SELECT * FROM pgtally.log_head ORDER BY head_id DESC LIMIT 1) AS l)sql"));
  if (rows.empty()) return std::optional<StoredHeads>();
  StoredHeads heads;
  TRY(heads.size, rows.get<TreeSize>(0, 0));
  TRY(heads.root, rows.get<Hash>(0, 1));
  TRY(const auto frontier, rows.get<ByteView>(0, 2));
  for (std::size_t at = 0; at + Hash::kSize <= frontier.size(); at += Hash::kSize) {
    std::copy_n(frontier.begin() + static_cast<std::ptrdiff_t>(at), Hash::kSize,
                heads.frontier.emplace_back().bytes.begin());
  }
  TRY(const auto next_id, rows.get<std::int64_t>(0, 3));
  heads.next_id = static_cast<std::uint64_t>(std::max<std::int64_t>(next_id, 0));
  TRY(const auto ordinals, rows.get<std::vector<std::int64_t>>(0, 4));
  TRY(heads.sequenced_at, rows.get<Time>(0, 5));
  for (const auto& [id, name] : names_) {
    const auto place = static_cast<std::size_t>(id);
    if (place >= ordinals.size() || ordinals[place] <= 0) continue;
    heads.next_ordinals[name] = static_cast<std::uint64_t>(ordinals[place]);
  }
  return std::optional(std::move(heads));
}

Result<std::string> LedgerAuditLog::document(const Hash& hash) {
  const auto found = documents_.find(hash);
  if (found != documents_.end()) return found->second;
  return reject("no document with this hash is stored");
}

bool LedgerAuditLog::has_salts(std::string_view source) {
  return secrets_.contains(source);
}

Result<Hash> LedgerAuditLog::salt(std::string_view source, LeafIndex id) {
  const auto found = secrets_.find(source);
  if (found == secrets_.end()) {
    return operator_error("the secret of source " + std::string(source) + " may not be read",
                          "Only the ledger's owner may read it.");
  }
  return salt_of(found->second, id);
}

Result<void> LedgerAuditLog::load_sweeps() {
  // What a stream copies at first says so in its positions; a writer who appends has no first load.
  TRY(const auto loads,
      ledger_->query(
          "SELECT s.source_id, CASE WHEN s.mode IN ('append', 'logical') OR s.existing = "
          "'skip' THEN s.created_at ELSE (SELECT min(w.finished_at) FROM pgtally.sweep AS "
          "w WHERE w.source_id = s.source_id) END FROM pgtally.source AS s"));
  for (std::size_t r = 0; r < loads.size(); ++r) {
    TRY(const auto id, loads.get<std::int32_t>(r, 0));
    TRY(const Time ended, loads.get<Time>(r, 1));
    const auto name = names_.find(id);
    if (name == names_.end() || ended.microseconds == Time::kNone) continue;
    first_loads_[name->second] = ended;
  }
  TRY(const auto rows,
      ledger_->query(
          "SELECT s.source_id, w.started_at, w.finished_at, coalesce(w.found, 0) FROM "
          "pgtally.source AS s LEFT JOIN pgtally.sweep AS w ON w.source_id = s.source_id "
          "AND w.finished_at IS NOT NULL AND w.found > 0 WHERE s.mode = 'poll' AND NOT "
          "s.sweeps_only AND s.existing <> 'skip' ORDER BY s.source_id, w.sweep_id"));
  for (std::size_t r = 0; r < rows.size(); ++r) {
    TRY(const auto id, rows.get<std::int32_t>(r, 0));
    const auto name = names_.find(id);
    if (name == names_.end()) continue;
    std::vector<PastSweep>& sweeps = sweeps_[name->second];
    PastSweep sweep;
    TRY(sweep.began, rows.get<Time>(r, 1));
    TRY(sweep.ended, rows.get<Time>(r, 2));
    TRY(const auto found, rows.get<std::int64_t>(r, 3));
    sweep.found = static_cast<std::uint64_t>(std::max<std::int64_t>(found, 0));
    if (sweep.found > 0) sweeps.push_back(sweep);
  }
  return {};
}

Result<std::optional<Time>> LedgerAuditLog::first_load_ended(std::string_view source) {
  const auto found = first_loads_.find(source);
  return found == first_loads_.end() ? std::optional<Time>() : std::optional(found->second);
}

std::optional<std::vector<PastSweep>> LedgerAuditLog::sweeps(std::string_view source) {
  const auto found = sweeps_.find(source);
  if (found == sweeps_.end()) return std::nullopt;
  return found->second;
}

}  // namespace pgtally
