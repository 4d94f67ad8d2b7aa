// The tree over a log's entries against tiles, heads and roots that somebody has edited. Leaves are
// numbered; "other" leaves are those of numbers that the log does not have.

#include "audit/tree_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "format/sign_checkpoint.h"
#include "merkle/frontier.h"
#include "merkle/tree.h"
#include "support/leaves.h"
#include "support/memory_audited_log.h"
#include "support/memory_tiles.h"
#include "support/signed_log.h"

namespace pgtally {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;
using testing::StartsWith;

using Leaves = std::vector<Hash>;

Hash other_leaf(std::uint64_t i) {
  return numbered_leaf(i + 1'000'000);
}

Frontier tree_of(const Leaves& leaves, std::uint64_t size) {
  Frontier tree;
  for (std::uint64_t i = 0; i < size; ++i) tree.append(leaves[i]);
  return tree;
}

StoredHeads head_of(const Leaves& leaves, std::uint64_t size) {
  const Frontier tree = tree_of(leaves, size);
  StoredHeads heads;
  heads.size = TreeSize{size};
  heads.root = tree.root();
  heads.frontier.assign(tree.nodes().begin(), tree.nodes().end());
  return heads;
}

// A log as it was recorded, and as it is found: `found` can be edited, and so can everything beside it.
// Leaf by leaf, or by whole tiles where they are taken.
class TreeChecks : public testing::TestWithParam<bool> {
 protected:
  void record(std::uint64_t size) {
    recorded = numbered_leaves(size);
    found.assign(recorded.begin(), recorded.end());
  }
  // Those of the log as it was recorded.
  void store_tiles() {
    MemoryTiles tree(recorded);
    auto& tiles = log.stored_tiles.emplace();
    for (int level = 0; level < 3; ++level) {
      for (std::uint64_t t = 0; t < tiles_at_level(level, tree.size()); ++t) {
        const std::uint32_t width = tile_width({level, t}, tree.size());
        if (level == 0 && width < kTileWidth) continue;
        tiles[{level, t}] = (*tree.read(std::vector<TileRequest>{{{level, t}, width}}))[0];
      }
    }
  }
  Hash& stored(int level, std::uint64_t index, std::size_t place) {
    return log.stored_tiles->at({level, index}).at(place);
  }
  // A leaf in its tile, and the tile's hash in the one above.
  void forge_tile(std::uint64_t id) {
    const std::uint64_t tile = id / kTileWidth;
    stored(0, tile, id % kTileWidth) = other_leaf(id);
    stored(1, tile / kTileWidth, tile % kTileWidth) = root_of(log.stored_tiles->at({0, tile}));
  }
  std::string note(const Leaves& leaves, std::uint64_t size) const {
    return *sign_checkpoint(key_, TreeSize{size}, tree_of(leaves, size).root());
  }
  void keep(const Leaves& leaves, std::uint64_t size) {
    log.checkpoints.emplace_back(note(leaves, size), Time{1'000'000});
  }
  void keep_outside(const Leaves& leaves, std::uint64_t size) {
    outside.push_back({"outside.checkpoint", note(leaves, size)});
  }
  // The recorded leaves with these others.
  Leaves with_others(std::initializer_list<std::uint64_t> ids) const {
    Leaves leaves = recorded;
    for (const std::uint64_t id : ids) leaves[id] = other_leaf(id);
    return leaves;
  }

  const TreeCheck& check() {
    roots_.emplace(*SignedRoots::load(log, *Policy::trust(key_.verifier()), outside));
    check_.emplace(log, *roots_, heads);
    for (std::uint64_t from = 0; from < found.size(); from += TreeCheck::kRange) {
      const std::uint64_t to = std::min<std::uint64_t>(from + TreeCheck::kRange, found.size());
      EXPECT_TRUE(check_->begin_range(LeafIndex{from}, LeafIndex{to}).ok());
      for (std::uint64_t i = from; i < to;) {
        if (GetParam() && append_tile(i, to)) {
          i += kTileWidth;
        } else {
          given_[i] = check_->append(found[i]);
          ++i;
        }
      }
      EXPECT_TRUE(check_->end_range().ok());
    }
    check_->finish();
    return *check_;
  }
  std::optional<Hash> append_gave(std::uint64_t id) const { return given_.at(id); }
  std::vector<std::uint64_t> bad() const {
    std::vector<std::uint64_t> ids;
    for (const TreeCheck::BadLeaf& leaf : check_->bad()) ids.push_back(leaf.id.value);
    return ids;
  }
  std::pair<std::uint64_t, std::uint64_t> range() const {
    const auto& mismatch = check_->mismatch();
    if (!mismatch) return {0, 0};
    return {mismatch->from.value, mismatch->to.value};
  }
  void expect_clean() const {
    EXPECT_THAT(bad(), IsEmpty());
    EXPECT_EQ(check_->mismatch(), std::nullopt);
    EXPECT_FALSE(check_->head_is_wrong());
    EXPECT_THAT(check_->tile_findings(), IsEmpty());
  }

  test::MemoryAuditedLog log;
  Leaves recorded;
  std::vector<std::optional<Hash>> found;
  std::vector<OutsideCheckpoint> outside;
  std::optional<StoredHeads> heads;

 private:
  bool append_tile(std::uint64_t from, std::uint64_t to) {
    if (from % kTileWidth != 0 || to - from < kTileWidth) return false;
    Leaves leaves;
    for (std::uint64_t i = from; i < from + kTileWidth; ++i) {
      if (!found[i]) return false;
      leaves.push_back(*found[i]);
      given_[i].reset();
    }
    return check_->append_tile(leaves);
  }

  SigningKey key_ = test::test_key("test.example/log", 1);
  std::optional<SignedRoots> roots_;
  std::optional<TreeCheck> check_;
  std::map<std::uint64_t, std::optional<Hash>> given_;
};

using TreeCheckOfEntries = TreeChecks;
using TreeCheckOfTiles = TreeChecks;
using TreeCheckOfRoots = TreeChecks;
using TreeCheckOfTheHead = TreeChecks;

std::string name_of_way(const testing::TestParamInfo<bool>& by_tiles) {
  return by_tiles.param ? "by_whole_tiles" : "leaf_by_leaf";
}
INSTANTIATE_TEST_SUITE_P(, TreeCheckOfEntries, testing::Bool(), name_of_way);
INSTANTIATE_TEST_SUITE_P(, TreeCheckOfRoots, testing::Bool(), name_of_way);
INSTANTIATE_TEST_SUITE_P(, TreeCheckOfTheHead, testing::Bool(), name_of_way);
INSTANTIATE_TEST_SUITE_P(, TreeCheckOfTiles, testing::Bool(), name_of_way);

TEST_P(TreeCheckOfEntries, that_are_as_they_were_recorded_finds_nothing) {
  record(70'000);
  store_tiles();
  for (const std::uint64_t size : {1U, 255U, 256U, 65'536U, 65'537U, 70'000U}) keep(recorded, size);
  keep_outside(recorded, 66'000);
  heads = head_of(recorded, 69'999);
  check();
  expect_clean();
  EXPECT_EQ(check().tree().root(), tree_of(recorded, 70'000).root());
}

TEST_P(TreeCheckOfEntries, names_one_that_was_changed_by_the_leaf_that_its_tile_still_has) {
  record(600);
  store_tiles();
  keep(recorded, 600);
  found[300] = other_leaf(300);
  const TreeCheck& tree = check();
  ASSERT_THAT(bad(), ElementsAre(300));
  EXPECT_EQ(tree.bad()[0].recorded, numbered_leaf(300));
  EXPECT_EQ(tree.bad()[0].now, other_leaf(300));
  EXPECT_EQ(append_gave(300), numbered_leaf(300));
  EXPECT_EQ(append_gave(301), std::nullopt);
  EXPECT_FALSE(tree.is_acquitted(LeafIndex{300}));
  // What was signed fits the tree with the leaf that was recorded.
  EXPECT_EQ(tree.mismatch(), std::nullopt);
  EXPECT_EQ(tree.tree().root(), tree_of(recorded, 600).root());
  EXPECT_THAT(tree.tile_findings(), IsEmpty());
}

TEST_P(TreeCheckOfEntries, names_each_of_several_and_no_other) {
  record(70'000);
  store_tiles();
  keep(recorded, 400);
  keep(recorded, 70'000);
  for (const std::uint64_t id : {0U, 255U, 256U, 66'000U}) found[id] = other_leaf(id);
  check();
  EXPECT_THAT(bad(), ElementsAre(0, 255, 256, 66'000));
}

TEST_P(TreeCheckOfEntries, names_one_that_is_missing) {
  record(600);
  store_tiles();
  keep(recorded, 600);
  found[300].reset();
  const TreeCheck& tree = check();
  ASSERT_THAT(bad(), ElementsAre(300));
  EXPECT_EQ(tree.bad()[0].recorded, numbered_leaf(300));
  EXPECT_EQ(tree.bad()[0].now, std::nullopt);
  EXPECT_EQ(tree.mismatch(), std::nullopt);
}

TEST_P(TreeCheckOfEntries, names_one_by_its_tile_where_nothing_was_signed_behind_it) {
  record(600);
  store_tiles();
  keep(recorded, 300);
  found[300] = other_leaf(300);
  check();
  EXPECT_THAT(bad(), ElementsAre(300));
}

TEST_P(TreeCheckOfEntries, that_no_full_tile_has_tells_between_which_roots_they_were_changed) {
  record(250);
  store_tiles();
  for (const std::uint64_t size : {100U, 200U, 220U, 250U}) keep(recorded, size);
  found[150] = other_leaf(150);
  const TreeCheck& tree = check();
  EXPECT_THAT(bad(), IsEmpty());
  EXPECT_EQ(range(), std::pair(100UL, 200UL));
  EXPECT_EQ(tree.mismatch()->size, TreeSize{200});
  EXPECT_EQ(tree.mismatch()->root->root, tree_of(recorded, 200).root());
  EXPECT_EQ(tree.mismatch()->computed, tree_of(with_others({150}), 200).root());
  EXPECT_EQ(tree.mismatch()->later, 2U);
}

TEST_P(TreeCheckOfEntries, that_is_missing_without_a_tile_is_a_range_too) {
  record(250);
  keep(recorded, 100);
  keep(recorded, 200);
  found[150].reset();
  check();
  EXPECT_EQ(range(), std::pair(100UL, 200UL));
}

TEST_P(TreeCheckOfTiles, acquits_an_entry_once_what_was_signed_shows_that_the_tile_is_wrong) {
  record(600);
  store_tiles();
  keep(recorded, 500);
  forge_tile(300);
  const TreeCheck& tree = check();
  EXPECT_EQ(append_gave(300), other_leaf(300));  // for all that was known then
  EXPECT_THAT(bad(), IsEmpty());
  EXPECT_TRUE(tree.is_acquitted(LeafIndex{300}));
  EXPECT_FALSE(tree.is_acquitted(LeafIndex{299}));
  EXPECT_EQ(tree.mismatch(), std::nullopt);
  EXPECT_EQ(tree.tree().root(), tree_of(recorded, 600).root());
  ASSERT_THAT(tree.tile_findings(), SizeIs(1));
  EXPECT_THAT(tree.tile_findings()[0].first, StartsWith("tile/0/001 at place 44: "));
}

TEST_P(TreeCheckOfTiles, acquits_an_entry_by_a_root_that_comes_ranges_later) {
  record(70'000);
  store_tiles();
  keep(recorded, 200);
  keep(recorded, 70'000);
  forge_tile(300);
  const TreeCheck& tree = check();
  EXPECT_THAT(bad(), IsEmpty());
  EXPECT_TRUE(tree.is_acquitted(LeafIndex{300}));
  EXPECT_EQ(tree.mismatch(), std::nullopt);
  EXPECT_EQ(tree.tree().root(), tree_of(recorded, 70'000).root());
  ASSERT_THAT(tree.tile_findings(), SizeIs(1));
  EXPECT_THAT(tree.tile_findings()[0].first, StartsWith("tile/0/001 at place 44: "));
}

TEST_P(TreeCheckOfTiles, of_higher_levels_are_judged_by_the_tree_that_turned_out_to_be_right) {
  record(72'000);
  store_tiles();
  stored(1, 0, 9) = other_leaf(9);
  found[300] = other_leaf(300);  // was changed, …
  keep(recorded, 70'000);
  forge_tile(70'100);  // … and this one was not
  keep(recorded, 72'000);
  const TreeCheck& tree = check();
  EXPECT_THAT(bad(), ElementsAre(300));
  EXPECT_TRUE(tree.is_acquitted(LeafIndex{70'100}));
  EXPECT_THAT(tree.tile_findings(),
              ElementsAre(Pair(StartsWith("tile/0/273 at place 212: "), testing::_),
                          Pair(StartsWith("tile/1/000 at place 9: "), testing::_)));
}

TEST_P(TreeCheckOfTiles, are_told_of_beside_one_whose_entry_is_acquitted_ranges_later) {
  record(70'000);
  store_tiles();
  keep(recorded, 70'000);
  forge_tile(300);
  stored(1, 0, 9) = other_leaf(9);
  EXPECT_THAT(check().tile_findings(),
              ElementsAre(Pair(StartsWith("tile/0/001 at place 44: "), testing::_),
                          Pair(StartsWith("tile/1/000 at place 9: "), testing::_)));
}

TEST_P(TreeCheckOfTiles, acquits_nothing_where_entry_and_signed_root_differ) {
  record(600);
  store_tiles();
  keep(recorded, 500);
  forge_tile(300);
  found[300] = numbered_leaf(5);  // neither what was signed nor what the tile says
  const TreeCheck& tree = check();
  EXPECT_FALSE(tree.is_acquitted(LeafIndex{300}));
  EXPECT_NE(tree.mismatch(), std::nullopt);
}

// A root over nothing in an entry's place could be signed by whoever has the key.
TEST_P(TreeCheckOfTiles, never_acquits_an_entry_that_is_missing) {
  record(600);
  store_tiles();
  Leaves with_hole = recorded;
  with_hole[300] = Hash{};
  keep(with_hole, 500);
  found[300].reset();
  const TreeCheck& tree = check();
  EXPECT_FALSE(tree.is_acquitted(LeafIndex{300}));
  EXPECT_THAT(bad(), ElementsAre(300));
  EXPECT_NE(tree.mismatch(), std::nullopt);
}

TEST_P(TreeCheckOfTiles, accuses_no_entry_of_a_leaf_that_the_tile_above_was_not_made_of) {
  record(600);
  store_tiles();
  keep(recorded, 600);
  stored(0, 1, 44) = other_leaf(300);
  const TreeCheck& tree = check();
  EXPECT_THAT(bad(), IsEmpty());
  EXPECT_FALSE(tree.is_acquitted(LeafIndex{300}));
  EXPECT_EQ(append_gave(300), std::nullopt);
  ASSERT_THAT(tree.tile_findings(), SizeIs(1));
  EXPECT_THAT(tree.tile_findings()[0].first, StartsWith("tile/0/001 at place 44: "));
}

TEST_P(TreeCheckOfTiles, finds_a_hash_of_a_level_above) {
  record(70'000);
  store_tiles();
  keep(recorded, 70'000);
  stored(1, 0, 9) = other_leaf(9);
  stored(2, 0, 0) = other_leaf(0);
  const TreeCheck& tree = check();
  EXPECT_THAT(bad(), IsEmpty());
  EXPECT_THAT(tree.tile_findings(),
              ElementsAre(Pair(StartsWith("tile/1/000 at place 9: "), testing::_),
                          Pair(StartsWith("tile/2/000 at place 0: "), testing::_)));
}

TEST_P(TreeCheckOfTiles, is_one_finding_for_each_tile_however_much_of_it_differs) {
  record(800);
  store_tiles();
  keep(recorded, 800);
  for (const std::size_t place : {3U, 4U, 5U}) stored(0, 1, place) = other_leaf(place);
  stored(0, 2, 7) = other_leaf(7);
  EXPECT_THAT(
      check().tile_findings(),
      ElementsAre(
          Pair(StartsWith("tile/0/001 at place 3: "), HasSubstr(", and 2 more hashes differ")),
          Pair(StartsWith("tile/0/002 at place 7: "), testing::Not(HasSubstr("more hashes")))));
}

TEST_P(TreeCheckOfTiles, tells_of_one_that_is_missing) {
  record(800);
  store_tiles();
  keep(recorded, 800);
  log.stored_tiles->erase({0, 1});
  EXPECT_THAT(check().tile_findings(),
              ElementsAre(Pair("tile/0/001 as the entries give it", "it is missing or cut off")));
}

TEST_P(TreeCheckOfTiles, tells_of_several_that_are_missing_or_cut_off_once) {
  record(800);
  store_tiles();
  keep(recorded, 800);
  log.stored_tiles->erase({0, 0});
  log.stored_tiles->at({0, 2}).resize(255);
  log.stored_tiles->at({1, 0}).resize(1);
  EXPECT_THAT(check().tile_findings(),
              ElementsAre(Pair("tile/0/000 and 2 more tiles, as the entries give them",
                               "they are missing or cut off")));
}

TEST_P(TreeCheckOfTiles, says_nothing_of_a_log_that_comes_without) {
  record(600);
  keep(recorded, 600);
  check();
  expect_clean();
  found[300] = other_leaf(300);
  check();
  EXPECT_THAT(bad(), IsEmpty());
  EXPECT_EQ(range(), std::pair(0UL, 600UL));
}

TEST_P(TreeCheckOfTiles, narrows_a_range_to_what_lies_under_the_hash_that_differs) {
  record(1000);
  store_tiles();
  keep(recorded, 100);
  keep(recorded, 1000);
  found[300] = stored(0, 1, 44) = other_leaf(300);  // the level above is still as it was
  const TreeCheck& tree = check();
  EXPECT_THAT(bad(), IsEmpty());
  EXPECT_EQ(range(), std::pair(256UL, 512UL));
  // It says the same as the range.
  EXPECT_THAT(tree.tile_findings(), IsEmpty());
}

TEST_P(TreeCheckOfTiles, narrows_a_range_to_one_entry_if_only_the_level_above_is_lost) {
  record(1000);
  store_tiles();
  keep(recorded, 1000);
  found[300] = other_leaf(300);
  log.stored_tiles->erase({1, 0});
  check();
  EXPECT_EQ(range(), std::pair(300UL, 301UL));
}

TEST_P(TreeCheckOfTiles, is_still_told_of_where_entries_before_the_range_are_in_order) {
  record(1000);
  store_tiles();
  keep(recorded, 512);
  keep(recorded, 1000);
  stored(0, 1, 44) = other_leaf(300);
  found[900] = other_leaf(900);
  const TreeCheck& tree = check();
  EXPECT_EQ(range(), std::pair(512UL, 1000UL));
  ASSERT_THAT(tree.tile_findings(), SizeIs(1));
  EXPECT_THAT(tree.tile_findings()[0].first, StartsWith("tile/0/001 at place 44: "));
}

// Whoever changes an entry and has the key signs what he keeps anew.
TEST_P(TreeCheckOfRoots, from_outside_bind_further_back_than_those_that_are_kept) {
  record(600);
  found[150] = other_leaf(150);
  const Leaves anew = with_others({150});
  keep(anew, 200);
  keep(anew, 400);
  keep_outside(recorded, 500);
  const TreeCheck& tree = check();
  EXPECT_EQ(range(), std::pair(0UL, 500UL));
  EXPECT_EQ(tree.mismatch()->root->from, "outside.checkpoint");

  // One from outside that fits is as good as it gets, …
  keep_outside(recorded, 100);
  check();
  EXPECT_EQ(range(), std::pair(100UL, 500UL));

  // … and what is only kept binds against what is only kept.
  outside.clear();
  keep(recorded, 500);
  check();
  EXPECT_EQ(range(), std::pair(400UL, 500UL));
}

TEST_P(TreeCheckOfRoots, of_one_size_may_be_two_of_which_one_does_not_fit) {
  record(600);
  keep(recorded, 500);
  keep_outside(with_others({150}), 500);
  const TreeCheck& tree = check();
  EXPECT_EQ(range(), std::pair(0UL, 500UL));
  EXPECT_EQ(tree.mismatch()->root->from, "outside.checkpoint");
  EXPECT_EQ(tree.mismatch()->later, 0U);  // the kept one fits

  // The other way round as well: the one that fits does not show where the other one begins to differ.
  outside.clear();
  log.checkpoints.clear();
  keep(with_others({150}), 500);
  keep_outside(recorded, 500);
  check();
  EXPECT_EQ(range(), std::pair(0UL, 500UL));
  EXPECT_EQ(check().mismatch()->root->from, "");
}

TEST_P(TreeCheckOfRoots, beyond_the_last_entry_say_nothing_about_those_before_it) {
  record(600);
  keep(numbered_leaves(700), 700);
  check();
  expect_clean();
}

TEST_P(TreeCheckOfTheHead, narrows_a_range_to_the_subtrees_of_its_frontier_that_differ) {
  record(200);  // 128 + 64 + 8
  keep(recorded, 100);
  keep(recorded, 200);
  heads = head_of(recorded, 200);
  found[150] = other_leaf(150);
  const TreeCheck& tree = check();
  EXPECT_EQ(range(), std::pair(128UL, 192UL));
  EXPECT_EQ(tree.mismatch()->root->size, TreeSize{200});
  EXPECT_FALSE(tree.head_is_wrong());

  found[110] = other_leaf(110);
  check();
  EXPECT_EQ(range(), std::pair(100UL, 192UL));

  keep(recorded, 160);
  check();
  EXPECT_EQ(range(), std::pair(100UL, 160UL));
}

TEST_P(TreeCheckOfTheHead, does_not_widen_what_a_tile_has_narrowed_further) {
  record(1000);  // 512 + 256 + …
  store_tiles();
  keep(recorded, 1000);
  heads = head_of(recorded, 1000);
  found[300] = stored(0, 1, 44) = other_leaf(300);
  check();
  EXPECT_EQ(range(), std::pair(256UL, 512UL));
}

TEST_P(TreeCheckOfTheHead, that_fits_speaks_for_the_entries_before_it) {
  record(250);
  keep(recorded, 250);
  heads = head_of(recorded, 200);
  found[220] = other_leaf(220);
  check();
  EXPECT_EQ(range(), std::pair(200UL, 250UL));
}

TEST_P(TreeCheckOfTheHead, shows_what_differs_where_nothing_was_signed_yet) {
  record(520);
  store_tiles();
  keep(recorded, 512);
  heads = head_of(recorded, 519);  // 512 + 4 + 2 + 1
  found[517] = other_leaf(517);
  const TreeCheck& tree = check();
  EXPECT_EQ(range(), std::pair(516UL, 518UL));
  EXPECT_EQ(tree.mismatch()->root, nullptr);
  EXPECT_EQ(tree.mismatch()->size, TreeSize{519});
  EXPECT_FALSE(tree.head_is_wrong());
}

TEST_P(TreeCheckOfTheHead, is_wrong_if_it_contradicts_itself) {
  record(600);
  keep(recorded, 600);
  for (const auto& edit : std::vector<std::function<void(StoredHeads&)>>{
           [](StoredHeads& h) { h.root = other_leaf(0); },
           [](StoredHeads& h) { h.frontier[0] = other_leaf(0); },
           [](StoredHeads& h) { h.frontier.pop_back(); }, [](StoredHeads& h) { --h.size.value; }}) {
    heads = head_of(recorded, 500);
    edit(*heads);
    const TreeCheck& tree = check();
    EXPECT_TRUE(tree.head_is_wrong());
    EXPECT_EQ(tree.mismatch(), std::nullopt);
    EXPECT_THAT(bad(), IsEmpty());
  }
}

TEST_P(TreeCheckOfTheHead, is_wrong_if_it_is_one_of_another_log_and_what_was_signed_says_so) {
  record(600);
  for (const auto& [head, signed_at] :
       std::vector<std::pair<std::uint64_t, std::uint64_t>>{{500, 500}, {500, 600}, {600, 600}}) {
    heads = head_of(with_others({150}), head);
    log.checkpoints.clear();
    keep(recorded, signed_at);
    const TreeCheck& tree = check();
    EXPECT_TRUE(tree.head_is_wrong()) << head << " " << signed_at;
    EXPECT_EQ(tree.mismatch(), std::nullopt) << head << " " << signed_at;
  }
}

TEST_P(TreeCheckOfTheHead, acquits_an_entry_as_a_signed_root_does) {
  record(600);
  store_tiles();
  heads = head_of(recorded, 500);
  forge_tile(300);
  const TreeCheck& tree = check();
  EXPECT_THAT(bad(), IsEmpty());
  EXPECT_TRUE(tree.is_acquitted(LeafIndex{300}));
  EXPECT_FALSE(tree.head_is_wrong());
}

}  // namespace
}  // namespace pgtally
