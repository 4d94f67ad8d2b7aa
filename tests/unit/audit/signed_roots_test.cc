// What counts as remembered by others: a kept checkpoint for its witnesses, one from outside for where it
// was kept.

#include "audit/signed_roots.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/memory_audited_log.h"
#include "support/signed_log.h"

namespace pgtally {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint64_t kSecond = 1'795'000'000;

class WitnessedRoots : public testing::Test {
 protected:
  // A policy of the witnesses v, w and x, whose cosignatures are by v.example and so on.
  Policy policy(const std::string& quorum) const {
    std::string text = "log " + log_.vkey().text() + "\n";
    for (const auto& [name, seed] : kWitnesses) {
      const VerifierKey key = *test::test_key(name + ".example", seed).witness_verifier();
      text += "witness " + name + " " + key.text() + "\n";
    }
    return *Policy::parse(text + "group two 2 v w x\nquorum " + quorum + "\n");
  }
  std::string note(std::uint64_t size, const std::string& witnesses) {
    SignedNote note = *parse_note(log_.note_at(size));
    for (const auto& [name, seed] : kWitnesses) {
      if (witnesses.find(name) == std::string::npos) continue;
      const SigningKey key = test::test_key(name + ".example", seed);
      note.signatures.push_back(*key.cosign(note.text, kSecond + size));
    }
    return *serialize(note);
  }
  void keep(std::uint64_t size, const std::string& witnesses) {
    kept_.checkpoints.emplace_back(note(size, witnesses), Time{1'000'000});
  }
  SignedRoots load(const Policy& policy) { return *SignedRoots::load(kept_, policy, outside_); }

  inline static const std::vector<std::pair<std::string, std::uint8_t>> kWitnesses = {
      {"v", 2}, {"w", 3}, {"x", 4}};
  test::SignedLog log_{test::test_key("bank.example", 1), 100};
  test::MemoryAuditedLog kept_;
  std::vector<OutsideCheckpoint> outside_;
};

TEST_F(WitnessedRoots, are_remembered_up_to_the_last_that_a_quorum_has_cosigned) {
  keep(10, "vwx");
  keep(20, "vx");
  keep(30, "w");  // waits for its witnesses
  keep(40, "");
  SignedRoots roots = load(policy("two"));
  EXPECT_EQ(roots.remembered(), TreeSize{20});
  ASSERT_TRUE(roots.witnessed());
  EXPECT_EQ(roots.witnessed()->size, TreeSize{20});
  EXPECT_THAT(roots.witnessed()->cosigned_by, ElementsAre(Cosigned{"v.example", kSecond + 20},
                                                          Cosigned{"x.example", kSecond + 20}));
  EXPECT_THAT(roots.findings(), IsEmpty());
  EXPECT_EQ(load(policy("w")).remembered(), TreeSize{30});
}

TEST_F(WitnessedRoots, are_as_good_as_those_from_outside) {
  keep(20, "vw");
  outside_.push_back({"outside.checkpoint", note(10, "vw")});
  EXPECT_EQ(load(policy("two")).remembered(), TreeSize{20});
  outside_.push_back({"outside.checkpoint", note(30, "vw")});
  const SignedRoots roots = load(policy("two"));
  EXPECT_EQ(roots.remembered(), TreeSize{30});
  EXPECT_EQ(roots.witnessed()->size, TreeSize{20});
}

TEST_F(WitnessedRoots, are_the_operators_word_where_no_witness_is_asked_for) {
  keep(20, "vwx");
  for (const Policy& trusted : {policy("none"), *Policy::trust(log_.vkey())}) {
    SignedRoots roots = load(trusted);
    EXPECT_FALSE(roots.remembered());
    EXPECT_FALSE(roots.witnessed());
    EXPECT_THAT(roots.findings(), IsEmpty());
  }
}

TEST_F(WitnessedRoots, are_missed_where_the_policy_asks_for_them) {
  keep(10, "v");
  keep(20, "w");
  SignedRoots roots = load(policy("two"));
  EXPECT_FALSE(roots.remembered());
  ASSERT_EQ(roots.findings().size(), 1U);
  const Finding& finding = roots.findings().front();
  EXPECT_EQ(finding.kind, FindingKind::kLog);
  EXPECT_THAT(finding.recorded, HasSubstr("quorum \"two\""));
  EXPECT_THAT(finding.actual, HasSubstr("of the 2 checkpoints that are kept, none"));

  // The same where none is kept at all. One from outside has them, or it is refused.
  kept_.checkpoints.clear();
  EXPECT_EQ(load(policy("two")).findings().size(), 1U);
  outside_.push_back({"outside.checkpoint", note(10, "vw")});
  EXPECT_THAT(load(policy("two")).findings(), IsEmpty());
}

TEST_F(WitnessedRoots, need_cosignatures_that_are_good) {
  keep(10, "vw");
  std::string& kept = kept_.checkpoints.front().first;
  // One byte of the last witness's signature.
  kept[kept.size() - 12] = kept[kept.size() - 12] == 'A' ? 'B' : 'A';
  SignedRoots roots = load(policy("two"));
  EXPECT_FALSE(roots.remembered());
  ASSERT_EQ(roots.findings().size(), 2U);
  EXPECT_THAT(roots.findings()[0].recorded, HasSubstr("cosigned by w.example"));
  EXPECT_EQ(load(policy("v")).remembered(), TreeSize{10});
}

}  // namespace
}  // namespace pgtally
