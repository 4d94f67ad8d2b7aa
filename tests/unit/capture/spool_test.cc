#include "capture/spool.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <numeric>

#include "capture/xid_set.h"

namespace pgtally {
namespace {

namespace fs = std::filesystem;

class SpoolTest : public ::testing::Test {
 protected:
  SpoolTest() {
    std::string name = (fs::temp_directory_path() / "spool-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no directory");
    directory = name;
  }
  ~SpoolTest() override { fs::remove_all(directory); }

  static Bytes record(std::size_t size) {
    Bytes bytes(size);
    std::iota(bytes.begin(), bytes.end(), static_cast<std::uint8_t>(size));
    return bytes;
  }
  static void expect_records(Spool& spool, const std::vector<std::size_t>& sizes) {
    for (const std::size_t size : sizes) {
      const auto next = spool.next();
      ASSERT_TRUE(next.ok()) << next.error().message;
      ASSERT_TRUE(next->has_value());
      EXPECT_TRUE(std::ranges::equal(**next, record(size))) << size;
    }
    const auto end = spool.next();
    ASSERT_TRUE(end.ok());
    EXPECT_FALSE(end->has_value());
  }

  fs::path directory;
};

TEST_F(SpoolTest, gives_back_what_it_took_without_a_file) {
  Spool spool(directory);
  const std::vector<std::size_t> sizes = {1, 0, 1000, 70'000};
  for (const auto size : sizes) ASSERT_TRUE(spool.append(record(size)).ok());
  EXPECT_EQ(spool.in_file(), 0U);
  expect_records(spool, sizes);
}

TEST_F(SpoolTest, gives_back_what_it_took_wherever_it_was_flushed) {
  const std::vector<std::size_t> sizes = {5, 0, 300'000, 1, 3 << 20, 6 << 20, 2, 99'999, 1 << 20};
  for (std::size_t flushed = 0; flushed < sizes.size(); ++flushed) {
    Spool spool(directory);
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      ASSERT_TRUE(spool.append(record(sizes[i])).ok());
      if (i % (flushed + 1) == 0) {
        ASSERT_TRUE(spool.flush().ok());
      }
    }
    expect_records(spool, sizes);
  }
}

TEST_F(SpoolTest, holds_little_in_memory_once_it_has_read_a_huge_record) {
  Spool spool(directory);
  ASSERT_TRUE(spool.append(record(6 << 20)).ok());
  EXPECT_LE(spool.in_memory(), 4U);
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(spool.append(record(2000)).ok());
  ASSERT_TRUE(spool.next().ok());
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(spool.next().ok());
  EXPECT_LE(spool.in_memory(), std::size_t{256} << 10);
}

TEST_F(SpoolTest, its_file_has_no_name) {
  Spool spool(directory);
  ASSERT_TRUE(spool.append(record(10)).ok());
  ASSERT_TRUE(spool.flush().ok());
  EXPECT_GT(spool.in_file(), 0U);
  EXPECT_EQ(spool.in_memory(), 0U);
  EXPECT_TRUE(fs::is_empty(directory));
}

TEST_F(SpoolTest, says_where_it_cannot_write) {
  Spool spool(directory / "missing");
  ASSERT_TRUE(spool.append(record(10)).ok());
  const auto flushed = spool.flush();
  ASSERT_FALSE(flushed.ok());
  EXPECT_EQ(flushed.error().code, ErrorCode::kOperator);
  EXPECT_NE(flushed.error().message.find((directory / "missing").string()), std::string::npos);
}

TEST(XidSet, holds_exactly_what_was_put_into_it) {
  XidSet set;
  EXPECT_FALSE(set.contains(0));
  const std::vector<std::uint32_t> members = {3, 63, 64, 511, 512, 731, 0xffffffff};
  for (const auto xid : members) set.insert(xid);
  for (const auto xid : members) {
    EXPECT_TRUE(set.contains(xid)) << xid;
  }
  for (const std::uint32_t xid : {0U, 2U, 4U, 62U, 65U, 510U, 513U, 730U, 1243U, 0xfffffffeU}) {
    EXPECT_FALSE(set.contains(xid)) << xid;
  }
}

}  // namespace
}  // namespace pgtally
