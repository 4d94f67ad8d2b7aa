#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

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

TEST(VerifyOrder, says_under_which_checkpoints_each_was_before) {
  const std::string text = order_named("with_earlier_checkpoints");
  const auto verdict = verify_order_proof(text, the_policy());
  ASSERT_TRUE(verdict.ok()) << verdict.error().message;
  const auto& first = verdict->first.earlier;
  ASSERT_EQ(first.size(), 2u);
  EXPECT_EQ(first[0].checkpoint.size, TreeSize{5});
  EXPECT_TRUE(first[0].cosigned_by.empty());
  EXPECT_EQ(first[1].checkpoint.size, TreeSize{6});
  EXPECT_EQ(first[1].cosigned_by, (std::vector<Cosigned>{{"w1.example/witness", 1'795'003'200}}));
  ASSERT_EQ(verdict->second.earlier.size(), 1u);
  EXPECT_EQ(verdict->second.earlier[0].checkpoint.size, TreeSize{8});
  EXPECT_THAT(verdict->first.checked, testing::Contains("earlier checkpoint"));
}

// The first proof with what `change` makes of its earlier checkpoints.
std::string with_earlier(const std::function<void(std::vector<EarlierRecord>&)>& change) {
  auto order = *parse_order_proof_file(order_named("with_earlier_checkpoints"));
  ProofFile first = *parse_proof_file(order.first);
  ProofExtra extra = *decode_extra(*first.extra);
  change(extra.earlier);
  first.extra = *encode_extra(extra);
  order.first = *serialize(first);
  return *serialize(order);
}

TEST(VerifyOrder, refuses_earlier_checkpoints_that_do_not_hold) {
  using Records = std::vector<EarlierRecord>;
  const auto honest = *parse_order_proof_file(order_named("with_earlier_checkpoints"));
  const ProofFile first = *parse_proof_file(honest.first);
  const std::vector<std::function<void(Records&)>> changes{
      [](Records& records) { std::swap(records[0], records[1]); },
      [](Records& records) { records[1] = records[0]; },
      [](Records& records) { std::swap(records[0].path, records[1].path); },
      [](Records& records) { records[0].path.clear(); },
      [](Records& records) { records[0].path.emplace_back(); },
      [](Records& records) { records[0].path[0].bytes[7] ^= 1; },
      // Of another size, and of a log that nobody trusts here.
      [](Records& records) { records[0].checkpoint[records[0].checkpoint.find('\n') + 1] = '4'; },
      [](Records& records) { records[0].checkpoint[0] = 'x'; },
      // The file's own, which is no earlier one.
      [&](Records& records) { records[1] = {first.checkpoint, first.path}; },
      // A cosignature by a trusted witness that is none.
      [](Records& records) {
        std::string& note = records[1].checkpoint;
        note[note.size() - 9] = note[note.size() - 9] == 'A' ? 'B' : 'A';
      },
  };
  ASSERT_TRUE(verify_order_proof(with_earlier([](Records&) {}), the_policy()).ok());
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const auto verdict = verify_order_proof(with_earlier(changes[i]), the_policy());
    ASSERT_FALSE(verdict.ok()) << i;
    EXPECT_EQ(verdict.error().code, ErrorCode::kTampered) << i << verdict.error().message;
    EXPECT_NE(verdict.error().message.find("the earlier checkpoint"), std::string::npos) << i;
  }
}

TEST(VerifyOrder, refuses_an_earlier_checkpoint_of_another_log_that_is_trusted_too) {
  const auto verdict =
      verify_order_proof(order_named("with_a_checkpoint_of_another_log"), the_policy());
  ASSERT_FALSE(verdict.ok());
  EXPECT_NE(verdict.error().message.find("it is of the log"), std::string::npos)
      << verdict.error().message;
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

TEST(VerifyOrder, of_changed_earlier_checkpoints_says_no_or_knows_less_of_witnesses) {
  const auto policy = the_policy();
  const std::string text = order_named("with_earlier_checkpoints");
  const auto honest = verify_order_proof(text, policy);
  std::size_t accepted = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    std::string changed = text;
    changed[at] = static_cast<char>(changed[at] ^ 2);
    auto verdict = verify_order_proof(changed, policy);
    if (!verdict.ok()) continue;
    ++accepted;
    if (!verdict->first.not_checked.empty() || !verdict->second.not_checked.empty()) {
      continue;  // the type of the record, which says of itself that it is unknown
    }
    // A witness's name or key id: then it is the line of somebody whom nobody trusts here.
    auto& seen = verdict->first.earlier[1].cosigned_by;
    auto& also = verdict->second.earlier[0].cosigned_by;
    EXPECT_TRUE(seen.empty() || also.empty()) << at;
    seen = honest->first.earlier[1].cosigned_by;
    also = honest->second.earlier[0].cosigned_by;
    EXPECT_EQ(verdict->first.earlier, honest->first.earlier) << at;
    EXPECT_EQ(verdict->second.earlier, honest->second.earlier) << at;
    EXPECT_EQ(verdict->first.entry, honest->first.entry) << at;
    EXPECT_EQ(verdict->second.entry, honest->second.entry) << at;
  }
  EXPECT_LT(accepted, 80u);
}

}  // namespace
}  // namespace pgtally
