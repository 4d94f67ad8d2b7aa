#include "postgres/copy_text.h"

#include <algorithm>

namespace pgtally::pg {
namespace {

constexpr std::string_view kNull = "\\N";

// A server writes these letters for control characters, and a backslash before a backslash or tab.
char meant_by(char escaped) {
  switch (escaped) {
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'v':
      return '\v';
    default:
      return escaped;
  }
}

}  // namespace

Result<void> CopyLine::parse(std::string_view line) {
  values_.clear();
  unescaped_.clear();
  // Never more than the line, so the views into it stay where they are.
  unescaped_.reserve(line.size());
  while (true) {
    const std::size_t end = std::min(line.find('\t'), line.size());
    const std::string_view raw = line.substr(0, end);
    if (raw == kNull) {
      values_.emplace_back(std::nullopt);
    } else if (raw.find('\\') == std::string_view::npos) {
      values_.emplace_back(raw);
    } else {
      const std::size_t start = unescaped_.size();
      for (std::size_t i = 0; i < raw.size(); ++i) {
        if (raw[i] != '\\') {
          unescaped_ += raw[i];
        } else if (++i < raw.size()) {
          unescaped_ += meant_by(raw[i]);
        } else {
          return operator_error("a line of COPY ends within an escape");
        }
      }
      values_.emplace_back(std::string_view(unescaped_).substr(start));
    }
    if (end == line.size()) return {};
    line.remove_prefix(end + 1);
  }
}

}  // namespace pgtally::pg
