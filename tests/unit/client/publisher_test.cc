#include "client/publisher.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/durable_file.h"
#include "base/encoding.h"
#include "client/directory_log.h"
#include "client/entry_check.h"
#include "pgtally/verify.h"
#include "support/memory_log.h"
#include "support/temporary_directory.h"

namespace pgtally {
namespace {

namespace fs = std::filesystem;

SigningKey key() {
  return test::test_key("log.example", 7);
}
Policy policy() {
  return *Policy::trust(key().verifier());
}

class Ignore : public CheckedSink {
  Result<void> tile(const TileRequest&, const std::vector<Hash>&) override { return {}; }
  Result<void> bundle(const TileRequest&, const std::string&) override { return {}; }
  Result<void> verified(const Frontier&) override { return {}; }
};

class PublisherTest : public testing::Test {
 protected:
  PublisherTest() : log_(key()) {}

  [[nodiscard]] std::string path(const std::string& file = "") const {
    return home_.path() + "/published" + (file.empty() ? "" : "/" + file);
  }
  [[nodiscard]] Result<PublishReport> publish() {
    return Publisher(path(), policy()).publish(log_);
  }
  // The size that the directory's checkpoint names, all of which has to be there; 0 without one.
  [[nodiscard]] std::uint64_t verified_size() const {
    DirectoryLog served(path());
    const std::string note = *served.checkpoint();
    if (note.empty()) return 0;
    const auto checkpoint = verify_checkpoint(note, policy());
    EXPECT_TRUE(checkpoint.ok());
    Frontier none;
    Ignore ignore;
    const auto checked = check_entries(served, checkpoint->checkpoint, none, ignore);
    EXPECT_TRUE(checked.ok()) << checked.error().message;
    return checkpoint->checkpoint.size.value;
  }
  // What the directory has for it; empty if nothing.
  [[nodiscard]] std::string document(const std::string& text) const {
    const auto file = read_small_file(path("document/" + to_hex(sha256(text).view())));
    return file->value_or("");
  }
  void expect_documents(std::uint64_t size) {
    const std::vector<std::string> texts = *log_.documents(LeafIndex{0}, LeafIndex{size});
    for (const std::string& text : texts) {
      EXPECT_EQ(document(text), text);
    }
  }
  void expect_refusal(const std::string& text) {
    const auto report = publish();
    ASSERT_FALSE(report.ok());
    EXPECT_EQ(report.error().code, ErrorCode::kTampered) << report.error().message;
    EXPECT_NE(report.error().message.find(text), std::string::npos) << report.error().message;
  }

  test::TemporaryDirectory home_;
  test::MemoryLog log_;
};

TEST_F(PublisherTest, brings_everything_that_lies_under_the_checkpoint) {
  for (const std::uint64_t size : {1U, 2U, 256U, 257U, 700U, 20'000U, 65'536U, 66'000U}) {
    log_.grow_to(size);
    const auto report = publish();
    ASSERT_TRUE(report.ok()) << report.error().message;
    EXPECT_EQ(report->size, TreeSize{size});
    EXPECT_EQ(verified_size(), size);
  }
  const auto again = publish();
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->before, TreeSize{66'000});
  EXPECT_EQ(again->files, 0U);
}

TEST_F(PublisherTest, makes_files_that_a_web_server_of_another_user_can_read) {
  log_.grow_to(300);
  ASSERT_TRUE(publish().ok());
  for (const char* file : {"checkpoint", "tile/0/000", "tile/entries/001.p/44"}) {
    const auto mode = fs::status(path(file)).permissions();
    EXPECT_NE(mode & fs::perms::others_read, fs::perms::none) << file;
  }
}

TEST_F(PublisherTest, keeps_partial_tiles_until_the_full_one_is_there) {
  log_.grow_to(300);
  ASSERT_TRUE(publish().ok());
  log_.grow_to(310);
  ASSERT_TRUE(publish().ok());
  for (const char* file : {"tile/0/001.p/44", "tile/0/001.p/54", "tile/entries/001.p/44",
                           "tile/entries/001.p/54", "tile/1/000.p/1"}) {
    EXPECT_TRUE(fs::exists(path(file))) << file;
  }
  log_.grow_to(512);
  ASSERT_TRUE(publish().ok());
  EXPECT_FALSE(fs::exists(path("tile/0/001.p")));
  EXPECT_FALSE(fs::exists(path("tile/entries/001.p")));
  EXPECT_TRUE(fs::exists(path("tile/1/000.p/1")));
  EXPECT_EQ(verified_size(), 512U);
}

TEST_F(PublisherTest, overwrites_no_other_history) {
  log_.grow_to(600);
  ASSERT_TRUE(publish().ok());
  const std::string before = **read_small_file(path("checkpoint"));
  for (const std::uint64_t size : {600U, 900U}) {
    log_ = test::MemoryLog(key());
    log_.grow_to(size, "!");
    expect_refusal("the database holds another history than the one published in");
  }
  log_ = test::MemoryLog(key());
  log_.grow_to(500);
  expect_refusal("the database is behind what is published in");
  EXPECT_EQ(**read_small_file(path("checkpoint")), before);
}

TEST_F(PublisherTest, lets_a_directory_be_that_is_further_than_what_the_log_shows_now) {
  log_.grow_to(600);
  ASSERT_TRUE(publish().ok());
  log_.serve(log_.note_at(500));
  const auto report = publish();
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(report->size, TreeSize{600});
  EXPECT_EQ(verified_size(), 600U);
}

TEST_F(PublisherTest, overwrites_no_other_logs_directory) {
  test::MemoryLog other(test::test_key("other.example", 9));
  other.grow_to(10);
  const Policy others = *Policy::trust(test::test_key("other.example", 9).verifier());
  ASSERT_TRUE(Publisher(path(), others).publish(other).ok());
  log_.grow_to(20);
  expect_refusal("is not this log's");
}

TEST_F(PublisherTest, builds_on_nothing_that_is_damaged) {
  log_.grow_to(600);
  ASSERT_TRUE(publish().ok());
  log_.grow_to(700);
  const std::string good = **read_small_file(path("tile/0/002.p/88"));
  std::ofstream(path("tile/0/002.p/88")) << std::string(good.size(), 'x');
  expect_refusal("do not have the root of its checkpoint");
  fs::remove(path("tile/0/002.p/88"));
  expect_refusal("tile/0/002.p/88 is missing");
}

TEST_F(PublisherTest, leaves_a_file_that_is_there_with_other_content_as_it_is) {
  log_.grow_to(600);
  fs::create_directories(path("tile/0"));
  std::ofstream(path("tile/0/001")) << "mine";
  expect_refusal("holds something else than this log has there");
  EXPECT_EQ(**read_small_file(path("tile/0/001")), "mine");
  EXPECT_FALSE(fs::exists(path("checkpoint")));
}

TEST_F(PublisherTest, publishes_nothing_of_a_log_that_does_not_fit_its_checkpoint) {
  class Lying : public test::MemoryLog {
   public:
    using MemoryLog::MemoryLog;
    Result<std::vector<std::string>> bundles(std::uint64_t first, std::size_t count,
                                             TreeSize size) override {
      TRY(auto bundles, MemoryLog::bundles(first, count, size));
      bundles.back().back() ^= 1;
      return bundles;
    }
  };
  Lying log(key());
  log.grow_to(300);
  const auto report = Publisher(path(), policy()).publish(log);
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().code, ErrorCode::kTampered);
  EXPECT_FALSE(fs::exists(path("checkpoint")));
  EXPECT_FALSE(fs::exists(path("tile/entries/000")));
}

TEST_F(PublisherTest, brings_every_document_that_an_entry_names) {
  log_.name_document("{\"a\":1}");
  log_.grow_to(300);
  ASSERT_TRUE(publish().ok());
  EXPECT_EQ(document("{\"a\":1}"), "{\"a\":1}");
  log_.name_document("notice", Operation::kNotice);
  log_.name_document("notice", Operation::kNotice);
  log_.grow_to(700);
  Publisher running(path(), policy());
  const auto report = running.publish(log_);
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(document("notice"), "notice");
  // By one that runs, an entry of the same partial tile as what is published.
  log_.name_document("later");
  log_.grow_to(710);
  ASSERT_TRUE(running.publish(log_).ok());
  EXPECT_EQ(document("later"), "later");
  EXPECT_EQ(verified_size(), 710U);
}

TEST_F(PublisherTest, stops_before_a_checkpoint_over_an_entry_whose_document_is_lost_or_changed) {
  class Forgetful : public test::MemoryLog {
   public:
    using MemoryLog::MemoryLog;
    Result<std::vector<std::string>> documents(LeafIndex first, LeafIndex before) override {
      TRY(auto documents, MemoryLog::documents(first, before));
      if (change) documents.at(which) += " ";
      if (!change) documents.erase(documents.begin() + static_cast<std::ptrdiff_t>(which));
      return documents;
    }
    std::size_t which = 0;
    bool change = false;
  };
  Forgetful log(key());
  log.name_document("one");
  log.SignedLog::grow_to(300);
  log.name_document("two", Operation::kNotice);
  log.grow_to(302);
  for (log.which = 0; log.which < 2; ++log.which) {
    for (const bool change : {false, true}) {
      log.change = change;
      const auto report = Publisher(path(), policy()).publish(log);
      ASSERT_FALSE(report.ok());
      EXPECT_EQ(report.error().code, ErrorCode::kTampered);
      const std::string entry = log.which == 0 ? "entry 0" : "entry 300";
      EXPECT_NE(report.error().message.find(entry + " names is not in the database"),
                std::string::npos)
          << report.error().message;
      EXPECT_FALSE(fs::exists(path("checkpoint")));
    }
  }
}

TEST_F(PublisherTest, brings_back_a_document_that_is_missing_and_builds_on_none_that_is_damaged) {
  log_.name_document("one");
  log_.grow_to(600);
  ASSERT_TRUE(publish().ok());
  const std::string file = path(document_path(sha256("one")));
  for (const std::uint64_t size : {600U, 700U}) {  // with nothing new, and with something
    log_.grow_to(size);
    fs::remove(file);
    ASSERT_TRUE(publish().ok());
    EXPECT_EQ(document("one"), "one");
  }
  for (const std::string damaged : {"onE", "on"}) {
    ASSERT_TRUE(replace_file(file, damaged).ok());
    expect_refusal("holds something else than this log has there");
    EXPECT_EQ(document("one"), damaged);
  }
}

TEST_F(PublisherTest, publishes_the_same_tree_again_with_further_signatures) {
  log_.grow_to(300);
  ASSERT_TRUE(publish().ok());
  const std::string more = log_.note_at(300) + "\u2014 witness.example AAAAAAAAAAAA\n";
  log_.serve(more);
  ASSERT_TRUE(publish().ok());
  EXPECT_EQ(**read_small_file(path("checkpoint")), more);
}

TEST_F(PublisherTest, stops_between_two_batches_and_goes_on_later) {
  log_.grow_to(100 * 256);
  const auto stopped = Publisher(path(), policy()).publish(log_, [] { return true; });
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.error().code, ErrorCode::kRetry);
  EXPECT_EQ(verified_size(), 0U);
  ASSERT_TRUE(publish().ok());
  EXPECT_EQ(verified_size(), 100U * 256);
}

// The directory has to be right after every kill, and the next publisher has to go on.
TEST_F(PublisherTest, leaves_a_directory_that_is_right_when_it_is_killed_at_any_moment) {
  std::uint64_t size = 0;
  int killed = 0;
  for (int round = 0; round < 40; ++round) {
    size += 1 + static_cast<std::uint64_t>(round) * 97 % 1500;
    log_.name_document("document " + std::to_string(round));
    log_.grow_to(size);
    const pid_t child = ::fork();
    if (child == 0) ::_exit(publish().ok() ? 0 : 1);
    std::this_thread::sleep_for(std::chrono::microseconds(500 + round * 761 % 9000));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    killed += WIFSIGNALED(status) ? 1 : 0;
    EXPECT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    EXPECT_LE(verified_size(), size);
    expect_documents(verified_size());
  }
  EXPECT_GT(killed, 5);
  ASSERT_TRUE(publish().ok());
  EXPECT_EQ(verified_size(), size);
  for (const auto& file : fs::recursive_directory_iterator(path())) {
    if (!file.is_directory() || file.path().extension() != ".p") continue;
    const std::string full = file.path().parent_path() / file.path().stem();
    EXPECT_FALSE(fs::exists(full)) << file.path();
  }
}

}  // namespace
}  // namespace pgtally
