// Key states and rows against a model that keeps everything in maps.

#include "audit/comparison.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "audit/key_states.h"
#include "pgtally/content.h"

namespace pgtally {
namespace {

constexpr std::size_t kEnough = std::size_t{8} << 20;

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

std::optional<std::size_t> only_shape(std::uint32_t) {
  return 0;
}

// "changed 5", sorted; by id of the state, or by key.
std::multiset<std::string> differences(Comparison& comparison,
                                       const Comparison::ShapeOf& shape_of = only_shape) {
  static const char* const names[] = {"changed", "missing", "unrecorded", "duplicate", "repeated"};
  std::multiset<std::string> out;
  const auto done = comparison.run(shape_of, [&](const Difference& d) {
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

TEST(Comparison, of_rows_that_are_as_recorded_finds_nothing) {
  KeyStates states(10, kEnough, hasher(), "/tmp");
  Comparison comparison(states, kEnough, "/tmp", true);
  for (std::uint64_t i = 0; i < 10; ++i) {
    ASSERT_TRUE(states.put(key_of(i), state_of(i, Operation::kInsert, i)).ok());
    ASSERT_TRUE(comparison.add(row_of(i, i)).ok());
  }
  EXPECT_EQ(differences(comparison), Texts{});
}

TEST(Comparison, tells_changed_missing_unrecorded_and_duplicate_rows_apart) {
  KeyStates states(10, kEnough, hasher(), "/tmp");
  Comparison comparison(states, kEnough, "/tmp", true);
  for (std::uint64_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(states.put(key_of(i), state_of(i, Operation::kInsert, i)).ok());
  }
  ASSERT_TRUE(comparison.add(row_of(0, 99)).ok());
  ASSERT_TRUE(comparison.add(row_of(2, 2)).ok());
  ASSERT_TRUE(comparison.add(row_of(2, 2)).ok());
  ASSERT_TRUE(comparison.add(row_of(7, 7)).ok());
  EXPECT_EQ(differences(comparison),
            (Texts{"changed key 0", "missing of 1", "duplicate key 2", "unrecorded key 7"}));
}

TEST(Comparison, knows_a_deleted_and_a_truncated_key_as_not_living) {
  KeyStates states(10, kEnough, hasher(), "/tmp");
  Comparison comparison(states, kEnough, "/tmp", true);
  ASSERT_TRUE(states.put(key_of(1), state_of(0, Operation::kInsert, 1)).ok());
  states.truncate(LeafIndex{1});
  ASSERT_TRUE(states.put(key_of(2), state_of(2, Operation::kInsert, 2)).ok());
  ASSERT_TRUE(states.put(key_of(2), state_of(3, Operation::kDelete, 0)).ok());
  ASSERT_TRUE(states.put(key_of(3), state_of(4, Operation::kInsert, 3)).ok());
  EXPECT_EQ(differences(comparison), (Texts{"missing of 4"}));
  ASSERT_TRUE(comparison.add(row_of(1, 1)).ok());
  ASSERT_TRUE(comparison.add(row_of(2, 2)).ok());
  EXPECT_EQ(differences(comparison),
            (Texts{"missing of 4", "unrecorded key 1", "unrecorded key 2"}));
}

TEST(Comparison, finds_keys_that_were_inserted_again_while_they_were_living) {
  KeyStates states(10, kEnough, hasher(), "/tmp");
  Comparison comparison(states, kEnough, "/tmp", true);
  const auto put = [&](std::uint64_t id, std::uint64_t key, Operation operation, bool bad = false) {
    KeyState state = state_of(id, operation, 1);
    state.bad = bad;
    ASSERT_TRUE(states.put(key_of(key), state).ok());
  };
  put(0, 1, Operation::kInsert);
  put(1, 1, Operation::kInsert);  // again
  put(2, 2, Operation::kInsert);
  put(3, 2, Operation::kDelete);
  put(4, 2, Operation::kInsert);
  put(5, 3, Operation::kInsert);
  states.truncate(LeafIndex{6});
  put(7, 3, Operation::kInsert);
  put(8, 3, Operation::kUpdate);
  put(9, 3, Operation::kInsert);  // again
  put(10, 4, Operation::kInsert, true);
  put(11, 4, Operation::kInsert);
  put(12, 5, Operation::kInsert);
  put(kStagedIds, 5, Operation::kInsert);
  const Texts found = differences(comparison);
  EXPECT_EQ(Texts(found.lower_bound("repeated"), found.end()),
            (Texts{"repeated 0 1", "repeated 8 9"}));
}

TEST(Comparison, blinds_a_row_with_the_salt_of_its_entry_and_not_what_is_staged) {
  KeyStates states(10, kEnough, hasher(), "/tmp");
  Comparison comparison(states, kEnough, "/tmp", true);
  KeyState state = state_of(0, Operation::kInsert, 0);
  state.salted = true;
  state.salt = hash_of(77);
  state.content = blinded(state.salt, hash_of(1));
  ASSERT_TRUE(states.put(key_of(1), state).ok());
  ASSERT_TRUE(states.put(key_of(2), state).ok());
  ASSERT_TRUE(states.put(key_of(2), state_of(kStagedIds, Operation::kUpdate, 2)).ok());
  ASSERT_TRUE(comparison.add(row_of(1, 1)).ok());
  ASSERT_TRUE(comparison.add(row_of(2, 2)).ok());
  EXPECT_EQ(differences(comparison), Texts{});
}

TEST(Comparison, without_salts_looks_at_keys_alone) {
  KeyStates states(10, kEnough, hasher(), "/tmp");
  Comparison comparison(states, kEnough, "/tmp", false);
  ASSERT_TRUE(states.put(key_of(1), state_of(0, Operation::kInsert, 1)).ok());
  ASSERT_TRUE(comparison.add(row_of(1, 99)).ok());
  ASSERT_TRUE(comparison.add(row_of(2, 2)).ok());
  EXPECT_EQ(differences(comparison), (Texts{"unrecorded key 2"}));
}

TEST(Comparison, takes_each_row_under_the_definition_of_its_entry) {
  KeyStates states(10, kEnough, hasher(), "/tmp");
  Comparison comparison(states, kEnough, "/tmp", true);
  for (std::uint32_t definition = 0; definition < 3; ++definition) {
    KeyState state = state_of(definition, Operation::kInsert, definition);
    state.definition = definition;
    ASSERT_TRUE(states.put(key_of(definition), state).ok());
    TableRow row = row_of(definition, 0);
    row.contents = {hash_of(0), hash_of(1)};
    ASSERT_TRUE(comparison.add(row).ok());
  }
  EXPECT_EQ(differences(comparison,
                        [](std::uint32_t definition) -> std::optional<std::size_t> {
                          if (definition == 2) return std::nullopt;  // not known
                          return definition;
                        }),
            Texts{});
  EXPECT_EQ(comparison.living_definitions(), (std::set<std::uint32_t>{0, 1, 2}));
}

TEST(Comparison, in_many_partitions_and_files_finds_what_a_map_finds) {
  std::mt19937_64 random(7);
  constexpr std::uint64_t kEntries = 30'000;
  KeyStates states(kEntries, 1 << 16, hasher(), "/tmp");
  Comparison comparison(states, 1 << 12, "/tmp", true);
  ASSERT_GT(states.partitions(), 64u);
  std::map<std::uint64_t, KeyState> model;
  std::map<std::uint64_t, std::uint64_t> contents;
  for (std::uint64_t id = 0; id < kEntries; ++id) {
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
  Texts expected;
  for (std::uint64_t key = 0; key < 5'500; ++key) {
    const auto known = model.find(key);
    const bool living = known != model.end() && known->second.is_living();
    switch (random() % 8) {
      case 0:  // no row
        if (living) expected.insert("missing of " + std::to_string(known->second.id.value));
        break;
      case 1:
        ASSERT_TRUE(comparison.add(row_of(key, 1'000'000)).ok());
        expected.insert((living ? "changed key " : "unrecorded key ") + std::to_string(key));
        break;
      default:
        ASSERT_TRUE(comparison.add(row_of(key, contents[key])).ok());
        if (!living) expected.insert("unrecorded key " + std::to_string(key));
    }
  }
  EXPECT_EQ(differences(comparison), expected);
  EXPECT_EQ(differences(comparison), expected) << "the second time";
}

}  // namespace
}  // namespace pgtally
