#include "crypto/sha256_x86.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

#include <array>
#include <cstring>
#endif

namespace pgtally::x86 {

#if defined(__x86_64__)

#define PGTALLY_SHA __attribute__((target("sha,sse4.1")))

namespace {

constexpr std::size_t kBlock = 64;

alignas(16) constexpr std::array<std::uint32_t, 64> kConstants = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

// The eight words of the state, as the instructions want them.
struct State {
  __m128i abef;
  __m128i cdgh;
};

PGTALLY_SHA inline State first_state() {
  return {_mm_set_epi32(0x6a09e667, static_cast<int>(0xbb67ae85), 0x510e527f,
                        static_cast<int>(0x9b05688c)),
          _mm_set_epi32(0x3c6ef372, static_cast<int>(0xa54ff53a), 0x1f83d9ab, 0x5be0cd19)};
}

PGTALLY_SHA inline __m128i byte_order() {
  return _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
}

PGTALLY_SHA inline void store(const State& state, Hash& hash) {
  const __m128i feba = _mm_shuffle_epi32(state.abef, 0x1b);
  const __m128i dchg = _mm_shuffle_epi32(state.cdgh, 0xb1);
  auto* out = reinterpret_cast<__m128i*>(hash.bytes.data());
  _mm_storeu_si128(out, _mm_shuffle_epi8(_mm_blend_epi16(feba, dchg, 0xf0), byte_order()));
  _mm_storeu_si128(out + 1, _mm_shuffle_epi8(_mm_alignr_epi8(dchg, feba, 8), byte_order()));
}

// A block on its way: its state, and the last 16 words of its schedule.
struct Rounds {
  State now;
  __m128i words[4];  // std::array would lose the alignment that the type asks for
};

// Four rounds, the `quad`th of 16.
[[gnu::always_inline]] PGTALLY_SHA inline void four_rounds(Rounds& r, const std::uint8_t* block,
                                                           std::size_t quad) {
  __m128i& words = r.words[quad % 4];
  if (quad < 4) {
    words = _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(block + 16 * quad)),
                             byte_order());
  } else {
    const __m128i& before = r.words[(quad + 3) % 4];
    const __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(words, r.words[(quad + 1) % 4]),
                                      _mm_alignr_epi8(before, r.words[(quad + 2) % 4], 4));
    words = _mm_sha256msg2_epu32(sum, before);
  }
  const __m128i added =
      _mm_add_epi32(words, _mm_load_si128(reinterpret_cast<const __m128i*>(&kConstants[4 * quad])));
  r.now.cdgh = _mm_sha256rnds2_epu32(r.now.cdgh, r.now.abef, added);
  r.now.abef = _mm_sha256rnds2_epu32(r.now.abef, r.now.cdgh, _mm_shuffle_epi32(added, 0x0e));
}

PGTALLY_SHA inline void add(State& state, const State& more) {
  state.abef = _mm_add_epi32(state.abef, more.abef);
  state.cdgh = _mm_add_epi32(state.cdgh, more.cdgh);
}

PGTALLY_SHA void compress(State& state, const std::uint8_t* block) {
  Rounds rounds{.now = state, .words = {}};
#pragma GCC unroll 16
  for (std::size_t quad = 0; quad < 16; ++quad) four_rounds(rounds, block, quad);
  add(state, rounds.now);
}

PGTALLY_SHA void compress_two(State& one, const std::uint8_t* block_of_one, State& other,
                              const std::uint8_t* block_of_other) {
  Rounds a{.now = one, .words = {}};
  Rounds b{.now = other, .words = {}};
#pragma GCC unroll 16
  for (std::size_t quad = 0; quad < 16; ++quad) {
    four_rounds(a, block_of_one, quad);
    four_rounds(b, block_of_other, quad);
  }
  add(one, a.now);
  add(other, b.now);
}

// Takes messages one after the other, and goes through each block by block.
class Lane {
 public:
  [[nodiscard]] bool is_busy() const { return blocks_ > 0; }

  PGTALLY_SHA void begin(ByteView message, Hash& hash) {
    state = first_state();
    hash_ = &hash;
    next_ = message.data();
    whole_ = message.size() / kBlock;
    // What does not fill a block, a bit, zeros, and the number of bits in eight bytes.
    const std::size_t rest = message.size() % kBlock;
    const std::size_t end = rest + 1 + 8 <= kBlock ? kBlock : 2 * kBlock;
    if (rest > 0) std::memcpy(end_.data(), next_ + whole_ * kBlock, rest);
    end_[rest] = 0x80;
    std::memset(end_.data() + rest + 1, 0, end - rest - 1);
    const std::uint64_t bits = __builtin_bswap64(std::uint64_t{message.size()} * 8);
    std::memcpy(end_.data() + end - sizeof bits, &bits, sizeof bits);
    blocks_ = whole_ + end / kBlock;
    if (whole_ == 0) next_ = end_.data();
  }

  [[nodiscard]] const std::uint8_t* block() const { return next_; }

  // After a block.
  PGTALLY_SHA void step() {
    if (--blocks_ == 0) {
      store(state, *hash_);
      return;
    }
    next_ += kBlock;
    if (whole_ > 0 && --whole_ == 0) next_ = end_.data();
  }

  State state;

 private:
  const std::uint8_t* next_ = nullptr;
  std::size_t whole_ = 0;   // blocks of the message that come before end_
  std::size_t blocks_ = 0;  // that are left
  std::array<std::uint8_t, 2 * kBlock> end_;
  Hash* hash_ = nullptr;
};

bool find_instructions() {
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  constexpr unsigned kSha = 1U << 29;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0 || (ebx & kSha) == 0) return false;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_SSE4_1) != 0;
}

}  // namespace

bool has_sha256() {
  static const bool has = find_instructions();
  return has;
}

PGTALLY_SHA void sha256_many(std::span<const ByteView> messages, std::span<Hash> hashes) {
  std::size_t next = 0;
  Lane one;
  Lane other;
  const auto fill = [&](Lane& lane) PGTALLY_SHA {
    if (lane.is_busy() || next == messages.size()) return;
    lane.begin(messages[next], hashes[next]);
    ++next;
  };
  while (true) {
    fill(one);
    fill(other);
    if (!one.is_busy() || !other.is_busy()) break;
    compress_two(one.state, one.block(), other.state, other.block());
    one.step();
    other.step();
  }
  Lane& last = one.is_busy() ? one : other;
  while (last.is_busy()) {
    compress(last.state, last.block());
    last.step();
  }
}

#else

bool has_sha256() {
  return false;
}

void sha256_many(std::span<const ByteView>, std::span<Hash>) {}

#endif

}  // namespace pgtally::x86
