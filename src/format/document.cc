#include "pgtally/document.h"

#include <algorithm>

#include "base/encoding.h"

namespace pgtally {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";
// Each character that has an escape of its own, followed by the letter that stands for it.
constexpr std::string_view kShortEscapes = "\"\"\\\\\bb\ff\nn\rr\tt";

bool is_member_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(),
                                      [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
}

void write_string(std::string_view value, std::string& out) {
  out += '"';
  for (const char c : value) {
    const auto byte = static_cast<std::uint8_t>(c);
    if (byte >= 0x20 && c != '"' && c != '\\') {
      out += c;
      continue;
    }
    out += '\\';
    std::size_t i = 0;
    while (i < kShortEscapes.size() && kShortEscapes[i] != c) i += 2;
    if (i < kShortEscapes.size()) {
      out += kShortEscapes[i + 1];
    } else {
      out += "u00";
      out += kHexDigits[byte >> 4];
      out += kHexDigits[byte & 15];
    }
  }
  out += '"';
}

Result<void> check_member(const Document::Object& members, std::size_t i) {
  const std::string& name = members[i].first;
  if (!is_member_name(name)) {
    return reject("not a member name: " + quoted(name), "Names are made of a-z and _.");
  }
  if (i > 0 && members[i - 1].first >= name) {
    return reject("member " + quoted(name) + " stands twice or does not follow " +
                  quoted(members[i - 1].first));
  }
  return {};
}

Result<void> write(const Document& value, std::size_t depth, std::string& out) {
  if (depth > kMaxDocumentDepth) return reject("a document is nested too deeply");
  if (const std::string* text = value.as_string()) {
    if (!is_utf8(as_bytes(*text))) return reject("not valid UTF-8: " + quoted(*text));
    write_string(*text, out);
  } else if (const bool* truth = value.as_bool()) {
    out += *truth ? "true" : "false";
  } else if (const Document::Array* elements = value.as_array()) {
    out += '[';
    for (std::size_t i = 0; i < elements->size(); ++i) {
      if (i > 0) out += ',';
      TRY_VOID(write((*elements)[i], depth + 1, out));
    }
    out += ']';
  } else if (const Document::Object* members = value.as_object()) {
    out += '{';
    for (std::size_t i = 0; i < members->size(); ++i) {
      TRY_VOID(check_member(*members, i));
      if (i > 0) out += ',';
      write_string((*members)[i].first, out);
      out += ':';
      TRY_VOID(write((*members)[i].second, depth + 1, out));
    }
    out += '}';
  } else {
    out += "null";
  }
  return {};
}

// Recursive descent over text that is known to be UTF-8 and of bounded size.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<Document> whole() {
    TRY(auto value, any(1));
    if (at_ != text_.size()) return wrong("the end of the document expected");
    return value;
  }

 private:
  [[nodiscard]] Error wrong(const std::string& what) const {
    return reject("document at byte " + std::to_string(at_) + ": " + what);
  }
  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(std::string_view expected) {
    if (!text_.substr(at_).starts_with(expected)) return false;
    at_ += expected.size();
    return true;
  }

  Result<Document> any(std::size_t depth) {
    if (depth > kMaxDocumentDepth) return wrong("nested too deeply");
    if (peek() == '"') {
      TRY(auto text, string());
      return Document(std::move(text));
    }
    if (take("[")) return array(depth);
    if (take("{")) return object(depth);
    if (take("true")) return Document(true);
    if (take("false")) return Document(false);
    if (take("null")) return Document();
    return wrong("a value expected; numbers and white space are not allowed");
  }

  Result<Document> array(std::size_t depth) {
    Document::Array elements;
    if (take("]")) return Document(std::move(elements));
    do {
      TRY(auto element, any(depth + 1));
      elements.push_back(std::move(element));
    } while (take(","));
    if (!take("]")) return wrong("',' or ']' expected");
    return Document(std::move(elements));
  }

  Result<Document> object(std::size_t depth) {
    Document::Object members;
    if (take("}")) return Document(std::move(members));
    do {
      if (peek() != '"') return wrong("a member name expected");
      const std::size_t start = at_;
      TRY(auto name, string());
      // Checked before the members are handed on, because Document would sort them.
      members.emplace_back(std::move(name), Document());
      auto checked = check_member(members, members.size() - 1);
      if (!checked.ok()) {
        return std::move(checked).error().within("document at byte " + std::to_string(start));
      }
      if (!take(":")) return wrong("':' expected");
      TRY(members.back().second, any(depth + 1));
    } while (take(","));
    if (!take("}")) return wrong("',' or '}' expected");
    return Document(std::move(members));
  }

  // Precondition: a quotation mark is next.
  Result<std::string> string() {
    ++at_;
    std::string value;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (static_cast<std::uint8_t>(c) < 0x20) return wrong("a control character is not escaped");
      ++at_;
      if (c == '"') return value;
      if (c != '\\') {
        value += c;
      } else {
        TRY(const char escaped, escape());
        value += escaped;
      }
    }
    return wrong("a string does not end");
  }

  // What follows a backslash.
  Result<char> escape() {
    for (std::size_t i = 1; i < kShortEscapes.size(); i += 2) {
      if (peek() == kShortEscapes[i]) {
        ++at_;
        return kShortEscapes[i - 1];
      }
    }
    if (take("u00") && at_ + 2 <= text_.size()) {
      const std::size_t high = kHexDigits.find(text_[at_]);
      const std::size_t low = kHexDigits.find(text_[at_ + 1]);
      const auto value = static_cast<char>(high * 16 + low);
      const bool has_short = kShortEscapes.find(value) != std::string_view::npos;
      if (high < 2 && low < 16 && !has_short) {
        at_ += 2;
        return value;
      }
    }
    return wrong("not the one escape that this character has");
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

Document::Document(Object members) {
  std::sort(members.begin(), members.end(),
            [](const Member& a, const Member& b) { return a.first < b.first; });
  value_ = std::move(members);
}

Result<Document> Document::parse(std::string_view text) {
  if (text.size() > kMaxDocumentSize) {
    return reject("a document of " + std::to_string(text.size()) + " bytes is longer than " +
                  std::to_string(kMaxDocumentSize));
  }
  if (!is_utf8(as_bytes(text))) return reject("a document is not valid UTF-8");
  return Parser(text).whole();
}

Result<std::string> Document::text() const {
  std::string out;
  TRY_VOID(write(*this, 1, out));
  if (out.size() > kMaxDocumentSize) {
    return reject("a document of " + std::to_string(out.size()) + " bytes is longer than " +
                  std::to_string(kMaxDocumentSize));
  }
  return out;
}

}  // namespace pgtally
