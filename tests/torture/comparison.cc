#include "torture/comparison.h"

#include <fmt/format.h>

#include <limits>

#include "format/blinding.h"
#include "pgtally/content.h"
#include "pgtally/entry.h"
#include "pgtally/key.h"
#include "torture/must.h"

namespace pgtally::torture {
namespace {

constexpr std::size_t kMostExamples = 20;
constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();

std::string text_of(const ChangeId& id) {
  return fmt::format("{} {} version {}", id.source, id.key, id.version);
}

struct LogEntry {
  std::uint64_t id = 0;
  std::int32_t source_id = 0;
  std::string source;
  Operation operation = Operation::kInsert;
  std::int64_t key = 0;
  Hash content;
  Time batch;
};

class Comparer {
 public:
  Comparer(const Ledger& ledger, const Truth& truth) : truth_(truth) {
    const auto sources =
        must(ledger.query("SELECT source_id, name, secret FROM pgtally.source LEFT JOIN "
                          "pgtally.secret USING (source_id)"));
    for (std::size_t r = 0; r < sources.size(); ++r) {
      const auto id = must(sources.get<std::int32_t>(r, 0));
      names_[id] = must(sources.get<std::string>(r, 1));
      if (!sources.is_null(r, 2)) secrets_[id] = must(sources.get<Hash>(r, 2)).bytes;
    }
  }

  void take(const pg::Rows& rows, std::size_t r) {
    LogEntry entry;
    entry.id = static_cast<std::uint64_t>(must(rows.get<std::int64_t>(r, 0)));
    entry.source_id = must(rows.get<std::int32_t>(r, 1));
    entry.source = names_[entry.source_id];
    const auto ordinal = must(rows.get<std::int64_t>(r, 2));
    entry.operation = static_cast<Operation>(must(rows.get<std::int16_t>(r, 3)));
    entry.content = must(rows.get<Hash>(r, 5));
    entry.batch = must(rows.get<Time>(r, 6));

    Counts& counts = result_.by_source[entry.source];
    ++counts.entries;
    if (entry.id != next_id_++) count(counts.gaps, fmt::format("id {} after {}", entry.id, r));
    if (ordinal != next_ordinals_[entry.source_id]++) {
      count(counts.gaps,
            fmt::format("ordinal {} of {} in entry {}", ordinal, entry.source, entry.id));
    }
    if (entry.operation == Operation::kDefine || entry.operation == Operation::kNotice) return;

    const auto key = must(decode_key(must(rows.get<ByteView>(r, 4))));
    if (key.columns.size() != 1) {
      count(counts.phantom, fmt::format("entry {} of {} has no key", entry.id, entry.source));
      return;
    }
    entry.key = std::stoll(key.columns[0]);
    take_change(entry, counts);
  }

  [[nodiscard]] Comparison finish() {
    for (const auto& [id, change] : truth_.changes) {
      Counts& counts = result_.by_source[id.source];
      ++counts.committed;
      if (!recorded_.contains(id)) {
        count(counts.missed,
              fmt::format("missed: {} of {}", name_of(change.operation), text_of(id)));
      }
    }
    for (const auto& changes : truth_.in_order) check_order(changes);
    for (const auto& [name, counts] : result_.by_source) result_.total += counts;
    return std::move(result_);
  }

 private:
  void take_change(const LogEntry& entry, Counts& counts) {
    const auto first = truth_.changes.lower_bound({entry.source, entry.key, kLeast});
    auto it = first;
    const auto is_of_key = [&] {
      return it != truth_.changes.end() && it->first.source == entry.source &&
             it->first.key == entry.key;
    };
    while (is_of_key() && !is_of(entry, it->second)) ++it;
    const std::string what = fmt::format("{} of {} {} as entry {}", name_of(entry.operation),
                                         entry.source, entry.key, entry.id);
    if (!is_of_key()) {
      const bool known = it != first;
      count(known ? counts.changed : counts.phantom,
            fmt::format("{}: {}", known ? "changed" : "phantom", what));
      return;
    }
    const auto [place, is_new] = recorded_.try_emplace(it->first, entry.id);
    if (!is_new) {
      count(counts.doubled, fmt::format("doubled: {}, version {}, which is entry {}", what,
                                        it->first.version, place->second));
    }
    std::int64_t& newest = versions_.try_emplace({entry.source, entry.key}, kLeast).first->second;
    if (is_new && it->first.version < newest) {
      count(counts.out_of_order,
            fmt::format("version {} after {}: {}", it->first.version, newest, what));
    }
    newest = std::max(newest, it->first.version);
    if (truth_.polled.contains(entry.source)) check_batch(entry, counts);
  }

  [[nodiscard]] bool is_of(const LogEntry& entry, const Change& change) const {
    if (entry.operation != change.operation) return false;
    const auto secret = secrets_.find(entry.source_id);
    if (secret == secrets_.end()) return entry.content == change.content;
    return entry.content == blinded(salt_of(secret->second, LeafIndex{entry.id}), change.content);
  }

  void check_batch(const LogEntry& entry, Counts& counts) {
    auto& [batch, key] = polled_[entry.source];
    if (batch == entry.batch && entry.key < key) {
      count(counts.out_of_order,
            fmt::format("{} {} after {} in one batch", entry.source, entry.key, key));
    }
    batch = entry.batch;
    key = entry.key;
  }

  void check_order(const std::vector<ChangeId>& changes) {
    std::map<std::string, std::uint64_t> last;
    for (const ChangeId& id : changes) {
      const auto it = recorded_.find(id);
      if (it == recorded_.end()) continue;
      std::uint64_t& before = last[id.source];
      if (it->second < before) {
        count(result_.by_source[id.source].out_of_order,
              fmt::format("{} is entry {}, and an earlier one of its writer {}", text_of(id),
                          it->second, before));
      }
      before = it->second;
    }
  }

  void count(std::uint64_t& what, std::string example) {
    ++what;
    if (result_.examples.size() < kMostExamples) result_.examples.push_back(std::move(example));
  }

  const Truth& truth_;
  std::map<std::int32_t, std::string> names_;
  std::map<std::int32_t, BlindingSecret> secrets_;
  std::map<std::int32_t, std::int64_t> next_ordinals_;
  std::uint64_t next_id_ = 0;
  std::map<ChangeId, std::uint64_t> recorded_;
  std::map<std::pair<std::string, std::int64_t>, std::int64_t> versions_;
  std::map<std::string, std::pair<Time, std::int64_t>> polled_;
  Comparison result_;
};

void print_row(const std::string& name, const Counts& c) {
  fmt::print("  {:<16} {:>9} {:>8} {:>7} {:>8} {:>8} {:>8} {:>5} {:>13}\n", name, c.committed,
             c.entries, c.missed, c.doubled, c.phantom, c.changed, c.gaps, c.out_of_order);
}

}  // namespace

Counts& Counts::operator+=(const Counts& other) {
  committed += other.committed;
  entries += other.entries;
  missed += other.missed;
  doubled += other.doubled;
  phantom += other.phantom;
  changed += other.changed;
  gaps += other.gaps;
  out_of_order += other.out_of_order;
  return *this;
}

Comparison compare(const Ledger& ledger, const Truth& truth) {
  Comparer comparer(ledger, truth);
  const auto rows =
      must(ledger.query("SELECT id, source_id, ordinal, operation, key, content_hash, sequenced_at "
                        "FROM pgtally.processed_log ORDER BY id"));
  for (std::size_t r = 0; r < rows.size(); ++r) comparer.take(rows, r);
  return comparer.finish();
}

std::uint64_t changes_in_log(const Ledger& ledger) {
  const auto rows =
      must(ledger.query("SELECT count(*) FROM pgtally.processed_log WHERE operation <= 4"));
  return static_cast<std::uint64_t>(must(rows.get<std::int64_t>(0, 0)));
}

void print(const Comparison& comparison, bool each_source) {
  const Counts& c = comparison.total;
  if (each_source) {
    fmt::print("  {:<16} {:>9} {:>8} {:>7} {:>8} {:>8} {:>8} {:>5} {:>13}\n", "", "committed",
               "entries", "missed", "doubled", "phantom", "changed", "gaps", "out of order");
    for (const auto& [name, counts] : comparison.by_source) print_row(name, counts);
    print_row("all", c);
  } else {
    fmt::print("  committed {:>8} rows\n  log       {:>8} entries\n", c.committed, c.entries);
  }
  fmt::print("  missed {}   doubled {}   phantom {}   changed {}   gaps {}   out of order {}\n",
             c.missed, c.doubled, c.phantom, c.changed, c.gaps, c.out_of_order);
  for (const std::string& example : comparison.examples) fmt::print("    {}\n", example);
}

}  // namespace pgtally::torture
