// Reads the vectors in tests/vectors/merkle; the format stands in generate.py beside them.
#pragma once

#include <cstdint>
#include <fstream>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/encoding.h"
#include "pgtally/types.h"

namespace pgtally {

struct MerkleVector {
  std::string kind;
  std::vector<std::uint64_t> numbers;
  std::vector<Hash> hashes;
  // The entries that are not empty; none means that all are the decimal text of their index.
  std::set<std::uint64_t> special;

  [[nodiscard]] std::span<const Hash> path(std::size_t from) const {
    return std::span(hashes).subspan(from);
  }
};

inline std::vector<MerkleVector> read_merkle_vectors(const std::string& name) {
  std::ifstream file(std::string(PGTALLY_VECTORS) + "/merkle/" + name);
  if (!file) throw std::runtime_error("cannot read the vectors in " + name);
  std::vector<MerkleVector> vectors;
  std::set<std::uint64_t> special;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    std::istringstream fields(line);
    MerkleVector vector;
    fields >> vector.kind;
    for (std::string field; fields >> field;) {
      if (field.size() == 2 * Hash::kSize) {
        vector.hashes.push_back(hash_from_hex(field).value());
      } else {
        vector.numbers.push_back(parse_decimal(field).value());
      }
    }
    if (vector.kind == "special") {
      special.insert(vector.numbers.begin(), vector.numbers.end());
      continue;
    }
    vector.special = special;
    vectors.push_back(vector);
  }
  return vectors;
}

}  // namespace pgtally
