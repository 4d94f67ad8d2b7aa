#include "format/sign_checkpoint.h"

#include "base/byte_io.h"

namespace pgtally {

Result<std::string> sign_checkpoint(const SigningKey& key, TreeSize size, const Hash& root) {
  if (size.value == 0) return reject("a checkpoint of size 0 is never signed");
  SignedNote note;
  TRY(note.text, text_of(Checkpoint{key.name(), size, root, {}}));
  TRY(auto signature, key.sign(note.text));
  note.signatures.push_back(std::move(signature));
  return serialize(note);
}

Result<NoteSignature> cosign(const std::string& name, const Ed25519Seed& seed,
                             std::string_view note_text, std::uint64_t timestamp) {
  if (timestamp > INT64_MAX) return reject("a cosignature's time is beyond 2^63-1");
  TRY(const Ed25519PublicKey public_key, ed25519_public_key(seed));
  TRY(const auto key, VerifierKey::create(name, kCosignatureEd25519, public_key));
  const std::string message = cosigned_message(note_text, timestamp);
  TRY(const Ed25519Signature signature, ed25519_sign(seed, as_bytes(message)));
  ByteWriter out;
  out.u64(timestamp);
  out.raw(signature);
  return NoteSignature{name, key.key_id(), std::move(out).bytes()};
}

}  // namespace pgtally
