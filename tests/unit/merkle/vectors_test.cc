// The tree against what others have computed.
#include <gtest/gtest.h>

#include <array>
#include <memory>

#include "crypto/sha256.h"
#include "merkle/proof.h"
#include "merkle/tree.h"
#include "support/memory_tiles.h"
#include "support/merkle_vectors.h"
#include "support/sparse_tiles.h"

namespace pgtally {
namespace {

std::vector<Hash> reference_leaves() {
  std::vector<Hash> leaves;
  for (const char* entry : {"", "00", "10", "2021", "3031", "40414243", "5051525354555657",
                            "606162636465666768696a6b6c6d6e6f"}) {
    leaves.push_back(leaf_hash(from_hex(entry).value()));
  }
  return leaves;
}

// Leaf i is the single byte i, as in the appendix of the Merkle tree certificates draft.
std::vector<Hash> draft_leaves() {
  std::vector<Hash> leaves;
  for (std::uint8_t i = 0; i < 130; ++i) leaves.push_back(leaf_hash(std::array{i}));
  return leaves;
}

// Generates what the vector says, and verifies it.
void check(TileReader& tiles, const MerkleVector& v) {
  const auto& n = v.numbers;
  const auto& h = v.hashes;
  Result<std::vector<Hash>> proof = reject("not asked for");
  Result<void> verdict;
  if (v.kind == "root") {
    EXPECT_EQ(root_at(tiles, {n[0]}).value(), h[0]);
    return;
  }
  if (v.kind == "inclusion") {
    proof = prove_inclusion(tiles, {n[0]}, {n[1]});
    verdict = verify_inclusion({n[0]}, {n[1]}, h[0], v.path(2), h[1]);
  } else if (v.kind == "consistency") {
    proof = prove_consistency(tiles, {n[0]}, {n[1]});
    verdict = verify_consistency({n[0]}, {n[1]}, h[0], h[1], v.path(2));
  } else if (v.kind == "subtree-inclusion") {
    proof = prove_subtree_inclusion(tiles, {n[0]}, {n[1], n[2]});
    verdict = verify_subtree_inclusion({n[0]}, {n[1], n[2]}, h[0], v.path(2), h[1]);
  } else if (v.kind == "subtree-consistency") {
    proof = prove_subtree_consistency(tiles, {n[0], n[1]}, {n[2]});
    verdict = verify_subtree_consistency({n[0], n[1]}, {n[2]}, v.path(2), h[0], h[1]);
  } else {
    FAIL() << "no such kind of vector: " << v.kind;
  }
  ASSERT_TRUE(proof.ok()) << proof.error().message;
  const auto expected = v.path(2);
  EXPECT_EQ(*proof, std::vector<Hash>(expected.begin(), expected.end()));
  EXPECT_TRUE(verdict.ok()) << verdict.error().message;
}

std::string describe(const MerkleVector& v) {
  std::string text = v.kind;
  for (const std::uint64_t n : v.numbers) text += " " + std::to_string(n);
  return text;
}

TEST(MerkleVectors, roots_and_proofs_are_those_of_the_certificate_transparency_reference_data) {
  const std::vector<Hash> leaves = reference_leaves();
  MemoryTiles tiles(leaves);
  const auto vectors = read_merkle_vectors("published.txt");
  ASSERT_EQ(vectors.size(), 20U);
  for (const MerkleVector& v : vectors) {
    SCOPED_TRACE(describe(v));
    check(tiles, v);
    if (v.kind == "root") {
      EXPECT_EQ(root_of(std::span(leaves).first(v.numbers[0])), v.hashes[0]);
    }
  }
}

TEST(MerkleVectors, roots_and_proofs_are_those_of_the_independent_generator) {
  std::vector<Hash> leaves;
  for (int i = 0; i < 65793; ++i) leaves.push_back(leaf_hash(as_bytes(std::to_string(i))));
  MemoryTiles tiles(leaves);
  int seen = 0;
  for (const MerkleVector& v : read_merkle_vectors("proofs.txt")) {
    if (!v.special.empty()) continue;
    SCOPED_TRACE(describe(v));
    check(tiles, v);
    ++seen;
  }
  EXPECT_GT(seen, 200);
}

TEST(MerkleVectors, hold_for_trees_of_up_to_the_last_64_bit_size) {
  std::unique_ptr<SparseTiles> tiles;
  int seen = 0;
  for (const MerkleVector& v : read_merkle_vectors("proofs.txt")) {
    if (v.special.empty()) continue;
    if (!tiles) tiles = std::make_unique<SparseTiles>(TreeSize{UINT64_MAX}, v.special);
    SCOPED_TRACE(describe(v));
    check(*tiles, v);
    ++seen;
  }
  EXPECT_GT(seen, 50);
}

// Spec: draft-ietf-plants-merkle-tree-certs, appendix "Subtree Test Vectors": one hash over the
// text of all answers for all trees of up to 130 entries.
TEST(MerkleVectors, all_subtree_roots_are_those_of_the_draft) {
  MemoryTiles tiles(draft_leaves());
  Sha256Stream all;
  for (std::uint64_t end = 0; end <= 130; ++end) {
    for (std::uint64_t start = 0; start <= end; ++start) {
      if (!Subtree{start, end}.is_valid()) continue;
      const Hash root = subtree_root_at(tiles, {start, end}).value();
      all.update(as_bytes("[" + std::to_string(start) + ", " + std::to_string(end) + ") " +
                          to_hex(root.view()) + "\n"));
    }
  }
  EXPECT_EQ(to_hex(all.finish().view()),
            "b82806ad4265bb151c1119c0f4db437bb4d1a1f887b3a7fba1cd4ebf552e3e81");
}

TEST(MerkleVectors, all_subtree_inclusion_proofs_are_those_of_the_draft) {
  MemoryTiles tiles(draft_leaves());
  Sha256Stream all;
  for (std::uint64_t end = 0; end <= 130; ++end) {
    for (std::uint64_t start = 0; start <= end; ++start) {
      if (!Subtree{start, end}.is_valid()) continue;
      for (std::uint64_t index = start; index < end; ++index) {
        std::string line =
            std::to_string(index) + " [" + std::to_string(start) + ", " + std::to_string(end) + ")";
        const auto proof = prove_subtree_inclusion(tiles, {index}, {start, end}).value();
        for (const Hash& hash : proof) line += " " + to_hex(hash.view());
        all.update(as_bytes(line + "\n"));
      }
    }
  }
  EXPECT_EQ(to_hex(all.finish().view()),
            "ac2a8f989e44d99e399db448050ff5f19757df53cfb716aa81015d3955d8163f");
}

TEST(MerkleVectors, all_subtree_consistency_proofs_are_those_of_the_draft) {
  MemoryTiles tiles(draft_leaves());
  Sha256Stream all;
  for (std::uint64_t size = 0; size <= 130; ++size) {
    for (std::uint64_t end = 0; end <= size; ++end) {
      for (std::uint64_t start = 0; start <= end; ++start) {
        if (!Subtree{start, end}.is_valid()) continue;
        std::string line =
            "[" + std::to_string(start) + ", " + std::to_string(end) + ") " + std::to_string(size);
        const auto proof = prove_subtree_consistency(tiles, {start, end}, {size}).value();
        for (const Hash& hash : proof) line += " " + to_hex(hash.view());
        all.update(as_bytes(line + "\n"));
      }
    }
  }
  EXPECT_EQ(to_hex(all.finish().view()),
            "10fa99b37bf9bf9ffa26b412fbd98bd75363256d0b75d61bc4538b9c9c5a0a74");
}

}  // namespace
}  // namespace pgtally
