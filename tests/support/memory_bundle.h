// A bundle in memory, and a small one that is well-formed.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "crypto/sha256.h"
#include "format/audit_bundle.h"
#include "format/sign_checkpoint.h"

namespace pgtally::test {

class MemorySource : public ByteSource {
 public:
  explicit MemorySource(std::string bytes) : bytes_(std::move(bytes)) {}
  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::uint8_t> into) override {
    if (offset >= bytes_.size()) return std::size_t{0};
    const std::size_t count = std::min(into.size(), bytes_.size() - offset);
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset), count, into.begin());
    return count;
  }

 private:
  std::string bytes_;
};

// What is put into a bundle; encode() takes the parts as they are.
struct BundleParts {
  BundleAbout about{Time{1'795'000'000'000'000}};
  std::vector<BundleSource> sources;
  std::vector<BundleCheckpoint> checkpoints;
  std::vector<std::string> entries;
  std::vector<std::string> documents;
  std::vector<std::pair<std::uint64_t, Hash>> salts;

  [[nodiscard]] Result<std::string> encode() const {
    std::string out;
    BundleEncoder encoder([&](ByteView bytes) {
      out += as_text(bytes);
      return Result<void>();
    });
    TRY_VOID(encoder.about(about));
    for (const auto& source : sources) TRY_VOID(encoder.source(source));
    for (const auto& [at, note] : checkpoints) TRY_VOID(encoder.checkpoint(at, note));
    for (const auto& entry : entries) TRY_VOID(encoder.entry(as_bytes(entry)));
    for (const auto& document : documents) TRY_VOID(encoder.document(document));
    for (const auto& [id, salt] : salts) TRY_VOID(encoder.salt(LeafIndex{id}, salt));
    TRY_VOID(encoder.finish());
    return out;
  }
};

inline std::string note_of_size(std::uint64_t size) {
  Ed25519Seed seed{};
  seed.fill(7);
  return *sign_checkpoint(*SigningKey::from_seed("test.example/log", seed), TreeSize{size},
                          sha256("root of " + std::to_string(size)));
}

// Of `size` entries, two checkpoints, `documents` documents, and a salt for every second entry.
inline BundleParts small_bundle(std::uint64_t size = 300, std::size_t documents = 3) {
  BundleParts parts;
  BundleSource payment{.name = "payment", .salts = true};
  payment.tracks_changes = true;
  payment.place = "db.example:5432/shop";
  payment.loaded_at = Time{1'795'000'000'000'001};
  payment.server = "7301234567890123456";
  payment.complete_below = 18'446'744'073'709'551'615ULL;
  parts.sources = {BundleSource{.name = "login"}, payment};
  if (size > 1) parts.checkpoints.push_back({Time{1}, note_of_size(1)});
  parts.checkpoints.push_back({Time{-5}, note_of_size(size)});
  for (std::uint64_t i = 0; i < size; ++i) {
    parts.entries.push_back("entry " + std::to_string(i));
    if (i % 2 == 1) parts.salts.emplace_back(i, sha256("salt " + std::to_string(i)));
  }
  std::map<Hash, std::string> sorted;
  for (std::size_t d = 0; d < documents; ++d) {
    const std::string text = "{\"document\":\"" + std::to_string(d) + "\"}";
    sorted[sha256(text)] = text;
  }
  for (auto& [hash, text] : sorted) parts.documents.push_back(text);
  return parts;
}

}  // namespace pgtally::test
