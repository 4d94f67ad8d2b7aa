// Signed notes, and the verifier keys (vkeys) that check them.
//
// A note's text means nothing until a signature by a trusted key over it was verified. Signatures
// by unknown keys and of unknown types are carried along and never counted.
//
// Spec: C2SP signed-note; the key texts are those of Go's golang.org/x/mod/sumdb/note.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

inline constexpr std::size_t kMaxNoteSize = std::size_t{1} << 20;
inline constexpr std::size_t kMaxNoteSignatures = 100;
inline constexpr std::size_t kMaxSignatureLineSize = 8192;  // room for post-quantum signatures

// Signature type identifiers that C2SP assigns and pgtally knows by name.
inline constexpr std::uint8_t kNoteEd25519 = 0x01;
inline constexpr std::uint8_t kCosignatureEd25519 = 0x04;
inline constexpr std::uint8_t kCosignatureMlDsa44 = 0x06;  // read in policies, never counted

// Not empty, UTF-8, no Unicode space, no plus sign, no control character.
[[nodiscard]] bool is_key_name(std::string_view name);

// SHA-256(name || 0x0A || type || public key)[:4].
[[nodiscard]] std::uint32_t key_id_of(std::string_view name, std::uint8_t type,
                                      ByteView public_key);

// name+hash+base64(type || public key)
class VerifierKey {
 public:
  // Refuses a hash that is not the key's, types other than the three above, and keys of a wrong
  // length.
  [[nodiscard]] static Result<VerifierKey> parse(std::string_view vkey);
  [[nodiscard]] static Result<VerifierKey> create(std::string name, std::uint8_t type,
                                                  ByteView public_key);

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] std::uint32_t key_id() const noexcept { return key_id_; }
  [[nodiscard]] std::uint8_t type() const noexcept { return type_; }
  [[nodiscard]] ByteView public_key() const noexcept { return public_key_; }
  [[nodiscard]] std::string text() const;

  // Whether `signature` is this key's over `text`. False for keys of a type other than 0x01.
  [[nodiscard]] bool verify(std::string_view text, ByteView signature) const;

  bool operator==(const VerifierKey&) const = default;

 private:
  VerifierKey() = default;

  std::string name_;
  std::uint32_t key_id_ = 0;
  std::uint8_t type_ = 0;
  Bytes public_key_;
};

struct NoteSignature {
  std::string name;
  std::uint32_t key_id = 0;
  Bytes signature;  // without the key id; at least one byte

  // Whether this line claims to be by `key`.
  [[nodiscard]] bool is_by(const VerifierKey& key) const {
    return key_id == key.key_id() && name == key.name();
  }
  bool operator==(const NoteSignature&) const = default;
};

struct SignedNote {
  std::string text;  // what is signed; ends in a newline
  std::vector<NoteSignature> signatures;

  bool operator==(const SignedNote&) const = default;
};

// Verifies nothing. serialize(parse_note(x)) is x, byte for byte.
[[nodiscard]] Result<SignedNote> parse_note(std::string_view note);
[[nodiscard]] Result<std::string> serialize(const SignedNote& note);

}  // namespace pgtally
