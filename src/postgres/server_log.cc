#include "postgres/server_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

namespace pgtally::pg {
namespace {

constexpr off_t kMostKept = 8 << 20;
constexpr off_t kMostQuoted = 16 << 10;
constexpr std::size_t kLinesQuoted = 8;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    if (end > begin) lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

}  // namespace

Result<ServerLog> ServerLog::open(const std::filesystem::path& dir, const OsUser& owner) {
  ServerLog log;
  log.path_ = dir / kName;
  struct stat status{};
  if (stat(log.path_.c_str(), &status) == 0 && status.st_size > kMostKept)
    rename(log.path_.c_str(), (log.path_.string() + ".old").c_str());

  log.file_ =
      File(::open(log.path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!log.file_.is_open())
    return operator_error("cannot open " + log.path_.string() + ": " + strerror(errno));
  if (geteuid() == 0 && fchown(log.descriptor(), owner.uid, owner.gid) != 0)
    return operator_error("cannot give " + log.path_.string() + " to user " + owner.name + ": " +
                          strerror(errno));
  log.start_ = lseek(log.descriptor(), 0, SEEK_END);
  return log;
}

std::string ServerLog::written_since_open() const {
  const off_t end = lseek(descriptor(), 0, SEEK_END);
  const off_t begin = std::max(start_, end - kMostQuoted);
  std::string text(static_cast<std::size_t>(std::max<off_t>(0, end - begin)), '\0');
  const ssize_t got = pread(descriptor(), text.data(), text.size(), begin);
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return text;
}

bool ServerLog::contains(std::string_view text) const {
  return written_since_open().find(text) != std::string::npos;
}

std::string ServerLog::last_error() const {
  constexpr std::array kMarks{"FATAL:", "PANIC:", "ERROR:", "error:", "fatal:"};
  std::string found = "no reason was given";
  for (const std::string& line : lines_of(written_since_open())) {
    for (const char* mark : kMarks) {
      const std::size_t at = line.find(mark);
      if (at == std::string::npos) continue;
      found = line.substr(std::min(line.find_first_not_of(' ', at + strlen(mark)), line.size()));
    }
  }
  return found;
}

std::string ServerLog::tail_as_hint() const {
  const auto lines = lines_of(written_since_open());
  std::string hint = "The end of " + path_.string() + ":";
  for (std::size_t i = lines.size() - std::min(lines.size(), kLinesQuoted); i < lines.size(); ++i)
    hint += "\n  " + lines[i];
  return hint;
}

}  // namespace pgtally::pg
