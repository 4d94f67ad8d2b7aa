#include "ledger/prover.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"
#include "ledger/cosignatures.h"
#include "ledger/entry_reader.h"
#include "ledger/first_cover.h"
#include "ledger/row_reader.h"
#include "ledger/tile_store.h"
#include "ledger/tree_head.h"
#include "merkle/proof.h"
#include "pgtally/key.h"
#include "pgtally/proof_file.h"
#include "pgtally/verify.h"

namespace pgtally {
namespace {

Result<StoredCheckpoint> covering_checkpoint(const Ledger& ledger, LeafIndex id) {
  TRY(auto checkpoint, checkpoint_to_prove_under(ledger, id));
  if (checkpoint) return *std::move(checkpoint);
  return retry(fmt::format("entry {} is in the log, but under no signed checkpoint yet", id.value),
               "Wait for the service, or run: pgtally run --once");
}

Result<DefineRecord> define_record(const Ledger& ledger, TileReader& tiles, TreeSize size,
                                   std::int32_t source_id, std::uint32_t number) {
  TRY(const auto rows,
      ledger.query("SELECT entry_id FROM pgtally.definition WHERE source_id = $1 AND number = $2",
                   pg::Params().int4(source_id).int4(static_cast<std::int32_t>(number))));
  if (rows.empty()) return tampered("the definition that the entry names is missing");
  DefineRecord record;
  TRY(record.index, rows.get<LeafIndex>(0, 0));
  TRY(record.entry, read_entry(ledger, record.index));
  TRY(record.path, prove_inclusion(tiles, record.index, size));
  return record;
}

Result<std::string> prove_under(const Ledger& ledger, LeafIndex id,
                                const StoredCheckpoint& checkpoint, bool with_row,
                                const std::vector<StoredCheckpoint>& earlier = {}) {
  DatabaseTiles tiles(ledger, checkpoint.size);
  ProofFile proof;
  proof.index = id;
  proof.checkpoint = checkpoint.note;
  TRY(proof.path, prove_inclusion(tiles, id, checkpoint.size));

  ProofExtra extra;
  TRY(extra.entry, read_entry(ledger, id));
  TRY(const Entry entry, decode_entry(extra.entry));
  if (with_row && !has_key(entry.operation)) {
    return reject(fmt::format("entry {} is about no row ({})", id.value, name_of(entry.operation)),
                  "Leave --row out.");
  }
  SourceInfo source;  // stays empty for the ledger's own entries, which no source of rows made
  if (has_key(entry.operation)) {
    TRY(source, find_source(ledger, entry.source));
    TRY(extra.salt, read_salt(ledger, source, id, with_row));
  }
  if (with_row) {
    TRY(const auto document, read_definition_document(ledger, source.id, entry.definition));
    extra.definition = document;
    TRY(extra.define, define_record(ledger, tiles, checkpoint.size, source.id, entry.definition));
    TRY(extra.row, read_recorded_row(ledger, source, id, entry, extra.salt));
  }
  for (const StoredCheckpoint& before : earlier) {
    EarlierRecord& record = extra.earlier.emplace_back();
    record.checkpoint = before.note;
    TRY(record.path, prove_inclusion(tiles, id, before.size));
  }
  TRY(proof.extra, encode_extra(extra));
  return serialize(proof);
}

Result<Policy> own_policy(const Ledger& ledger) {
  TRY(auto key, VerifierKey::parse(ledger.vkey()));
  return Policy::trust(std::move(key));
}

Error unfit(const Error& why) {
  return tampered("the database gave a proof that does not hold: " + why.message,
                  "Nothing was written. pgtally rebuild --check says what differs.");
}

}  // namespace

Result<std::vector<LeafIndex>> find_entries(const Ledger& ledger, const SourceInfo& source,
                                            const std::vector<std::string>& key) {
  TRY(const auto values, key_values(ledger, source, key));
  TRY(const Bytes encoded, encode_key(values));
  TRY(const auto rows, ledger.query("SELECT id FROM pgtally.processed_log WHERE source_id = $1 AND "
                                    "key = $2 ORDER BY id",
                                    pg::Params().int4(source.id).bytea(encoded)));
  if (rows.empty()) {
    return reject(
        fmt::format("no entry of source {} has the key {}", source.name, fmt::join(values, ", ")),
        "If the row was only just written, let it be recorded first: pgtally run --once\n"
        "If its key is older than its neighbours', look for it: pgtally sweep " +
            source.name);
  }
  std::vector<LeafIndex> ids;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    TRY(const LeafIndex id, rows.get<LeafIndex>(r, 0));
    ids.push_back(id);
  }
  return ids;
}

Result<LeafIndex> find_entry(const Ledger& ledger, const std::string& name) {
  const std::size_t colon = name.find(':');
  if (colon == std::string::npos) {
    const auto id = parse_decimal(name);
    if (id.ok() && *id <= INT64_MAX) return LeafIndex{*id};
    return reject(quoted(name) + " names no entry",
                  "Write an id, such as 42, or SOURCE:KEY, such as payment:42 or "
                  "line:order_id=7,number=1.");
  }
  std::vector<std::string> key;
  std::size_t at = colon + 1;
  while (true) {
    const std::size_t comma = name.find(',', at);
    key.push_back(name.substr(at, comma - at));
    if (comma == std::string::npos) break;
    at = comma + 1;
  }
  TRY(const SourceInfo source, find_source(ledger, name.substr(0, colon)));
  TRY(const auto ids, find_entries(ledger, source, key));
  return ids.back();
}

Result<std::string> source_of_entry(const Ledger& ledger, LeafIndex id) {
  TRY_VOID(check_in_log(ledger, id));
  TRY(const Bytes bytes, read_entry(ledger, id));
  TRY(const Entry entry, decode_entry(bytes));
  return entry.source;
}

Result<std::string> prove_entry(const Ledger& ledger, LeafIndex id, bool with_row) {
  TRY_VOID(check_in_log(ledger, id));
  TRY(const auto checkpoint, covering_checkpoint(ledger, id));
  TRY(auto text, prove_under(ledger, id, checkpoint, with_row));
  TRY(const Policy policy, own_policy(ledger));
  const auto verdict = verify_proof(text, policy);
  if (!verdict.ok()) return unfit(verdict.error());
  return text;
}

Result<std::string> prove_order(const Ledger& ledger, LeafIndex a, LeafIndex b, bool with_rows,
                                const Policy* policy) {
  if (a == b) {
    return reject(fmt::format("both are entry {}", a.value),
                  "An order proof is about two entries.");
  }
  const LeafIndex first = std::min(a, b);
  const LeafIndex second = std::max(a, b);
  TRY_VOID(check_in_log(ledger, second));
  TRY(const auto checkpoint, covering_checkpoint(ledger, second));
  const auto prove = [&](LeafIndex id) -> Result<std::string> {
    TRY(const auto earlier, first_covers(ledger, id, checkpoint.size, policy));
    return prove_under(ledger, id, checkpoint, with_rows, earlier);
  };
  OrderProofFile order;
  TRY(order.first, prove(first));
  TRY(order.second, prove(second));
  TRY(auto text, serialize(order));
  TRY(const Policy own, own_policy(ledger));
  const auto verdict = verify_order_proof(text, own);
  if (!verdict.ok()) return unfit(verdict.error());
  return text;
}

Result<ConsistencyProof> prove_log_consistency(const Ledger& ledger, TreeSize from, TreeSize to) {
  TRY(const TreeHead head, read_tree_head(ledger));
  DatabaseTiles tiles(ledger, head.size);
  ConsistencyProof proof{from, to, {}, {}, {}};
  TRY(proof.path, prove_consistency(tiles, from, to));
  TRY(proof.root_from, root_at(tiles, from));
  TRY(proof.root_to, root_at(tiles, to));
  const auto checked = verify_consistency(from, to, proof.root_from, proof.root_to, proof.path);
  if (!checked.ok()) return unfit(checked.error());
  for (const TreeSize size : {from, to}) {
    TRY(const auto signed_one, checkpoint_of_size(ledger, size));
    const Hash& root = size == from ? proof.root_from : proof.root_to;
    if (signed_one && signed_one->root != root) {
      return tampered(fmt::format("the tree of {} entries is not what was signed", size.value),
                      "pgtally rebuild --check says what differs.");
    }
  }
  return proof;
}

}  // namespace pgtally
