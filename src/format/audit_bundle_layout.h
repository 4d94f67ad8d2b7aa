// What writing and reading of a bundle share.
#pragma once

#include <string>
#include <string_view>

#include "format/audit_bundle.h"

namespace pgtally::audit_bundle {

inline constexpr std::string_view kMagic("pgtally/bundle/v1\0", 18);

enum Section : std::uint8_t { kAbout = 1, kCheckpoints, kEntries, kDocuments, kSalts, kEnd };

// "about", "checkpoints", …
[[nodiscard]] std::string_view name_of(std::uint8_t section);

[[nodiscard]] Result<std::string> encode(const BundleAbout& about);
[[nodiscard]] Result<std::string> encode(const BundleSource& source);
[[nodiscard]] Result<BundleAbout> decode_about(std::string_view text);
[[nodiscard]] Result<BundleSource> decode_source(std::string_view text);

}  // namespace pgtally::audit_bundle
