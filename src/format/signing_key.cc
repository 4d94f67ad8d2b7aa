#include "format/signing_key.h"

#include <algorithm>
#include <cstring>

#include "base/encoding.h"
#include "format/key_text.h"
#include "format/sign_checkpoint.h"

namespace pgtally {
namespace {

constexpr std::string_view kPrivatePrefix = "PRIVATE+KEY+";

// Written through a volatile pointer, or the compiler would leave it out before the memory is
// freed.
void wipe(void* data, std::size_t size) {
  volatile auto* bytes = static_cast<volatile std::uint8_t*>(data);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = 0;
}

}  // namespace

SigningKey::SigningKey(VerifierKey verifier, const Ed25519Seed& seed)
    : verifier_(std::move(verifier)), seed_(seed) {}

SigningKey::~SigningKey() {
  wipe(seed_.data(), seed_.size());
}

Result<SigningKey> SigningKey::from_seed(std::string name, const Ed25519Seed& seed) {
  TRY(const Ed25519PublicKey public_key, ed25519_public_key(seed));
  TRY(auto verifier, VerifierKey::create(std::move(name), kNoteEd25519, public_key));
  return SigningKey(std::move(verifier), seed);
}

Result<SigningKey> SigningKey::parse(std::string_view text) {
  if (!text.starts_with(kPrivatePrefix)) {
    return reject("a private key begins with " + std::string(kPrivatePrefix));
  }
  TRY(auto parts, parse_key_text(text.substr(kPrivatePrefix.size())));
  Ed25519Seed seed{};
  if (parts.type != kNoteEd25519 || parts.key.size() != seed.size()) {
    wipe(parts.key.data(), parts.key.size());
    return reject("the private key of " + quoted(parts.name) + " is not an Ed25519 key");
  }
  std::copy(parts.key.begin(), parts.key.end(), seed.begin());
  auto key = from_seed(parts.name, seed);
  wipe(parts.key.data(), parts.key.size());
  wipe(seed.data(), seed.size());
  if (key.ok() && key_id_text(key->verifier().key_id()) != parts.id) {
    return reject("the private key of " + quoted(parts.name) + " does not have the hash " +
                  quoted(parts.id));
  }
  return key;
}

std::string SigningKey::text() const {
  Bytes bytes{kNoteEd25519};
  bytes.insert(bytes.end(), seed_.begin(), seed_.end());
  std::string out = std::string(kPrivatePrefix) + name() + "+" + key_id_text(verifier_.key_id()) +
                    "+" + to_base64(bytes);
  wipe(bytes.data(), bytes.size());
  return out;
}

Result<NoteSignature> SigningKey::sign(std::string_view text) const {
  TRY(const Ed25519Signature signature, ed25519_sign(seed_, as_bytes(text)));
  return NoteSignature{name(), verifier_.key_id(), Bytes(signature.begin(), signature.end())};
}

Result<VerifierKey> SigningKey::witness_verifier() const {
  return VerifierKey::create(name(), kCosignatureEd25519, verifier_.public_key());
}

Result<NoteSignature> SigningKey::cosign(std::string_view checkpoint_text,
                                         std::uint64_t timestamp) const {
  return pgtally::cosign(name(), seed_, checkpoint_text, timestamp);
}

}  // namespace pgtally
