// What the two ways of hashing a row share. Spec: docs/formats.md, section Row hash.
#pragma once

#include <string_view>

#include "pgtally/result.h"

namespace pgtally {

// With the zero byte that ends it.
inline constexpr std::string_view kRowPrefix("pgtally/row/v1\0", 15);
inline constexpr std::size_t kMaxColumnNameSize = 255;
inline constexpr std::size_t kMaxColumnValueSize = 0xffffffff;

[[nodiscard]] Result<void> check_column_name(std::string_view name);

}  // namespace pgtally
