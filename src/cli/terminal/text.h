// Text as a terminal shows it: how wide it is, and how to show bytes that may come from strangers.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace pgtally::cli {

// Columns that UTF-8 text takes: wide East Asian characters and emoji take two, combining marks
// none. A byte that is not UTF-8 counts as one.
[[nodiscard]] std::size_t display_width(std::string_view text);

// The same text, harmless: control characters, bytes that are not UTF-8, and characters that turn
// the direction of the text around or break the line become \xNN or \u{NNNN}.
[[nodiscard]] std::string printable(std::string_view text);

// At most `width` columns; what does not fit is replaced by "…". Never cuts a character in two.
[[nodiscard]] std::string cut(std::string_view text, std::size_t width);

// Fills up with blanks; text that is wider stays as it is.
[[nodiscard]] std::string pad_right(std::string_view text, std::size_t width);
[[nodiscard]] std::string pad_left(std::string_view text, std::size_t width);

// Puts `prefix` before each line of `text`.
[[nodiscard]] std::string indent(std::string_view text, std::string_view prefix);

}  // namespace pgtally::cli
