// A list of records that is written from front to end, then read from front to end, once each.
//
// In memory until flush() moves it into a file that has no name: the file is gone with the Spool or
// with the process, whatever ends it. The file holds users' data; nobody else can open it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

class Spool {
 public:
  // Records of this size or more go to the file at once, instead of being copied.
  static constexpr std::size_t kLargeRecord = std::size_t{1} << 20;

  // The file is made in `directory` when it is needed.
  explicit Spool(std::string directory) : directory_(std::move(directory)) {}
  Spool(Spool&& other) noexcept;
  Spool& operator=(Spool&&) = delete;
  ~Spool();

  // Precondition: nothing was read yet. kOperator where the file cannot be written.
  [[nodiscard]] Result<void> append(ByteView record);

  // Moves what is in memory into the file.
  [[nodiscard]] Result<void> flush();

  // The next record, valid until the next call; nothing after the last. Holds the larger of kPiece
  // and one record in memory.
  [[nodiscard]] Result<std::optional<ByteView>> next();

  // What is allocated, which is more than what is used.
  [[nodiscard]] std::size_t in_memory() const { return buffer_.capacity(); }
  [[nodiscard]] std::uint64_t in_file() const { return file_size_; }

 private:
  static constexpr std::size_t kPiece = std::size_t{256} << 10;

  [[nodiscard]] Result<void> make_file();
  [[nodiscard]] Result<void> write(ByteView bytes);
  // Sees to it that `count` bytes lie in buffer_ from place_ on. False at the end.
  [[nodiscard]] Result<bool> fill(std::size_t count);
  [[nodiscard]] Error failed(const char* doing, int error) const;

  std::string directory_;
  int file_ = -1;
  std::uint64_t file_size_ = 0;
  bool reading_ = false;
  Bytes buffer_;                  // writing: what is not in the file yet; reading: a piece of it
  std::size_t place_ = 0;         // reading: in buffer_
  std::uint64_t file_place_ = 0;  // reading: where the next piece begins
};

}  // namespace pgtally
