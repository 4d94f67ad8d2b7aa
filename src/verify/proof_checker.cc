#include "verify/proof_checker.h"

#include <algorithm>

#include "base/encoding.h"
#include "crypto/sha256.h"
#include "pgtally/key.h"
#include "pgtally/merkle.h"

namespace pgtally {
namespace {

std::string shown(const Hash& hash) {
  return to_hex(hash.view());
}

std::string definition_name(const Entry& entry) {
  return "definition " + std::to_string(entry.definition) + " of " + entry.source;
}

}  // namespace

Result<void> ProofChecker::run() {
  for (const std::uint16_t type : extra_.unknown) {
    not_checked("a record of unknown type " + std::to_string(type));
  }
  TRY(verdict_.entry_version, entry_version(extra_.entry));
  if (verdict_.entry_version != kEntryVersion) return unknown_version();

  TRY(verdict_.entry, decode_entry(extra_.entry));
  if (has_key(entry().operation)) {
    TRY(auto key, decode_key(entry().key));
    verdict_.key = std::move(key.columns);
    verdict_.key_is_hashed = key.hashed;
  }
  if (entry().operation == Operation::kDefine || entry().operation == Operation::kNotice) {
    TRY_VOID(own_document());
  } else {
    if (entry().source == kLedgerSource) {
      return tampered("the entry is a row of the source pgtally, which takes none");
    }
    TRY_VOID(source_definition());
    TRY_VOID(content());
  }
  TRY_VOID(expected_source_and_key());
  return expected_content_hash();
}

Result<void> ProofChecker::unknown_version() {
  const std::string what = "an entry of version " + std::to_string(verdict_.entry_version);
  if (expected_.source || expected_.key || expected_.row || expected_.content_hash) {
    return reject("nothing can be compared with " + what, "A newer pgtally may know this version.");
  }
  not_checked("what stands in " + what);
  if (extra_.salt || extra_.definition || extra_.row || extra_.define) {
    not_checked("the records beside " + what);
  }
  return {};
}

// A define or notice entry commits to a document, which may be disclosed with it.
Result<void> ProofChecker::own_document() {
  const std::string operation(name_of(entry().operation));
  if (extra_.salt || extra_.row || extra_.define) {
    return reject("a proof of a " + operation + " entry holds records that only rows have");
  }
  if (expected_.row) {
    return tampered("a row is expected, but this is a " + operation + " entry");
  }
  if (!extra_.definition) return {};
  const Hash hash = sha256(*extra_.definition);
  if (hash != entry().content_hash) {
    return tampered("the document has the hash " + shown(hash) + ", the entry commits to " +
                    shown(entry().content_hash));
  }
  verdict_.content = hash;
  if (entry().operation == Operation::kNotice) {
    TRY_VOID(Document::parse(*extra_.definition));
  } else if (entry().source == kLedgerSource) {
    TRY_VOID(ledger_document());
  } else {
    TRY(verdict_.definition, decode_source_definition(*extra_.definition));
    if (verdict_.definition->source != entry().source ||
        verdict_.definition->number != entry().definition) {
      return tampered("the document does not define " + definition_name(entry()));
    }
  }
  checked("document");
  return {};
}

Result<void> ProofChecker::ledger_document() {
  TRY(const LedgerDefinition ledger, decode_ledger_definition(*extra_.definition));
  if (ledger.origin == verdict_.origin) return {};
  return tampered("the entry defines the ledger " + quoted(ledger.origin) +
                  ", the checkpoint is of " + quoted(verdict_.origin));
}

Result<Entry> ProofChecker::define_entry() const {
  auto decoded = decode_entry(extra_.define->entry);
  if (!decoded.ok()) return std::move(decoded).error().within("the define entry");
  const Entry& define = *decoded;
  if (define.operation != Operation::kDefine || define.source != entry().source ||
      define.definition != entry().definition) {
    return tampered("the entry beside the definition is not the one of " +
                    definition_name(entry()));
  }
  if (extra_.define->index >= verdict_.id || define.ordinal >= entry().ordinal ||
      define.sequenced_at > entry().sequenced_at) {
    return tampered(definition_name(entry()) + " is entry " +
                    std::to_string(extra_.define->index.value) +
                    ", which does not come before entry " + std::to_string(verdict_.id.value));
  }
  auto included =
      verify_inclusion(extra_.define->index, verdict_.size, leaf_hash(extra_.define->entry),
                       extra_.define->path, verdict_.root);
  if (!included.ok()) return std::move(included).error().within("the define entry");
  return decoded;
}

Result<void> ProofChecker::source_definition() {
  if (extra_.definition.has_value() != extra_.define.has_value()) {
    return reject("a definition and the entry that records it must stand in a proof together");
  }
  if (!extra_.definition) return {};
  TRY(const Entry define, define_entry());
  const Hash hash = sha256(*extra_.definition);
  if (hash != define.content_hash) {
    return tampered("the definition has the hash " + shown(hash) + ", the log recorded " +
                    shown(define.content_hash));
  }
  TRY(verdict_.definition, decode_source_definition(*extra_.definition));
  if (verdict_.definition->source != entry().source ||
      verdict_.definition->number != entry().definition) {
    return tampered("the document is not " + definition_name(entry()));
  }
  if (extra_.salt && !verdict_.definition->blind) {
    return reject("the proof discloses a salt, but " + definition_name(entry()) +
                  " says that hashes are not blinded");
  }
  checked("definition");
  return {};
}

Result<void> ProofChecker::content() {
  if (extra_.row && !extra_.definition) {
    return reject("the proof discloses a row without the definition that says how to read it");
  }
  if (extra_.row && expected_.row && *extra_.row != *expected_.row) {
    return tampered("the row in the proof is not the row that is expected");
  }
  if (entry().content_hash == Hash{}) {
    if (!extra_.salt && !extra_.row && !expected_.row) return {};
    return tampered("the entry records no content, so there is none to compare");
  }
  if (extra_.row) return row(*extra_.row);
  if (expected_.row) return row(*expected_.row);
  if (verdict_.definition && verdict_.definition->content == ContentKind::kColumn) {
    not_checked("what the hash that the application wrote is the hash of");
  }
  return {};
}

Result<void> ProofChecker::row(const Bytes& bytes) {
  TRY_VOID(content_is(sha256(bytes), "the row"));
  checked("row");
  if (!verdict_.definition) return {};
  if (verdict_.definition->content == ContentKind::kRow) return row_columns(bytes);
  verdict_.data = bytes;
  return {};
}

Result<void> ProofChecker::row_columns(const Bytes& bytes) {
  TRY(verdict_.row, decode_row(bytes));
  for (const RowColumn& column : verdict_.row) {
    const bool covered =
        std::any_of(verdict_.definition->columns.begin(), verdict_.definition->columns.end(),
                    [&](const ColumnDefinition& known) { return known.name == column.name; });
    if (!covered) {
      return tampered("the row has a column " + quoted(column.name) + ", which " +
                      definition_name(entry()) + " does not know");
    }
  }
  return row_key();
}

// That the row is the one that the entry's key names. Only if the key columns are covered.
Result<void> ProofChecker::row_key() {
  if (!has_key(entry().operation)) return {};
  std::vector<std::string> values;
  for (const std::string& name : verdict_.definition->key) {
    const auto is_it = [&](const auto& column) { return column.name == name; };
    const auto& covered = verdict_.definition->columns;
    if (std::none_of(covered.begin(), covered.end(), is_it)) {
      not_checked("key column " + quoted(name) + " of the row, which the row hash does not cover");
      return {};
    }
    const auto found = std::find_if(verdict_.row.begin(), verdict_.row.end(), is_it);
    if (found == verdict_.row.end()) {
      return tampered("the row has no value for its key column " + quoted(name));
    }
    values.push_back(found->value);
  }
  TRY(const Bytes key, encode_key(values));
  if (key != entry().key) return tampered("the row has another key than its entry");
  verdict_.key = std::move(values);
  checked("row key");
  return {};
}

// That `h` lies behind what the entry publishes.
Result<void> ProofChecker::content_is(const Hash& h, std::string_view what) {
  const bool blind = extra_.salt || (verdict_.definition && verdict_.definition->blind);
  if (blind && !extra_.salt) {
    return reject(std::string(what) +
                      " cannot be checked: the source's hashes are blinded, and the "
                      "proof does not disclose the salt",
                  "Ask for a proof with the salt.");
  }
  if ((blind ? blinded(*extra_.salt, h) : h) != entry().content_hash) {
    return tampered(std::string(what) + " is not what was recorded: its hash is " + shown(h) +
                        ", which does not lead to the entry's " + shown(entry().content_hash),
                    blind ? "" : "If the source's hashes are blinded, the proof lacks the salt.");
  }
  verdict_.content = h;
  if (blind && !salt_used_) checked("salt");
  salt_used_ = salt_used_ || blind;
  return {};
}

Result<void> ProofChecker::expected_content_hash() {
  if (expected_.content_hash) {
    const bool may_be_blinded = has_key(entry().operation) && entry().content_hash != Hash{};
    if (*expected_.content_hash == entry().content_hash) {
      checked("content hash");
    } else if (may_be_blinded) {
      TRY_VOID(content_is(*expected_.content_hash, "the expected content hash"));
      checked("content hash");
    } else {
      return tampered("the entry's content hash is " + shown(entry().content_hash) + ", not " +
                      shown(*expected_.content_hash));
    }
  }
  if (extra_.salt && !salt_used_) {
    not_checked("the salt, for which the row or its hash is needed");
  }
  return {};
}

Result<void> ProofChecker::expected_source_and_key() {
  if (expected_.source) {
    if (*expected_.source != entry().source) {
      return tampered("the proof is about source " + entry().source + ", not " +
                      quoted(*expected_.source));
    }
    checked("source");
  }
  if (!expected_.key) return {};
  if (!has_key(entry().operation)) {
    return tampered("a key is expected, but a " + std::string(name_of(entry().operation)) +
                    " entry has none");
  }
  TRY(const auto values, expected_key_in_order());
  TRY(const Bytes key, encode_key(values));
  if (key != entry().key) {
    std::string actual;
    for (const std::string& column : verdict_.key) actual += " " + quoted(column);
    return tampered("the proof is about another key than expected:" +
                    (actual.empty() ? " one that is only known by its hash" : actual));
  }
  verdict_.key = values;
  checked("key");
  return {};
}

Result<std::vector<std::string>> ProofChecker::expected_key_in_order() const {
  const auto& expected = *expected_.key;
  std::vector<std::string> values(expected.size());
  std::vector<bool> given(expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    std::size_t place = i;
    if (!expected[i].name.empty()) {
      if (!verdict_.definition) {
        return reject("key columns cannot be told by name without the definition in the proof",
                      "Give the values alone, in the order of the key.");
      }
      const auto& names = verdict_.definition->key;
      place = static_cast<std::size_t>(std::find(names.begin(), names.end(), expected[i].name) -
                                       names.begin());
    }
    if (place >= values.size() || given[place]) {
      return reject("key column " + quoted(expected[i].name) +
                        " is not in the key, stands twice, or others are missing",
                    "Give a value for each column of the key.");
    }
    values[place] = expected[i].value;
    given[place] = true;
  }
  return values;
}

}  // namespace pgtally
