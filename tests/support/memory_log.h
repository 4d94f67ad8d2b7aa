// A log in memory that can be read and published.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "client/log_reader.h"
#include "crypto/sha256.h"
#include "format/entry_bundle.h"
#include "pgtally/entry.h"
#include "support/signed_log.h"

namespace pgtally::test {

class MemoryLog : public SignedLog, public DocumentedLog {
 public:
  explicit MemoryLog(SigningKey key) : SignedLog(std::move(key)) {}

  // Shows a checkpoint of that size.
  void grow_to(std::uint64_t size, const std::string& text = "") {
    SignedLog::grow_to(size, text);
    serve(note_at(size));
  }
  void serve(std::string checkpoint) { checkpoint_ = std::move(checkpoint); }

  // Appends an entry that names a document.
  void name_document(const std::string& document, Operation operation = Operation::kDefine) {
    Entry entry;
    entry.operation = operation;
    entry.source = kLedgerSource;
    entry.sequenced_at = Time{0};
    entry.content_hash = sha256(document);
    documents_.emplace_back(entries_.size(), document);
    append(std::string(as_text(*encode(entry))));
  }

  Result<std::string> checkpoint() override { return checkpoint_; }
  Result<std::vector<std::vector<Hash>>> tiles(std::span<const TileId> ids,
                                               TreeSize size) override {
    std::vector<TileRequest> requests;
    for (const TileId& id : ids) requests.push_back({id, tile_width(id, size)});
    return tiles_.read(requests);
  }
  Result<std::vector<std::string>> bundles(std::uint64_t first, std::size_t count,
                                           TreeSize size) override {
    std::vector<std::string> bundles(count);
    for (std::size_t b = 0; b < count; ++b) {
      const std::uint64_t begin = (first + b) * kTileWidth;
      for (std::uint64_t i = begin; i < std::min(begin + kTileWidth, size.value); ++i) {
        TRY_VOID(append_to_bundle(bundles[b], as_bytes(entries_[i])));
      }
    }
    return bundles;
  }
  Result<std::vector<std::string>> documents(LeafIndex first, LeafIndex before) override {
    std::vector<std::string> named;
    for (const auto& [index, document] : documents_) {
      if (index >= first.value && index < before.value) named.push_back(document);
    }
    return named;
  }

 private:
  std::string checkpoint_;
  std::vector<std::pair<std::uint64_t, std::string>> documents_;
};

}  // namespace pgtally::test
