#include "pgtally/checkpoint.h"

#include <algorithm>

#include "base/byte_io.h"
#include "base/encoding.h"
#include "crypto/ed25519.h"

namespace pgtally {
namespace {

// The next line without its newline. Precondition: the text ends in a newline or is empty.
Result<std::string_view> take_line(std::string_view& text, std::string_view what) {
  if (text.empty()) return reject("a checkpoint has no " + std::string(what) + " line");
  const std::size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  if (line.empty()) return reject("the " + std::string(what) + " line of a checkpoint is empty");
  text.remove_prefix(end + 1);
  return line;
}

}  // namespace

Result<std::string> text_of(const Checkpoint& checkpoint) {
  std::string text = checkpoint.origin + "\n" + std::to_string(checkpoint.size.value) + "\n" +
                     to_base64(checkpoint.root.view()) + "\n";
  for (const std::string& line : checkpoint.extensions) text += line + "\n";
  TRY(const Checkpoint read_back, parse_checkpoint(text));
  if (read_back != checkpoint) return reject("a line of a checkpoint holds a newline");
  return text;
}

Result<Checkpoint> parse_checkpoint(std::string_view note_text) {
  if (!note_text.ends_with('\n')) return reject("a checkpoint does not end in a newline");
  Checkpoint checkpoint;
  TRY(checkpoint.origin, take_line(note_text, "origin"));
  TRY(const std::string_view size, take_line(note_text, "size"));
  TRY(const std::string_view root, take_line(note_text, "root"));
  auto parsed_size = parse_decimal(size);
  if (!parsed_size.ok()) return std::move(parsed_size).error().within("the size of a checkpoint");
  auto parsed_root = hash_from_base64(root);
  if (!parsed_root.ok()) return std::move(parsed_root).error().within("the root of a checkpoint");
  checkpoint.size = TreeSize{*parsed_size};
  checkpoint.root = *parsed_root;
  while (!note_text.empty()) {
    TRY(const std::string_view line, take_line(note_text, "extension"));
    checkpoint.extensions.emplace_back(line);
  }
  return checkpoint;
}

std::string cosigned_message(std::string_view note_text, std::uint64_t timestamp) {
  return "cosignature/v1\ntime " + std::to_string(timestamp) + "\n" + std::string(note_text);
}

std::optional<std::uint64_t> verify_cosignature(const VerifierKey& witness,
                                                std::string_view note_text, ByteView signature) {
  if (witness.type() != kCosignatureEd25519) return std::nullopt;
  ByteReader in(signature);
  const auto timestamp = in.u64("timestamp");
  if (!timestamp.ok() || *timestamp > INT64_MAX) return std::nullopt;
  Ed25519PublicKey key{};
  std::copy(witness.public_key().begin(), witness.public_key().end(), key.begin());
  const std::string message = cosigned_message(note_text, *timestamp);
  if (!ed25519_verify(key, as_bytes(message), signature.subspan(in.offset()))) return std::nullopt;
  return *timestamp;
}

}  // namespace pgtally
