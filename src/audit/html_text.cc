#include "audit/html_text.h"

#include <array>
#include <cstdio>

#include "base/encoding.h"
#include "format/times.h"

namespace pgtally::html {
namespace {

struct Decoded {
  char32_t character = 0;
  std::size_t size = 0;  // 0: no UTF-8
};

Decoded first_of(std::string_view text) {
  const auto lead = static_cast<std::uint8_t>(text.front());
  const std::size_t size = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (!is_utf8(as_bytes(text.substr(0, size)))) return {};
  if (size == 1) return {lead, 1};
  char32_t character = lead & (0xFFU >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    character = character << 6 | (static_cast<std::uint8_t>(text[i]) & 0x3FU);
  }
  return {character, size};
}

// Characters that a reader does not see, or that make him see others elsewhere.
bool is_hidden(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0xAD || c == 0x61C || c == 0x180E ||
         (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) ||
         (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF || (c >= 0xFFF0 && c <= 0xFFFB) ||
         (c >= 0xE0000 && c <= 0xE0FFF);
}

template <typename... Values>
std::string printed(const char* form, Values... values) {
  std::array<char, 32> text{};
  const int size = std::snprintf(text.data(), text.size(), form, values...);
  return {text.data(), static_cast<std::size_t>(size)};
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Decoded next = first_of(text);
    if (next.size == 0) {
      out += printed("\\x%02x", static_cast<unsigned>(static_cast<std::uint8_t>(text.front())));
      text.remove_prefix(1);
      continue;
    }
    if (next.character == '&') {
      out += "&amp;";
    } else if (next.character == '<') {
      out += "&lt;";
    } else if (next.character == '>') {
      out += "&gt;";
    } else if (next.character == '"') {
      out += "&quot;";
    } else if (next.character == '\'') {
      out += "&#39;";
    } else if (is_hidden(next.character)) {
      out += printed("\\u{%x}", static_cast<unsigned>(next.character));
    } else {
      out += text.substr(0, next.size);
    }
    text.remove_prefix(next.size);
  }
  return out;
}

std::string grouped(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

std::string counted(std::uint64_t number, std::string_view one, std::string_view many) {
  return grouped(number) + " " + std::string(number == 1 ? one : many);
}

std::string to_the_second(Time time) {
  std::string text = time_for_people(time);
  const std::size_t point = text.find('.');
  const std::size_t space = text.find(' ', point);
  if (point != std::string::npos && space != std::string::npos) text.erase(point, space - point);
  return text;
}

}  // namespace pgtally::html
