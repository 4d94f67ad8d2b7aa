// The salt of each entry, made from its source's secret.
//
// The secret stays with the ledger's owner; a proof discloses the salt of its own entry, which says
// nothing about any other. Spec: docs/formats.md, section Blinding.
#pragma once

#include <array>
#include <span>

#include "pgtally/content.h"
#include "pgtally/types.h"

namespace pgtally {

using BlindingSecret = std::array<std::uint8_t, 32>;

// SHA-256(secret || uint64 id).
[[nodiscard]] Hash salt_of(const BlindingSecret& secret, LeafIndex id);

// The same for many; `salts` has a place for each id.
void salts_of(const BlindingSecret& secret, std::span<const LeafIndex> ids, std::span<Hash> salts);

// blinded() of each content with its salt, in its place.
void blind(std::span<const Hash> salts, std::span<Hash> contents);

}  // namespace pgtally
