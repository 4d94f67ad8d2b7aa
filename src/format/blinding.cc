#include "format/blinding.h"

#include "crypto/sha256.h"

namespace pgtally {

Hash salt_of(const BlindingSecret& secret, LeafIndex id) {
  std::array<std::uint8_t, 8> index{};
  for (std::size_t i = 0; i < index.size(); ++i) {
    index[i] = static_cast<std::uint8_t>(id.value >> (8 * (index.size() - 1 - i)));
  }
  return sha256({secret, index});
}

}  // namespace pgtally
