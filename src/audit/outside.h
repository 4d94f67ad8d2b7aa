// Checkpoints from outside: what was signed, as others have kept it. The only thing in an audit that the
// operator cannot rewrite.
#pragma once

#include <functional>
#include <string>

#include "client/log_reader.h"
#include "pgtally/checkpoint.h"
#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

struct OutsideCheckpoint {
  std::string from;  // a file's name, a URL: for people
  std::string note;  // not verified yet
};

// The entries [from, to) as they were published, in order, each shown to lie under the checkpoint before
// it is told. kTampered where the copy does not hold what its checkpoint says.
using TakePublished = std::function<Result<void>(LeafIndex id, ByteView entry)>;
[[nodiscard]] Result<void> read_published(LogReader& published, const Checkpoint& checkpoint,
                                          LeafIndex from, LeafIndex to, const TakePublished& take);

}  // namespace pgtally
