#include "service/re_record.h"

#include <fmt/format.h>

#include <map>

#include "base/encoding.h"
#include "client/entry_check.h"
#include "crypto/sha256.h"
#include "format/entry_bundle.h"
#include "ledger/integrator.h"
#include "ledger/settle.h"
#include "ledger/tree_head.h"
#include "pgtally/definition.h"
#include "pgtally/entry.h"
#include "postgres/copy.h"
#include "postgres/transaction.h"

namespace pgtally {
namespace {

constexpr std::size_t kRowsInCopy = 10'000;
constexpr std::uint64_t kEntriesInWrite = 65'536;

// What the registry has, by name; and what the log's define entries add to it.
class Registry {
 public:
  explicit Registry(const Ledger& ledger) : ledger_(ledger) {}

  [[nodiscard]] Result<void> load() {
    TRY(const auto rows, ledger_.query("SELECT source_id, name FROM pgtally.source"));
    for (std::size_t r = 0; r < rows.size(); ++r) {
      TRY(const auto id, rows.get<std::int32_t>(r, 0));
      TRY(const auto name, rows.get<std::string>(r, 1));
      ids_[name] = id;
    }
    return {};
  }

  [[nodiscard]] Result<std::int32_t> id_of(const std::string& name) const {
    const auto it = ids_.find(name);
    if (it != ids_.end()) return it->second;
    return tampered("the copy has an entry of source " + quoted(name) + " before it is defined");
  }

  // `document` is what the entry commits to.
  [[nodiscard]] Result<void> define(const Entry& entry, LeafIndex id, const std::string& document) {
    TRY(const SourceDefinition definition, decode_source_definition(document));
    if (!ids_.contains(entry.source)) TRY_VOID(add_lost(definition));
    const auto number = static_cast<std::int32_t>(entry.definition);
    TRY([[maybe_unused]] const auto added,
        ledger_.query("INSERT INTO pgtally.definition (source_id, number, entry_id, document) "
                      "VALUES ($1, $2, $3, $4)",
                      pg::Params()
                          .int4(ids_[entry.source])
                          .int4(number)
                          .index(id)
                          .bytea(as_bytes(document))));
    TRY([[maybe_unused]] const auto moved,
        ledger_.query("UPDATE pgtally.source SET definition = $2 WHERE source_id = $1",
                      pg::Params().int4(ids_[entry.source]).int4(number)));
    return {};
  }

  [[nodiscard]] std::vector<std::string> lost() && { return std::move(lost_); }

 private:
  // The name is not given out again. Nothing is captured: what the contents were blinded with is lost,
  // and so is what only the registry knew of the source.
  [[nodiscard]] Result<void> add_lost(const SourceDefinition& definition) {
    TRY(const auto rows,
        ledger_.query(
            "INSERT INTO pgtally.source (source_id, name, mode, state, blind) "
            "SELECT max(source_id) + 1, $1, $2, 'removed', $3 FROM pgtally.source "
            "RETURNING source_id",
            pg::Params().text(definition.source).text(definition.mode).boolean(definition.blind)));
    TRY(ids_[definition.source], rows.get<std::int32_t>(0, 0));
    lost_.push_back(definition.source);
    return {};
  }

  const Ledger& ledger_;
  std::map<std::string, std::int32_t> ids_;
  std::vector<std::string> lost_;
};

// Puts into the log what was checked, from `next` on.
class Recorder : public CheckedSink {
 public:
  Recorder(const Ledger& ledger, const PublishedCopy& copy, TreeSize next,
           const RecoveryProgress& progress)
      : ledger_(ledger), copy_(copy), registry_(ledger), next_(next), progress_(progress) {}

  [[nodiscard]] Result<void> begin() {
    TRY_VOID(registry_.load());
    TRY([[maybe_unused]] const bool loaded, integrator_.load(ledger_));
    return integrator_.catch_up(ledger_, LeafIndex{next_.value});
  }

  Result<void> tile(const TileRequest&, const std::vector<Hash>&) override { return {}; }
  Result<void> verified(const Frontier&) override { return {}; }
  Result<void> bundle(const TileRequest& request, const std::string& bytes) override {
    TRY(const auto entries, parse_bundle(as_bytes(bytes), request.width));
    const std::uint64_t first = request.tile.index * kTileWidth;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (first + i < next_.value) continue;
      TRY_VOID(take(LeafIndex{first + i}, entries[i]));
    }
    if (progress_) progress_(next_.value, copy_.checkpoint.size.value);
    return {};
  }

  [[nodiscard]] Result<TreeHead> finish() {
    TRY_VOID(flush());
    TRY_VOID(integrator_.write(ledger_));
    return integrator_.head();
  }
  [[nodiscard]] std::vector<std::string> lost_sources() { return std::move(registry_).lost(); }

 private:
  struct Row {
    LeafIndex id;
    std::int32_t source_id = 0;
    Entry entry;
    std::optional<std::string> document;
  };

  [[nodiscard]] Result<void> take(LeafIndex id, ByteView bytes) {
    auto entry = decode_entry(bytes);
    if (!entry.ok()) {
      return reject(
          fmt::format("entry {} cannot be recorded again: {}", id.value, entry.error().message),
          "A later version of pgtally may know how.");
    }
    // A statement's entries have one time.
    const bool starts_batch =
        !rows_.empty() && rows_.back().entry.sequenced_at != entry->sequenced_at;
    if (starts_batch || rows_.size() == kRowsInCopy) TRY_VOID(flush());
    Row row{id, 0, std::move(*entry), {}};
    if (!has_key(row.entry.operation) && row.entry.operation != Operation::kTruncate) {
      TRY(row.document, document_of(row));
    }
    if (row.entry.operation == Operation::kDefine) {
      TRY_VOID(registry_.define(row.entry, id, *row.document));
    }
    TRY(row.source_id, registry_.id_of(row.entry.source));
    rows_.push_back(std::move(row));
    integrator_.append(bytes);
    next_ = TreeSize{id.value + 1};
    if (next_.value % kEntriesInWrite == 0) {
      TRY_VOID(flush());
      TRY_VOID(integrator_.write(ledger_));
    }
    return {};
  }

  [[nodiscard]] Result<std::string> document_of(const Row& row) const {
    const Hash& hash = row.entry.content_hash;
    auto text = copy_.log->document(hash);
    if (!text.ok()) {
      return reject(
          fmt::format("{} lacks the document {}, to which entry {} ({}) commits", copy_.place,
                      to_hex(hash.view()), row.id.value, name_of(row.entry.operation)),
          text.error().message +
              "\nName a copy that has it: a server, a directory that pgtally "
              "publishes, a bundle.");
    }
    if (sha256(*text) != hash) {
      return tampered(fmt::format("the document {} in {} has another hash than its name",
                                  to_hex(hash.view()), copy_.place),
                      "It was damaged; this copy cannot be used.");
    }
    return text;
  }

  [[nodiscard]] Result<void> flush() {
    if (rows_.empty()) return {};
    TRY(auto copy,
        pg::CopyIn::start(
            ledger_.connection(),
            ledger_.sql(
                "COPY pgtally.processed_log (id, source_id, definition, ordinal, operation, key, "
                "source_position, source_time, content_hash, data, sequenced_at) "
                "FROM STDIN (FORMAT binary)")));
    for (const Row& row : rows_) {
      const Entry& entry = row.entry;
      copy.index(row.id);
      copy.int4(row.source_id);
      copy.int4(static_cast<std::int32_t>(entry.definition));
      copy.int8(static_cast<std::int64_t>(entry.ordinal));
      copy.int2(static_cast<std::int16_t>(entry.operation));
      copy.bytea(entry.key);
      copy.text(entry.source_position);
      copy.time(entry.source_time);
      copy.hash(entry.content_hash);
      row.document ? copy.bytea(as_bytes(*row.document)) : copy.null();
      copy.time(entry.sequenced_at);
      TRY_VOID(copy.end_row());
    }
    TRY([[maybe_unused]] const auto copied, copy.finish());
    rows_.clear();
    return {};
  }

  const Ledger& ledger_;
  const PublishedCopy& copy_;
  Registry registry_;
  Integrator integrator_;
  TreeSize next_;
  const RecoveryProgress& progress_;
  std::vector<Row> rows_;
};

// That the log ends where it did when it was looked at.
Result<void> check_unmoved(const Ledger& ledger, TreeSize size) {
  TRY(const auto rows,
      ledger.query("SELECT next_id FROM pgtally.log_head ORDER BY head_id DESC LIMIT 1"));
  TRY(const LeafIndex end, rows.get<LeafIndex>(0, 0));
  if (end.value == size.value) return {};
  return retry("the log has moved on while it was looked at",
               "Stop everything that sequences this ledger, then run the command again.");
}

}  // namespace

Result<ReRecorded> re_record(const Ledger& ledger, const PublishedCopy& copy,
                             const Diagnosis& found, const RecoveryProgress& progress) {
  TRY(auto transaction, pg::Transaction::begin(ledger.connection()));
  TRY_VOID(ledger.execute("SELECT pgtally.lock_ledger()"));
  // The copy may be slow to come, and nobody else is to sequence meanwhile.
  TRY_VOID(ledger.execute("SET LOCAL idle_in_transaction_session_timeout = 0"));
  TRY_VOID(check_unmoved(ledger, found.size));

  Recorder recorder(ledger, copy, found.size, progress);
  TRY_VOID(recorder.begin());
  Frontier verified = found.full_tiles;
  TRY_VOID(check_entries(*copy.log, copy.checkpoint, verified, recorder));
  TRY(const TreeHead head, recorder.finish());
  if (head.size != copy.checkpoint.size || head.root != copy.checkpoint.root) {
    return tampered("what was recorded again has another root than the published checkpoint",
                    "Nothing was changed. Please report it.");
  }
  TRY(SignedNote note, parse_note(copy.note));
  TRY(const auto key, VerifierKey::parse(ledger.vkey()));
  std::erase_if(note.signatures, [&](const NoteSignature& one) { return !one.is_by(key); });
  TRY(const auto own_note, serialize(note));
  TRY_VOID(store_checkpoint(ledger, head.size, head.root, own_note));
  TRY([[maybe_unused]] const auto noted,
      ledger.query("SELECT pgtally.note_recovered($1)", pg::Params().tree_size(found.size)));
  const pg::CommitResult result = transaction.commit();
  if (result.outcome != pg::CommitOutcome::kCommitted) {
    return retry("whether the entries were recorded again is not known: " + result.reason,
                 "Look with: pgtally recover");
  }
  // If this is interrupted, the next cycle does it.
  TRY([[maybe_unused]] const auto settled, settle(ledger));
  return ReRecorded{head.size.value - found.size.value, head.size, recorder.lost_sources()};
}

}  // namespace pgtally
