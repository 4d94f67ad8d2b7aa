// What a proof discloses of a row: its key in the database's own words, its salt, its content.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ledger/ledger.h"
#include "ledger/registry.h"
#include "pgtally/entry.h"
#include "pgtally/result.h"

namespace pgtally {

// kReject if the log ends before that entry.
[[nodiscard]] Result<void> check_in_log(const Ledger& ledger, LeafIndex id);

// The output text of each key column. `key` has a value for each, in order, or column=value; values
// go through the column's type, so that 042 finds 42.
[[nodiscard]] Result<std::vector<std::string>> key_values(const Ledger& ledger,
                                                          const SourceInfo& source,
                                                          const std::vector<std::string>& key);

// The salt of an entry of a blinded source. Nothing if the source is not blinded, or if this session
// may not read its secret and `required` is false.
[[nodiscard]] Result<std::optional<Hash>> read_salt(const Ledger& ledger, const SourceInfo& source,
                                                    LeafIndex id, bool required);

[[nodiscard]] Result<std::string> read_definition_document(const Ledger& ledger,
                                                           std::int32_t source_id,
                                                           std::uint32_t number);

// The bytes whose hash the entry recorded: of the row as it is in its table now, or of the data that
// was appended. kTampered if they are not what was recorded, kReject if there is nothing to disclose.
[[nodiscard]] Result<Bytes> read_recorded_row(const Ledger& ledger, const SourceInfo& source,
                                              LeafIndex id, const Entry& entry,
                                              const std::optional<Hash>& salt);

}  // namespace pgtally
