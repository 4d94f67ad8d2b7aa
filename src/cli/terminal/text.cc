#include "cli/terminal/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/encoding.h"
#include "pgtally/types.h"

namespace pgtally::cli {
namespace {

struct Character {
  char32_t code = 0;
  std::string_view bytes;
  bool valid = false;
};

// The character at the front of `text`, which is not empty; one byte if it is none.
Character first_character(std::string_view text) {
  const auto lead = static_cast<std::uint8_t>(text[0]);
  const std::size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  const std::string_view bytes = text.substr(0, length);
  if (!is_utf8(as_bytes(bytes))) return {.code = lead, .bytes = text.substr(0, 1), .valid = false};
  char32_t code = length == 1 ? lead : lead & (0xffU >> (length + 1));
  for (const char c : bytes.substr(1)) code = (code << 6) | (static_cast<std::uint8_t>(c) & 0x3f);
  return {.code = code, .bytes = bytes, .valid = true};
}

struct Range {
  char32_t first;
  char32_t last;
};

template <std::size_t N>
bool is_in(const std::array<Range, N>& ranges, char32_t code) {
  return std::ranges::any_of(
      ranges, [code](const Range& range) { return range.first <= code && code <= range.last; });
}

// Blocks, not single characters: a table that is off by a column for a rare sign does no harm.
constexpr std::array<Range, 9> kZeroWidth{{{0x0300, 0x036f},
                                           {0x0483, 0x0489},
                                           {0x0591, 0x05bd},
                                           {0x0610, 0x061a},
                                           {0x064b, 0x065f},
                                           {0x1ab0, 0x1aff},
                                           {0x200b, 0x200d},
                                           {0x20d0, 0x20ff},
                                           {0xfe00, 0xfe0f}}};
constexpr std::array<Range, 10> kWide{{{0x1100, 0x115f},
                                       {0x2e80, 0x303e},
                                       {0x3041, 0x4dbf},
                                       {0x4e00, 0x9fff},
                                       {0xa000, 0xa4cf},
                                       {0xac00, 0xd7a3},
                                       {0xf900, 0xfaff},
                                       {0xff00, 0xff60},
                                       {0x1f300, 0x1f9ff},
                                       {0x20000, 0x3fffd}}};
// What a terminal would obey instead of showing it.
constexpr std::array<Range, 8> kHarmful{{{0x00, 0x1f},
                                         {0x7f, 0x9f},
                                         {0x061c, 0x061c},
                                         {0x200b, 0x200f},
                                         {0x2028, 0x202e},
                                         {0x2060, 0x206f},
                                         {0xfeff, 0xfeff},
                                         {0xe0000, 0xe007f}}};

std::size_t width_of(const Character& character) {
  if (!character.valid) return 1;
  if (is_in(kZeroWidth, character.code)) return 0;
  return is_in(kWide, character.code) ? 2 : 1;
}

}  // namespace

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    const Character character = first_character(text);
    width += width_of(character);
    text.remove_prefix(character.bytes.size());
  }
  return width;
}

std::string printable(std::string_view text) {
  std::string shown;
  while (!text.empty()) {
    const Character character = first_character(text);
    if (!character.valid || (character.code < 0x80 && is_in(kHarmful, character.code))) {
      shown += fmt::format("\\x{:02x}", static_cast<std::uint32_t>(character.code));
    } else if (is_in(kHarmful, character.code)) {
      shown += fmt::format("\\u{{{:04x}}}", static_cast<std::uint32_t>(character.code));
    } else {
      shown += character.bytes;
    }
    text.remove_prefix(character.bytes.size());
  }
  return shown;
}

std::string cut(std::string_view text, std::size_t width) {
  if (display_width(text) <= width) return std::string(text);
  if (width == 0) return {};
  std::string kept;
  std::size_t used = 0;
  while (!text.empty()) {
    const Character character = first_character(text);
    used += width_of(character);
    if (used > width - 1) break;
    kept += character.bytes;
    text.remove_prefix(character.bytes.size());
  }
  return kept + "…";
}

std::string pad_right(std::string_view text, std::size_t width) {
  const std::size_t used = display_width(text);
  return std::string(text) + std::string(used < width ? width - used : 0, ' ');
}

std::string pad_left(std::string_view text, std::size_t width) {
  const std::size_t used = display_width(text);
  return std::string(used < width ? width - used : 0, ' ') + std::string(text);
}

std::string indent(std::string_view text, std::string_view prefix) {
  std::string indented;
  while (true) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    if (!line.empty()) indented.append(prefix).append(line);
    if (end == std::string_view::npos) return indented;
    indented += '\n';
    text.remove_prefix(end + 1);
  }
}

}  // namespace pgtally::cli
