#include <array>

#include "base/encoding.h"
#include "crypto/ed25519.h"
#include "crypto/sha256.h"
#include "format/key_text.h"
#include "pgtally/note.h"

namespace pgtally {
namespace {

constexpr std::size_t kMlDsa44PublicKeySize = 1312;

// How long the public keys of a type are; 0 for a type that is not known.
std::size_t public_key_size(std::uint8_t type) {
  switch (type) {
    case kNoteEd25519:
    case kCosignatureEd25519:
      return Ed25519PublicKey{}.size();
    case kCosignatureMlDsa44:
      return kMlDsa44PublicKeySize;
    default:
      return 0;
  }
}

std::uint32_t take_code_point(std::string_view& text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t lead = byte(0);
  const std::size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  std::uint32_t code = length == 1 ? lead : lead & (0x7fU >> length);
  for (std::size_t i = 1; i < length; ++i) code = code << 6 | (byte(i) & 0x3f);
  text.remove_prefix(length);
  return code;
}

// The characters with the property White_Space. Spec: Unicode 15, PropList.txt.
bool is_space(std::uint32_t code) {
  return (code >= 0x09 && code <= 0x0d) || code == 0x20 || code == 0x85 || code == 0xa0 ||
         code == 0x1680 || (code >= 0x2000 && code <= 0x200a) || code == 0x2028 || code == 0x2029 ||
         code == 0x202f || code == 0x205f || code == 0x3000;
}

}  // namespace

bool is_key_name(std::string_view name) {
  if (name.empty() || !is_utf8(as_bytes(name))) return false;
  while (!name.empty()) {
    const std::uint32_t code = take_code_point(name);
    if (code < 0x20 || code == '+' || is_space(code)) return false;
  }
  return true;
}

std::uint32_t key_id_of(std::string_view name, std::uint8_t type, ByteView public_key) {
  const std::array<std::uint8_t, 2> separator{'\n', type};
  const Hash hash = sha256({as_bytes(name), separator, public_key});
  std::uint32_t id = 0;
  for (std::size_t i = 0; i < sizeof id; ++i) id = id << 8 | hash.bytes[i];
  return id;
}

std::string key_id_text(std::uint32_t id) {
  std::array<std::uint8_t, 4> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::uint8_t>(id >> (24 - 8 * i));
  }
  return to_hex(bytes);
}

Result<KeyText> parse_key_text(std::string_view text) {
  // The name has no plus sign, the base64 text may.
  const std::size_t first = text.find('+');
  const std::size_t second = first == std::string_view::npos ? first : text.find('+', first + 1);
  if (second == std::string_view::npos) {
    return reject("a key is not of the form name+hash+base64");
  }
  KeyText parts{
      std::string(text.substr(0, first)), text.substr(first + 1, second - first - 1), 0, {}};
  if (!is_key_name(parts.name)) return reject("not a key name: " + quoted(parts.name));
  auto bytes = from_base64(text.substr(second + 1));
  if (!bytes.ok()) return std::move(bytes).error().within("the key of " + quoted(parts.name));
  if (bytes->empty()) return reject("the key of " + quoted(parts.name) + " is empty");
  parts.type = bytes->front();
  parts.key.assign(bytes->begin() + 1, bytes->end());
  return parts;
}

Result<VerifierKey> VerifierKey::create(std::string name, std::uint8_t type, ByteView public_key) {
  if (!is_key_name(name)) {
    return reject("not a key name: " + quoted(name),
                  "Names are not empty and hold no space, plus sign or control character.");
  }
  const std::size_t size = public_key_size(type);
  if (size == 0) {
    return reject("the key of " + quoted(name) + " is of type " + std::to_string(type) +
                      ", which is not known",
                  "Known are 1 (Ed25519), 4 (Ed25519 cosignature) and 6 (ML-DSA-44 cosignature).");
  }
  if (public_key.size() != size) {
    return reject("the key of " + quoted(name) + " has " + std::to_string(public_key.size()) +
                  " bytes, its type has " + std::to_string(size));
  }
  VerifierKey key;
  key.key_id_ = key_id_of(name, type, public_key);
  key.name_ = std::move(name);
  key.type_ = type;
  key.public_key_.assign(public_key.begin(), public_key.end());
  return key;
}

Result<VerifierKey> VerifierKey::parse(std::string_view vkey) {
  auto parts = parse_key_text(vkey);
  if (!parts.ok()) return std::move(parts).error().within("vkey " + quoted(vkey, 100));
  TRY(auto key, create(parts->name, parts->type, parts->key));
  if (key_id_text(key.key_id()) != parts->id) {
    return reject("vkey " + quoted(vkey, 100) + ": its hash is " + key_id_text(key.key_id()) +
                      ", not " + quoted(parts->id),
                  "A character of it was lost or changed: copy it again from where it was given.");
  }
  return key;
}

std::string VerifierKey::text() const {
  Bytes bytes{type_};
  bytes.insert(bytes.end(), public_key_.begin(), public_key_.end());
  return name_ + "+" + key_id_text(key_id_) + "+" + to_base64(bytes);
}

bool VerifierKey::verify(std::string_view text, ByteView signature) const {
  if (type_ != kNoteEd25519) return false;
  Ed25519PublicKey key{};
  std::copy(public_key_.begin(), public_key_.end(), key.begin());
  return ed25519_verify(key, as_bytes(text), signature);
}

}  // namespace pgtally
