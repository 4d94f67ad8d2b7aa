// Key states and rows against a model that keeps everything in maps.

#include "audit/comparison.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <span>

#include "audit/key_states.h"
#include "pgtally/content.h"

namespace pgtally {
namespace {

constexpr std::size_t kEnough = std::size_t{8} << 20;
constexpr std::size_t kTooLittle = 64;  // for all states to be in one table

KeyHasher hasher() {
  return KeyHasher(KeyHasher::Secret{1, 2, 3});
}

Hash hash_of(std::uint64_t number) {
  Hash hash;
  hash.bytes[0] = 1;
  for (std::size_t i = 0; i < 8; ++i)
    hash.bytes[8 + i] = static_cast<std::uint8_t>(number >> (8 * i));
  return hash;
}

Bytes key_of(std::uint64_t number) {
  const std::string text = "key " + std::to_string(number);
  return {text.begin(), text.end()};
}

KeyState state_of(std::uint64_t id, Operation operation, std::uint64_t content) {
  KeyState state;
  state.id = LeafIndex{id};
  state.operation = operation;
  state.content = hash_of(content);
  return state;
}

TableRow row_of(std::uint64_t key, std::uint64_t content) {
  TableRow row;
  row.key = key_of(key);
  row.contents = {hash_of(content)};
  return row;
}

Comparison::Rules rules(bool salts = true) {
  Comparison::Rules rules;
  rules.salts = salts;
  rules.shape_of = [](std::uint32_t) { return std::optional<std::size_t>(0); };
  return rules;
}

// States, and then rows, of which it does not matter whether they fit into memory.
class Comparisons : public testing::TestWithParam<std::size_t> {
 protected:
  void put(std::uint64_t key, const KeyState& state) {
    ASSERT_TRUE(states.put(key_of(key), state).ok());
  }
  Comparison begin(Comparison::Rules how = rules()) {
    EXPECT_TRUE(states.finish().ok());
    EXPECT_EQ(states.whole() != nullptr, GetParam() == kEnough);
    return Comparison(states, GetParam(), "/tmp", std::move(how));
  }
  static void add(Comparison& comparison, const TableRow& row) {
    ASSERT_TRUE(comparison.add(std::span(&row, 1)).ok());
  }

  KeyStates states{20, GetParam(), hasher(), "/tmp", true};
};
INSTANTIATE_TEST_SUITE_P(, Comparisons, testing::Values(kEnough, kTooLittle),
                         [](const auto& memory) {
                           return memory.param == kEnough ? "in_one_table" : "in_partitions";
                         });

// "changed 5", sorted; by id of the state, or by key.
std::multiset<std::string> differences(Comparison& comparison) {
  static const char* const names[] = {"changed", "missing", "unrecorded", "duplicate", "repeated"};
  std::multiset<std::string> out;
  const auto done = comparison.run([&](const Difference& d) {
    std::string text = names[static_cast<int>(d.kind)];
    if (d.kind == Difference::Kind::kRepeated) {
      text += " " + std::to_string(d.before.value) + " " + std::to_string(d.insert.value);
    } else if (d.row != nullptr) {
      text += " " + std::string(as_text(d.row->key));
    } else {
      text += " of " + std::to_string(d.state->id.value);
    }
    out.insert(text);
    return Result<void>();
  });
  if (!done.ok()) out.insert(done.error().message);
  return out;
}

using Texts = std::multiset<std::string>;

TEST_P(Comparisons, of_rows_that_are_as_recorded_find_nothing) {
  for (std::uint64_t i = 0; i < 10; ++i) put(i, state_of(i, Operation::kInsert, i));
  Comparison comparison = begin();
  for (std::uint64_t i = 0; i < 10; ++i) add(comparison, row_of(i, i));
  EXPECT_EQ(differences(comparison), Texts{});
  EXPECT_EQ(comparison.rows(), 10u);
}

TEST_P(Comparisons, tell_changed_missing_unrecorded_and_duplicate_rows_apart) {
  for (std::uint64_t i = 0; i < 3; ++i) put(i, state_of(i, Operation::kInsert, i));
  Comparison comparison = begin();
  add(comparison, row_of(0, 99));
  add(comparison, row_of(2, 2));
  add(comparison, row_of(2, 2));
  add(comparison, row_of(7, 7));
  const Texts expected{"changed key 0", "missing of 1", "duplicate key 2", "unrecorded key 7"};
  EXPECT_EQ(differences(comparison), expected);
  EXPECT_EQ(differences(comparison), expected) << "the second time";
}

TEST_P(Comparisons, find_one_duplicate_whichever_row_comes_first) {
  for (std::uint64_t i = 0; i < 2; ++i) put(i, state_of(i, Operation::kInsert, i));
  Comparison comparison = begin();
  add(comparison, row_of(0, 99));
  add(comparison, row_of(0, 0));
  add(comparison, row_of(1, 1));
  add(comparison, row_of(1, 98));
  const Texts found = differences(comparison);
  EXPECT_EQ(std::ranges::count_if(found, [](const auto& f) { return f.starts_with("dup"); }), 2);
  EXPECT_FALSE(found.contains("missing of 0") || found.contains("missing of 1"));
}

TEST_P(Comparisons, know_a_deleted_and_a_truncated_key_as_not_living) {
  put(1, state_of(0, Operation::kInsert, 1));
  states.truncate(LeafIndex{1});
  put(2, state_of(2, Operation::kInsert, 2));
  put(2, state_of(3, Operation::kDelete, 0));
  put(3, state_of(4, Operation::kInsert, 3));
  Comparison comparison = begin();
  EXPECT_EQ(differences(comparison), (Texts{"missing of 4"}));
  add(comparison, row_of(1, 1));
  add(comparison, row_of(2, 2));
  EXPECT_EQ(differences(comparison),
            (Texts{"missing of 4", "unrecorded key 1", "unrecorded key 2"}));
}

TEST_P(Comparisons, find_keys_that_were_inserted_again_while_they_were_living) {
  const auto enter = [&](std::uint64_t id, std::uint64_t key, Operation operation,
                         bool bad = false) {
    KeyState state = state_of(id, operation, 1);
    state.bad = bad;
    put(key, state);
  };
  enter(0, 1, Operation::kInsert);
  enter(1, 1, Operation::kInsert);  // again
  enter(2, 2, Operation::kInsert);
  enter(3, 2, Operation::kDelete);
  enter(4, 2, Operation::kInsert);
  enter(5, 3, Operation::kInsert);
  states.truncate(LeafIndex{6});
  enter(7, 3, Operation::kInsert);
  enter(8, 3, Operation::kUpdate);
  enter(9, 3, Operation::kInsert);  // again
  enter(10, 4, Operation::kInsert, true);
  enter(11, 4, Operation::kInsert);
  enter(12, 5, Operation::kInsert);
  enter(kStagedIds, 5, Operation::kInsert);
  Comparison comparison = begin();
  const Texts found = differences(comparison);
  EXPECT_EQ(Texts(found.lower_bound("repeated"), found.end()),
            (Texts{"repeated 0 1", "repeated 8 9"}));
}

TEST_P(Comparisons, blind_a_row_with_the_salt_of_its_entry_and_not_what_is_staged) {
  KeyState state = state_of(0, Operation::kInsert, 0);
  state.salted = true;
  state.salt = hash_of(77);
  state.content = blinded(state.salt, hash_of(1));
  put(1, state);
  put(2, state);
  put(2, state_of(kStagedIds, Operation::kUpdate, 2));
  Comparison comparison = begin();
  add(comparison, row_of(1, 1));
  add(comparison, row_of(2, 2));
  EXPECT_EQ(differences(comparison), Texts{});
}

TEST_P(Comparisons, ask_for_the_salts_that_were_not_given) {
  for (std::uint64_t i = 0; i < 3; ++i) {
    KeyState state = state_of(i, Operation::kInsert, 0);
    state.salted = true;
    state.content = blinded(hash_of(1000 + i), hash_of(i));
    put(i, state);
  }
  Comparison::Rules how = rules();
  how.salts_of = [](std::span<const LeafIndex> ids, std::span<Hash> salts) {
    for (std::size_t i = 0; i < ids.size(); ++i) salts[i] = hash_of(1000 + ids[i].value);
    return Result<void>();
  };
  Comparison comparison = begin(std::move(how));
  const std::vector<TableRow> rows{row_of(0, 0), row_of(1, 99), row_of(2, 2)};
  ASSERT_TRUE(comparison.add(rows).ok());
  EXPECT_EQ(differences(comparison), (Texts{"changed key 1"}));
}

TEST_P(Comparisons, look_at_keys_alone_without_salts) {
  put(1, state_of(0, Operation::kInsert, 1));
  Comparison comparison = begin(rules(false));
  add(comparison, row_of(1, 99));
  add(comparison, row_of(2, 2));
  EXPECT_EQ(differences(comparison), (Texts{"unrecorded key 2"}));
}

TEST_P(Comparisons, take_each_row_under_the_definition_of_its_entry) {
  for (std::uint32_t definition = 0; definition < 3; ++definition) {
    KeyState state = state_of(definition, Operation::kInsert, definition);
    state.definition = definition;
    put(definition, state);
  }
  Comparison::Rules how = rules();
  how.shape_of = [](std::uint32_t definition) -> std::optional<std::size_t> {
    if (definition == 2) return std::nullopt;  // not known
    return definition;
  };
  Comparison comparison = begin(std::move(how));
  for (std::uint32_t definition = 0; definition < 3; ++definition) {
    TableRow row = row_of(definition, 0);
    row.contents = {hash_of(0), hash_of(1)};
    add(comparison, row);
  }
  EXPECT_EQ(differences(comparison), Texts{});
  EXPECT_EQ(comparison.living_definitions(), (std::set<std::uint32_t>{0, 1, 2}));
}

// By a random history and random rows.
void expect_what_a_map_finds(KeyStates& states, std::uint64_t entries) {
  std::mt19937_64 random(7);
  std::map<std::uint64_t, KeyState> model;
  std::map<std::uint64_t, std::uint64_t> contents;
  for (std::uint64_t id = 0; id < entries; ++id) {
    const std::uint64_t key = random() % 5'000;
    if (random() % 10'000 == 0) {
      states.truncate(LeafIndex{id});
      for (auto& [k, state] : model) state.operation = Operation::kDelete;
      continue;
    }
    const auto known = model.find(key);
    const bool living = known != model.end() && known->second.is_living();
    const Operation operation = !living             ? Operation::kInsert
                                : random() % 3 == 0 ? Operation::kDelete
                                                    : Operation::kUpdate;
    const KeyState state = state_of(id, operation, id);
    ASSERT_TRUE(states.put(key_of(key), state).ok());
    model[key] = state;
    contents[key] = id;
  }
  ASSERT_TRUE(states.finish().ok());
  Comparison comparison(states, 1 << 12, "/tmp", rules());
  Texts expected;
  std::vector<TableRow> rows;
  for (std::uint64_t key = 0; key < 5'500; ++key) {
    const auto known = model.find(key);
    const bool living = known != model.end() && known->second.is_living();
    switch (random() % 8) {
      case 0:  // no row
        if (living) expected.insert("missing of " + std::to_string(known->second.id.value));
        break;
      case 1:
        rows.push_back(row_of(key, 1'000'000));
        expected.insert((living ? "changed key " : "unrecorded key ") + std::to_string(key));
        break;
      default:
        rows.push_back(row_of(key, contents[key]));
        if (!living) expected.insert("unrecorded key " + std::to_string(key));
    }
  }
  for (std::size_t at = 0; at < rows.size(); at += 100) {
    const auto some = std::span(rows).subspan(at, std::min<std::size_t>(100, rows.size() - at));
    ASSERT_TRUE(comparison.add(some).ok());
  }
  EXPECT_EQ(differences(comparison), expected);
  EXPECT_EQ(differences(comparison), expected) << "the second time";
}

constexpr std::uint64_t kEntries = 30'000;

TEST(Comparison, in_many_partitions_and_files_finds_what_a_map_finds) {
  KeyStates states(kEntries, 1 << 16, hasher(), "/tmp");
  ASSERT_GT(states.partitions(), 64u);
  expect_what_a_map_finds(states, kEntries);
}

TEST(Comparison, in_one_table_finds_what_a_map_finds) {
  KeyStates states(kEntries, kEnough, hasher(), "/tmp");
  expect_what_a_map_finds(states, kEntries);
  EXPECT_NE(states.whole(), nullptr);
}

TEST(Comparison, of_more_keys_than_were_told_of_deals_them_out_and_finds_what_a_map_finds) {
  KeyStates states(1'000, 1 << 20, hasher(), "/tmp");
  ASSERT_NE(states.whole(), nullptr);
  expect_what_a_map_finds(states, kEntries);
  EXPECT_EQ(states.whole(), nullptr);
}

}  // namespace
}  // namespace pgtally
