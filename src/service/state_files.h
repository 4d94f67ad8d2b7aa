// Where a host keeps what belongs to a ledger but not into its database: signing key and guard.
//
// In one directory, named by the ledger's origin: `--state DIR`, else PGTALLY_STATE; with --embedded,
// DIR/pgtally below the cluster; else /var/lib/pgtally for root and ~/.local/state/pgtally
// (XDG_STATE_HOME) for everybody else. In file names, what is not [a-z0-9._-] is percent-encoded.
#pragma once

#include <string>

#include "format/signing_key.h"
#include "pgtally/result.h"

namespace pgtally {

struct StateFiles {
  std::string directory;
  std::string key;  // a key file, or a link to one
  std::string guard;

  [[nodiscard]] static StateFiles of(const std::string& directory, const std::string& origin);
  [[nodiscard]] bool has_key() const;
};

// `configured` may be empty; `embedded` is the directory of the private cluster, or empty.
[[nodiscard]] Result<std::string> state_directory(const std::string& configured,
                                                  const std::string& embedded);

// Creates the directory, for its owner only, if it is not there.
[[nodiscard]] Result<void> create_state_directory(const std::string& directory);

[[nodiscard]] Error no_signing_key(const StateFiles& files, const std::string& origin);

// Reads the key that signs for `origin`. kOperator if it is missing or has another name.
[[nodiscard]] Result<SigningKey> read_signing_key(const StateFiles& files,
                                                  const std::string& origin);

}  // namespace pgtally
