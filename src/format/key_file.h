// Key files: a private key as one line of text, readable by its owner only.
#pragma once

#include <string>

#include "format/signing_key.h"
#include "pgtally/result.h"

namespace pgtally {

// Refuses a file that group or others may read or write, one that is not a plain file, and one that
// holds anything but a key. kOperator for all of these: a person has to look.
[[nodiscard]] Result<SigningKey> read_key_file(const std::string& path);

// Creates the file with mode 0600, with its content and its name on disk before it returns. Refuses
// to touch a file that exists.
[[nodiscard]] Result<void> create_key_file(const std::string& path, const SigningKey& key);

}  // namespace pgtally
