#include "cli/json.h"

#include "base/encoding.h"

namespace pgtally::cli {
namespace {

// JSON's own syntax is ASCII, so bytes that are not UTF-8 stand in strings only.
std::string as_utf8(std::string text) {
  if (is_utf8(as_bytes(text))) return text;
  std::string valid;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t length = 1;
    while (length < 4 && at + length <= text.size() &&
           !is_utf8(as_bytes(std::string_view(text).substr(at, length)))) {
      ++length;
    }
    const std::string_view character = std::string_view(text).substr(at, length);
    const bool is_character = is_utf8(as_bytes(character));
    valid += is_character ? character : std::string_view("\xef\xbf\xbd");
    at += is_character ? length : 1;
  }
  return valid;
}

Result<const json::value*> member(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr) return reject("member " + quoted(name) + " is missing");
  return value;
}

Result<Hash> as_hash(const json::value& value, const std::string& name) {
  const json::string* text = value.if_string();
  if (text == nullptr) return reject(name + " is not a string");
  auto hash = hash_from_base64(*text);
  if (!hash.ok()) return hash.error().within(name);
  return hash;
}

}  // namespace

std::string json_text(const json::value& value) {
  return as_utf8(json::serialize(value));
}

void print_json(Output& output, const json::value& value) {
  output.line(json_text(value));
}

Result<json::value> parse_json(std::string_view text) {
  json::stream_parser parser;
  json::error_code error;
  std::size_t at = parser.write_some(text, error);
  // White space after the value is read with it; anything else is left.
  if (!error && at < text.size()) return reject("not JSON: more after byte " + std::to_string(at));
  if (!error) parser.finish(error);
  if (error) return reject("not JSON: " + error.message() + " at byte " + std::to_string(at));
  return parser.release();
}

Result<std::uint64_t> uint64_member(const json::object& object, std::string_view name) {
  TRY(const json::value* value, member(object, name));
  if (value->is_uint64()) return value->get_uint64();
  if (value->is_int64() && value->get_int64() >= 0) {
    return static_cast<std::uint64_t>(value->get_int64());
  }
  if (const json::string* text = value->if_string()) {
    auto number = parse_decimal(*text);
    if (!number.ok()) return number.error().within(quoted(name));
    return number;
  }
  return reject(pgtally::quoted(name) + " is not an integer from 0 to 2^64-1");
}

Result<Hash> hash_member(const json::object& object, std::string_view name) {
  TRY(const json::value* value, member(object, name));
  return as_hash(*value, quoted(name));
}

Result<std::vector<Hash>> hashes_member(const json::object& object, std::string_view name) {
  TRY(const json::value* value, member(object, name));
  const json::array* elements = value->if_array();
  if (elements == nullptr) return reject(quoted(name) + " is not an array");
  std::vector<Hash> hashes;
  hashes.reserve(elements->size());
  for (const json::value& element : *elements) {
    TRY(const Hash hash,
        as_hash(element, quoted(name) + " element " + std::to_string(hashes.size())));
    hashes.push_back(hash);
  }
  return hashes;
}

}  // namespace pgtally::cli
