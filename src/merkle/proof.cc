#include "merkle/proof.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <string>

#include "merkle/frontier.h"
#include "merkle/node_reader.h"
#include "merkle/ranges.h"
#include "merkle/tree.h"

namespace pgtally {
namespace {

// The perfect subtrees that make up a valid subtree, the largest first.
std::vector<TilePart> parts_of(Subtree range) {
  std::vector<TilePart> parts;
  for (std::uint64_t at = range.start; at < range.end;) {
    const std::uint64_t leaves = std::bit_floor(range.end - at);
    const int height = std::countr_zero(leaves);
    const int level = height / kTileHeight;
    const std::uint64_t first = at >> (level * kTileHeight);
    parts.push_back({{level, first / kTileWidth},
                     static_cast<std::uint32_t>(first % kTileWidth),
                     std::uint32_t{1} << (height % kTileHeight)});
    at += leaves;
  }
  return parts;
}

// The tiles that these parts are in, each once, with the widths of a tree of `size`.
std::vector<TileRequest> requests_for(std::span<const TilePart> parts, TreeSize size) {
  std::vector<TileRequest> requests;
  for (const TilePart& part : parts) {
    requests.push_back({part.tile, tile_width(part.tile, size)});
  }
  std::ranges::sort(requests);
  const auto repeated = std::ranges::unique(requests);
  requests.erase(repeated.begin(), repeated.end());
  return requests;
}

Result<std::vector<std::vector<Hash>>> read_checked(TileReader& tiles,
                                                    std::span<const TileRequest> requests) {
  TRY(auto read, tiles.read(requests));
  if (read.size() != requests.size()) {
    return tampered(std::to_string(requests.size()) + " tiles were asked for, " +
                    std::to_string(read.size()) + " were read");
  }
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (read[i].size() != requests[i].width) {
      return tampered(tile_path(requests[i]) + " was read with " + std::to_string(read[i].size()) +
                      " hashes");
    }
  }
  return read;
}

// Nodes that are hashed from the tiles each time.
class NodesOfTiles final : public NodeReader {
 public:
  explicit NodesOfTiles(TileReader& tiles) : tiles_(tiles) {}

  [[nodiscard]] TreeSize size() const override { return tiles_.size(); }
  [[nodiscard]] Result<std::vector<Hash>> roots(std::span<const TilePart> parts,
                                                TreeSize size) override {
    const std::vector<TileRequest> requests = requests_for(parts, size);
    std::vector<std::vector<Hash>> read;
    if (!requests.empty()) {
      TRY(read, read_checked(tiles_, requests));
    }
    std::vector<Hash> roots;
    for (const TilePart& part : parts) {
      const auto request = std::ranges::lower_bound(requests, part.tile, {}, &TileRequest::tile);
      const auto& hashes = read[static_cast<std::size_t>(request - requests.begin())];
      roots.push_back(root_of(std::span(hashes).subspan(part.offset, part.count)));
    }
    return roots;
  }

 private:
  TileReader& tiles_;
};

// The roots of these ranges, all of them valid subtrees within a tree of `size`.
Result<std::vector<Hash>> roots_of(NodeReader& nodes, std::span<const Subtree> ranges,
                                   TreeSize size) {
  std::vector<TilePart> parts;
  std::vector<std::size_t> ends;
  for (const Subtree range : ranges) {
    const auto more = parts_of(range);
    parts.insert(parts.end(), more.begin(), more.end());
    ends.push_back(parts.size());
  }
  TRY(const auto part_roots, nodes.roots(parts, size));
  if (part_roots.size() != parts.size()) {
    return tampered(std::to_string(parts.size()) + " nodes were asked for, " +
                    std::to_string(part_roots.size()) + " were read");
  }
  std::vector<Hash> roots;
  std::size_t at = 0;
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    const auto own = std::span(part_roots).subspan(at, ends[i] - at);
    TRY(const Frontier edge, Frontier::restore(TreeSize{ranges[i].size()}, own));
    roots.push_back(edge.root());
    at = ends[i];
  }
  return roots;
}

// Whose roots prove that the subtree `inner`, which is not empty, is a part of the subtree `outer`:
// one on each level on the way down to it, and last the place where the two trees begin to be the
// same, unless that is the whole of `inner`, whose root the verifier has. Bottom first.
//
// For a single leaf this is PATH of RFC 9162, for a range from 0 it is PROOF, in general it is
// SUBTREE_PROOF of draft-ietf-plants-merkle-tree-certs.
std::vector<Subtree> proof_ranges(Subtree inner, Subtree outer) {
  std::vector<Subtree> ranges;
  bool inner_is_known = true;
  while (inner != outer) {
    const std::uint64_t middle = outer.start + std::bit_floor(outer.size() - 1);
    if (inner.end <= middle) {
      ranges.push_back({middle, outer.end});
      outer.end = middle;
      continue;
    }
    ranges.push_back({outer.start, middle});
    outer.start = middle;
    if (inner.start < middle) {
      inner.start = middle;
      inner_is_known = false;
    }
  }
  if (!inner_is_known) ranges.push_back(inner);
  std::ranges::reverse(ranges);
  return ranges;
}

Result<void> require_readable(const NodeReader& nodes, TreeSize size) {
  if (size.value <= nodes.size().value) return {};
  return reject("size " + std::to_string(size.value) + " is beyond the head: the log has " +
                    std::to_string(nodes.size().value) + " entries",
                "Ask for a size up to that.");
}

Result<Hash> root_of_subtree(NodeReader& nodes, Subtree subtree) {
  const TreeSize size{subtree.end};
  TRY_VOID(require_subtree_in(size, subtree));
  TRY_VOID(require_readable(nodes, size));
  TRY(const auto roots, roots_of(nodes, std::span(&subtree, 1), size));
  return roots.front();
}

Result<std::vector<Hash>> prove_subtree(NodeReader& nodes, Subtree subtree, TreeSize size) {
  TRY_VOID(require_subtree_in(size, subtree));
  TRY_VOID(require_readable(nodes, size));
  if (subtree.size() == 0) return std::vector<Hash>{};
  return roots_of(nodes, proof_ranges(subtree, {0, size.value}), size);
}

}  // namespace

Result<Hash> root_at(NodeReader& nodes, TreeSize size) {
  return root_of_subtree(nodes, {0, size.value});
}

Result<Hash> root_at(TileReader& tiles, TreeSize size) {
  return subtree_root_at(tiles, {0, size.value});
}

Result<Hash> subtree_root_at(TileReader& tiles, Subtree subtree) {
  NodesOfTiles nodes(tiles);
  return root_of_subtree(nodes, subtree);
}

Result<std::vector<Hash>> prove_inclusion(NodeReader& nodes, LeafIndex index, TreeSize size) {
  TRY_VOID(require_entry_in(size, index));
  TRY_VOID(require_readable(nodes, size));
  return roots_of(nodes, proof_ranges({index.value, index.value + 1}, {0, size.value}), size);
}

Result<std::vector<Hash>> prove_inclusion(TileReader& tiles, LeafIndex index, TreeSize size) {
  NodesOfTiles nodes(tiles);
  return prove_inclusion(nodes, index, size);
}

Result<std::vector<Hash>> prove_consistency(NodeReader& nodes, TreeSize from, TreeSize to) {
  TRY_VOID(require_growth(from, to));
  return prove_subtree(nodes, {0, from.value}, to);
}

Result<std::vector<Hash>> prove_consistency(TileReader& tiles, TreeSize from, TreeSize to) {
  NodesOfTiles nodes(tiles);
  return prove_consistency(nodes, from, to);
}

Result<std::vector<Hash>> prove_subtree_inclusion(TileReader& tiles, LeafIndex index,
                                                  Subtree subtree) {
  const TreeSize size{subtree.end};
  TRY_VOID(require_entry_in(subtree, index));
  NodesOfTiles nodes(tiles);
  TRY_VOID(require_readable(nodes, size));
  return roots_of(nodes, proof_ranges({index.value, index.value + 1}, subtree), size);
}

Result<std::vector<Hash>> prove_subtree_consistency(TileReader& tiles, Subtree subtree,
                                                    TreeSize size) {
  NodesOfTiles nodes(tiles);
  return prove_subtree(nodes, subtree, size);
}

}  // namespace pgtally
