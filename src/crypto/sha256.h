// SHA-256 of small messages, by the hundred thousand.
//
// Looking the digest up for each hash would cost four times the hash itself when the input is a tree
// node (65 bytes); nothing is looked up or allocated here. Spec: FIPS 180-4.
#pragma once

#include <algorithm>
#include <array>
#include <initializer_list>
#include <memory>
#include <span>
#include <string_view>

#include "pgtally/types.h"

namespace pgtally {

// The hash of the parts, put one after the other.
[[nodiscard]] Hash sha256(std::initializer_list<ByteView> parts);
[[nodiscard]] inline Hash sha256(ByteView bytes) {
  return sha256({bytes});
}
[[nodiscard]] inline Hash sha256(std::string_view text) {
  return sha256({as_bytes(text)});
}

// The hash of each message, in its place; `hashes` has one for each. Where there are many messages, and
// none depends on another's hash, twice as fast as one by one.
void sha256_many(std::span<const ByteView> messages, std::span<Hash> hashes);

// The same of messages of one size, which `put(message, i)` writes, some at a time. Hashes may stand where
// messages that were put before, or together with them, come from.
template <std::size_t kSize, typename Put>
void sha256_each(std::span<Hash> hashes, Put put) {
  constexpr std::size_t kTogether = 256;
  std::array<std::uint8_t, kTogether * kSize> messages;
  std::array<ByteView, kTogether> views;
  for (std::size_t done = 0; done < hashes.size(); done += kTogether) {
    const auto some = hashes.subspan(done, std::min(kTogether, hashes.size() - done));
    for (std::size_t i = 0; i < some.size(); ++i) {
      std::uint8_t* const message = &messages[i * kSize];
      put(message, done + i);
      views[i] = {message, kSize};
    }
    sha256_many(std::span(views).first(some.size()), some);
  }
}

// For input that arrives in pieces. One stream hashes one message at a time; after finish() it is
// ready for the next. Not for use by two threads at once.
class Sha256Stream {
 public:
  Sha256Stream();
  ~Sha256Stream();
  Sha256Stream(Sha256Stream&&) noexcept;
  Sha256Stream& operator=(Sha256Stream&&) noexcept;

  void update(ByteView bytes);
  [[nodiscard]] Hash finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pgtally
