#include "client/entry_check.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "pgtally/checkpoint.h"
#include "support/memory_log.h"

namespace pgtally {
namespace {

class Ignore : public CheckedSink {
  Result<void> tile(const TileRequest&, const std::vector<Hash>&) override { return {}; }
  Result<void> bundle(const TileRequest&, const std::string&) override { return {}; }
  Result<void> verified(const Frontier&) override { return {}; }
};

// Right in every answer but those in which just these tiles are asked for together, so that proofs,
// which ask for others, hold.
class TwoFaced : public test::MemoryLog {
 public:
  using MemoryLog::MemoryLog;
  Result<std::vector<std::vector<Hash>>> tiles(std::span<const TileId> ids,
                                               TreeSize size) override {
    TRY(auto tiles, MemoryLog::tiles(ids, size));
    if (!ids.empty() && std::ranges::equal(ids, wrong_in)) tiles.back().front().bytes[5] ^= 0x20;
    return tiles;
  }
  std::vector<TileId> wrong_in;
};

Result<void> check(TwoFaced& log, std::uint64_t size) {
  log.grow_to(size);
  const Checkpoint checkpoint = *parse_checkpoint(parse_note(log.note_at(size))->text);
  Frontier none;
  Ignore ignore;
  return check_entries(log, checkpoint, none, ignore);
}

TEST(EntryCheck, finds_a_wrong_tile_even_if_all_proofs_hold) {
  struct Case {
    std::uint64_t size;
    std::vector<TileId> wrong_in;
  };
  // A full tile, and those that are not full in a tree that needs no proof at its end.
  for (const auto& [size, wrong_in] : {Case{65'836, {{1, 0}}}, Case{65'792, {{1, 1}, {2, 0}}}}) {
    TwoFaced log(test::test_key("log.example", 1));
    EXPECT_TRUE(check(log, size).ok());
    log.wrong_in = wrong_in;
    const auto checked = check(log, size);
    ASSERT_FALSE(checked.ok());
    EXPECT_EQ(checked.error().code, ErrorCode::kTampered);
    EXPECT_NE(checked.error().message.find("does not fit the tree below it"), std::string::npos)
        << checked.error().message;
  }
}

}  // namespace
}  // namespace pgtally
