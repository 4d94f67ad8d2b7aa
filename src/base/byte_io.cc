#include "base/byte_io.h"

namespace pgtally {
namespace {

std::string at(std::size_t offset, std::string_view field) {
  return std::string(field) + " at byte " + std::to_string(offset);
}

}  // namespace

Result<ByteView> ByteReader::raw(std::size_t count, std::string_view field) {
  const std::size_t left = bytes_.size() - offset_;
  if (count > left) {
    return reject(at(offset_, field) + ": " + std::to_string(count) + " bytes expected, " +
                  std::to_string(left) + " left");
  }
  const ByteView taken = bytes_.subspan(offset_, count);
  offset_ += count;
  return taken;
}

Result<std::uint64_t> ByteReader::big_endian(int width, std::string_view field) {
  TRY(const ByteView taken, raw(static_cast<std::size_t>(width), field));
  std::uint64_t value = 0;
  for (const std::uint8_t byte : taken) value = value << 8 | byte;
  return value;
}

Result<std::uint8_t> ByteReader::u8(std::string_view field) {
  TRY(const auto value, big_endian(1, field));
  return static_cast<std::uint8_t>(value);
}

Result<std::uint16_t> ByteReader::u16(std::string_view field) {
  TRY(const auto value, big_endian(2, field));
  return static_cast<std::uint16_t>(value);
}

Result<std::uint32_t> ByteReader::u24(std::string_view field) {
  TRY(const auto value, big_endian(3, field));
  return static_cast<std::uint32_t>(value);
}

Result<std::uint32_t> ByteReader::u32(std::string_view field) {
  TRY(const auto value, big_endian(4, field));
  return static_cast<std::uint32_t>(value);
}

Result<std::uint64_t> ByteReader::u64(std::string_view field) {
  return big_endian(8, field);
}

Result<ByteView> ByteReader::opaque(int prefix_bytes, std::size_t least, std::size_t most,
                                    std::string_view field) {
  const std::size_t start = offset_;
  TRY(const auto length, big_endian(prefix_bytes, field));
  if (length < least || length > most) {
    return reject(at(start, field) + ": a length of " + std::to_string(length) + " is outside " +
                  std::to_string(least) + ".." + std::to_string(most));
  }
  return raw(static_cast<std::size_t>(length), field);
}

Result<void> ByteReader::finish(std::string_view what) const {
  if (at_end()) return {};
  return reject(std::string(what) + ": " + std::to_string(bytes_.size() - offset_) +
                " bytes left over at byte " + std::to_string(offset_));
}

}  // namespace pgtally
