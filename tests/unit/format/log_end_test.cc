#include "format/log_end.h"

#include <gtest/gtest.h>

#include "crypto/sha256.h"
#include "pgtally/checkpoint.h"

namespace pgtally {
namespace {

SigningKey key_of(const std::string& name) {
  return *SigningKey::from_seed(name, sha256("pgtally test vector: " + name).bytes);
}

LogEnd an_end() {
  return {"ledger.example/payments",
          TreeSize{303},
          sha256("root"),
          Time{1795003600123456},
          "ledger.example/2",
          "restored from the backup of Sunday; none is newer"};
}

TEST(LogEnd, comes_back_as_it_was_signed) {
  const SigningKey key = key_of("ledger.example/payments");
  const auto note = sign_log_end(key, an_end());
  ASSERT_TRUE(note.ok());
  const auto back = verify_log_end(*note, key.verifier());
  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_EQ(*back, an_end());
}

TEST(LogEnd, is_never_a_checkpoint) {
  const auto note = sign_log_end(key_of("ledger.example/payments"), an_end());
  EXPECT_FALSE(parse_checkpoint(parse_note(*note)->text).ok() &&
               parse_checkpoint(parse_note(*note)->text)->origin == "ledger.example/payments");
}

TEST(LogEnd, with_any_byte_changed_does_not_verify) {
  const SigningKey key = key_of("ledger.example/payments");
  const std::string note = *sign_log_end(key, an_end());
  for (std::size_t i = 0; i < note.size(); ++i) {
    std::string changed = note;
    changed[i] ^= 1;
    EXPECT_FALSE(verify_log_end(changed, key.verifier()).ok()) << i;
    EXPECT_FALSE(verify_log_end(note.substr(0, i), key.verifier()).ok()) << i;
  }
}

TEST(LogEnd, is_signed_by_no_other_key) {
  const SigningKey other = key_of("other.example/log");
  EXPECT_FALSE(sign_log_end(other, an_end()).ok());
  const std::string note = *sign_log_end(key_of("ledger.example/payments"), an_end());
  EXPECT_FALSE(verify_log_end(note, other.verifier()).ok());
  const auto same_name =
      *SigningKey::from_seed("ledger.example/payments", sha256("another seed").bytes);
  EXPECT_FALSE(verify_log_end(note, same_name.verifier()).ok());
}

TEST(LogEnd, has_a_reason_of_one_line) {
  const SigningKey key = key_of("ledger.example/payments");
  for (const std::string& reason :
       {std::string(), std::string("two\nlines"), std::string(1001, 'a'), std::string("\x7f"),
        std::string("\xff")}) {
    LogEnd end = an_end();
    end.reason = reason;
    EXPECT_FALSE(sign_log_end(key, end).ok()) << reason;
  }
  LogEnd end = an_end();
  end.reason = std::string(1000, 'a');
  EXPECT_TRUE(sign_log_end(key, end).ok());
  end.successor = "two words";
  EXPECT_FALSE(sign_log_end(key, end).ok());
}

TEST(LogEnd, is_not_read_from_a_checkpoint) {
  const SigningKey key = key_of("ledger.example/payments");
  SignedNote note;
  note.text = *text_of(Checkpoint{"ledger.example/payments", TreeSize{3}, sha256("root"), {}});
  note.signatures.push_back(*key.sign(note.text));
  EXPECT_EQ(verify_log_end(*serialize(note), key.verifier()).error().code, ErrorCode::kReject);
}

}  // namespace
}  // namespace pgtally
