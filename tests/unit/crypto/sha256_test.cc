#include "crypto/sha256.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/encoding.h"

namespace pgtally {
namespace {

std::string hex_of(const Hash& hash) {
  return to_hex(hash.view());
}

// The examples that NIST publishes for FIPS 180-4, and the hash of nothing.
TEST(Sha256, is_that_of_the_examples_for_fips_180_4) {
  EXPECT_EQ(hex_of(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex_of(sha256("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex_of(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(hex_of(sha256("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmno"
                          "ijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu")),
            "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
  EXPECT_EQ(hex_of(sha256(std::string(1000000, 'a'))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, of_parts_is_that_of_the_parts_put_together) {
  EXPECT_EQ(sha256({as_bytes("a"), as_bytes(""), as_bytes("bc")}), sha256("abc"));
  EXPECT_EQ(sha256({}), sha256(""));
}

TEST(Sha256, does_not_remember_the_hash_before) {
  const Hash first = sha256("abc");
  (void)sha256("something else");
  EXPECT_EQ(sha256("abc"), first);
}

TEST(Sha256, is_right_in_several_threads_at_once) {
  const Hash expected = sha256("abc");
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (std::size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 2000; ++i) wrong[t] += sha256("abc") != expected ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

// Of all lengths around the ends of blocks, so that one lane ends before the other in every way.
TEST(Sha256, of_many_is_that_of_each) {
  std::mt19937_64 random(5);
  std::vector<std::string> texts;
  for (std::size_t size = 0; size <= 260; ++size) texts.emplace_back(size, 'a');
  for (int i = 0; i < 2000; ++i) {
    std::string& text = texts.emplace_back(random() % 700, ' ');
    for (char& c : text) c = static_cast<char>(random());
  }
  std::shuffle(texts.begin() + 261, texts.end(), random);
  std::vector<ByteView> messages;
  for (const std::string& text : texts) messages.push_back(as_bytes(text));
  for (const std::size_t count :
       {std::size_t{0}, std::size_t{1}, std::size_t{2}, std::size_t{17}, messages.size()}) {
    std::vector<Hash> hashes(count);
    sha256_many(std::span(messages).first(count), hashes);
    for (std::size_t i = 0; i < count; ++i) {
      ASSERT_EQ(hashes[i], sha256(texts[i])) << texts[i].size() << " bytes, of " << count;
    }
  }
}

TEST(Sha256Stream, gives_the_same_hash_however_the_input_was_cut) {
  const std::string text(1000, 'x');
  for (const std::size_t piece : {1U, 7U, 64U, 65U, 999U}) {
    Sha256Stream stream;
    for (std::size_t at = 0; at < text.size(); at += piece) {
      stream.update(as_bytes(std::string_view(text).substr(at, piece)));
    }
    EXPECT_EQ(stream.finish(), sha256(text)) << piece;
  }
}

TEST(Sha256Stream, is_ready_for_the_next_message_and_apart_from_others) {
  Sha256Stream one;
  Sha256Stream other;
  one.update(as_bytes("a"));
  other.update(as_bytes("x"));
  (void)sha256("in between");
  one.update(as_bytes("bc"));
  EXPECT_EQ(one.finish(), sha256("abc"));
  EXPECT_EQ(one.finish(), sha256(""));
  EXPECT_EQ(other.finish(), sha256("x"));
}

}  // namespace
}  // namespace pgtally
