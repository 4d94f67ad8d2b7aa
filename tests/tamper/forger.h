// Somebody who changes the log and can compute: he makes tree and signatures fit.
#pragma once

#include <string>

#include "format/signing_key.h"
#include "tamper/kind.h"

namespace pgtally::tamper {

// The entry gets the content hash of the row as it is now. For sources that are not blinded.
void rehash(const std::string& conninfo, const std::string& source, std::uint64_t id);

// Only the leaf of this entry in its level-0 tile.
void forge_tile(const std::string& conninfo, std::uint64_t id);
// All tiles and the newest head.
void forge_tree(const std::string& conninfo);
// And every kept checkpoint, which `key` signs.
void forge_checkpoints(const std::string& conninfo, const SigningKey& key);

}  // namespace pgtally::tamper
