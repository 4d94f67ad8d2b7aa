#include "client/monitor.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/durable_file.h"
#include "client/directory_log.h"
#include "client/publisher.h"
#include "support/memory_log.h"
#include "support/temporary_directory.h"

namespace pgtally {
namespace {

namespace fs = std::filesystem;

const char* const kName = "log.example/test";

SigningKey key() {
  return test::test_key(kName, 7);
}
Policy policy() {
  return *Policy::trust(key().verifier());
}

class MonitorTest : public testing::Test {
 protected:
  MonitorTest() : log_(key()) {}

  // As if started anew, each time.
  [[nodiscard]] Result<Sighting> look(LogReader& log, bool entries = true) {
    return Monitor(log, "the log",
                   {.policy = policy(), .directory = directory_.path(), .check_entries = entries})
        .look();
  }
  void expect_tampered(LogReader& log, const std::string& text, bool entries = true) {
    const auto sighting = look(log, entries);
    ASSERT_FALSE(sighting.ok());
    EXPECT_EQ(sighting.error().code, ErrorCode::kTampered);
    EXPECT_NE(sighting.error().message.find(text), std::string::npos) << sighting.error().message;
  }
  [[nodiscard]] std::size_t kept_checkpoints() const {
    std::size_t count = 0;
    for (const auto& file : fs::directory_iterator(directory_.path())) {
      if (file.path().extension() == ".checkpoint") ++count;
    }
    return count;
  }

  test::TemporaryDirectory directory_;
  test::MemoryLog log_;
};

TEST_F(MonitorTest, follows_a_log_that_grows_through_every_edge) {
  std::optional<TreeSize> before;
  for (const std::uint64_t size : {1U, 2U, 255U, 256U, 257U, 511U, 512U, 700U, 65'536U, 65'537U}) {
    log_.grow_to(size);
    const auto sighting = look(log_);
    ASSERT_TRUE(sighting.ok()) << size << ": " << sighting.error().message;
    EXPECT_EQ(sighting->before, before);
    EXPECT_TRUE(sighting->is_news());
    EXPECT_EQ(sighting->entries_checked, TreeSize{size});
    before = TreeSize{size};
  }
  const auto again = look(log_);
  ASSERT_TRUE(again.ok());
  EXPECT_FALSE(again->is_news());
}

TEST_F(MonitorTest, takes_an_older_checkpoint_of_the_same_history_for_what_it_is) {
  log_.grow_to(700);
  ASSERT_TRUE(look(log_).ok());
  log_.serve(log_.note_at(300));
  const auto older = look(log_);
  ASSERT_TRUE(older.ok()) << older.error().message;
  EXPECT_FALSE(older->is_news());
  EXPECT_EQ(older->before, TreeSize{700});
  log_.grow_to(800);
  EXPECT_EQ(look(log_)->before, TreeSize{700});
}

TEST_F(MonitorTest, notices_a_fork_and_keeps_both_checkpoints) {
  for (const std::uint64_t size : {600U, 400U, 900U}) {
    test::MemoryLog honest(key());
    honest.grow_to(600);
    ASSERT_TRUE(look(honest, false).ok());
    test::MemoryLog forked(key());
    forked.grow_to(300);
    forked.grow_to(size, "!");
    expect_tampered(forked,
                    size == 600   ? "has signed two trees"
                    : size == 400 ? "went back from 600 entries to 400"
                                  : "does not begin with that of 600",
                    false);
    const auto error = look(forked, false).error();
    EXPECT_NE(error.hint.find(honest.note_at(600)), std::string::npos);
    EXPECT_NE(error.hint.find(forked.note_at(size)), std::string::npos);
    // What was remembered stays, so the honest log is followed as before.
    EXPECT_TRUE(look(honest, false).ok());
  }
  EXPECT_EQ(kept_checkpoints(), 4U);
}

TEST_F(MonitorTest, takes_a_tile_that_is_missing_for_a_trouble_that_may_pass) {
  log_.grow_to(300);
  ASSERT_TRUE(look(log_, false).ok());
  log_.grow_to(400);
  test::MemoryLog behind(key());
  behind.grow_to(300);
  behind.serve(log_.note_at(400));
  const auto sighting = look(behind, false);
  ASSERT_FALSE(sighting.ok());
  EXPECT_EQ(sighting.error().code, ErrorCode::kRetry);
}

TEST_F(MonitorTest, says_that_a_larger_tree_does_not_begin_with_the_one_remembered) {
  log_.grow_to(600);
  ASSERT_TRUE(look(log_, false).ok());
  test::MemoryLog forked(key());
  forked.grow_to(900, "!");
  expect_tampered(forked, "the log forked: its tree of 900 entries does not begin with that of 600",
                  false);
}

TEST_F(MonitorTest, believes_no_signature_but_the_logs) {
  test::MemoryLog other(test::test_key(kName, 8));
  other.grow_to(10);
  expect_tampered(other, "is not signed by a log that is trusted here");
  log_.grow_to(10);
  log_.serve("no checkpoint at all");
  expect_tampered(log_, "the log/checkpoint: ");
}

TEST_F(MonitorTest, is_not_content_with_a_state_that_it_does_not_understand) {
  log_.grow_to(300);
  ASSERT_TRUE(look(log_).ok());
  const std::string path = directory_.path() + "/log.example%2ftest.monitor";
  const std::string good = **read_small_file(path, 10'000);
  EXPECT_TRUE(good.starts_with("pgtally-monitor v1\nentries 256\n"));
  for (const std::string& bad :
       {std::string("x"), good.substr(0, 30), good.substr(0, good.size() - 3), "\n" + good}) {
    ASSERT_TRUE(replace_file(path, bad).ok());
    const auto sighting = look(log_);
    ASSERT_FALSE(sighting.ok());
    EXPECT_EQ(sighting.error().code, ErrorCode::kOperator);
  }
}

TEST_F(MonitorTest, goes_on_where_it_was_stopped_and_downloads_nothing_twice) {
  class Stopping : public test::MemoryLog {
   public:
    using MemoryLog::MemoryLog;
    Result<std::vector<std::string>> bundles(std::uint64_t first, std::size_t count,
                                             TreeSize size) override {
      if (first >= stop_at) return retry("gone");
      seen.push_back(first);
      return MemoryLog::bundles(first, count, size);
    }
    std::uint64_t stop_at = UINT64_MAX;
    std::vector<std::uint64_t> seen;
  };
  Stopping log(key());
  log.grow_to(200 * 256 + 10);
  log.stop_at = 140;
  EXPECT_EQ(look(log).error().code, ErrorCode::kRetry);
  log.stop_at = UINT64_MAX;
  log.seen.clear();
  ASSERT_TRUE(look(log).ok());
  EXPECT_EQ(log.seen.front(), 128U);
}

// Every file that a checkpoint needs, and every seventh byte of it.
TEST_F(MonitorTest, catches_a_flipped_bit_in_any_published_tile_bundle_or_checkpoint) {
  const test::TemporaryDirectory home;
  const std::string published = home.path() + "/log";
  log_.grow_to(600);
  ASSERT_TRUE(Publisher(published, policy()).publish(log_).ok());
  DirectoryLog served(published);
  ASSERT_TRUE(look(served).ok());
  int flips = 0;
  for (const auto& file : fs::recursive_directory_iterator(published)) {
    if (!file.is_regular_file() || file.path().string().find("/.pgtally/") != std::string::npos) {
      continue;
    }
    const std::string path = file.path();
    const std::string good = **read_small_file(path, std::size_t{1} << 20);
    for (std::size_t at = 0; at < good.size(); at += 7) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ (1 << (at % 8)));
      std::ofstream(path, std::ios::binary | std::ios::trunc) << bad;
      ++flips;
      const test::TemporaryDirectory state;
      const auto sighting =
          Monitor(served, "the log",
                  {.policy = policy(), .directory = state.path(), .check_entries = true})
              .look();
      ASSERT_FALSE(sighting.ok()) << path << " byte " << at;
      EXPECT_EQ(sighting.error().code, ErrorCode::kTampered) << sighting.error().message;
    }
    std::ofstream(path, std::ios::binary | std::ios::trunc) << good;
  }
  EXPECT_GT(flips, 3000);
  EXPECT_TRUE(look(served).ok());
}

TEST_F(MonitorTest, catches_a_flipped_bit_in_the_tiles_of_higher_levels) {
  const test::TemporaryDirectory home;
  const std::string published = home.path() + "/log";
  log_.grow_to(65'536 + 300);
  ASSERT_TRUE(Publisher(published, policy()).publish(log_).ok());
  DirectoryLog served(published);
  for (const char* file : {"tile/1/000", "tile/1/001.p/1", "tile/2/000.p/1", "tile/0/257.p/44",
                           "tile/entries/257.p/44", "tile/entries/100"}) {
    const std::string path = published + "/" + file;
    const auto read = read_small_file(path, std::size_t{1} << 20);
    ASSERT_TRUE(read.ok() && *read) << path;
    std::string bad = **read;
    bad[bad.size() / 2] ^= 0x10;
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bad;
    const test::TemporaryDirectory state;
    const auto sighting =
        Monitor(served, "the log",
                {.policy = policy(), .directory = state.path(), .check_entries = true})
            .look();
    ASSERT_FALSE(sighting.ok()) << path;
    EXPECT_EQ(sighting.error().code, ErrorCode::kTampered);
    std::ofstream(path, std::ios::binary | std::ios::trunc) << **read;
  }
}

}  // namespace
}  // namespace pgtally
