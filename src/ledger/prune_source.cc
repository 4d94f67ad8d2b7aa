#include "ledger/prune_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "base/encoding.h"
#include "format/blinding.h"
#include "format/row_encoder.h"
#include "ledger/prune.h"
#include "ledger/row_reader.h"
#include "ledger/source_text.h"
#include "pgtally/content.h"
#include "postgres/quote.h"
#include "postgres/transaction.h"

namespace pgtally {
namespace {

constexpr std::size_t kCompared =
    10'000;  // rows that are compared at a time, and of a printed DELETE
constexpr std::size_t kDeleted = 1'000;  // rows of one transaction

using Key = std::vector<std::string>;  // output text of each key column

struct Window {
  std::vector<Key> keys;
  std::uint64_t refused = 0;
  [[nodiscard]] bool is_last(std::size_t most) const { return keys.size() < most; }
};

// One source's rows beside its entries.
class Comparison {
 public:
  [[nodiscard]] static Result<Comparison> make(const Ledger& ledger, const SourceInfo& source,
                                               TreeSize covered);

  // Sets where to stop: rows with a key before this one.
  void stop_before(Key key) { before_ = std::move(key); }

  // The next rows after `after`, at most `most`, compared with their latest entries; locked until
  // the transaction ends if `lock`. Reasons for refusal are added to the report.
  [[nodiscard]] Result<Window> next(const std::optional<Key>& after, std::size_t most, bool lock,
                                    PruneSourceReport& report);
  // Deletes exactly these rows.
  [[nodiscard]] Result<void> remove(const std::vector<Key>& keys);
  // A DELETE of what is recorded from `first` to `last`, for somebody else to run.
  [[nodiscard]] Result<std::string> delete_statement(const Key& first, const Key& last) const;

  [[nodiscard]] const SourceDefinition& definition() const { return newest_; }

 private:
  Comparison(const Ledger& ledger, SourceInfo source, TreeSize covered)
      : ledger_(&ledger), source_(std::move(source)), covered_(covered) {}

  struct Recorded {
    LeafIndex id;
    std::uint32_t definition = 0;
    Operation operation = Operation::kInsert;
    Hash content;
  };
  using Values = std::vector<std::optional<std::string_view>>;

  [[nodiscard]] Result<void> load_definitions();
  [[nodiscard]] Result<std::vector<std::optional<Recorded>>> latest_entries(
      const std::vector<Bytes>& keys) const;
  // Empty, or why the row may not go.
  [[nodiscard]] std::string refusal(const Values& row, const std::optional<Recorded>& entry) const;

  const Ledger* ledger_;
  SourceInfo source_;
  TreeSize covered_;
  SourceDefinition newest_;
  TableShape shape_;
  std::vector<std::string> columns_;  // that rows are read with
  std::map<std::uint32_t, Result<RowEncoder>> encoders_;
  std::optional<BlindingSecret> secret_;
  std::optional<LeafIndex> truncated_;  // by the last entry that says so
  std::vector<std::string> key_names_;  // quoted
  std::vector<std::string> key_types_;
  Key before_;
};

Result<Comparison> Comparison::make(const Ledger& ledger, const SourceInfo& source,
                                    TreeSize covered) {
  Comparison made(ledger, source, covered);
  TRY(made.newest_, read_definition(ledger, source.id));
  if (made.newest_.key.empty()) {
    return reject("source " + source.name + " has no key by which its rows could be found",
                  "Compare and delete its rows by hand.");
  }
  TRY(made.shape_, describe_table(ledger.connection(), made.newest_.relation));
  for (const std::string& name : made.newest_.key) {
    const TableColumn* column = made.shape_.column(name);
    if (column == nullptr) return reject("key column " + quoted(name) + " is gone");
    TRY(made.key_names_.emplace_back(), pg::quote_identifier(name));
    made.key_types_.push_back(column->cast_type);
  }
  TRY_VOID(made.load_definitions());
  TRY(const auto secrets, ledger.query("SELECT secret FROM pgtally.secret WHERE source_id = $1",
                                       pg::Params().int4(source.id)));
  if (!secrets.empty()) {
    TRY(const Hash secret, secrets.get<Hash>(0, 0));
    made.secret_ = secret.bytes;
  }
  TRY(const auto truncates,
      ledger.query(
          "SELECT max(id) FROM pgtally.processed_log WHERE source_id = $1 AND key = '' AND "
          "operation = 4",
          pg::Params().int4(source.id)));
  TRY(const auto truncated, truncates.get<std::optional<std::int64_t>>(0, 0));
  if (truncated) made.truncated_ = LeafIndex{static_cast<std::uint64_t>(*truncated)};
  return made;
}

// Each entry is held against the definition that it names, by the names that columns had then.
Result<void> Comparison::load_definitions() {
  std::vector<SourceDefinition> definitions;
  for (std::uint32_t number = 0; number <= newest_.number; ++number) {
    TRY(definitions.emplace_back(), read_definition(*ledger_, source_.id, number));
  }
  for (const TableColumn& column : shape_.columns) {
    const auto is_used = [&](const SourceDefinition& d) {
      return !column.generated || d.hash_column == column.name ||
             std::find(d.key.begin(), d.key.end(), column.name) != d.key.end();
    };
    if (std::any_of(definitions.begin(), definitions.end(), is_used)) {
      columns_.push_back(column.name);
    }
  }
  std::vector<std::string> names = columns_;
  for (auto d = definitions.rbegin(); d != definitions.rend(); ++d) {
    encoders_.emplace(d->number, RowEncoder::make(*d, names));
    for (const RenamedColumn& renamed : d->renamed) {
      std::replace(names.begin(), names.end(), renamed.to, renamed.from);
    }
  }
  return encoders_.at(newest_.number).ok() ? Result<void>{} : encoders_.at(newest_.number).error();
}

Result<std::vector<std::optional<Comparison::Recorded>>> Comparison::latest_entries(
    const std::vector<Bytes>& keys) const {
  // id + 0, so that nobody walks the primary key backwards in search of the key.
  TRY(const auto rows, ledger_->query(R"sql(
    SELECT e.id, e.definition, e.operation, e.content_hash
      FROM unnest($2::bytea[]) WITH ORDINALITY AS k(key, place)
      LEFT JOIN LATERAL (
        SELECT * FROM pgtally.processed_log AS p
         WHERE p.source_id = $1 AND p.key = k.key ORDER BY p.id + 0 DESC LIMIT 1) AS e ON true
     ORDER BY k.place)sql",
                                      pg::Params().int4(source_.id).bytea_array(keys)));
  std::vector<std::optional<Recorded>> entries(keys.size());
  for (std::size_t r = 0; r < rows.size(); ++r) {
    if (rows.is_null(r, 0)) continue;
    Recorded& entry = entries[r].emplace();
    TRY(entry.id, rows.get<LeafIndex>(r, 0));
    TRY(const auto definition, rows.get<std::int32_t>(r, 1));
    TRY(const auto operation, rows.get<std::int16_t>(r, 2));
    TRY(entry.content, rows.get<Hash>(r, 3));
    entry.definition = static_cast<std::uint32_t>(definition);
    entry.operation = static_cast<Operation>(operation);
  }
  return entries;
}

std::string Comparison::refusal(const Values& row, const std::optional<Recorded>& entry) const {
  if (!entry) return "not recorded";
  if (entry->operation == Operation::kDelete || (truncated_ && *truncated_ > entry->id)) {
    return "recorded as deleted, and in the table again";
  }
  if (entry->id.value >= covered_.value) {
    return fmt::format("entry {} is not under a signed checkpoint yet", entry->id.value);
  }
  const auto encoder = encoders_.find(entry->definition);
  if (encoder == encoders_.end())
    return fmt::format("entry {} names no definition", entry->id.value);
  if (!encoder->second.ok()) return encoder->second.error().message;
  const auto encoded = encoder->second->encode(row);
  if (!encoded.ok()) return encoded.error().message;
  const Hash published =
      secret_ ? blinded(salt_of(*secret_, entry->id), encoded->content) : encoded->content;
  if (published == entry->content) return "";
  return fmt::format("not what entry {} recorded", entry->id.value);
}

Result<Window> Comparison::next(const std::optional<Key>& after, std::size_t most, bool lock,
                                PruneSourceReport& report) {
  pg::Params params;
  const auto tuple = [&](const Key& key) {
    std::string out;
    for (std::size_t i = 0; i < key.size(); ++i) {
      params.unknown(key[i]);
      out += fmt::format("{}CAST(${} AS {})", i == 0 ? "" : ", ", params.size(), key_types_[i]);
    }
    return out;
  };
  const std::string key = fmt::format("t.{}", fmt::join(key_names_, ", t."));
  std::string columns;
  for (const std::string& name : columns_) {
    TRY(const auto column, pg::quote_identifier(name));
    columns += (columns.empty() ? "t." : ", t.") + column;
  }
  std::string sql = fmt::format("SELECT {} FROM {} AS t WHERE ({}) < ({})", columns,
                                newest_.relation, key, tuple(before_));
  if (after) sql += fmt::format(" AND ({}) > ({})", key, tuple(*after));
  sql += fmt::format(" ORDER BY {} LIMIT {}{}", key, most, lock ? " FOR UPDATE" : "");
  TRY(const auto rows, ledger_->connection().query_text(sql, params));

  std::vector<Values> values(rows.size());
  std::vector<Bytes> encoded(rows.size());
  const RowEncoder& encoder = *encoders_.at(newest_.number);
  Window window;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      TRY(values[r].emplace_back(), rows.get<std::optional<std::string_view>>(r, c));
    }
    TRY(encoded[r], encoder.encode_key(values[r]));
    Key& texts = window.keys.emplace_back();
    for (const std::string& name : newest_.key) {
      const auto place = std::find(columns_.begin(), columns_.end(), name) - columns_.begin();
      texts.emplace_back(values[r][static_cast<std::size_t>(place)].value_or(""));
    }
  }
  TRY(const auto entries, latest_entries(encoded));
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const std::string why = refusal(values[r], entries[r]);
    if (why.empty()) continue;
    ++window.refused;
    if (report.why.size() < PruneSourceReport::kMaxNamed) {
      report.why.push_back(
          fmt::format("{} {}: {}", source_.name, fmt::join(window.keys[r], " "), why));
    }
  }
  return window;
}

Result<void> Comparison::remove(const std::vector<Key>& keys) {
  pg::Params params;
  std::string arrays;
  std::string names;
  std::string conditions;
  for (std::size_t i = 0; i < key_names_.size(); ++i) {
    std::vector<std::string> values;
    for (const Key& key : keys) values.push_back(key[i]);
    params.text_array(values);
    arrays += fmt::format("{}${}::text[]", i == 0 ? "" : ", ", i + 1);
    names += fmt::format("{}k{}", i == 0 ? "" : ", ", i + 1);
    conditions += fmt::format("{}t.{} = CAST(d.k{} AS {})", i == 0 ? "" : " AND ", key_names_[i],
                              i + 1, key_types_[i]);
  }
  // By the key's index, whatever the planner believes of the table.
  TRY_VOID(ledger_->connection().execute(
      "SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; "
      "SET LOCAL enable_mergejoin = off"));
  TRY(const auto result, ledger_->connection().query(
                             fmt::format("DELETE FROM {} AS t USING unnest({}) AS d({}) WHERE {}",
                                         newest_.relation, arrays, names, conditions),
                             params));
  if (result.affected() == keys.size()) return {};
  return operator_error(
      fmt::format("of {} rows {} could be deleted", keys.size(), result.affected()),
      "Look for triggers and rules on " + newest_.relation +
          ". These rows were left as they were.");
}

Result<std::string> Comparison::delete_statement(const Key& first, const Key& last) const {
  const auto tuple = [&](const Key& key) -> Result<std::string> {
    std::string out;
    for (std::size_t i = 0; i < key.size(); ++i) {
      TRY(const auto literal, pg::quote_literal(key[i]));
      out += fmt::format("{}{}::{}", i == 0 ? "" : ", ", literal, key_types_[i]);
    }
    return out;
  };
  TRY(const auto from, tuple(first));
  TRY(const auto to, tuple(last));
  TRY(const auto text, source_text(ledger_->schema(), source_.id, newest_, shape_));
  std::string texts;
  for (std::size_t i = 0; i < key_names_.size(); ++i) {
    texts += fmt::format("{}format('%s', t.{}) AS t{}", i == 0 ? "" : ", ", key_names_[i], i + 1);
  }
  const std::string key = fmt::format("t.{}", fmt::join(key_names_, ", t."));
  return fmt::format(
      "DELETE FROM {} AS t\n WHERE ({}) >= ({}) AND ({}) <= ({})\n"
      "   AND EXISTS (SELECT FROM {}.processed_log AS p WHERE p.source_id = {} AND p.id < {}\n"
      "                AND p.key = (SELECT {} FROM (SELECT {}) AS w));\n",
      newest_.relation, key, from, key, to, ledger_->schema(), source_.id, covered_.value, text.key,
      texts);
}

Result<SourceInfo> prunable(const Ledger& ledger, const std::string& name,
                            std::vector<std::string>& notes) {
  TRY(const SourceInfo source, find_source(ledger, name));
  if (source.mode == "append") {
    return reject("source " + name + " has no table of its own: its rows are in staging",
                  "pgtally prune, without --source, drops those that a checkpoint covers.");
  }
  TRY(const auto rows,
      ledger.query("SELECT endpoint_id IS NOT NULL, track_changes FROM pgtally.source "
                   "WHERE source_id = $1",
                   pg::Params().int4(source.id)));
  TRY(const bool elsewhere, rows.get<bool>(0, 0));
  TRY(const bool tracked, rows.get<bool>(0, 1));
  if (elsewhere) {
    return reject("the table of source " + name + " is in another database",
                  "Only tables beside the ledger can be compared and pruned in one transaction.");
  }
  if (tracked || source.mode == "logical") {
    notes.push_back("changes of " + name + " are recorded, so each delete becomes an entry, too");
  } else {
    notes.push_back("an audit will report rows that were deleted as missing");
  }
  notes.emplace_back(
      "the log holds hashes: keep a copy if the rows' contents have to be shown later");
  return source;
}

// Batch by batch, each compared again with its rows locked.
Result<void> execute(const Ledger& ledger, Comparison& comparison, PruneSourceReport& report,
                     const PruneProgress& progress) {
  while (true) {
    TRY(auto transaction, pg::Transaction::begin(ledger.connection()));
    TRY(const Window window, comparison.next({}, kDeleted, true, report));
    report.refused += window.refused;
    if (window.keys.empty() || window.refused > 0) return {};
    TRY_VOID(comparison.remove(window.keys));
    const pg::CommitResult result = transaction.commit();
    if (result.outcome != pg::CommitOutcome::kCommitted) {
      return retry("whether the last rows were deleted is not known: " + result.reason,
                   "Run it again: what is left is compared anew.");
    }
    report.deleted += window.keys.size();
    if (progress) progress(report.rows + report.deleted);
    if (window.is_last(kDeleted)) return {};
  }
}

}  // namespace

Result<PruneSourceReport> prune_source(const Ledger& ledger, const PruneSourceRequest& request,
                                       const PruneProgress& progress) {
  PruneSourceReport report;
  TRY(const SourceInfo source, prunable(ledger, request.source, report.notes));
  TRY(const StoredCheckpoint checkpoint, covering_checkpoint(ledger));
  report.covered = checkpoint.size;
  TRY(Comparison comparison, Comparison::make(ledger, source, checkpoint.size));
  TRY(auto before, key_values(ledger, source, request.before));
  comparison.stop_before(std::move(before));

  std::optional<Key> after;
  while (true) {
    TRY(const Window window, comparison.next(after, kCompared, false, report));
    report.rows += window.keys.size();
    report.refused += window.refused;
    if (!window.keys.empty()) {
      TRY(const auto statement,
          comparison.delete_statement(window.keys.front(), window.keys.back()));
      report.sql += statement;
      after = window.keys.back();
    }
    if (progress) progress(report.rows);
    if (window.is_last(kCompared)) break;
  }
  if (report.refused > 0) report.sql.clear();
  if (request.execute && report.refused == 0) {
    TRY_VOID(execute(ledger, comparison, report, progress));
  }
  return report;
}

}  // namespace pgtally
