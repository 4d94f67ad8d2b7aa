#include "pgtally/note.h"

#include <algorithm>

#include "base/encoding.h"

namespace pgtally {
namespace {

constexpr std::string_view kSignatureStart = "— ";  // em dash, space
constexpr std::size_t kKeyIdSize = 4;

Result<void> check_text(std::string_view text) {
  if (text.empty() || text.back() != '\n') return reject("a note's text ends in a newline");
  const auto bad = std::find_if(text.begin(), text.end(), [](char c) {
    return static_cast<std::uint8_t>(c) < 0x20 && c != '\n';
  });
  if (bad != text.end()) {
    return reject("a note holds a control character at byte " + std::to_string(bad - text.begin()));
  }
  if (!is_utf8(as_bytes(text))) return reject("a note is not valid UTF-8");
  return {};
}

Result<NoteSignature> parse_signature(std::string_view line, std::size_t number) {
  const std::string where = "signature line " + std::to_string(number);
  if (line.size() > kMaxSignatureLineSize) {
    return reject(where + " is longer than " + std::to_string(kMaxSignatureLineSize) + " bytes");
  }
  if (!line.starts_with(kSignatureStart)) {
    return reject(where + " does not begin with an em dash and a space: " + quoted(line));
  }
  line.remove_prefix(kSignatureStart.size());
  const std::size_t space = line.find(' ');
  const std::string_view name = line.substr(0, space);
  if (space == std::string_view::npos || !is_key_name(name)) {
    return reject(where + " names no key: " + quoted(line));
  }
  auto decoded = from_base64(line.substr(space + 1));
  if (!decoded.ok()) return std::move(decoded).error().within(where);
  const Bytes& bytes = *decoded;
  if (bytes.size() <= kKeyIdSize) return reject(where + " holds no signature");
  NoteSignature signature;
  signature.name = name;
  for (std::size_t i = 0; i < kKeyIdSize; ++i) signature.key_id = signature.key_id << 8 | bytes[i];
  signature.signature.assign(bytes.begin() + kKeyIdSize, bytes.end());
  return signature;
}

}  // namespace

Result<SignedNote> parse_note(std::string_view note) {
  if (note.size() > kMaxNoteSize) {
    return reject("a note of " + std::to_string(note.size()) + " bytes is longer than " +
                  std::to_string(kMaxNoteSize));
  }
  TRY_VOID(check_text(note));
  const std::size_t blank = note.rfind("\n\n");
  if (blank == std::string_view::npos || blank + 2 == note.size()) {
    return reject("a note has no signatures after a blank line");
  }
  SignedNote parsed;
  parsed.text = note.substr(0, blank + 1);
  std::string_view rest = note.substr(blank + 2);
  while (!rest.empty()) {
    if (parsed.signatures.size() == kMaxNoteSignatures) {
      return reject("a note has more than " + std::to_string(kMaxNoteSignatures) + " signatures");
    }
    const std::size_t end = rest.find('\n');
    TRY(auto signature, parse_signature(rest.substr(0, end), parsed.signatures.size() + 1));
    parsed.signatures.push_back(std::move(signature));
    rest.remove_prefix(end + 1);
  }
  return parsed;
}

Result<std::string> serialize(const SignedNote& note) {
  std::string out = note.text + "\n";
  for (const NoteSignature& signature : note.signatures) {
    Bytes bytes;
    for (int shift = 24; shift >= 0; shift -= 8) {
      bytes.push_back(static_cast<std::uint8_t>(signature.key_id >> shift));
    }
    bytes.insert(bytes.end(), signature.signature.begin(), signature.signature.end());
    out += kSignatureStart;
    out += signature.name + " " + to_base64(bytes) + "\n";
  }
  // What was put together by hand may break any rule of the format; reading it back finds all.
  TRY(const SignedNote read_back, parse_note(out));
  if (read_back != note)
    return reject("a note's text or a key name would be read back differently");
  return out;
}

}  // namespace pgtally
