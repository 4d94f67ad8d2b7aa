#include "torture/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "crypto/sha256.h"
#include "format/blinding.h"
#include "pgtally/content.h"
#include "pgtally/entry.h"
#include "pgtally/key.h"
#include "torture/must.h"

namespace pgtally::torture {
namespace {

constexpr std::size_t kMostExamples = 10;

// The hash of a row's content, computed from what its writer knows.
Hash content_of(Table table, std::int64_t id, const std::string& body) {
  if (table == Table::kStaging) return sha256(as_bytes(body));
  const std::string text = std::to_string(id);
  const std::vector<RowColumnView> columns{{"id", text}, {"body", body}};
  return sha256(must(encode_row(columns)));
}

class Comparer {
 public:
  Comparer(const Ledger& ledger, const Truth& truth) : truth_(truth) {
    const auto sources =
        must(ledger.query("SELECT source_id, name, secret FROM pgtally.source LEFT JOIN "
                          "pgtally.secret USING (source_id)"));
    for (std::size_t r = 0; r < sources.size(); ++r) {
      const auto id = must(sources.get<std::int32_t>(r, 0));
      for (const Table table : kTables) {
        if (must(sources.get<std::string>(r, 1)) == name_of(table)) tables_[id] = table;
      }
      if (!sources.is_null(r, 2)) secrets_[id] = must(sources.get<Hash>(r, 2)).bytes;
    }
  }

  void take(const pg::Rows& rows, std::size_t r) {
    const auto id = static_cast<std::uint64_t>(must(rows.get<std::int64_t>(r, 0)));
    const auto source = must(rows.get<std::int32_t>(r, 1));
    const auto ordinal = must(rows.get<std::int64_t>(r, 2));
    if (id != result_.entries++) count(result_.gaps, fmt::format("id {} after {}", id, r));
    if (ordinal != next_ordinals_[source]++) {
      count(result_.gaps, fmt::format("ordinal {} of source {} in entry {}", ordinal, source, id));
    }
    if (must(rows.get<std::int16_t>(r, 3)) != static_cast<std::int16_t>(Operation::kInsert)) return;

    const auto it = tables_.find(source);
    const auto key = must(decode_key(must(rows.get<ByteView>(r, 4))));
    if (it == tables_.end() || key.columns.size() != 1) {
      count(result_.phantom, fmt::format("entry {} of source {}", id, source));
      return;
    }
    take_row(id, source, it->second, std::stoll(key.columns[0]), must(rows.get<Hash>(r, 5)),
             must(rows.get<Time>(r, 6)));
  }

  [[nodiscard]] Comparison finish() {
    result_.committed = truth_.bodies.size();
    for (const auto& [row, body] : truth_.bodies) {
      if (!recorded_.contains(row)) {
        count(result_.missed,
              fmt::format("missed: {} {} ({})", name_of(row.first), row.second, body));
      }
    }
    for (const auto& rows : truth_.in_order) check_order(rows);
    return std::move(result_);
  }

 private:
  void take_row(std::uint64_t id, std::int32_t source, Table table, std::int64_t key,
                const Hash& published, Time batch) {
    const auto [place, is_first] = recorded_.try_emplace({table, key}, id);
    if (!is_first) {
      count(result_.doubled,
            fmt::format("doubled: {} {} as {} and {}", name_of(table), key, place->second, id));
    }
    const auto known = truth_.bodies.find({table, key});
    if (known == truth_.bodies.end()) {
      count(result_.phantom, fmt::format("phantom: {} {} as {}", name_of(table), key, id));
      return;
    }
    Hash expected = content_of(table, key, known->second);
    if (const auto secret = secrets_.find(source); secret != secrets_.end()) {
      expected = blinded(salt_of(secret->second, LeafIndex{id}), expected);
    }
    if (expected != published) {
      count(result_.changed, fmt::format("changed: {} {} as {}", name_of(table), key, id));
    }
    if (table != Table::kReading) return;
    if (batch == polled_batch_ && key < polled_key_) {
      count(result_.out_of_order,
            fmt::format("reading {} after {} in one batch", key, polled_key_));
    }
    polled_batch_ = batch;
    polled_key_ = key;
  }

  void check_order(const std::vector<WrittenRow>& rows) {
    std::map<Table, std::uint64_t> last;
    for (const WrittenRow& row : rows) {
      const auto it = recorded_.find({row.table, row.id});
      if (row.table == Table::kReading || it == recorded_.end()) continue;
      std::uint64_t& before = last[row.table];
      if (it->second < before) {
        count(result_.out_of_order,
              fmt::format("{} {} is entry {}, and an earlier one of its writer {}",
                          name_of(row.table), row.id, it->second, before));
      }
      before = it->second;
    }
  }

  void count(std::uint64_t& what, std::string example) {
    ++what;
    if (result_.examples.size() < kMostExamples) result_.examples.push_back(std::move(example));
  }

  const Truth& truth_;
  std::map<std::int32_t, Table> tables_;
  std::map<std::int32_t, BlindingSecret> secrets_;
  std::map<std::int32_t, std::int64_t> next_ordinals_;
  std::map<std::pair<Table, std::int64_t>, std::uint64_t> recorded_;
  Time polled_batch_;
  std::int64_t polled_key_ = 0;
  Comparison result_;
};

}  // namespace

Comparison compare(const Ledger& ledger, const Truth& truth) {
  Comparer comparer(ledger, truth);
  const auto rows =
      must(ledger.query("SELECT id, source_id, ordinal, operation, key, content_hash, sequenced_at "
                        "FROM pgtally.processed_log ORDER BY id"));
  for (std::size_t r = 0; r < rows.size(); ++r) comparer.take(rows, r);
  return comparer.finish();
}

std::uint64_t rows_in_log(const Ledger& ledger) {
  const auto rows =
      must(ledger.query("SELECT count(*) FROM pgtally.processed_log WHERE operation = 1"));
  return static_cast<std::uint64_t>(must(rows.get<std::int64_t>(0, 0)));
}

void print(const Comparison& c) {
  fmt::print("  committed {:>8} rows\n  log       {:>8} entries\n", c.committed, c.entries);
  fmt::print("  missed {}   doubled {}   phantom {}   changed {}   gaps {}   out of order {}\n",
             c.missed, c.doubled, c.phantom, c.changed, c.gaps, c.out_of_order);
  for (const std::string& example : c.examples) fmt::print("    {}\n", example);
}

}  // namespace pgtally::torture
