// The tree in the database: integrated, proved, checked and rebuilt.
#include <gtest/gtest.h>

#include <random>

#include "format/sign_checkpoint.h"
#include "ledger/prover.h"
#include "ledger/rebuild.h"
#include "ledger/sequencer.h"
#include "ledger/tree_head.h"
#include "merkle/proof.h"
#include "pgtally/verify.h"
#include "support/test_ledger.h"

namespace pgtally {
namespace {

using test::error_of;
using test::must;
using test::TestSchema;
using testing::Test;

constexpr std::uint64_t kRows = 1500;

// A ledger of two definitions and 1,500 rows, with a signed checkpoint at its end and one before.
class Tree : public Test {
 protected:
  Tree() : connection(schema.connect()), ledger(must(Ledger::open(connection, "pgtally"))) {
    append(700);
    integrate();
    sign();
    append(kRows - 700);
    integrate();
    sign();
  }

  void append(std::uint64_t rows) {
    schema.psql(
        "INSERT INTO pgtally.append_only_log (data) SELECT g::text::bytea FROM "
        "generate_series(1, " +
        std::to_string(rows) + ") AS g");
  }
  TreeHead integrate(Road road = Road::kFast) {
    return must(sequencer.take_next(ledger, road)).head;
  }
  void sign() {
    const TreeHead head = must(read_tree_head(ledger));
    must(store_checkpoint(ledger, head.size, head.root,
                          must(sign_checkpoint(schema.key(), head.size, head.root))));
  }
  std::vector<std::string> findings() { return must(check_tree(ledger, {})).findings; }
  // Does as only a superuser can.
  void tamper(const std::string& sql) {
    const std::vector<std::string> guards{
        "processed_log % TRIGGER continue_log", "processed_log % TRIGGER refuse_change",
        "tile % TRIGGER refuse_change",         "tile % TRIGGER only_grow",
        "checkpoint % TRIGGER refuse_change",   "checkpoint % TRIGGER only_thin"};
    std::string off;
    std::string on;
    for (const std::string& guard : guards) {
      const std::size_t verb = guard.find('%');
      off += "ALTER TABLE pgtally." + std::string(guard).replace(verb, 1, "DISABLE") + ";";
      on += "ALTER TABLE pgtally." + std::string(guard).replace(verb, 1, "ENABLE ALWAYS") + ";";
    }
    schema.psql(off + sql + ";" + on);
  }
  std::string tiles() {
    return schema.psql("SELECT level, index, hashes FROM pgtally.tile ORDER BY level, index");
  }

  TestSchema schema;
  pg::Connection connection;
  Ledger ledger;
  Sequencer sequencer{10000, nullptr};
};

std::string flipped(const std::string& column, int byte, int bit = 1) {
  const std::string at = std::to_string(byte);
  return column + " = set_byte(" + column + ", " + at + ", get_byte(" + column + ", " + at +
         ") # " + std::to_string(bit) + ")";
}

TEST_F(Tree, gives_a_proof_for_every_entry_that_a_stranger_can_verify) {
  const Policy policy = must(Policy::trust(must(VerifierKey::parse(ledger.vkey()))));
  for (std::uint64_t id = 0; id < kRows + 2; ++id) {
    const std::string proof = must(prove_entry(ledger, LeafIndex{id}, false));
    const Verdict verdict = must(verify_proof(proof, policy));
    ASSERT_EQ(verdict.id.value, id);
    ASSERT_EQ(verdict.size.value, kRows + 2);
  }
  EXPECT_EQ(error_of(prove_entry(ledger, LeafIndex{kRows + 2}, false)).code, ErrorCode::kReject);
}

TEST_F(Tree, proves_rows_with_their_data_and_definition) {
  const Policy policy = must(Policy::trust(must(VerifierKey::parse(ledger.vkey()))));
  const Verdict verdict =
      must(verify_proof(must(prove_entry(ledger, LeafIndex{901}, true)), policy));
  ASSERT_TRUE(verdict.data.has_value());
  EXPECT_EQ(as_text(*verdict.data), "200");
  EXPECT_EQ(verdict.key, std::vector<std::string>{"900"});
}

TEST_F(Tree, is_consistent_between_any_two_sizes) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 40; ++i) {
    const std::uint64_t a = random() % (kRows + 3);
    const std::uint64_t b = random() % (kRows + 3);
    must(prove_log_consistency(ledger, TreeSize{std::min(a, b)}, TreeSize{std::max(a, b)}));
  }
  EXPECT_FALSE(prove_log_consistency(ledger, TreeSize{1}, TreeSize{kRows + 3}).ok());
}

TEST_F(Tree, an_entry_beyond_the_newest_checkpoint_waits_for_one) {
  append(1);
  integrate();
  EXPECT_EQ(error_of(prove_entry(ledger, LeafIndex{kRows + 2}, false)).code, ErrorCode::kRetry);
}

TEST_F(Tree, takes_up_batches_that_were_sequenced_without_it) {
  append(300);
  EXPECT_EQ(schema.drain(100), 300);
  EXPECT_EQ(must(read_tree_head(ledger)).size.value, kRows + 2);
  EXPECT_EQ(integrate().size.value, kRows + 302);
  EXPECT_EQ(findings(), std::vector<std::string>{});
}

TEST_F(Tree, of_an_instance_with_an_old_frontier_is_loaded_again) {
  auto other_connection = schema.connect();
  const Ledger other = must(Ledger::open(other_connection, "pgtally"));
  Sequencer second(10000, nullptr);
  for (int i = 0; i < 6; ++i) {
    append(100);
    const BatchReport report =
        must((i % 2 == 0 ? second : sequencer)
                 .take_next(i % 2 == 0 ? other : ledger, i % 3 == 0 ? Road::kSql : Road::kFast));
    EXPECT_TRUE(report.reloaded);
    EXPECT_EQ(report.head.size.value, kRows + 2 + 100 * static_cast<std::uint64_t>(i + 1));
  }
  EXPECT_EQ(findings(), std::vector<std::string>{});
}

TEST_F(Tree, goes_on_after_a_batch_that_failed) {
  append(10);
  schema.psql("ALTER TABLE pgtally.tree_head ADD CONSTRAINT no CHECK (size < 5) NOT VALID");
  EXPECT_FALSE(sequencer.take_next(ledger, Road::kFast).ok());
  schema.psql("ALTER TABLE pgtally.tree_head DROP CONSTRAINT no");
  append(300);
  EXPECT_EQ(integrate().size.value, kRows + 312);
  EXPECT_EQ(findings(), std::vector<std::string>{});
  EXPECT_EQ(schema.gaps(), "");
}

TEST_F(Tree, is_not_extended_over_an_entry_of_the_last_tile_that_was_changed) {
  tamper("UPDATE pgtally.processed_log SET " + flipped("content_hash", 5) + " WHERE id = 1490");
  append(1);
  Sequencer fresh(10000, nullptr);
  EXPECT_EQ(error_of(fresh.take_next(ledger, Road::kFast)).code, ErrorCode::kTampered);
}

TEST_F(Tree, check_finds_nothing_where_nothing_was_changed) {
  const RebuildReport report = must(check_tree(ledger, {}));
  EXPECT_EQ(report.findings, std::vector<std::string>{});
  EXPECT_EQ(report.size.value, kRows + 2);
  EXPECT_EQ(report.root, must(read_tree_head(ledger)).root);
}

// What one change is called, and whether rebuild mends it.
struct Damage {
  const char* name;
  std::string sql;
  std::string finding;
  bool mended;
};
void PrintTo(const Damage& damage, std::ostream* out) {
  *out << damage.sql;
}

class Damaged : public Tree, public testing::WithParamInterface<Damage> {};
INSTANTIATE_TEST_SUITE_P(
    bit, Damaged,
    testing::Values(
        Damage{"in_a_full_tile",
               "UPDATE pgtally.tile SET " + flipped("hashes", 32 * 7 + 3) +
                   " WHERE level = 0 AND index = 2",
               "tile/0/002 is damaged at place 7", true},
        Damage{"in_a_level_1_tile",
               "UPDATE pgtally.tile SET " + flipped("hashes", 32 * 3, 128) + " WHERE level = 1",
               "tile/1/000 is damaged at place 3", true},
        Damage{
            "in_a_hash_under_a_full_tile",
            "UPDATE pgtally.processed_log SET " + flipped("content_hash", 31) + " WHERE id = 777",
            "entry 777 was changed", false},
        Damage{
            "in_a_hash_under_no_full_tile",
            "UPDATE pgtally.processed_log SET " + flipped("content_hash", 0) + " WHERE id = 1499",
            "an entry from 702 to 1501 was changed", false},
        Damage{"in_a_key",
               "UPDATE pgtally.processed_log SET " + flipped("key", 2) + " WHERE id = 20",
               "entry 20 was changed", false},
        Damage{"in_the_root_of_the_head", "UPDATE pgtally.tree_head SET " + flipped("root", 9),
               "the tree head of size 1502 is damaged: its root is not that of the log", true},
        Damage{"in_the_frontier_of_the_head",
               "UPDATE pgtally.tree_head SET " + flipped("frontier", 40) + " WHERE size = 1502",
               "the tree head of size 1502 is damaged: its frontier is not that of its root", true},
        Damage{"in_the_size_of_the_head",
               "UPDATE pgtally.tree_head SET size = size # 1024 WHERE size = 1502",
               "the tree head of size 478 is damaged: its size is not that of its root", true},
        Damage{"in_the_next_id", "UPDATE pgtally.log_head SET next_id = next_id # 1",
               "the log head is damaged: it says the next id is", false},
        Damage{"in_the_next_ordinals", "UPDATE pgtally.log_head SET next_ordinals[2] = 7",
               "the log head is damaged: it says the next ordinal of source 1 is 7", false},
        Damage{"in_the_root_of_a_checkpoint",
               "UPDATE pgtally.checkpoint SET " + flipped("root", 1) + " WHERE size = 702",
               "the checkpoint of size 702 is damaged", false},
        Damage{"in_the_note_of_a_checkpoint",
               "UPDATE pgtally.checkpoint SET note = overlay(note PLACING "
               "CASE substr(note, 60, 1) WHEN 'X' THEN 'Y' ELSE 'X' END FROM 60) WHERE size = 702",
               "the checkpoint of size 702 is damaged", false}),
    [](const auto& param) { return std::string(param.param.name); });

TEST_P(Damaged, is_named_by_a_check_and_mended_by_a_rebuild_where_the_log_allows_it) {
  const std::string before = tiles();
  tamper(GetParam().sql);
  const auto found = findings();
  EXPECT_TRUE(std::any_of(found.begin(), found.end(),
                          [](const std::string& finding) {
                            return finding.find(GetParam().finding) != std::string::npos;
                          }))
      << GetParam().finding << "\n"
      << testing::PrintToString(found);
  const auto rebuilt = rebuild_tree(ledger, {});
  if (!GetParam().mended) return;
  must(rebuilt);
  EXPECT_EQ(findings(), std::vector<std::string>{});
  EXPECT_EQ(tiles(), before);
  // And the service can go on from there.
  append(600);
  Sequencer fresh(10000, nullptr);
  EXPECT_EQ(must(fresh.take_next(ledger, Road::kFast)).head.size.value, kRows + 602);
  EXPECT_EQ(findings(), std::vector<std::string>{});
}

TEST_F(Tree, rebuilt_into_an_empty_table_has_the_same_bytes_and_the_same_root) {
  const std::string before = tiles();
  tamper("DELETE FROM pgtally.tile");
  EXPECT_FALSE(findings().empty());
  const RebuildReport report = must(rebuild_tree(ledger, {}));
  EXPECT_EQ(report.root, must(read_tree_head(ledger)).root);
  EXPECT_EQ(tiles(), before);
  EXPECT_EQ(findings(), std::vector<std::string>{});
}

TEST_F(Tree, is_not_rebuilt_from_a_log_that_is_not_what_was_signed) {
  const std::string before = tiles();
  for (const std::string id : {"300", "1499"}) {
    tamper("UPDATE pgtally.processed_log SET " + flipped("content_hash", 4) + " WHERE id = " + id +
           "; DELETE FROM pgtally.tile WHERE level = 0 AND index = 1");
    EXPECT_EQ(error_of(rebuild_tree(ledger, {})).code, ErrorCode::kTampered);
    tamper("UPDATE pgtally.processed_log SET " + flipped("content_hash", 4) + " WHERE id = " + id);
    must(rebuild_tree(ledger, {}));
    EXPECT_EQ(tiles(), before);
  }
}

TEST_F(Tree, proof_from_damaged_tiles_is_never_handed_out) {
  tamper("UPDATE pgtally.tile SET " + flipped("hashes", 0) + " WHERE level = 1");
  EXPECT_EQ(error_of(prove_entry(ledger, LeafIndex{1000}, false)).code, ErrorCode::kTampered);
  EXPECT_EQ(error_of(prove_order(ledger, LeafIndex{1000}, LeafIndex{1001}, false)).code,
            ErrorCode::kTampered);
}

}  // namespace
}  // namespace pgtally
