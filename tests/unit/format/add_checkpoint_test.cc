#include "format/add_checkpoint.h"

#include <gtest/gtest.h>

#include "base/encoding.h"
#include "pgtally/merkle.h"

namespace pgtally {
namespace {

const std::string kHash = to_base64(empty_root().view());

TEST(AddCheckpoint, is_read_as_it_was_written) {
  const AddCheckpoint request{TreeSize{20852014}, {Hash{}, empty_root()}, "any\nthing\n"};
  const std::string body = serialize(request);
  EXPECT_EQ(body, "old 20852014\n" + to_base64(Hash{}.view()) + "\n" + kHash + "\n\nany\nthing\n");
  EXPECT_EQ(*parse_add_checkpoint(body), request);
  EXPECT_EQ(serialize(*parse_add_checkpoint("old 0\n\nx\n\ny\n")), "old 0\n\nx\n\ny\n");
}

TEST(AddCheckpoint, takes_one_spelling_of_the_old_size_only) {
  for (const char* body : {"", "\n\nx\n", "old\n\nx\n", "old \n\nx\n", "old  1\n\nx\n",
                           "old 01\n\nx\n", "old -1\n\nx\n", "old 1 \n\nx\n", "Old 1\n\nx\n",
                           "old 18446744073709551616\n\nx\n", "old 1\r\n\r\nx\n"}) {
    EXPECT_FALSE(parse_add_checkpoint(body).ok()) << body;
  }
  EXPECT_EQ(parse_add_checkpoint("old 18446744073709551615\n\n")->old_size.value, UINT64_MAX);
}

TEST(AddCheckpoint, has_no_more_than_63_lines_of_proof_each_of_one_hash) {
  const auto body_of = [](int lines) {
    std::string body = "old 1\n";
    for (int i = 0; i < lines; ++i) body += kHash + "\n";
    return body + "\nx\n";
  };
  EXPECT_EQ(parse_add_checkpoint(body_of(63))->proof.size(), 63U);
  EXPECT_FALSE(parse_add_checkpoint(body_of(64)).ok());
  EXPECT_FALSE(parse_add_checkpoint("old 1\n" + kHash + kHash + "\n\nx\n").ok());
  EXPECT_FALSE(parse_add_checkpoint("old 1\n" + kHash.substr(0, 43) + "\n\nx\n").ok());
  EXPECT_FALSE(parse_add_checkpoint("old 1\n" + kHash + "\n").ok()) << "no empty line";
}

}  // namespace
}  // namespace pgtally
