#include "audit/partition_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace pgtally {
namespace {

using Length = std::uint32_t;  // stands behind each record, in this machine's byte order

// `bytes` are records with their lengths; the last comes first.
Result<void> take_backwards(ByteView bytes, const PartitionFile::Take& take) {
  while (!bytes.empty()) {
    Length length = 0;
    std::memcpy(&length, bytes.data() + bytes.size() - sizeof length, sizeof length);
    bytes = bytes.first(bytes.size() - sizeof length);
    TRY_VOID(take(bytes.last(length)));
    bytes = bytes.first(bytes.size() - length);
  }
  return {};
}

}  // namespace

PartitionFile::PartitionFile(std::size_t partitions, std::size_t memory, std::string directory)
    : directory_(std::move(directory)),
      // A buffer that grows may take twice what is in it. One that is alone needs no file as long as
      // it fits.
      block_(std::max(std::min(memory / partitions / 2, partitions > 1 ? kMostBlock : memory),
                      kLeastBlock)),
      parts_(partitions) {}

PartitionFile::PartitionFile(PartitionFile&& other) noexcept
    : directory_(std::move(other.directory_)),
      block_(other.block_),
      parts_(std::move(other.parts_)),
      file_(std::exchange(other.file_, -1)),
      end_(other.end_) {}

PartitionFile::~PartitionFile() {
  if (file_ >= 0) ::close(file_);
}

Error PartitionFile::failed(const char* doing, int error) const {
  return operator_error(std::string(doing) + " a temporary file in " + directory_ +
                            " failed: " + std::strerror(error),
                        "What an audit has to remember and does not fit into memory is kept there, "
                        "about 200 bytes for "
                        "each entry and row. TMPDIR names another directory.");
}

Result<void> PartitionFile::make_file() {
  if (file_ >= 0) return {};
  std::string name = directory_ + "/pgtally-XXXXXX";
  file_ = ::mkostemp(name.data(), O_CLOEXEC);  // for this user alone
  if (file_ < 0) return failed("making", errno);
  if (::unlink(name.c_str()) != 0) return failed("unlinking", errno);
  return {};
}

Result<void> PartitionFile::append(std::size_t partition, ByteView record) {
  Part& part = parts_[partition];
  const auto length = static_cast<Length>(record.size());
  const auto* behind = reinterpret_cast<const std::uint8_t*>(&length);
  part.newest.insert(part.newest.end(), record.begin(), record.end());
  part.newest.insert(part.newest.end(), behind, behind + sizeof length);
  ++part.count;
  if (part.newest.size() < block_) return {};
  return write_block(part);
}

Result<void> PartitionFile::write_block(Part& part) {
  TRY_VOID(make_file());
  const auto* before = reinterpret_cast<const std::uint8_t*>(&part.before);
  part.newest.insert(part.newest.end(), before, before + sizeof part.before);
  ByteView rest = part.newest;
  const Block written{end_, rest.size()};
  while (!rest.empty()) {
    const ssize_t count = ::pwrite(file_, rest.data(), rest.size(), static_cast<off_t>(end_));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failed("writing", errno);
    end_ += static_cast<std::uint64_t>(count);
    rest = rest.subspan(static_cast<std::size_t>(count));
  }
  part.before = written;
  part.newest.clear();
  return {};
}

Result<void> PartitionFile::read_back(std::size_t partition, const Take& take) {
  const Part& part = parts_[partition];
  TRY_VOID(take_backwards(part.newest, take));
  Bytes bytes;
  for (Block block = part.before; block.size != 0;) {
    bytes.resize(block.size);
    for (std::size_t got = 0; got < bytes.size();) {
      const ssize_t count = ::pread(file_, bytes.data() + got, bytes.size() - got,
                                    static_cast<off_t>(block.place + got));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return failed("reading", errno);
      if (count == 0) return failed("reading", EIO);  // shorter than what was written
      got += static_cast<std::size_t>(count);
    }
    std::memcpy(&block, bytes.data() + bytes.size() - sizeof block, sizeof block);
    TRY_VOID(take_backwards(ByteView(bytes).first(bytes.size() - sizeof block), take));
  }
  return {};
}

std::string spool_directory() {
  const char* directory = std::getenv("TMPDIR");
  return directory != nullptr && *directory != '\0' ? directory : "/var/tmp";
}

}  // namespace pgtally
