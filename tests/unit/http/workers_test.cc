#include "http/workers.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <set>

namespace pgtally::http {
namespace {

TEST(Workers, does_all_that_it_took_each_on_a_numbered_thread) {
  std::mutex mutex;
  std::set<std::size_t> workers;
  std::atomic<int> done = 0;
  std::promise<void> all;
  {
    Workers pool(3, 1000);
    for (int i = 0; i < 500; ++i) {
      ASSERT_TRUE(pool.post([&](std::size_t worker) {
        {
          const std::lock_guard lock(mutex);
          workers.insert(worker);
        }
        if (++done == 500) all.set_value();
      }));
    }
    all.get_future().wait();
  }
  EXPECT_EQ(done, 500);
  for (const auto worker : workers) EXPECT_LT(worker, 3u);
}

TEST(Workers, takes_nothing_when_its_queue_is_full) {
  std::promise<void> begun;
  std::promise<void> go_on;
  auto gate = go_on.get_future().share();
  std::atomic<int> done = 0;
  Workers pool(1, 2);
  ASSERT_TRUE(pool.post([&, gate](std::size_t) {
    begun.set_value();
    gate.wait();
  }));
  begun.get_future().wait();
  EXPECT_TRUE(pool.post([&](std::size_t) { ++done; }));
  EXPECT_TRUE(pool.post([&](std::size_t) { ++done; }));
  EXPECT_FALSE(pool.post([&](std::size_t) { ++done; }));
  EXPECT_EQ(pool.waiting(), 2u);
  go_on.set_value();
  while (done < 2) std::this_thread::yield();
  EXPECT_TRUE(pool.post([](std::size_t) {}));
}

TEST(Workers, drops_what_waits_when_it_ends) {
  const auto held = std::make_shared<int>(0);
  {
    std::promise<void> begun;
    std::promise<void> go_on;
    auto gate = go_on.get_future().share();
    Workers pool(1, 10);
    ASSERT_TRUE(pool.post([&, gate](std::size_t) {
      begun.set_value();
      gate.wait_for(std::chrono::milliseconds(50));
    }));
    begun.get_future().wait();
    ASSERT_TRUE(pool.post([held](std::size_t) { ++*held; }));
  }
  EXPECT_EQ(*held, 0);
  EXPECT_EQ(held.use_count(), 1);
}

}  // namespace
}  // namespace pgtally::http
