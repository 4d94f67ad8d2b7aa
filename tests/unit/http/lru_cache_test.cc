#include "http/lru_cache.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace pgtally::http {
namespace {

using Cache = LruCache<int, std::string, std::hash<int>>;

std::shared_ptr<const std::string> value(const std::string& text) {
  return std::make_shared<const std::string>(text);
}

TEST(LruCache, drops_what_was_not_asked_for_longest) {
  Cache cache(30);
  cache.put(1, value("a"), 10);
  cache.put(2, value("b"), 10);
  cache.put(3, value("c"), 10);
  EXPECT_NE(cache.find(1), nullptr);
  cache.put(4, value("d"), 10);
  EXPECT_EQ(cache.find(2), nullptr);
  EXPECT_NE(cache.find(1), nullptr);
  EXPECT_NE(cache.find(3), nullptr);
  EXPECT_EQ(cache.counts().evicted, 1U);
}

TEST(LruCache, never_holds_more_bytes_than_its_bound) {
  Cache cache(100);
  for (int i = 0; i < 1000; ++i) {
    cache.put(i % 37, value("x"), static_cast<std::size_t>(i % 41 + 1));
    ASSERT_LE(cache.counts().bytes, 100U);
  }
  cache.put(5, value("small"), 1);
  cache.put(5, value("too large"), 101);
  EXPECT_EQ(cache.find(5), nullptr);
}

TEST(LruCache, replaces_the_value_of_a_key_and_counts_it_once) {
  Cache cache(100);
  cache.put(1, value("a"), 60);
  cache.put(1, value("b"), 50);
  EXPECT_EQ(*cache.find(1), "b");
  EXPECT_EQ(cache.counts().bytes, 50U);
  EXPECT_EQ(cache.counts().entries, 1U);
}

TEST(LruCache, keeps_a_value_alive_for_who_holds_it) {
  Cache cache(10);
  cache.put(1, value("a"), 10);
  const auto held = cache.find(1);
  cache.put(2, value("b"), 10);
  EXPECT_EQ(cache.find(1), nullptr);
  EXPECT_EQ(*held, "a");
}

TEST(LruCache, serves_many_threads) {
  Cache cache(500);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&cache, t] {
      for (int i = 0; i < 20'000; ++i) {
        const int key = (i * 7 + t) % 100;
        if (const auto found = cache.find(key)) {
          ASSERT_EQ(*found, std::to_string(key));
        } else {
          cache.put(key, value(std::to_string(key)), 10);
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(cache.counts().bytes, cache.counts().entries * 10);
}

}  // namespace
}  // namespace pgtally::http
