// Roots and proofs, computed from tiles.
//
// Each function makes one call of TileReader::read for no more than the tiles that it needs: at
// most two for each tile level of the tree; or one call of NodeReader::roots. It believes what it reads, so whoever hands a proof out
// verifies it first (pgtally/merkle.h) against a root that he trusts.
//
// Errors: kReject, with the limit in the message, for numbers that are out of range or beyond the
// reader's head; kTampered if the reader returns tiles of a wrong shape; or what the reader says.
//
// Spec: RFC 9162 sections 2.1.1, 2.1.3.1 and 2.1.4.1; for subtrees
// draft-ietf-plants-merkle-tree-certs, section "Subtrees".
#pragma once

#include <vector>

#include "merkle/node_reader.h"
#include "merkle/tile_reader.h"
#include "pgtally/merkle.h"
#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

// The root that the log had when it had `size` entries.
[[nodiscard]] Result<Hash> root_at(TileReader& tiles, TreeSize size);
[[nodiscard]] Result<Hash> root_at(NodeReader& nodes, TreeSize size);

// The root of the tree over these entries alone.
[[nodiscard]] Result<Hash> subtree_root_at(TileReader& tiles, Subtree subtree);

[[nodiscard]] Result<std::vector<Hash>> prove_inclusion(TileReader& tiles, LeafIndex index,
                                                        TreeSize size);
[[nodiscard]] Result<std::vector<Hash>> prove_inclusion(NodeReader& nodes, LeafIndex index,
                                                        TreeSize size);

// Empty if `from` is 0 or equal to `to`.
[[nodiscard]] Result<std::vector<Hash>> prove_consistency(TileReader& tiles, TreeSize from,
                                                          TreeSize to);
[[nodiscard]] Result<std::vector<Hash>> prove_consistency(NodeReader& nodes, TreeSize from,
                                                          TreeSize to);

// `index` counts from the start of the log.
[[nodiscard]] Result<std::vector<Hash>> prove_subtree_inclusion(TileReader& tiles, LeafIndex index,
                                                                Subtree subtree);

// Empty if the subtree is.
[[nodiscard]] Result<std::vector<Hash>> prove_subtree_consistency(TileReader& tiles,
                                                                  Subtree subtree, TreeSize size);

}  // namespace pgtally
