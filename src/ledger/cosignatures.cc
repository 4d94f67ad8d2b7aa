#include "ledger/cosignatures.h"

#include <algorithm>

#include "base/byte_io.h"

namespace pgtally {
namespace {

Bytes key_id_bytes(std::uint32_t key_id) {
  ByteWriter out;
  out.u32(key_id);
  return std::move(out).bytes();
}

// The signature's line, without its newline.
Result<std::string> line_of(const NoteSignature& signature) {
  const std::string text = "x\n";  // of any note: the line does not depend on it
  TRY(std::string note, serialize(SignedNote{text, {signature}}));
  note.erase(0, text.size() + 1);
  note.pop_back();
  return note;
}

Result<std::string> add_lines(const Ledger& ledger, TreeSize size, std::string note) {
  TRY(const auto rows, ledger.query("SELECT line FROM pgtally.cosignature WHERE size = $1 "
                                    "ORDER BY signed_at, key_name, key_id LIMIT $2",
                                    pg::Params().tree_size(size).int8(kMaxNoteSignatures)));
  TRY(SignedNote signed_note, parse_note(note));
  for (std::size_t r = 0; r < rows.size(); ++r) {
    if (signed_note.signatures.size() == kMaxNoteSignatures) break;
    TRY(const auto line, rows.get<std::string>(r, 0));
    const auto one = parse_note("x\n\n" + line + "\n");
    if (!one.ok() || one->signatures.size() != 1) {
      return tampered(
          "a stored cosignature of size " + std::to_string(size.value) + " is no signature line",
          "Remove it from table cosignature; the witness can be asked again.");
    }
    signed_note.signatures.push_back(one->signatures.front());
  }
  return serialize(signed_note);
}

Result<std::optional<StoredCheckpoint>> of_size(const Ledger& ledger, Result<pg::Rows> result) {
  TRY(const auto rows, std::move(result));
  if (rows.empty()) return std::optional<StoredCheckpoint>{};
  TRY(const auto size, rows.get<TreeSize>(0, 0));
  return checkpoint_of_size(ledger, size);
}

}  // namespace

Result<std::string> cosigned_checkpoint(const Ledger& ledger, TreeSize size) {
  TRY(auto stored, checkpoint_of_size(ledger, size));
  if (!stored) {
    return reject("there is no checkpoint of size " + std::to_string(size.value),
                  "Only sizes that were signed, and not thinned out since, have one.");
  }
  return add_lines(ledger, size, std::move(stored->note));
}

Result<void> store_cosignature(const Ledger& ledger, TreeSize size, const NoteSignature& signature,
                               std::uint64_t timestamp) {
  TRY(const std::string line, line_of(signature));
  constexpr std::uint64_t kLast = INT64_MAX / 1'000'000 - 1;
  const auto seconds = static_cast<std::int64_t>(std::min(timestamp, kLast));
  TRY([[maybe_unused]] const auto rows,
      ledger.query("INSERT INTO pgtally.cosignature (size, key_name, key_id, line, signed_at) "
                   "VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
                   pg::Params()
                       .tree_size(size)
                       .text(signature.name)
                       .bytea(key_id_bytes(signature.key_id))
                       .text(line)
                       .time(Time{seconds * 1'000'000})));
  return {};
}

Result<TreeSize> last_cosigned(const Ledger& ledger, const VerifierKey& witness) {
  TRY(const auto rows,
      ledger.query("SELECT coalesce(max(size), 0) FROM pgtally.cosignature "
                   "WHERE key_name = $1 AND key_id = $2",
                   pg::Params().text(witness.name()).bytea(key_id_bytes(witness.key_id()))));
  return rows.get<TreeSize>(0, 0);
}

Result<void> mark_witnessed(const Ledger& ledger, TreeSize size) {
  TRY([[maybe_unused]] const auto rows,
      ledger.query("INSERT INTO pgtally.witnessed (size) VALUES ($1) ON CONFLICT DO NOTHING",
                   pg::Params().tree_size(size)));
  return {};
}

Result<std::optional<StoredCheckpoint>> newest_witnessed(const Ledger& ledger) {
  return of_size(ledger, ledger.query("SELECT size FROM pgtally.witnessed JOIN pgtally.checkpoint "
                                      "USING (size) ORDER BY size DESC LIMIT 1"));
}

Result<std::optional<StoredCheckpoint>> checkpoint_to_show(const Ledger& ledger,
                                                           std::chrono::milliseconds patience) {
  if (patience <= std::chrono::milliseconds(0)) return newest_checkpoint(ledger);
  return of_size(
      ledger,
      ledger.query("SELECT size FROM pgtally.checkpoint AS c "
                   " WHERE signed_at <= clock_timestamp() - $1 * interval '1 millisecond' "
                   "    OR EXISTS (SELECT FROM pgtally.witnessed AS w WHERE w.size = c.size) "
                   " ORDER BY size DESC LIMIT 1",
                   pg::Params().int8(patience.count())));
}

Result<std::optional<StoredCheckpoint>> checkpoint_to_prove_under(const Ledger& ledger,
                                                                  LeafIndex id) {
  TRY(auto checkpoint, newest_witnessed(ledger));
  if (!checkpoint || checkpoint->size.value <= id.value) {
    TRY(checkpoint, newest_checkpoint(ledger));
  }
  if (!checkpoint || checkpoint->size.value <= id.value) return std::optional<StoredCheckpoint>{};
  TRY(checkpoint->note, add_lines(ledger, checkpoint->size, checkpoint->note));
  return checkpoint;
}

}  // namespace pgtally
