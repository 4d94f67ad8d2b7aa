#include "format/key_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace pgtally {
namespace {

class KeyFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "pgtally-key-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
    path_ = (directory_ / "key").string();
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  void write(const std::string& text) const {
    std::ofstream(path_) << text;
    ::chmod(path_.c_str(), 0600);
  }

  std::filesystem::path directory_;
  std::string path_;
  SigningKey key_ = *SigningKey::from_seed("bank.example/payments", Ed25519Seed{1, 2, 3});
};

TEST_F(KeyFile, is_read_back_and_belongs_to_its_owner_only) {
  ASSERT_TRUE(create_key_file(path_, key_).ok());
  const auto read = read_key_file(path_);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(read->text(), key_.text());
  struct stat status{};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
}

TEST_F(KeyFile, is_never_overwritten) {
  ASSERT_TRUE(create_key_file(path_, key_).ok());
  const auto other = *SigningKey::from_seed("other.example", Ed25519Seed{9});
  const auto created = create_key_file(path_, other);
  ASSERT_FALSE(created.ok());
  EXPECT_EQ(created.error().code, ErrorCode::kOperator);
  EXPECT_EQ(read_key_file(path_)->text(), key_.text());
}

TEST_F(KeyFile, that_others_may_read_or_write_is_refused) {
  ASSERT_TRUE(create_key_file(path_, key_).ok());
  for (const mode_t mode : {0640U, 0604U, 0620U, 0602U, 0610U, 0644U}) {
    ASSERT_EQ(::chmod(path_.c_str(), mode), 0);
    const auto read = read_key_file(path_);
    ASSERT_FALSE(read.ok()) << mode;
    EXPECT_NE(read.error().hint.find("chmod 600"), std::string::npos);
  }
}

TEST_F(KeyFile, that_is_missing_a_folder_corrupt_or_too_long_is_refused_without_showing_the_key) {
  EXPECT_FALSE(read_key_file(path_).ok());
  EXPECT_FALSE(read_key_file(directory_.string()).ok());
  const std::string text = key_.text();
  for (const std::string& corrupt : {std::string(), text.substr(0, text.size() - 4), text + "\n\n",
                                     "x" + text, text + text, text + std::string(8192, 'x')}) {
    write(corrupt);
    const auto read = read_key_file(path_);
    ASSERT_FALSE(read.ok()) << corrupt;
    EXPECT_EQ(read.error().code, ErrorCode::kOperator);
    EXPECT_EQ(read.error().message.find(text.substr(text.size() - 30)), std::string::npos);
  }
  EXPECT_FALSE(create_key_file((directory_ / "no" / "folder").string(), key_).ok());
}

}  // namespace
}  // namespace pgtally
