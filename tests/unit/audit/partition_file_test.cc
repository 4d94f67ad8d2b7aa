#include "audit/partition_file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <vector>

namespace pgtally {
namespace {

std::vector<std::string> all_of(PartitionFile& file, std::size_t partition) {
  std::vector<std::string> out;
  const auto done = file.read_back(partition, [&](ByteView record) {
    out.emplace_back(as_text(record));
    return Result<void>();
  });
  if (!done.ok()) out.push_back(done.error().message);
  return out;
}

TEST(PartitionFile, gives_back_each_record_once_the_newest_of_a_partition_first) {
  PartitionFile file(3, 1, "/tmp");  // the smallest blocks
  std::vector<std::vector<std::string>> expected(3);
  std::mt19937 random(1);
  for (int i = 0; i < 20'000; ++i) {
    const std::size_t partition = random() % 3;
    const std::string record = std::to_string(i) + std::string(random() % 60, 'x');
    ASSERT_TRUE(file.append(partition, as_bytes(record)).ok());
    expected[partition].push_back(record);
    if (i % 5'000 == 0) {
      (void)all_of(file, partition);  // reading in between disturbs nothing
    }
  }
  for (std::size_t partition = 0; partition < 3; ++partition) {
    EXPECT_EQ(file.count(partition), expected[partition].size());
    std::reverse(expected[partition].begin(), expected[partition].end());
    EXPECT_EQ(all_of(file, partition), expected[partition]);
    EXPECT_EQ(all_of(file, partition), expected[partition]) << "the second time";
  }
}

TEST(PartitionFile, takes_records_that_are_empty_and_records_larger_than_a_block) {
  PartitionFile file(2, 1, "/tmp");
  const std::string large(3 * PartitionFile::kLeastBlock, 'l');
  for (const std::string& record : {std::string(), large, std::string(), std::string("end")}) {
    ASSERT_TRUE(file.append(1, as_bytes(record)).ok());
  }
  EXPECT_EQ(all_of(file, 1), (std::vector<std::string>{"end", "", large, ""}));
  EXPECT_TRUE(all_of(file, 0).empty());
}

TEST(PartitionFile, leaves_no_name_behind_and_makes_none_while_all_fits) {
  char name[] = "/tmp/pgtally-test-XXXXXX";
  const std::string directory = ::mkdtemp(name);
  {
    PartitionFile file(1, 1 << 20, directory + "/is-not-there");
    const std::string record(1000, 'r');
    for (int i = 0; i < 400; ++i) ASSERT_TRUE(file.append(0, as_bytes(record)).ok());
    PartitionFile spilled(4, 1, directory);
    for (int i = 0; i < 400; ++i) ASSERT_TRUE(spilled.append(3, as_bytes(record)).ok());
    EXPECT_EQ(all_of(spilled, 3).size(), 400u);
    EXPECT_TRUE(std::filesystem::is_empty(directory));
  }
  std::filesystem::remove(directory);
}

TEST(PartitionFile, says_what_to_do_where_it_cannot_write) {
  PartitionFile file(2, 1, "/is-not-there");
  Result<void> done;
  const std::string record(PartitionFile::kLeastBlock, 'r');
  done = file.append(0, as_bytes(record));
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().code, ErrorCode::kOperator);
  EXPECT_NE(done.error().message.find("/is-not-there"), std::string::npos);
  EXPECT_NE(done.error().hint.find("TMPDIR"), std::string::npos);
}

TEST(PartitionFile, says_so_when_the_disk_is_full) {
  // A limit on the size of files stands for the disk.
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{64 << 10, 64 << 10};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    PartitionFile file(2, 1, "/tmp");
    const std::string record(1000, 'r');
    for (int i = 0; i < 100; ++i) {
      const auto done = file.append(0, as_bytes(record));
      if (!done.ok()) ::_exit(done.error().code == ErrorCode::kOperator ? 7 : 1);
    }
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 7);
}

}  // namespace
}  // namespace pgtally
