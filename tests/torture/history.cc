#include "torture/history.h"

#include <fmt/format.h>

#include <stdexcept>

#include "ledger/entry_reader.h"
#include "ledger/prover.h"
#include "merkle/proof.h"
#include "pgtally/merkle.h"
#include "pgtally/verify.h"
#include "support/memory_tiles.h"
#include "torture/must.h"

namespace pgtally::torture {

History::History(const std::string& vkey)
    : policy_(must(Policy::trust(must(VerifierKey::parse(vkey))))) {}

void History::add(const std::string& note) {
  const VerifiedCheckpoint verified = must(verify_checkpoint(note, policy_));
  const Checkpoint& checkpoint = verified.checkpoint;
  const auto [it, is_new] = roots_.try_emplace(checkpoint.size, Known{checkpoint.root});
  if (it->second.root != checkpoint.root) {
    throw std::runtime_error(
        fmt::format("two roots were signed for size {}", checkpoint.size.value));
  }
  if (is_new && it != roots_.begin()) std::prev(it)->second.is_checked = false;
}

void History::add_stored(const Ledger& ledger) {
  const auto rows = must(ledger.query("SELECT note FROM pgtally.checkpoint ORDER BY size"));
  for (std::size_t r = 0; r < rows.size(); ++r) add(must(rows.get<std::string>(r, 0)));
}

void History::check_consistency(const Ledger& ledger) {
  if (roots_.empty()) return;
  for (auto it = roots_.begin(), next = std::next(it); next != roots_.end(); it = next++) {
    if (it->second.is_checked) continue;
    const ConsistencyProof proof = must(prove_log_consistency(ledger, it->first, next->first));
    must(
        verify_consistency(it->first, next->first, it->second.root, next->second.root, proof.path));
    it->second.is_checked = true;
  }
}

void History::check_against_entries(const Ledger& ledger, std::size_t most) const {
  MemoryTiles tree;
  must(read_entries(ledger, LeafIndex{0}, LeafIndex{largest().value},
                    [&](LeafIndex, ByteView entry) -> Result<void> {
                      tree.append(leaf_hash(entry));
                      return {};
                    }));
  const std::size_t step = roots_.size() / most + 1;
  std::vector<std::pair<TreeSize, Hash>> chosen;
  std::size_t place = 0;
  for (const auto& [size, known] : roots_) {
    if (must(root_at(tree, size)) != known.root) {
      throw std::runtime_error(
          fmt::format("the entries do not give the root that was signed for size {}", size.value));
    }
    if (place++ % step == 0) chosen.emplace_back(size, known.root);
  }
  for (auto from = chosen.begin(); from != chosen.end(); ++from) {
    for (auto to = std::next(from); to != chosen.end(); ++to) {
      const auto path = must(prove_consistency(tree, from->first, to->first));
      must(verify_consistency(from->first, to->first, from->second, to->second, path));
    }
  }
}

TreeSize History::largest() const {
  return roots_.empty() ? TreeSize{} : roots_.rbegin()->first;
}

}  // namespace pgtally::torture
