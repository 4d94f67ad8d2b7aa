// What the ways of hashing one row and many share. Spec: docs/formats.md, section Row hash.
#pragma once

#include <string_view>

#include "pgtally/result.h"

namespace pgtally {

// With the zero byte that ends it.
inline constexpr std::string_view kRowPrefix("pgtally/row/v1\0", 15);
// Before a salt and what it blinds, with its zero byte.
inline constexpr std::string_view kBlindPrefix("pgtally/blind/v1\0", 17);
inline constexpr std::size_t kMaxColumnNameSize = 255;
inline constexpr std::size_t kMaxColumnValueSize = 0xffffffff;

[[nodiscard]] Result<void> check_column_name(std::string_view name);

}  // namespace pgtally
