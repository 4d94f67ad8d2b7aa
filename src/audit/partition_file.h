// Records that were dealt out to partitions, and are read back a partition at a time.
//
// Each partition's newest records are in memory; when they are a block, that goes to the end of one
// file for all, with the place of the partition's block before it. So memory does not grow with what is
// kept, one file is open however many partitions there are, and the newest records come back first.
//
// The file has no name: it is gone with the object or with the process, whatever ends it. Nobody else
// can open it. It is made when the first block is full.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

class PartitionFile {
 public:
  static constexpr std::size_t kLeastBlock = std::size_t{4} << 10;
  static constexpr std::size_t kMostBlock = std::size_t{512} << 10;

  // Holds about `memory` bytes, and no less than two blocks of the smallest size for each partition.
  PartitionFile(std::size_t partitions, std::size_t memory, std::string directory);
  PartitionFile(PartitionFile&& other) noexcept;
  PartitionFile& operator=(PartitionFile&&) = delete;
  ~PartitionFile();

  [[nodiscard]] std::size_t partitions() const { return parts_.size(); }
  [[nodiscard]] std::uint64_t count(std::size_t partition) const { return parts_[partition].count; }

  // kOperator where the file cannot be written.
  [[nodiscard]] Result<void> append(std::size_t partition, ByteView record);

  // All records of a partition, the newest first; the bytes are valid during the call. As often as
  // one likes, also between calls of append(), but not within `take`.
  using Take = std::function<Result<void>(ByteView record)>;
  [[nodiscard]] Result<void> read_back(std::size_t partition, const Take& take);

 private:
  struct Block {
    std::uint64_t place = 0;
    std::uint64_t size = 0;  // 0: there is none
  };
  struct Part {
    Bytes newest;
    Block before;
    std::uint64_t count = 0;
  };

  [[nodiscard]] Result<void> write_block(Part& part);
  [[nodiscard]] Result<void> make_file();
  [[nodiscard]] Error failed(const char* doing, int error) const;

  std::string directory_;
  std::size_t block_;
  std::vector<Part> parts_;
  int file_ = -1;
  std::uint64_t end_ = 0;
};

// Where such files are made: TMPDIR, or /var/tmp, which is on disk.
[[nodiscard]] std::string spool_directory();

}  // namespace pgtally
