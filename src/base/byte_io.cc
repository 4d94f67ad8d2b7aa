#include "base/byte_io.h"

namespace pgtally {
namespace {

std::string at(std::size_t offset, std::string_view field) {
  return std::string(field) + " at byte " + std::to_string(offset);
}

}  // namespace

Error ByteReader::too_few(std::size_t count, std::string_view field) const {
  return reject(at(offset_, field) + ": " + std::to_string(count) + " bytes expected, " +
                std::to_string(bytes_.size() - offset_) + " left");
}

// The length has been read already.
Error ByteReader::misfit(std::size_t prefix, std::uint64_t length, std::size_t least,
                         std::size_t most, std::string_view field) const {
  return reject(at(offset_ - prefix, field) + ": a length of " + std::to_string(length) +
                " is outside " + std::to_string(least) + ".." + std::to_string(most));
}

Error ByteReader::left_over(std::string_view what) const {
  return reject(std::string(what) + ": " + std::to_string(bytes_.size() - offset_) +
                " bytes left over at byte " + std::to_string(offset_));
}

}  // namespace pgtally
