// For random trees every proof that is made verifies, and none that was changed does.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "merkle/proof.h"
#include "support/leaves.h"
#include "support/memory_tiles.h"
#include "support/merkle_reference.h"
#include "support/sparse_tiles.h"

namespace pgtally {
namespace {

constexpr std::uint64_t kMost = UINT64_MAX;

// One log for all properties; making it anew for each case would be most of the time.
MemoryTiles& dense_log() {
  static MemoryTiles tiles(numbered_leaves(1500));
  return tiles;
}

std::uint64_t any_in(std::uint64_t least, std::uint64_t most) {
  // rapidcheck's own range is half open and overflows at the top.
  if (least == 0 && most == kMost) return *rc::gen::arbitrary<std::uint64_t>();
  return least + *rc::gen::arbitrary<std::uint64_t>() % (most - least + 1);
}

// A size up to `most` of any magnitude, often next to a power of two.
std::uint64_t any_size(std::uint64_t most) {
  const int bits = *rc::gen::inRange(1, 65);
  const std::uint64_t top = bits == 64 ? kMost : (std::uint64_t{1} << bits) - 1;
  const std::uint64_t near = std::min(top + (bits == 64 ? 0 : any_in(0, 3)), most);
  return std::max<std::uint64_t>(
      1, *rc::gen::arbitrary<bool>() ? near : any_in(1, std::min(top, most)));
}

Subtree any_subtree(std::uint64_t size) {
  const int bits = *rc::gen::inRange(0, 64);
  const std::uint64_t width = std::uint64_t{1} << bits;
  const std::uint64_t start = any_in(0, size - 1) / width * width;
  return {start, start + any_in(1, std::min(width, size - start))};
}

Hash with_one_bit_flipped(Hash hash) {
  hash.bytes[any_in(0, Hash::kSize - 1)] ^= static_cast<std::uint8_t>(1U << any_in(0, 7));
  return hash;
}

using Path = std::vector<Hash>;

// Every path that is one small step away: each hash flipped, dropped, doubled or exchanged with the
// next one, and one too many at either end.
std::vector<Path> mutations_of(const Path& path) {
  std::vector<Path> mutations;
  for (std::size_t i = 0; i < path.size(); ++i) {
    const auto at = static_cast<std::ptrdiff_t>(i);
    Path flipped = path;
    flipped[i] = with_one_bit_flipped(path[i]);
    mutations.push_back(flipped);
    Path dropped = path;
    dropped.erase(dropped.begin() + at);
    mutations.push_back(dropped);
    Path doubled = path;
    doubled.insert(doubled.begin() + at, path[i]);
    mutations.push_back(doubled);
    if (i + 1 < path.size() && path[i] != path[i + 1]) {
      Path swapped = path;
      std::swap(swapped[i], swapped[i + 1]);
      mutations.push_back(swapped);
    }
  }
  Path longer = path;
  longer.push_back(numbered_leaf(0));
  mutations.push_back(longer);
  longer = path;
  longer.insert(longer.begin(), numbered_leaf(0));
  mutations.push_back(longer);
  return mutations;
}

// The sides from which PATH(m, D_n) is hashed in, bottom first. A proof says no more of m and n
// than this: where two sizes have the same, only the root tells them apart.
std::string sides(std::uint64_t m, std::uint64_t n) {
  std::string text;
  while (n > 1) {
    const std::uint64_t k = reference::k_of(n);
    text.insert(text.begin(), m < k ? 'r' : 'l');
    n = m < k ? k : n - k;
    m = m < k ? m : m - k;
  }
  return text;
}

void check_inclusion(TileReader& tiles, std::uint64_t index, std::uint64_t size, const Hash& leaf) {
  const Path path = prove_inclusion(tiles, {index}, {size}).value();
  const Hash root = root_at(tiles, {size}).value();
  RC_ASSERT(verify_inclusion({index}, {size}, leaf, path, root).ok());

  RC_ASSERT(!verify_inclusion({index}, {size}, with_one_bit_flipped(leaf), path, root).ok());
  RC_ASSERT(!verify_inclusion({index}, {size}, leaf, path, with_one_bit_flipped(root)).ok());
  for (const Path& mutation : mutations_of(path)) {
    RC_ASSERT(!verify_inclusion({index}, {size}, leaf, mutation, root).ok());
  }
  for (const std::uint64_t other : {index - 1, index + 1, index ^ 1, size, any_in(0, kMost)}) {
    if (other == index) continue;
    RC_ASSERT(!verify_inclusion({other}, {size}, leaf, path, root).ok());
  }
  for (const std::uint64_t other : {size - 1, size + 1, any_in(0, kMost)}) {
    const bool same = other > index && sides(index, other) == sides(index, size);
    RC_ASSERT(verify_inclusion({index}, {other}, leaf, path, root).ok() == same);
    // A checkpoint binds size and root together, and then no other size passes.
    if (other == size || other > tiles.size().value) continue;
    const Hash other_root = root_at(tiles, {other}).value();
    RC_ASSERT(!verify_inclusion({index}, {other}, leaf, path, other_root).ok());
  }
}

void check_subtree(TileReader& tiles, Subtree subtree, std::uint64_t size) {
  const Path path = prove_subtree_consistency(tiles, subtree, {size}).value();
  const Hash small = subtree_root_at(tiles, subtree).value();
  const Hash large = root_at(tiles, {size}).value();
  const auto accepts = [&](Subtree s, std::uint64_t n, const Path& p, const Hash& a,
                           const Hash& b) {
    return verify_subtree_consistency(s, {n}, p, a, b).ok();
  };
  RC_ASSERT(accepts(subtree, size, path, small, large));
  RC_ASSERT(!accepts(subtree, size, path, with_one_bit_flipped(small), large));
  RC_ASSERT(!accepts(subtree, size, path, small, with_one_bit_flipped(large)));
  for (const Path& mutation : mutations_of(path)) {
    RC_ASSERT(!accepts(subtree, size, mutation, small, large));
  }
  if (small != large) RC_ASSERT(!accepts(subtree, size, path, large, small));

  // Elsewhere or of another size the subtree has another root, so what is claimed there is wrong.
  const auto claims_otherwise = [&](Subtree other) {
    if (other == subtree || !other.is_valid() || other.size() == 0 || other.end > size) return;
    const Hash other_root = subtree_root_at(tiles, other).value();
    if (other_root != small) RC_ASSERT(!accepts(subtree, size, path, other_root, large));
    // Moved to a place of the same shape, the same hashes would be put together otherwise.
    if (other.size() == subtree.size()) RC_ASSERT(!accepts(other, size, path, small, large));
  };
  claims_otherwise({subtree.start, subtree.end + 1});
  claims_otherwise({subtree.start, subtree.end - 1});
  claims_otherwise({subtree.start + subtree.size(), subtree.end + subtree.size()});
  claims_otherwise({subtree.start - subtree.size(), subtree.end - subtree.size()});
  claims_otherwise(any_subtree(size));
}

RC_GTEST_PROP(MerkleProof, of_inclusion_verifies_and_no_mutation_of_it_does, ()) {
  const std::uint64_t size = any_size(dense_log().size().value);
  const std::uint64_t index = any_in(0, size - 1);
  check_inclusion(dense_log(), index, size, numbered_leaf(index));
}

RC_GTEST_PROP(MerkleProof, of_a_subtree_verifies_and_no_mutation_of_it_does, ()) {
  const std::uint64_t size = any_size(dense_log().size().value);
  check_subtree(dense_log(), any_subtree(size), size);
}

RC_GTEST_PROP(MerkleProof, of_consistency_verifies_and_no_mutation_of_it_does, ()) {
  MemoryTiles& tiles = dense_log();
  const std::uint64_t to = any_size(tiles.size().value);
  const std::uint64_t from = any_in(1, to);
  check_subtree(tiles, {0, from}, to);

  const Path path = prove_consistency(tiles, {from}, {to}).value();
  const Hash root_from = root_at(tiles, {from}).value();
  const Hash root_to = root_at(tiles, {to}).value();
  RC_ASSERT(verify_consistency({from}, {to}, root_from, root_to, path).ok());
  // Between the true roots of any other two sizes this is no proof.
  const std::uint64_t other_to = any_in(0, tiles.size().value);
  const std::uint64_t other_from = any_in(0, other_to);
  if (other_from == other_to || other_from == 0 || from == to) return;
  if (other_from == from && other_to == to) return;
  RC_ASSERT(!verify_consistency({other_from}, {other_to}, root_at(tiles, {other_from}).value(),
                                root_at(tiles, {other_to}).value(), path)
                 .ok());
}

RC_GTEST_PROP(MerkleProof, of_an_entry_of_a_subtree_verifies_there_and_for_no_other_entry, ()) {
  MemoryTiles& tiles = dense_log();
  const Subtree subtree = any_subtree(tiles.size().value);
  const std::uint64_t index = any_in(subtree.start, subtree.end - 1);
  const Path path = prove_subtree_inclusion(tiles, {index}, subtree).value();
  const Hash root = subtree_root_at(tiles, subtree).value();
  const Hash leaf = numbered_leaf(index);
  RC_ASSERT(verify_subtree_inclusion({index}, subtree, leaf, path, root).ok());
  for (const Path& mutation : mutations_of(path)) {
    RC_ASSERT(!verify_subtree_inclusion({index}, subtree, leaf, mutation, root).ok());
  }
  const std::uint64_t other = any_in(subtree.start, subtree.end - 1);
  if (other == index) return;
  RC_ASSERT(!verify_subtree_inclusion({other}, subtree, leaf, path, root).ok());
  RC_ASSERT(!verify_subtree_inclusion({index}, subtree, numbered_leaf(other), path, root).ok());
}

RC_GTEST_PROP(MerkleProof, holds_in_trees_of_any_64_bit_size, ()) {
  const std::uint64_t size = any_size(kMost);
  const std::uint64_t index = any_in(0, size - 1);
  const std::uint64_t last_of_other = any_in(0, size - 1);
  // The entries at which the proofs look must not be like their neighbours, or a wrong index would
  // be right as well.
  SparseTiles tiles({kMost}, {index, last_of_other, 0, size - 1});
  reference::Tree& tree = tiles.tree();
  const Hash root = tree.mth(0, size);
  RC_ASSERT(root_at(tiles, {size}).value() == root);

  const Hash leaf = tree.mth(index, index + 1);
  const Path path = prove_inclusion(tiles, {index}, {size}).value();
  RC_ASSERT(path == tree.path(index, 0, size));
  RC_ASSERT(verify_inclusion({index}, {size}, leaf, path, root).ok());
  for (const Path& mutation : mutations_of(path)) {
    RC_ASSERT(!verify_inclusion({index}, {size}, leaf, mutation, root).ok());
  }

  const std::uint64_t from = last_of_other + 1;
  const Path grown = prove_consistency(tiles, {from}, {size}).value();
  RC_ASSERT(grown == tree.proof(from, size));
  RC_ASSERT(verify_consistency({from}, {size}, tree.mth(0, from), root, grown).ok());

  const Subtree subtree = any_subtree(size);
  const Path within = prove_subtree_consistency(tiles, subtree, {size}).value();
  RC_ASSERT(within == tree.subtree_proof(subtree.start, subtree.end, size));
  RC_ASSERT(verify_subtree_consistency(subtree, {size}, within,
                                       tree.mth(subtree.start, subtree.end), root)
                .ok());
}

// Numbers and hashes without any sense must neither be accepted nor do harm.
RC_GTEST_PROP(MerkleProof, of_random_numbers_and_hashes_is_refused, ()) {
  const auto path = numbered_leaves(any_in(0, 80));
  const LeafIndex index{any_in(0, kMost)};
  const TreeSize size{any_size(kMost)};
  const Subtree subtree{any_in(0, kMost), any_in(0, kMost)};
  const Hash a = numbered_leaf(100);
  const Hash b = numbered_leaf(101);
  RC_ASSERT(!verify_inclusion(index, size, a, path, b).ok());
  RC_ASSERT(!verify_consistency({index.value}, size, a, b, path).ok());
  RC_ASSERT(!verify_subtree_inclusion(index, subtree, a, path, b).ok());
  RC_ASSERT(!verify_subtree_consistency(subtree, size, path, a, b).ok());
}

}  // namespace
}  // namespace pgtally
