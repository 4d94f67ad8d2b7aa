#include "postgres/postmaster.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <fstream>
#include <string>
#include <thread>

#include "base/encoding.h"

namespace pgtally::pg {
namespace {

constexpr auto kPollInterval = std::chrono::milliseconds(5);
constexpr std::uint64_t kMaxPid = 1U << 22;  // the kernel's own limit

std::filesystem::path working_directory_link(pid_t pid) {
  return "/proc/" + std::to_string(pid) + "/cwd";
}

// Compares what stands behind the names: the server may know its directory by another one.
bool works_in(pid_t pid, const std::filesystem::path& data) {
  struct stat its{};
  struct stat ours{};
  return stat(working_directory_link(pid).c_str(), &its) == 0 && stat(data.c_str(), &ours) == 0 &&
         its.st_dev == ours.st_dev && its.st_ino == ours.st_ino;
}

// The lines of postmaster.pid are: pid, data directory, start time, port, socket directory, listen
// address, shared memory key, status.
std::array<std::string, 8> read_pid_file(const std::filesystem::path& data) {
  std::array<std::string, 8> lines;
  std::ifstream file(data / "postmaster.pid");
  for (std::string& line : lines) std::getline(file, line);
  return lines;
}

pid_t pid_of(const std::string& line) {
  const auto number = parse_decimal(line);
  return number.ok() && *number > 0 && *number <= kMaxPid ? static_cast<pid_t>(*number) : 0;
}

}  // namespace

std::optional<Postmaster> find_postmaster(const std::filesystem::path& data) {
  const auto lines = read_pid_file(data);
  const pid_t pid = pid_of(lines[0]);
  if (pid == 0 || !works_in(pid, data)) return std::nullopt;
  return Postmaster{pid, lines[4], lines[7].starts_with("ready")};
}

void remove_misleading_pid_file(const std::filesystem::path& data) {
  const pid_t pid = pid_of(read_pid_file(data)[0]);
  if (pid == 0 || works_in(pid, data) || kill(pid, 0) != 0) return;
  std::error_code ignored;
  std::filesystem::remove(data / "postmaster.pid", ignored);
}

bool is_alive(pid_t pid) {
  // A zombie has no working directory any more.
  std::array<char, 1> target{};
  return readlink(working_directory_link(pid).c_str(), target.data(), target.size()) >= 0;
}

bool await_exit(const std::filesystem::path& data, std::chrono::seconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (find_postmaster(data)) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(kPollInterval);
  }
  return true;
}

}  // namespace pgtally::pg
