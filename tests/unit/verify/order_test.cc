#include <gtest/gtest.h>

#include "pgtally/proof_file.h"
#include "pgtally/verify.h"
#include "support/format_vectors.h"

namespace pgtally {
namespace {

std::string order_named(const std::string& name) {
  return test::format_vector_file("proofs/" + name + ".order-proof");
}

Policy the_policy() {
  return *Policy::parse(test::format_vector_file("policy.txt"));
}

TEST(VerifyOrder, says_which_entry_was_recorded_first) {
  const auto verdict = verify_order_proof(order_named("package_before_update"), the_policy());
  ASSERT_TRUE(verdict.ok()) << verdict.error().message;
  EXPECT_EQ(verdict->first.id, LeafIndex{4});
  EXPECT_EQ(verdict->first.entry->source, "debian_package");
  EXPECT_EQ(verdict->second.id, LeafIndex{7});
  EXPECT_EQ(verdict->second.entry->source, "payment");
  EXPECT_FALSE(verdict->same_batch);
}

TEST(VerifyOrder, says_when_both_are_of_one_batch) {
  EXPECT_TRUE(verify_order_proof(order_named("same_batch"), the_policy())->same_batch);
}

TEST(VerifyOrder, refuses_two_proofs_the_wrong_way_round_or_of_one_entry) {
  const auto wrong = verify_order_proof(order_named("wrong_way_round"), the_policy());
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.error().code, ErrorCode::kTampered);
  auto same = *parse_order_proof_file(order_named("same_batch"));
  same.second = same.first;
  EXPECT_FALSE(verify_order_proof(*serialize(same), the_policy()).ok());
}

TEST(VerifyOrder, refuses_two_proofs_under_different_checkpoints) {
  auto proof = *parse_order_proof_file(order_named("same_batch"));
  ProofFile second = *parse_proof_file(proof.second);
  SignedNote note = *parse_note(second.checkpoint);
  note.signatures.pop_back();
  second.checkpoint = *serialize(note);
  proof.second = *serialize(second);
  const auto verdict = verify_order_proof(*serialize(proof), the_policy());
  ASSERT_FALSE(verdict.ok());
  EXPECT_EQ(verdict.error().code, ErrorCode::kTampered);
}

TEST(VerifyOrder, holds_each_entry_against_its_own_expectations) {
  Expectations package;
  package.source = "debian_package";
  Expectations payment;
  payment.source = "payment";
  const std::string text = order_named("package_before_update");
  EXPECT_TRUE(verify_order_proof(text, the_policy(), package, payment).ok());
  EXPECT_FALSE(verify_order_proof(text, the_policy(), payment, package).ok());
  EXPECT_FALSE(verify_order_proof(text, the_policy(), package, package).ok());
}

TEST(VerifyOrder, of_a_file_that_is_cut_or_changed_anywhere_says_no_or_the_same) {
  const auto policy = the_policy();
  const std::string text = order_named("package_before_update");
  for (std::size_t at = 0; at < text.size(); at += 3) {
    EXPECT_FALSE(verify_order_proof(text.substr(0, at), policy).ok()) << at;
    std::string changed = text;
    changed[at] = static_cast<char>(changed[at] ^ 2);
    // The same change would have to be made in both checkpoints.
    EXPECT_FALSE(verify_order_proof(changed, policy).ok()) << at;
  }
}

}  // namespace
}  // namespace pgtally
