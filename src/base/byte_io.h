// Writing and reading of the binary formats: big-endian integers and length-prefixed byte strings.
//
// Spec: the presentation language of RFC 8446 section 3. The reader never reads past its end; every
// failure says at which offset, and in which field, the bytes stopped making sense.
#pragma once

#include <string>
#include <string_view>

#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

class ByteWriter {
 public:
  void u8(std::uint8_t value) { bytes_.push_back(value); }
  void u16(std::uint16_t value) { big_endian(value, 2); }
  void u24(std::uint32_t value) { big_endian(value, 3); }
  void u32(std::uint32_t value) { big_endian(value, 4); }
  void u64(std::uint64_t value) { big_endian(value, 8); }
  void raw(ByteView bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
  void raw(std::string_view text) { raw(as_bytes(text)); }

  // opaque x<…>: a length of `prefix_bytes` bytes, then the bytes. Precondition: they fit.
  void opaque(ByteView bytes, int prefix_bytes) {
    big_endian(bytes.size(), prefix_bytes);
    raw(bytes);
  }

  [[nodiscard]] const Bytes& bytes() const& { return bytes_; }
  [[nodiscard]] Bytes bytes() && { return std::move(bytes_); }
  void clear() { bytes_.clear(); }

 private:
  void big_endian(std::uint64_t value, int width) {
    for (int shift = 8 * (width - 1); shift >= 0; shift -= 8) {
      bytes_.push_back(static_cast<std::uint8_t>(value >> shift));
    }
  }

  Bytes bytes_;
};

// Views what it is given; the bytes must outlive the reader and everything that it returned.
class ByteReader {
 public:
  explicit ByteReader(ByteView bytes) : bytes_(bytes) {}

  [[nodiscard]] Result<std::uint8_t> u8(std::string_view field) {
    return integer<std::uint8_t>(1, field);
  }
  [[nodiscard]] Result<std::uint16_t> u16(std::string_view field) {
    return integer<std::uint16_t>(2, field);
  }
  [[nodiscard]] Result<std::uint32_t> u24(std::string_view field) {
    return integer<std::uint32_t>(3, field);
  }
  [[nodiscard]] Result<std::uint32_t> u32(std::string_view field) {
    return integer<std::uint32_t>(4, field);
  }
  [[nodiscard]] Result<std::uint64_t> u64(std::string_view field) {
    return integer<std::uint64_t>(8, field);
  }
  [[nodiscard]] Result<ByteView> raw(std::size_t count, std::string_view field) {
    if (count > bytes_.size() - offset_) return too_few(count, field);
    return take(count);
  }
  // opaque field<least..most> with a length of `prefix_bytes` bytes.
  [[nodiscard]] Result<ByteView> opaque(int prefix_bytes, std::size_t least, std::size_t most,
                                        std::string_view field) {
    TRY(const auto length, integer<std::uint64_t>(prefix_bytes, field));
    if (length < least || length > most) {
      return misfit(static_cast<std::size_t>(prefix_bytes), length, least, most, field);
    }
    return raw(static_cast<std::size_t>(length), field);
  }
  // Refuses bytes that are left over.
  [[nodiscard]] Result<void> finish(std::string_view what) const {
    if (!at_end()) return left_over(what);
    return {};
  }

  [[nodiscard]] bool at_end() const { return offset_ == bytes_.size(); }
  [[nodiscard]] std::size_t offset() const { return offset_; }

 private:
  ByteView take(std::size_t count) {
    const ByteView taken = bytes_.subspan(offset_, count);
    offset_ += count;
    return taken;
  }
  template <typename T>
  [[nodiscard]] Result<T> integer(int width, std::string_view field) {
    if (static_cast<std::size_t>(width) > bytes_.size() - offset_) {
      return too_few(static_cast<std::size_t>(width), field);
    }
    T value = 0;
    for (const std::uint8_t byte : take(static_cast<std::size_t>(width))) {
      value = static_cast<T>(std::uint64_t{value} << 8 | byte);
    }
    return value;
  }
  // What goes wrong is out of the way of what goes well, millions of times.
  [[nodiscard]] Error too_few(std::size_t count, std::string_view field) const;
  [[nodiscard]] Error misfit(std::size_t prefix, std::uint64_t length, std::size_t least,
                             std::size_t most, std::string_view field) const;
  [[nodiscard]] Error left_over(std::string_view what) const;

  ByteView bytes_;
  std::size_t offset_ = 0;
};

}  // namespace pgtally
