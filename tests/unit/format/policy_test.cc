#include "pgtally/policy.h"

#include <gtest/gtest.h>

#include "base/encoding.h"
#include "support/format_vectors.h"

namespace pgtally {
namespace {

std::string vkey(const std::string& name, std::uint8_t type, std::uint8_t byte) {
  const std::size_t size = type == kCosignatureMlDsa44 ? 1312 : 32;
  return VerifierKey::create(name, type, Bytes(size, byte))->text();
}

std::string witness(const std::string& name, std::uint8_t byte) {
  return "witness " + name + " " + vkey(name + ".example", kCosignatureEd25519, byte) + "\n";
}

const std::string kSix = witness("X1", 1) + witness("X2", 2) + witness("X3", 3) + witness("Y1", 4) +
                         witness("Y2", 5) + witness("Y3", 6);

TEST(Policy, of_the_c2sp_text_asks_for_two_x_and_one_y) {
  const auto policy = Policy::parse("log " + vkey("log.example", kNoteEd25519, 9) + "\n\n" + kSix +
                                    "group X-witnesses 2 X1 X2 X3\n"
                                    "group Y-witnesses any Y1 Y2 Y3\n"
                                    "group X-and-Y all X-witnesses Y-witnesses\n"
                                    "quorum X-and-Y\n");
  ASSERT_TRUE(policy.ok()) << policy.error().message;
  EXPECT_EQ(policy->logs().size(), 1U);
  EXPECT_EQ(policy->witnesses().size(), 6U);
  EXPECT_TRUE(policy->is_met_by({"X1", "X3", "Y2"}));
  EXPECT_TRUE(policy->is_met_by({"X1", "X2", "X3", "Y1", "Y2", "Y3"}));
  EXPECT_FALSE(policy->is_met_by({"X1", "X2", "X3"}));
  EXPECT_FALSE(policy->is_met_by({"X1", "Y1", "Y2", "Y3"}));
  EXPECT_FALSE(policy->is_met_by({"X-and-Y"}));
  EXPECT_FALSE(policy->is_met_by({"X-witnesses", "Y-witnesses"}));
  EXPECT_FALSE(policy->is_met_by({}));
}

TEST(Policy, of_the_independent_vectors_is_read) {
  const auto policy = Policy::parse(test::format_vector_file("policy.txt"));
  ASSERT_TRUE(policy.ok()) << policy.error().message;
  EXPECT_EQ(policy->logs().size(), 2U);
  EXPECT_EQ(policy->logs()[1].url, "https://other.example");
  EXPECT_EQ(policy->witnesses()[1].url, "https://w2.example");
  EXPECT_TRUE(policy->is_met_by({"W1", "W3"}));
  EXPECT_FALSE(policy->is_met_by({"W2", "W3"}));
}

TEST(Policy, without_witnesses_is_always_met) {
  const auto policy = Policy::parse("quorum none");
  ASSERT_TRUE(policy.ok());
  EXPECT_TRUE(policy->is_met_by({}));
  EXPECT_TRUE(policy->logs().empty());
}

TEST(Policy, may_be_a_single_witness_or_a_bare_key) {
  const auto policy = Policy::parse(kSix + "quorum Y2\n");
  ASSERT_TRUE(policy.ok());
  EXPECT_TRUE(policy->is_met_by({"Y2"}));
  EXPECT_FALSE(policy->is_met_by({"Y1"}));
  const auto log = VerifierKey::parse(vkey("log.example", kNoteEd25519, 9));
  EXPECT_TRUE(Policy::trust(*log)->is_met_by({}));
  EXPECT_FALSE(Policy::trust(*VerifierKey::parse(vkey("w", kCosignatureEd25519, 9))).ok());
}

TEST(Policy, takes_white_space_comments_and_octets_above_127_as_they_come) {
  const auto policy = Policy::parse("# caf\xe9\n\t # indented\n\n \t\n\twitness\t K\xff " +
                                    vkey("k", kCosignatureEd25519, 1) + " \nquorum  K\xff\t\n");
  ASSERT_TRUE(policy.ok()) << policy.error().message;
  EXPECT_TRUE(policy->is_met_by({"K\xff"}));
}

TEST(Policy, that_breaks_a_rule_is_refused_and_says_in_which_line) {
  const std::string log = "log " + vkey("log.example", kNoteEd25519, 9) + "\n";
  const std::string ends = "quorum none\n";
  for (const std::string& text :
       std::vector<std::string>{std::string(),
                                log,
                                ends + ends,
                                "log\n" + ends,
                                log + log + ends,
                                "log " + vkey("other.example", kNoteEd25519, 9) + "\n" + log + ends,
                                "log " + vkey("w", kCosignatureEd25519, 9) + "\n" + ends,
                                "log x+00000000+AAAA\n" + ends,
                                log.substr(0, log.size() - 1) + " url more\n" + ends,
                                "witness A\n" + ends,
                                "witness A " + vkey("a", kNoteEd25519, 1) + "\n" + ends,
                                witness("A", 1) + witness("A", 2) + ends,
                                witness("A", 1) + witness("B", 1) + ends,
                                witness("none", 1) + ends,
                                witness("A", 1) + "group A any A\n" + ends,
                                witness("A", 1) + "group none any A\n" + ends,
                                kSix + "group G 0 X1\n" + ends,
                                kSix + "group G 2 X1\n" + ends,
                                kSix + "group G 01 X1\n" + ends,
                                kSix + "group G some X1\n" + ends,
                                kSix + "group G any\n" + ends,
                                kSix + "group G any X1 X1\n" + ends,
                                kSix + "group G any G\n" + ends,
                                kSix + "group G any none\n" + ends,
                                kSix + "group G any X9\n" + ends,
                                kSix + "group G any X1\ngroup H any X1\n" + ends,
                                "quorum X1\n" + kSix,
                                "quorum\n",
                                "quorum none none\n",
                                "Quorum none\n",
                                "quorum none\r\n",
                                "quorum none\x7f\n",
                                std::string("quorum none\n\0", 13)}) {
    const auto policy = Policy::parse(text);
    EXPECT_FALSE(policy.ok()) << text;
  }
  const auto policy = Policy::parse("\n" + log + "nonsense\n");
  ASSERT_FALSE(policy.ok());
  EXPECT_NE(policy.error().message.find("line 3"), std::string::npos);
}

TEST(Policy, never_counts_a_witness_key_of_a_type_that_it_cannot_check) {
  const auto policy =
      Policy::parse("witness Q " + vkey("q", kCosignatureMlDsa44, 1) + "\nquorum Q\n");
  ASSERT_TRUE(policy.ok());
  EXPECT_EQ(policy->witnesses()[0].key.type(), kCosignatureMlDsa44);
}

TEST(Policy, has_room_for_256_of_each_and_no_more) {
  std::string text;
  for (int i = 0; i < 256; ++i) {
    const std::string name = "w" + std::to_string(i);
    Bytes key(32, static_cast<std::uint8_t>(i));
    text += "witness " + name + " " + VerifierKey::create(name, kCosignatureEd25519, key)->text() +
            "\n";
  }
  EXPECT_TRUE(Policy::parse(text + "quorum w0\n").ok());
  Bytes key(32, 0);
  key[1] = 1;
  text += "witness more " + VerifierKey::create("more", kCosignatureEd25519, key)->text() + "\n";
  EXPECT_FALSE(Policy::parse(text + "quorum w0\n").ok());
}

}  // namespace
}  // namespace pgtally
