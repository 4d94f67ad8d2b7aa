#include "format/log_end.h"

#include <algorithm>
#include <vector>

#include "base/encoding.h"
#include "format/row_encoder.h"
#include "format/times.h"

namespace pgtally {
namespace {

constexpr std::size_t kMaxReason = 1'000;

bool is_line(std::string_view text) {
  return !text.empty() && text.size() <= kMaxReason && is_utf8(as_bytes(text)) &&
         std::ranges::all_of(
             text, [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; });
}

Result<std::string> text_of(const LogEnd& end) {
  if (!is_key_name(end.origin) || !is_key_name(end.successor)) {
    return reject("the end of a log names two origins, and one of these is none: " +
                  quoted(end.origin) + ", " + quoted(end.successor));
  }
  if (!is_line(end.reason)) {
    return reject("the reason for which a log ends is one line of at most 1,000 bytes");
  }
  const std::string at = time_as_rfc3339(end.at);
  if (at.empty()) return reject("the end of a log has a time");
  return std::string(kLogEndTitle) + "\n" + end.origin + "\n" + std::to_string(end.size.value) +
         "\n" + to_base64(end.root.view()) + "\n" + at + "\n" + end.successor + "\n" + end.reason +
         "\n";
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

Result<LogEnd> parse(std::string_view text) {
  const Error malformed =
      reject("this is no statement that ends a log",
             "Such a statement begins with the line: " + std::string(kLogEndTitle));
  const auto lines = lines_of(text);
  if (lines.size() != 7 || lines[0] != kLogEndTitle) return malformed;
  LogEnd end;
  const auto size = parse_decimal(lines[2]);
  const auto root = hash_from_base64(lines[3]);
  std::string time = lines[4].substr(0, lines[4].find('Z'));
  std::ranges::replace(time, 'T', ' ');
  const auto at = parse_time_text(time);
  if (!size.ok() || !root.ok() || !at.ok()) return malformed;
  end.origin = lines[1];
  end.size = TreeSize{*size};
  end.root = *root;
  end.at = *at;
  end.successor = lines[5];
  end.reason = lines[6];
  const auto again = text_of(end);
  return again.ok() && *again == text ? Result<LogEnd>(std::move(end)) : malformed;
}

}  // namespace

Result<std::string> sign_log_end(const SigningKey& key, const LogEnd& end) {
  if (key.name() != end.origin) {
    return reject("the key of " + quoted(key.name()) + " cannot end " + quoted(end.origin));
  }
  SignedNote note;
  TRY(note.text, text_of(end));
  TRY(auto signature, key.sign(note.text));
  note.signatures.push_back(std::move(signature));
  return serialize(note);
}

Result<LogEnd> verify_log_end(std::string_view note, const VerifierKey& key) {
  TRY(const SignedNote parsed, parse_note(note));
  TRY(LogEnd end, parse(parsed.text));
  if (end.origin != key.name()) {
    return tampered("the statement is about " + quoted(end.origin) + ", the key is that of " +
                    quoted(key.name()));
  }
  const bool by_key = std::ranges::any_of(parsed.signatures, [&](const NoteSignature& one) {
    return one.is_by(key) && key.verify(parsed.text, one.signature);
  });
  if (!by_key) {
    return tampered("the statement that ends " + quoted(end.origin) + " is not signed by its key");
  }
  return end;
}

}  // namespace pgtally
