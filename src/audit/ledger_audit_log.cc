#include "audit/ledger_audit_log.h"

#include <fmt/format.h>

#include <algorithm>

#include "crypto/sha256.h"
#include "ledger/documents.h"
#include "ledger/tile_store.h"
#include "pgtally/definition.h"
#include "pgtally/note.h"

namespace pgtally {
namespace {

// No more ids than rows that the table has room for, and this many, are told one by one as missing: a
// head that was edited would keep the audit busy for ever.
constexpr std::uint64_t kMostMissing = std::uint64_t{1} << 20;
constexpr std::uint64_t kLeastRow = 64;  // bytes, with its header

// Entries for which it is worth while to open side sessions, and how many of them.
constexpr std::uint64_t kLongLog = 100'000;
constexpr std::size_t kSideSessions = 2;

struct OnlyRow {
  const pg::Rows& rows;
  template <typename T>
  [[nodiscard]] Result<T> get(std::size_t column) const {
    return rows.get<T>(0, column);
  }
};

}  // namespace

Result<std::unique_ptr<LedgerAuditLog>> LedgerAuditLog::open(const Ledger& ledger,
                                                             SideSessions* sides) {
  std::unique_ptr<LedgerAuditLog> log(new LedgerAuditLog(ledger, sides));
  TRY_VOID(log->load_size());
  if (sides != nullptr && log->size_.value > kLongLog) sides->open_ahead();
  TRY_VOID(log->load_documents());
  TRY_VOID(log->load_names());
  // It is read from its beginning, and until then there is more to ask for.
  if (log->size_.value > kLongLog) log->look_ahead(LeafIndex{0});
  TRY_VOID(log->load_secrets());
  TRY_VOID(log->load_sweeps());
  return log;
}

// The log ends where any of its heads says, whatever ids there are beyond.
Result<void> LedgerAuditLog::load_size() {
  TRY(const auto rows, ledger_->query(R"sql(
    SELECT coalesce(max(id) + 1, 0), pg_relation_size('pgtally.processed_log'),
           greatest(coalesce((SELECT next_id FROM pgtally.log_head ORDER BY head_id DESC LIMIT 1),
                             max(id) + 1),
                    (SELECT size FROM pgtally.tree_head ORDER BY head_id DESC LIMIT 1),
                    (SELECT max(size) FROM pgtally.checkpoint), 0)
      FROM pgtally.processed_log WHERE id >= 0)sql"));
  TRY(const TreeSize end, rows.get<TreeSize>(0, 0));
  TRY(const auto bytes, rows.get<std::int64_t>(0, 1));
  TRY(const TreeSize said, rows.get<TreeSize>(0, 2));
  size_.value = std::min(
      {end.value, said.value, static_cast<std::uint64_t>(bytes) / kLeastRow + kMostMissing});
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

std::string LedgerAuditLog::query_of(LeafIndex from, LeafIndex to, EntryStream::Order order) const {
  std::string rows = fmt::format("id >= {} AND id < {} ORDER BY id", from.value, to.value);
  if (order == EntryStream::Order::kFile) {
    constexpr const char* kPlace = "(SELECT ctid FROM pgtally.processed_log WHERE id = {} LIMIT 1)";
    rows = "ctid >= " + fmt::format(kPlace, from.value);
    if (to.value != size_.value) rows += " AND ctid < " + fmt::format(kPlace, to.value);
  }
  return ledger_->sql(
      fmt::format("SELECT {} FROM pgtally.processed_log WHERE {}", kEntryColumns, rows));
}

std::unique_ptr<EntryStream> LedgerAuditLog::stream(const std::vector<pg::Connection*>& sessions,
                                                    LeafIndex from, LeafIndex to) const {
  return std::make_unique<EntryStream>(
      sessions,
      [this](LeafIndex begin, LeafIndex end, EntryStream::Order order) {
        return query_of(begin, end, order);
      },
      names_, from, to);
}

// From range to range of a long log, side sessions are ahead of whoever asks. Otherwise one range is read
// by itself.
Result<void> LedgerAuditLog::read_entries(LeafIndex from, LeafIndex to, const Take& take) {
  if (from >= to) return {};
  const auto is_between_blocks = [&](LeafIndex id) {
    return id.value % kBlockEntries == 0 || id.value == size_.value;
  };
  const bool may_go_on = is_between_blocks(from) && is_between_blocks(to);
  if (may_go_on && to.value - from.value > kBlockEntries && size_.value - from.value > kLongLog &&
      !(ahead_ && ahead_->next() == from)) {
    look_ahead(from);
  }
  if (!may_go_on || !ahead_ || ahead_->next() != from) {
    const auto alone = stream({&ledger_->connection()}, from, to);
    return take_all(*alone, to, take);
  }
  TRY_VOID(take_all(*ahead_, to, take));
  if (to.value == size_.value) ahead_.reset();
  return {};
}

void LedgerAuditLog::look_ahead(LeafIndex from) {
  ahead_.reset();
  if (sides_ == nullptr) return;
  const auto sessions = sides_->readers_of(ledger_->sql("pgtally.processed_log"), kSideSessions);
  if (sessions.size() > 1) ahead_ = stream(sessions, from, LeafIndex{size_.value});
}

Result<void> LedgerAuditLog::take_all(EntryStream& entries, LeafIndex to, const Take& take) {
  while (entries.next() < to) {
    TRY_VOID(entries.read(block_));
    TRY_VOID(take(block_.first, block_.entries));
  }
  return {};
}

Result<std::string> LedgerAuditLog::problem_of(LeafIndex id) {
  TRY(const auto rows,
      ledger_->query(
          fmt::format("SELECT {} FROM pgtally.processed_log WHERE id = $1 LIMIT 1", kEntryColumns),
          pg::Params().index(id)));
  if (rows.empty()) return std::string("it is missing");
  TRY(const auto said, rows.get<std::int64_t>(0, 0));
  if (said != static_cast<std::int64_t>(id.value)) {
    return fmt::format("in the table's file its id is {}, which its index does not say", said);
  }
  const auto entry = entry_of_row(OnlyRow{rows}, names_);
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

Result<void> LedgerAuditLog::salts(std::string_view source, std::span<const LeafIndex> ids,
                                   std::span<Hash> salts) {
  const auto found = secrets_.find(source);
  if (found == secrets_.end()) {
    return operator_error("the secret of source " + std::string(source) + " may not be read",
                          "Only the ledger's owner may read it.");
  }
  salts_of(found->second, ids, salts);
  return {};
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
