#include "ledger/documents.h"

namespace pgtally {

Result<std::vector<std::string>> read_documents(const Ledger& ledger, LeafIndex first,
                                                LeafIndex before) {
  TRY(const auto rows, ledger.query("SELECT document FROM pgtally.documents($1, $2)",
                                    pg::Params().index(first).index(before)));
  std::vector<std::string> documents;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    TRY(const auto document, rows.get<ByteView>(r, 0));
    documents.emplace_back(as_text(document));
  }
  return documents;
}

Result<std::optional<std::string>> find_document(const Ledger& ledger, const Hash& hash,
                                                 TreeSize size) {
  TRY(const auto rows, ledger.query("SELECT document FROM pgtally.documents(0, $1) WHERE "
                                    "sha256(document) = $2 LIMIT 1",
                                    pg::Params().tree_size(size).hash(hash)));
  if (rows.empty()) return std::optional<std::string>{};
  TRY(const auto document, rows.get<ByteView>(0, 0));
  return std::optional(std::string(as_text(document)));
}

}  // namespace pgtally
