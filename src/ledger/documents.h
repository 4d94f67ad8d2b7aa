// The documents that define and notice entries name by their SHA-256. Spec: docs/formats.md.
//
// Nothing is verified here: whoever passes a document on holds it against the entry that names it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ledger/ledger.h"
#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

// Those of the entries from `first` up to `before`, in the order of the entries.
[[nodiscard]] Result<std::vector<std::string>> read_documents(const Ledger& ledger, LeafIndex first,
                                                              LeafIndex before);

// The one with this hash; nothing if no entry below `size` names it.
[[nodiscard]] Result<std::optional<std::string>> find_document(const Ledger& ledger,
                                                               const Hash& hash, TreeSize size);

}  // namespace pgtally
