// The body of an add-checkpoint request: what a log asks a witness to cosign.
//
// Spec: C2SP tlog-witness, add-checkpoint.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

inline constexpr std::size_t kMaxConsistencyLines = 63;

struct AddCheckpoint {
  TreeSize old_size;        // of the checkpoint that the witness cosigned last; 0 if there is none
  std::vector<Hash> proof;  // that the tree of old_size is the beginning of the checkpoint's
  std::string checkpoint;   // a signed note

  bool operator==(const AddCheckpoint&) const = default;
};

// Looks at the lines only; what the checkpoint holds and whether the proof fits is for others to say.
// serialize(parse_add_checkpoint(x)) is x, byte for byte.
[[nodiscard]] Result<AddCheckpoint> parse_add_checkpoint(std::string_view body);
[[nodiscard]] std::string serialize(const AddCheckpoint& request);

}  // namespace pgtally
