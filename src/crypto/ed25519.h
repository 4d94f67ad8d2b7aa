// Ed25519 signatures, and the random bytes that keys and secrets are made of.
//
// Spec: RFC 8032 (PureEd25519: no prehash, no context). No OpenSSL type is visible from here.
#pragma once

#include <array>
#include <cstddef>

#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

using Ed25519Seed = std::array<std::uint8_t, 32>;
using Ed25519PublicKey = std::array<std::uint8_t, 32>;
using Ed25519Signature = std::array<std::uint8_t, 64>;

[[nodiscard]] Result<Ed25519PublicKey> ed25519_public_key(const Ed25519Seed& seed);

[[nodiscard]] Result<Ed25519Signature> ed25519_sign(const Ed25519Seed& seed, ByteView message);

// False for a wrong signature and for bytes that are no signature or no key at all.
[[nodiscard]] bool ed25519_verify(const Ed25519PublicKey& key, ByteView message,
                                  ByteView signature);

// From the operating system's generator; kOperator if that fails.
[[nodiscard]] Result<Bytes> random_bytes(std::size_t count);

}  // namespace pgtally
