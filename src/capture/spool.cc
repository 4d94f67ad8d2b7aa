#include "capture/spool.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace pgtally {
namespace {

using Length = std::uint32_t;  // stands before each record, in this machine's byte order

std::array<std::uint8_t, sizeof(Length)> length_of(ByteView record) {
  const auto length = static_cast<Length>(record.size());
  std::array<std::uint8_t, sizeof(Length)> bytes{};
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes;
}

}  // namespace

Spool::Spool(Spool&& other) noexcept
    : directory_(std::move(other.directory_)),
      file_(std::exchange(other.file_, -1)),
      file_size_(other.file_size_),
      reading_(other.reading_),
      buffer_(std::move(other.buffer_)),
      place_(other.place_),
      file_place_(other.file_place_) {}

Spool::~Spool() {
  if (file_ >= 0) ::close(file_);
}

Error Spool::failed(const char* doing, int error) const {
  return operator_error(
      std::string(doing) + " a spool file in " + directory_ + " failed: " + std::strerror(error),
      "Transactions that are larger than memory are kept there until they end. "
      "TMPDIR names another directory.");
}

Result<void> Spool::make_file() {
  if (file_ >= 0) return {};
  std::string name = directory_ + "/pgtally-XXXXXX";
  file_ = ::mkostemp(name.data(), O_CLOEXEC);  // for this user alone
  if (file_ < 0) return failed("making", errno);
  if (::unlink(name.c_str()) != 0) return failed("unlinking", errno);
  return {};
}

Result<void> Spool::write(ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failed("writing", errno);
    file_size_ += static_cast<std::uint64_t>(written);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

Result<void> Spool::append(ByteView record) {
  if (record.size() > UINT32_MAX) return reject("a record is longer than 4 GiB");
  const auto length = length_of(record);
  buffer_.insert(buffer_.end(), length.begin(), length.end());
  if (record.size() < kLargeRecord) {
    buffer_.insert(buffer_.end(), record.begin(), record.end());
    return {};
  }
  TRY_VOID(flush());
  return write(record);
}

Result<void> Spool::flush() {
  if (buffer_.empty()) return {};
  TRY_VOID(make_file());
  TRY_VOID(write(buffer_));
  Bytes().swap(buffer_);
  return {};
}

Result<bool> Spool::fill(std::size_t count) {
  while (buffer_.size() - place_ < count) {
    if (file_place_ == file_size_) {
      if (buffer_.size() == place_) return false;
      return operator_error("a spool file ends in the middle of a record");
    }
    const auto rest = buffer_.begin() + static_cast<std::ptrdiff_t>(place_);
    if (buffer_.capacity() > 4 * kLargeRecord && count <= kPiece) {
      buffer_ = Bytes(rest, buffer_.end());  // a record was huge; the next is not
    } else {
      buffer_.erase(buffer_.begin(), rest);
    }
    place_ = 0;
    const std::size_t kept = buffer_.size();
    const std::uint64_t piece =
        std::min<std::uint64_t>(std::max(kPiece, count) - kept, file_size_ - file_place_);
    buffer_.resize(kept + piece);
    const ssize_t got =
        ::pread(file_, buffer_.data() + kept, piece, static_cast<off_t>(file_place_));
    buffer_.resize(kept + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed("reading", errno);
    if (got == 0) return failed("reading", EIO);  // shorter than what was written
    file_place_ += static_cast<std::uint64_t>(got);
  }
  return true;
}

Result<std::optional<ByteView>> Spool::next() {
  if (!reading_) {
    if (file_ >= 0) TRY_VOID(flush());
    reading_ = true;
  }
  TRY(const bool more, fill(sizeof(Length)));
  if (!more) return std::optional<ByteView>();
  Length length = 0;
  std::memcpy(&length, buffer_.data() + place_, sizeof length);
  TRY_VOID(fill(sizeof length + length));
  const ByteView record = ByteView(buffer_).subspan(place_ + sizeof length, length);
  place_ += sizeof length + length;
  return std::optional<ByteView>(record);
}

}  // namespace pgtally
