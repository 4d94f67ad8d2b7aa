#include "service/state_files.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/durable_file.h"
#include "base/encoding.h"
#include "format/key_file.h"

namespace pgtally {

StateFiles StateFiles::of(const std::string& directory, const std::string& origin) {
  const std::string stem = directory + "/" + file_name_of(origin);
  return {directory, stem + ".key", stem + ".guard"};
}

Result<std::string> state_directory(const std::string& configured, const std::string& embedded) {
  if (!configured.empty()) return configured;
  if (!embedded.empty()) return embedded + "/pgtally";
  if (::geteuid() == 0) return std::string("/var/lib/pgtally");
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state == '/') {
    return std::string(state) + "/pgtally";
  }
  if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/') {
    return std::string(home) + "/.local/state/pgtally";
  }
  return operator_error("there is no place for signing key and guard: HOME is not set",
                        "Name a directory with --state DIR or PGTALLY_STATE.");
}

Result<void> create_state_directory(const std::string& directory) {
  std::error_code error;
  if (std::filesystem::create_directories(directory, error) && !error) {
    std::filesystem::permissions(directory, std::filesystem::perms::owner_all, error);
  }
  if (!error) return {};
  return operator_error("cannot create " + directory + ": " + error.message(),
                        "Name another directory with --state DIR or PGTALLY_STATE.");
}

bool StateFiles::has_key() const {
  std::error_code ignored;
  return std::filesystem::exists(key, ignored);
}

Error no_signing_key(const StateFiles& files, const std::string& origin) {
  return operator_error("there is no signing key for " + origin + " on this host: " + files.key,
                        "Copy it from the host that made the ledger, or name the directory that "
                        "holds it with --state DIR.");
}

Result<SigningKey> read_signing_key(const StateFiles& files, const std::string& origin) {
  if (!files.has_key()) return no_signing_key(files, origin);
  TRY(SigningKey key, read_key_file(files.key));
  if (key.name() == origin) return key;
  return operator_error("the key in " + files.key + " is for " + pgtally::quoted(key.name()) +
                        ", the ledger is " + pgtally::quoted(origin));
}

}  // namespace pgtally
