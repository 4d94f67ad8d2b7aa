// SHA-256 by the instructions that x86 processors have for it, two messages at a time.
//
// One message waits for its own rounds: each takes a processor four cycles, and it could begin the next
// after two. So a second message costs next to nothing. Spec: FIPS 180-4.
#pragma once

#include <span>

#include "pgtally/types.h"

namespace pgtally::x86 {

// Whether this processor has them. Precondition of sha256_many().
[[nodiscard]] bool has_sha256();

void sha256_many(std::span<const ByteView> messages, std::span<Hash> hashes);

}  // namespace pgtally::x86
