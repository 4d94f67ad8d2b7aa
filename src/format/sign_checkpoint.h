// Making checkpoints and cosignatures. Who calls this answers for what is signed: the guard comes
//.
#pragma once

#include <string>
#include <string_view>

#include "crypto/ed25519.h"
#include "format/signing_key.h"
#include "pgtally/checkpoint.h"

namespace pgtally {

// The signed note. The origin is the key's name. Refuses size 0.
[[nodiscard]] Result<std::string> sign_checkpoint(const SigningKey& key, TreeSize size,
                                                  const Hash& root);

// A witness's line under a checkpoint's text. Spec: C2SP tlog-cosignature.
[[nodiscard]] Result<NoteSignature> cosign(const std::string& name, const Ed25519Seed& seed,
                                           std::string_view note_text, std::uint64_t timestamp);

}  // namespace pgtally
