// Private keys that sign notes.
//
// Spec: C2SP signed-note; the text is what Go's golang.org/x/mod/sumdb/note reads and writes:
// PRIVATE+KEY+name+hash+base64(0x01 || seed).
#pragma once

#include <string>
#include <string_view>

#include "crypto/ed25519.h"
#include "pgtally/note.h"
#include "pgtally/result.h"

namespace pgtally {

class SigningKey {
 public:
  // The seed comes from random_bytes(), or from a test.
  [[nodiscard]] static Result<SigningKey> from_seed(std::string name, const Ed25519Seed& seed);
  // Refuses a hash that is not the key's. Never repeats the key in its errors.
  [[nodiscard]] static Result<SigningKey> parse(std::string_view text);

  SigningKey(const SigningKey&) = default;
  SigningKey& operator=(const SigningKey&) = default;
  ~SigningKey();  // wipes the seed

  [[nodiscard]] const std::string& name() const { return verifier_.name(); }
  [[nodiscard]] const VerifierKey& verifier() const { return verifier_; }
  [[nodiscard]] std::string text() const;  // the secret

  // The line that this key puts under `text`, which ends in a newline.
  [[nodiscard]] Result<NoteSignature> sign(std::string_view text) const;

  // The same key as a witness's, whose verifier key has type 0x04 and whose lines name a time in
  // seconds since 1970. Spec: C2SP tlog-cosignature.
  [[nodiscard]] Result<VerifierKey> witness_verifier() const;
  [[nodiscard]] Result<NoteSignature> cosign(std::string_view checkpoint_text,
                                             std::uint64_t timestamp) const;

 private:
  SigningKey(VerifierKey verifier, const Ed25519Seed& seed);

  VerifierKey verifier_;
  Ed25519Seed seed_;
};

}  // namespace pgtally
