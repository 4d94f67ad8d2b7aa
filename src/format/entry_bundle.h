// Entry bundles: the entries of a level-0 tile as they are served, each behind its length.
//
// Bundle number n holds the entries 256n to 256n+255, or the first `width` of them. The entries are
// those of any log: up to 65,535 bytes, of whatever format.
//
// Spec: C2SP tlog-tiles, section "Log entries".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "merkle/tile.h"
#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

inline constexpr std::size_t kMaxBundledEntry = 65'535;
inline constexpr std::size_t kMaxBundleSize = kTileWidth * (kMaxBundledEntry + 2);

// Under which relative path it is served: "tile/entries/x001/x234/067", "tile/entries/000.p/17".
[[nodiscard]] std::string bundle_path(std::uint64_t index, std::uint32_t width = kTileWidth);

// The reverse, as the request of the level-0 tile with the same entries. As strict as
// parse_tile_path().
[[nodiscard]] Result<TileRequest> parse_bundle_path(std::string_view path);

// Puts one entry behind those that are there. Refuses one that is too long.
[[nodiscard]] Result<void> append_to_bundle(std::string& bundle, ByteView entry);

// All entries of it, as views of `bundle`. kReject for bytes that are no bundle.
[[nodiscard]] Result<std::vector<ByteView>> parse_bundle(ByteView bundle);

// The same: exactly `width` of them, or if there are more (a full bundle in
// the place of a partial one), the first. kReject for too few.
[[nodiscard]] Result<std::vector<ByteView>> parse_bundle(ByteView bundle, std::uint32_t width);

}  // namespace pgtally
