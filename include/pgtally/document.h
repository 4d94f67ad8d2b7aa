// Document: JSON with exactly one text for each value, so that a hash of the text is a hash of it.
//
//   - objects, arrays, strings, true, false, null; integers are strings of decimal digits;
//   - member names match [a-z_]+ and ascend; no white space anywhere;
//   - strings are UTF-8; only `"`, `\` and characters below U+0020 are escaped: \" \\ \b \f \n \r \t,
//     the rest as \u00xx with lower-case digits;
//   - at most kMaxDocumentSize bytes and kMaxDocumentDepth values deep.
//
// Spec: docs/formats.md, section Document.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

inline constexpr std::size_t kMaxDocumentSize = std::size_t{1} << 20;
inline constexpr std::size_t kMaxDocumentDepth = 16;

class Document {
 public:
  using Array = std::vector<Document>;
  using Member = std::pair<std::string, Document>;
  using Object = std::vector<Member>;

  Document() = default;  // null
  explicit Document(bool value) : value_(value) {}
  explicit Document(std::string value) : value_(std::move(value)) {}
  explicit Document(const char* value) : value_(std::string(value)) {}
  explicit Document(Array elements) : value_(std::move(elements)) {}
  // The members may come in any order; text() refuses names that are doubled or malformed.
  explicit Document(Object members);

  // Refuses any text that is not exactly what text() would give, and says at which byte.
  [[nodiscard]] static Result<Document> parse(std::string_view text);

  [[nodiscard]] Result<std::string> text() const;

  [[nodiscard]] bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  // Null where the value is of another kind.
  [[nodiscard]] const bool* as_bool() const { return std::get_if<bool>(&value_); }
  [[nodiscard]] const std::string* as_string() const { return std::get_if<std::string>(&value_); }
  [[nodiscard]] const Array* as_array() const { return std::get_if<Array>(&value_); }
  [[nodiscard]] const Object* as_object() const { return std::get_if<Object>(&value_); }

  bool operator==(const Document&) const = default;

 private:
  std::variant<std::monostate, bool, std::string, Array, Object> value_;
};

}  // namespace pgtally
