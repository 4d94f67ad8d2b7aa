#include "postgres/server_programs.h"

#include <unistd.h>

#include <cstdlib>
#include <map>
#include <sstream>
#include <string>

#include "base/encoding.h"

namespace pgtally::pg {
namespace {

namespace fs = std::filesystem;
constexpr int kOldestMajor = 14;
constexpr std::uint64_t kNewestConceivable = 999;

bool has_programs(const fs::path& dir) {
  return access((dir / "postgres").c_str(), X_OK) == 0 &&
         access((dir / "initdb").c_str(), X_OK) == 0;
}

std::optional<int> major_of(std::string_view text) {
  const auto number = parse_decimal(text);
  if (!number.ok() || *number > kNewestConceivable) return std::nullopt;
  return static_cast<int>(*number);
}

// Debian keeps each major version in a directory of its own.
std::map<int, fs::path> installed_the_debian_way() {
  std::map<int, fs::path> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", ignored)) {
    const auto major = major_of(entry.path().filename().string());
    if (major && has_programs(entry.path() / "bin")) found[*major] = entry.path() / "bin";
  }
  return found;
}

std::optional<fs::path> directory_on_path() {
  const char* path = std::getenv("PATH");
  std::istringstream directories(path == nullptr ? "" : path);
  for (std::string directory; std::getline(directories, directory, ':');)
    if (directory.starts_with('/') && has_programs(directory)) return directory;
  return std::nullopt;
}

// "postgres (PostgreSQL) 15.20 (Debian …)" -> 15
std::optional<int> ask_for_version(const fs::path& directory) {
  FILE* output = popen(("'" + (directory / "postgres").string() + "' --version").c_str(), "re");
  if (output == nullptr) return std::nullopt;
  char line[200] = {};
  const bool got = fgets(line, sizeof line, output) != nullptr;
  pclose(output);
  std::istringstream words(got ? line : "");
  std::string program, product, version;
  words >> program >> product >> version;
  return major_of(version.substr(0, version.find_first_not_of("0123456789")));
}

}  // namespace

Result<fs::path> find_server_programs(std::optional<int> major) {
  auto found = installed_the_debian_way();
  if (const auto directory = directory_on_path()) {
    if (const auto version = ask_for_version(*directory)) found.try_emplace(*version, *directory);
  }
  if (major) {
    if (const auto match = found.find(*major); match != found.end()) return match->second;
    std::string others;
    for (const auto& [version, directory] : found) others += " " + std::to_string(version);
    return operator_error("the cluster was made by PostgreSQL " + std::to_string(*major) +
                              ", which is not installed" +
                              (others.empty() ? "" : "; these versions are:" + others),
                          "Install it: apt-get install postgresql-" + std::to_string(*major) +
                              "\nOr move the cluster to another version with pg_upgrade, or use "
                              "another directory.");
  }
  if (!found.empty() && found.rbegin()->first >= kOldestMajor) return found.rbegin()->second;
  return operator_error(
      "no PostgreSQL server programs (14 or later) in /usr/lib/postgresql/*/bin or on PATH",
      "Install them: apt-get install postgresql-15");
}

}  // namespace pgtally::pg
