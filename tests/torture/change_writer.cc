#include "torture/change_writer.h"

#include <fmt/format.h>

#include <chrono>
#include <thread>

namespace pgtally::torture {
namespace {

constexpr std::size_t kMostPrepared = 3;
constexpr int kStock = 20;
// So many of the first rows that all writers want to change them at once.
constexpr int kHotRows = 40;

// SQL for the key of some row at or after `from`; null where there is none.
std::string some_row(const SourceTable& table, std::int64_t from) {
  return fmt::format("(SELECT id FROM public.{} WHERE id >= {} ORDER BY id LIMIT 1)", table.name,
                     from);
}

}  // namespace

ChangeWriter::ChangeWriter(const Databases& databases, const std::vector<SourceTable>& tables,
                           std::size_t number, const std::atomic<bool>& settled,
                           ChangeRecord& record)
    : databases_(databases),
      tables_(tables),
      number_(number),
      settled_(settled),
      record_(record),
      random_(number) {}

Result<std::uint64_t> ChangeWriter::transact() {
  if (!prepared_.empty() && (prepared_.size() >= kMostPrepared || below(8) == 0)) return decide();
  now_ = {};
  now_.name = fmt::format("writer {} transaction {}", number_, ++transaction_number_);
  now_.place = tables_[random_() % tables_.size()].place;
  is_settled_ = settled_;
  TRY(connection_, session(now_.place));
  const auto written = [&]() -> Result<void> {
    TRY_VOID(
        connection_->execute("BEGIN; INSERT INTO public.receipt VALUES ('" + now_.name + "')"));
    TRY_VOID(write_some(4));
    if (!is_settled_ || below(100) > 0) return {};
    ++record_.long_ones;
    std::this_thread::sleep_for(std::chrono::milliseconds(1000 + below(4000)));
    return write_some(2);
  }();
  if (written.ok()) return end();
  ++record_.failed;
  // A key of the stock that somebody else has used by now was drawn before a crash.
  if (connection_->last_sqlstate() == "23505") stock_.clear();
  if (connection_->is_alive()) TRY_VOID(connection_->execute("ROLLBACK"));
  return written.error();
}

Result<pg::Connection*> ChangeWriter::session(Place place) {
  const auto it = sessions_.find(place);
  if (it != sessions_.end() && it->second.is_alive()) {
    // finish() leaves a transaction that failed as it is.
    if (it->second.transaction_status() == pg::TransactionStatus::kInError) {
      TRY_VOID(it->second.execute("ROLLBACK"));
    }
    return &it->second;
  }
  if (it != sessions_.end()) sessions_.erase(it);
  // What a sequence gave out in a transaction that was lost, it may give out again.
  stock_.clear();
  TRY(auto opened, pg::Connection::open(databases_.of(place)));
  TRY_VOID(opened.execute("SET lock_timeout = '1s'"));
  return &sessions_.emplace(place, std::move(opened)).first->second;
}

std::string ChangeWriter::next_body() {
  return fmt::format("{} row {} {:x}", now_.name, ++row_number_, random_());
}

Result<void> ChangeWriter::write_some(int most) {
  for (int n = 1 + below(most); n > 0;) {
    const SourceTable& table = tables_[random_() % tables_.size()];
    if (table.place != now_.place) continue;
    TRY_VOID(write(table));
    --n;
  }
  return {};
}

// One statement, and now and then another one before it that comes to nothing.
Result<void> ChangeWriter::write(const SourceTable& table) {
  const int how = below(10);
  TRY(const Statement statement, plan(table));
  if (how > 2) return carry_out(statement, statement.sql, {});
  TRY(const Statement doomed, plan(table));
  if (how > 0) {
    ++record_.exceptions;
    return carry_out(statement, "SELECT id, version, old_id FROM public.in_block($1, $2)",
                     pg::Params().text(doomed.sql).text(statement.sql));
  }
  ++record_.savepoints;
  TRY_VOID(connection_->execute("SAVEPOINT s"));
  TRY_VOID(connection_->execute(doomed.sql));
  TRY_VOID(connection_->execute(below(2) == 0 ? "ROLLBACK TO s"
                                              : "ROLLBACK TO s; RELEASE s; SAVEPOINT t"));
  return carry_out(statement, statement.sql, {});
}

Result<ChangeWriter::Statement> ChangeWriter::plan(const SourceTable& table) {
  const int what = table.changes && is_settled_ ? below(100) : 0;
  if (what < 40) {
    std::optional<std::int64_t> key;
    if (!table.is_staging() && below(6) == 0) {
      TRY(key, key_from_stock(table));
    }
    return plan_insert(table, key);
  }
  const std::int64_t newest = std::max<std::int64_t>(newest_[table.name], kHotRows);
  const std::int64_t from = below(4) == 0
                                ? below(kHotRows)
                                : std::uniform_int_distribution<std::int64_t>(0, newest)(random_);
  if (what < 80) {
    std::string body = next_body();
    std::string sql = fmt::format(
        "UPDATE public.{} SET version = version + 1, body = '{}' WHERE id = {} "
        "RETURNING id, version, id",
        table.name, body, some_row(table, from));
    return Statement{&table, Operation::kUpdate, std::move(body), std::move(sql), false};
  }
  if (what < 92) {
    return Statement{
        &table, Operation::kDelete, "",
        fmt::format("DELETE FROM public.{} WHERE id = {} RETURNING id, version + 1, id", table.name,
                    some_row(table, from)),
        false};
  }
  // A new key for the row.
  std::string body = next_body();
  std::string sql = fmt::format(
      "WITH old AS MATERIALIZED (SELECT id FROM public.{0} WHERE id >= {1} ORDER BY id LIMIT 1 "
      "FOR UPDATE) UPDATE public.{0} AS t SET id = nextval('public.{0}_id_seq'), "
      "version = t.version + 1, body = '{2}' FROM old WHERE t.id = old.id "
      "RETURNING t.id, t.version, old.id",
      table.name, from, body);
  return Statement{&table, Operation::kUpdate, std::move(body), std::move(sql), false};
}

ChangeWriter::Statement ChangeWriter::plan_insert(const SourceTable& table,
                                                  std::optional<std::int64_t> key,
                                                  std::int64_t version) {
  std::string body = next_body();
  std::string sql;
  if (table.is_staging()) {
    sql = fmt::format(
        "INSERT INTO pgtally.append_only_log (data) VALUES (convert_to('{}', 'UTF8')) "
        "RETURNING id, 1::bigint, id",
        body);
  } else {
    sql = fmt::format(
        "INSERT INTO public.{0} (id, version, body) VALUES ({1}, {2}, '{3}') "
        "RETURNING id, version, id",
        table.name, key ? std::to_string(*key) : "nextval('public." + table.name + "_id_seq')",
        version, body);
  }
  return {&table, Operation::kInsert, std::move(body), std::move(sql), key.has_value()};
}

Result<void> ChangeWriter::carry_out(const Statement& statement, const std::string& sql,
                                     const pg::Params& params) {
  TRY(const auto rows, connection_->query(sql, params));
  const SourceTable& table = *statement.table;
  const bool in_order = is_settled_ && !statement.own_key && table.mode != "poll";
  for (std::size_t r = 0; r < rows.size(); ++r) {
    TRY(const auto id, rows.get<std::int64_t>(r, 0));
    TRY(const auto version, rows.get<std::int64_t>(r, 1));
    TRY(const auto old_id, rows.get<std::int64_t>(r, 2));
    Operation operation = statement.operation;
    if (old_id != id) {
      now_.changes.push_back({{table.name, old_id, version}, Operation::kDelete, "", in_order});
      operation = Operation::kInsert;
    }
    now_.changes.push_back({{table.name, id, version}, operation, statement.body, in_order});
    if (operation != Operation::kDelete) {
      std::int64_t& newest = newest_[table.name];
      newest = std::max(newest, id);
    } else if (below(3) == 0) {
      const Statement again = plan_insert(table, id, version + 1);
      TRY_VOID(carry_out(again, again.sql, {}));
    }
  }
  record_.late_keys += statement.own_key ? 1U : 0U;
  return {};
}

Result<std::optional<std::int64_t>> ChangeWriter::key_from_stock(const SourceTable& table) {
  auto& keys = stock_[table.name];
  std::optional<std::int64_t> key;
  if (!keys.empty()) {
    key = keys.back();
    keys.pop_back();
    return key;
  }
  TRY(const auto rows,
      connection_->query(fmt::format(
          "SELECT nextval('public.{}_id_seq') FROM generate_series(1, {})", table.name, kStock)));
  for (std::size_t r = 0; r < rows.size(); ++r) {
    TRY(keys.emplace_back(), rows.get<std::int64_t>(r, 0));
  }
  return key;
}

Result<std::uint64_t> ChangeWriter::end() {
  const int how = below(100);
  if (how < 10) {
    TRY_VOID(connection_->execute("ROLLBACK"));
    ++record_.rolled_back;
    return 0;
  }
  if (how < 14 && is_settled_) return prepare();
  const auto committed = connection_->execute("COMMIT");
  const std::uint64_t count = keep(committed.ok() ? Outcome::kCommitted : Outcome::kInDoubt);
  if (!committed.ok()) return committed.error();
  return count;
}

Result<std::uint64_t> ChangeWriter::prepare() {
  const auto done = connection_->execute("PREPARE TRANSACTION '" + now_.name + "'");
  // Unless the server said no, it may be there.
  if (!done.ok() && connection_->is_alive()) return done.error();
  for (WrittenChange& change : now_.changes) change.in_order = false;
  prepared_.push_back({std::move(now_), below(4) > 0});
  ++record_.prepared;
  if (!done.ok()) return done.error();
  return 0;
}

Result<std::uint64_t> ChangeWriter::decide() {
  const auto chosen = prepared_.begin() + below(static_cast<int>(prepared_.size()));
  TRY(connection_, session(chosen->transaction.place));
  const auto done = connection_->execute(fmt::format(
      "{} PREPARED '{}'", chosen->commits ? "COMMIT" : "ROLLBACK", chosen->transaction.name));
  const bool is_gone = !done.ok() && connection_->last_sqlstate() == "42704";
  if (!done.ok() && !is_gone) return done.error();
  now_ = std::move(chosen->transaction);
  const bool commits = chosen->commits;
  prepared_.erase(chosen);
  // One that is gone was never prepared, or an earlier attempt was carried out.
  if (commits) return keep(is_gone ? Outcome::kInDoubt : Outcome::kCommitted);
  ++record_.prepared_rolled_back;
  return 0;
}

std::uint64_t ChangeWriter::keep(Outcome outcome) {
  now_.outcome = outcome;
  const std::uint64_t changes = now_.changes.size();
  record_.transactions.push_back(std::move(now_));
  return outcome == Outcome::kCommitted ? changes : 0;
}

Result<void> ChangeWriter::finish() {
  for (const SourceTable& table : tables_) {
    if (stock_[table.name].empty()) continue;
    now_ = {};
    now_.name = fmt::format("writer {} transaction {}", number_, ++transaction_number_);
    now_.place = table.place;
    TRY(connection_, session(now_.place));
    TRY_VOID(
        connection_->execute("BEGIN; INSERT INTO public.receipt VALUES ('" + now_.name + "')"));
    for (const std::int64_t key : stock_[table.name]) {
      const Statement statement = plan_insert(table, key);
      TRY_VOID(carry_out(statement, statement.sql, {}));
    }
    stock_[table.name].clear();
    const auto committed = connection_->execute("COMMIT");
    keep(committed.ok() ? Outcome::kCommitted : Outcome::kInDoubt);
    TRY_VOID(committed);
  }
  while (!prepared_.empty()) {
    TRY([[maybe_unused]] const auto changes, decide());
  }
  return {};
}

}  // namespace pgtally::torture
