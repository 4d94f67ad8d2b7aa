// Reads the vectors of tests/vectors/format and tests/vectors/types: records of `field value` lines.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "base/encoding.h"
#include "pgtally/types.h"

namespace pgtally::test {

inline std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.is_open()) << path;
  return {std::istreambuf_iterator<char>(in), {}};
}

inline std::string format_vector_file(const std::string& name) {
  return read_file(std::string(PGTALLY_VECTORS) + "/format/" + name);
}

// Hexadecimal, or pieces of it that are joined by +; hexadecimal*count for a long run.
inline std::string text_of_hex(const std::string& value) {
  const std::size_t plus = value.find('+');
  const std::string piece = value.substr(0, plus);
  const std::size_t star = piece.find('*');
  const auto bytes = from_hex(piece.substr(0, star));
  EXPECT_TRUE(bytes.ok()) << value;
  if (!bytes.ok()) return {};
  const int count = star == std::string::npos ? 1 : std::atoi(piece.c_str() + star + 1);
  std::string text;
  for (int i = 0; i < count; ++i) text += as_text(*bytes);
  return plus == std::string::npos ? text : text + text_of_hex(value.substr(plus + 1));
}

class VectorRecord {
 public:
  std::vector<std::pair<std::string, std::string>> fields;

  [[nodiscard]] bool has(const std::string& name) const {
    for (const auto& field : fields) {
      if (field.first == name) return true;
    }
    return false;
  }
  [[nodiscard]] std::string word(const std::string& name) const {
    for (const auto& field : fields) {
      if (field.first == name) return field.second;
    }
    ADD_FAILURE() << "no field " << name;
    return {};
  }
  [[nodiscard]] std::string text(const std::string& name) const { return text_of_hex(word(name)); }
  [[nodiscard]] Bytes bytes(const std::string& name) const {
    const std::string value = text(name);
    return {value.begin(), value.end()};
  }
  [[nodiscard]] Hash hash(const std::string& name) const {
    const auto value = hash_from_hex(word(name));
    EXPECT_TRUE(value.ok()) << name;
    return value.ok() ? *value : Hash{};
  }
  [[nodiscard]] std::uint64_t number(const std::string& name) const {
    return std::strtoull(word(name).c_str(), nullptr, 10);
  }
  [[nodiscard]] std::int64_t signed_number(const std::string& name) const {
    return std::strtoll(word(name).c_str(), nullptr, 10);
  }
  [[nodiscard]] std::vector<std::string> texts(const std::string& name) const {
    std::vector<std::string> all;
    for (const auto& field : fields) {
      if (field.first == name) all.push_back(text_of_hex(field.second));
    }
    return all;
  }
};

inline std::vector<VectorRecord> vectors_of(const std::string& text) {
  std::vector<VectorRecord> records(1);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    const std::size_t space = line.find(' ');
    if (line.empty()) {
      records.emplace_back();
    } else {
      records.back().fields.emplace_back(line.substr(0, space),
                                         space == std::string::npos ? "" : line.substr(space + 1));
    }
  }
  return records;
}

inline std::vector<VectorRecord> format_vectors(const std::string& name) {
  return vectors_of(format_vector_file(name));
}

}  // namespace pgtally::test
