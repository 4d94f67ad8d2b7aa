#include "pgtally/result.h"

#include <gtest/gtest.h>

#include <memory>

namespace pgtally {
namespace {

Result<int> half(int value) {
  if (value % 2 != 0) return reject("odd: " + std::to_string(value), "Give an even number.");
  return value / 2;
}

Result<int> quarter(int value) {
  TRY(const int once, half(value));
  TRY(const int twice, half(once));
  return twice;
}

Result<void> only_even(int value) {
  TRY_VOID(half(value));
  return {};
}

Result<std::unique_ptr<int>> boxed(int value) {
  return std::make_unique<int>(value);
}

TEST(Result, carries_the_value_or_the_first_error_up) {
  EXPECT_EQ(quarter(12).value(), 3);
  const auto failed = quarter(6);
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().message, "odd: 3");
  EXPECT_EQ(failed.error().hint, "Give an even number.");
  EXPECT_TRUE(only_even(2).ok());
  EXPECT_EQ(only_even(3).error().code, ErrorCode::kReject);
}

TEST(Result, holds_what_can_only_be_moved) {
  auto result = boxed(7);
  const std::unique_ptr<int> taken = std::move(result).value();
  EXPECT_EQ(*taken, 7);
}

TEST(Error, within_puts_what_was_being_done_before_the_message_and_keeps_the_rest) {
  const Error error = tampered("line 3 is wrong", "Fetch it again.").within("reading a.tlog-proof");
  EXPECT_EQ(error.message, "reading a.tlog-proof: line 3 is wrong");
  EXPECT_EQ(error.hint, "Fetch it again.");
  EXPECT_EQ(error.code, ErrorCode::kTampered);
}

}  // namespace
}  // namespace pgtally
