#include "merkle/ranges.h"

#include <bit>
#include <string>

namespace pgtally {
namespace {

std::string text_of(Subtree subtree) {
  return "[" + std::to_string(subtree.start) + ", " + std::to_string(subtree.end) + ")";
}

Result<void> require_valid(Subtree subtree) {
  if (subtree.is_valid()) return {};
  return reject("the range " + text_of(subtree) + " is not a subtree",
                "Its start must not be above its end, and must be a multiple of its size rounded "
                "up to a power of two.");
}

}  // namespace

bool Subtree::is_valid() const noexcept {
  if (start > end) return false;
  // What is aligned to 2^64 is 0; every other alignment fits 64 bits.
  if (start == 0 || start == end) return true;
  const auto height = static_cast<int>(std::bit_width(size() - 1));
  return height < 64 && (start & ((std::uint64_t{1} << height) - 1)) == 0;
}

Result<void> require_entry_in(TreeSize size, LeafIndex index) {
  if (index.value < size.value) return {};
  return reject("there is no entry " + std::to_string(index.value) + " in a tree of size " +
                    std::to_string(size.value),
                "Entries count from 0, so the last one is size - 1.");
}

Result<void> require_growth(TreeSize from, TreeSize to) {
  if (from.value <= to.value) return {};
  return reject("a tree of size " + std::to_string(from.value) + " cannot grow to size " +
                    std::to_string(to.value),
                "Give the smaller size first.");
}

Result<void> require_entry_in(Subtree subtree, LeafIndex index) {
  TRY_VOID(require_valid(subtree));
  if (index.value >= subtree.start && index.value < subtree.end) return {};
  return reject(
      "entry " + std::to_string(index.value) + " is not in the subtree " + text_of(subtree),
      "The index counts from the start of the log, not of the subtree.");
}

Result<void> require_subtree_in(TreeSize size, Subtree subtree) {
  TRY_VOID(require_valid(subtree));
  if (subtree.end <= size.value) return {};
  return reject("the subtree " + text_of(subtree) + " reaches beyond the tree of size " +
                std::to_string(size.value));
}

}  // namespace pgtally
