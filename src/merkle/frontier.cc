#include "merkle/frontier.h"

#include <bit>
#include <string>

#include "pgtally/merkle.h"

namespace pgtally {
namespace {

class NobodyListens final : public SubtreeSink {
 public:
  void completed(int, std::uint64_t, const Hash&) override {}
};

}  // namespace

Result<Frontier> Frontier::restore(TreeSize size, std::span<const Hash> nodes) {
  const auto needed = static_cast<std::size_t>(std::popcount(size.value));
  if (nodes.size() != needed) {
    return reject("the frontier of a tree of size " + std::to_string(size.value) + " has " +
                  std::to_string(needed) + " hashes, not " + std::to_string(nodes.size()));
  }
  Frontier frontier;
  frontier.size_ = size;
  frontier.nodes_.assign(nodes.begin(), nodes.end());
  return frontier;
}

void Frontier::append(const Hash& leaf, SubtreeSink& sink) {
  append_subtree(0, leaf, sink);
}

void Frontier::append(const Hash& leaf) {
  append_subtree(0, leaf);
}

void Frontier::append_subtree(int height, const Hash& root, SubtreeSink& sink) {
  Hash hash = root;
  std::uint64_t index = size_.value >> height;
  size_.value += std::uint64_t{1} << height;
  sink.completed(height, index, hash);
  // Each trailing 1 of the old size is a perfect subtree of the same height as the new one.
  while ((index & 1) != 0) {
    hash = node_hash(nodes_.back(), hash);
    nodes_.pop_back();
    index >>= 1;
    sink.completed(++height, index, hash);
  }
  nodes_.push_back(hash);
}

void Frontier::append_subtree(int height, const Hash& root) {
  NobodyListens nobody;
  append_subtree(height, root, nobody);
}

Hash Frontier::root() const {
  if (nodes_.empty()) return empty_root();
  Hash root = nodes_.back();
  for (std::size_t i = nodes_.size() - 1; i-- > 0;) root = node_hash(nodes_[i], root);
  return root;
}

}  // namespace pgtally
