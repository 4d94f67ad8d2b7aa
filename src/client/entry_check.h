// Every entry of a log, downloaded and checked against the tree under a verified checkpoint.
//
// - Each bundle is hashed and compared with its level-0 tile, leaf by leaf; each tile above with the
//   root of the leaves that lie below it; at the end the whole with the checkpoint's root. So every
//   tile and bundle that the checkpoint needs was downloaded, and one wrong bit in any is found.
// - `verified` moves on only to what a consistency proof has shown to lie under the checkpoint, by
//   kVerifyEvery bundles at a time. Where it stands, another run takes up the work, under the same
//   checkpoint or any that extends it.
// - Memory is bounded: kAtOnce bundles and tiles at a time, whatever the size of the log. A bundle of
//   entries of 200 bytes has 50 kB; the largest that tlog-tiles allows has 16 MiB.
#pragma once

#include <string>
#include <vector>

#include "client/log_reader.h"
#include "merkle/frontier.h"
#include "pgtally/checkpoint.h"
#include "pgtally/result.h"

namespace pgtally {

inline constexpr std::size_t kAtOnce = 8;
inline constexpr std::size_t kVerifyEvery = 64;

// Hears what was checked, in an order in which it can be stored: what is told between two calls of
// verified() lies under the checkpoint once the second is made, or once check_entries() has returned.
// An error ends the work.
class CheckedSink {
 public:
  virtual ~CheckedSink() = default;

  [[nodiscard]] virtual Result<void> tile(const TileRequest& request,
                                          const std::vector<Hash>& hashes) = 0;
  [[nodiscard]] virtual Result<void> bundle(const TileRequest& request,
                                            const std::string& bytes) = 0;
  // All entries that `verified` holds now; a multiple of 256.
  [[nodiscard]] virtual Result<void> verified(const Frontier& entries) = 0;
};

// `verified` has a multiple of 256 entries, no more than the checkpoint, and was shown to lie under it.
[[nodiscard]] Result<void> check_entries(LogReader& log, const Checkpoint& checkpoint,
                                         Frontier& verified, CheckedSink& sink);

}  // namespace pgtally
