#include "torture/workload.h"

#include <fmt/format.h>

#include <random>

#include "crypto/sha256.h"
#include "pgtally/content.h"
#include "torture/must.h"

namespace pgtally::torture {
namespace {

using std::chrono::milliseconds;

// Appends the rows of one table that a statement returned as (id).
Result<void> insert(pg::Connection& connection, Table table, const std::vector<std::string>& bodies,
                    std::vector<WrittenRow>* rows) {
  const char* values =
      table == Table::kStaging ? "(data) SELECT convert_to(b, 'UTF8')" : "(body) SELECT b";
  TRY(const auto answer,
      connection.query(
          fmt::format("INSERT INTO {} {} FROM unnest($1::text[]) AS b RETURNING id, {}",
                      relation_of(table), values, body_of(table)),
          pg::Params().text_array(bodies)));
  if (rows == nullptr) return {};
  for (std::size_t r = 0; r < answer.size(); ++r) {
    TRY(const auto id, answer.get<std::int64_t>(r, 0));
    TRY(auto body, answer.get<std::string>(r, 1));
    rows->push_back({table, id, std::move(body)});
  }
  return {};
}

class Writer {
 public:
  Writer(std::string conninfo, std::size_t number, WriterRecord& record)
      : conninfo_(std::move(conninfo)), number_(number), random_(number), record_(record) {}

  // One transaction; how many rows it committed. kRetry if the session was lost.
  [[nodiscard]] Result<std::uint64_t> transact() {
    if (!connection_ || !connection_->is_alive()) {
      connection_.reset();
      TRY(auto opened,
          pg::Connection::open(conninfo_ + " application_name=" + Workload::kApplicationName));
      connection_.emplace(std::move(opened));
    }
    ++transaction_;
    rows_.clear();
    const int kind = below(10);
    TRY(auto transaction, pg::Transaction::begin(*connection_));
    TRY_VOID(write_some(3));
    if (kind == 0) {
      TRY_VOID(transaction.rollback());
      ++record_.rolled_back;
      return 0;
    }
    if (kind == 1) TRY_VOID(write_around_savepoint());
    if (kind == 2 || kind == 3) TRY_VOID(write_with_exceptions());
    if (kind == 4) {
      std::this_thread::sleep_for(milliseconds(below(40)));
      TRY_VOID(write_some(2));
    }
    const pg::CommitResult result = transaction.commit();
    if (result.outcome == pg::CommitOutcome::kRolledBack) return retry(result.reason);
    const bool known = result.outcome == pg::CommitOutcome::kCommitted;
    auto& list = known ? record_.committed : record_.in_doubt;
    list.insert(list.end(), rows_.begin(), rows_.end());
    if (!known) return retry(result.reason);
    ++record_.transactions;
    record_.savepoints += kind == 1 ? 1U : 0U;
    record_.exceptions += kind == 2 || kind == 3 ? 1U : 0U;
    return rows_.size();
  }

 private:
  int below(int n) { return std::uniform_int_distribution<int>(0, n - 1)(random_); }

  std::string next_body() {
    return fmt::format("writer {} transaction {} row {} {:x}", number_, transaction_, ++row_,
                       random_());
  }

  // Up to `most` rows in each of one, two or three tables, in any order.
  Result<void> write_some(int most) {
    const int first = below(3);
    const int tables = 1 + below(3);
    for (int t = 0; t < tables; ++t) {
      std::vector<std::string> bodies;
      for (int n = 1 + below(most); n > 0; --n) bodies.push_back(next_body());
      TRY_VOID(
          insert(*connection_, kTables[static_cast<std::size_t>((first + t) % 3)], bodies, &rows_));
    }
    return {};
  }

  Result<void> write_around_savepoint() {
    TRY_VOID(connection_->execute("SAVEPOINT s"));
    for (const Table table : kTables) {
      TRY_VOID(insert(*connection_, table, {next_body(), next_body()}, nullptr));
    }
    TRY_VOID(connection_->execute("ROLLBACK TO s"));
    TRY_VOID(write_some(2));
    TRY_VOID(connection_->execute("RELEASE s; SAVEPOINT t"));
    return write_some(2);
  }

  Result<void> write_with_exceptions() {
    const std::vector<std::string> stays{next_body(), next_body(), next_body()};
    TRY(const auto answer,
        connection_->query("SELECT relation, id FROM public.write_with_exceptions($1, $2)",
                           pg::Params().text_array(stays).text(next_body())));
    for (std::size_t r = 0; r < answer.size(); ++r) {
      TRY(const auto table, answer.get<std::int32_t>(r, 0));
      TRY(const auto id, answer.get<std::int64_t>(r, 1));
      rows_.push_back({static_cast<Table>(table), id, stays[r]});
    }
    return {};
  }

  std::string conninfo_;
  std::size_t number_;
  std::mt19937_64 random_;
  WriterRecord& record_;
  std::optional<pg::Connection> connection_;
  std::uint64_t transaction_ = 0;
  std::uint64_t row_ = 0;
  std::vector<WrittenRow> rows_;  // of the transaction that runs
};

// The hash of a row's content, computed from what its writer knows.
Hash content_of(const WrittenRow& row) {
  if (row.table == Table::kStaging) return sha256(as_bytes(row.body));
  const std::string id = std::to_string(row.id);
  const std::vector<RowColumnView> columns{{"id", id}, {"body", row.body}};
  return sha256(must(encode_row(columns)));
}

ChangeId id_of(const WrittenRow& row) {
  return {name_of(row.table), row.id, 1};
}

void add(Truth& truth, const WrittenRow& row) {
  truth.add(id_of(row), {Operation::kInsert, content_of(row)});
}

}  // namespace

Workload::Workload(std::string conninfo, WorkloadOptions options)
    : conninfo_(std::move(conninfo)), options_(options) {
  records_.resize(static_cast<std::size_t>(options_.writers));
  for (std::size_t w = 0; w < records_.size(); ++w) threads_.emplace_back([this, w] { write(w); });
}

Workload::~Workload() {
  stop();
}

void Workload::stop() {
  stopping_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void Workload::write(std::size_t number) {
  Writer writer(conninfo_, number, records_[number]);
  while (!stopping_) {
    const auto rows = writer.transact();
    if (rows.ok()) committed_ += *rows;
    std::this_thread::sleep_for(rows.ok() ? options_.pause : milliseconds(20));
  }
}

LongTransactions::LongTransactions(const std::string& conninfo)
    : writer_(must(pg::Connection::open(conninfo))),
      key_holder_(must(pg::Connection::open(conninfo))) {
  written_.emplace(must(pg::Transaction::begin(writer_)));
  for (const Table table : kTables) {
    must(insert(writer_, table, {fmt::format("written first, {}", name_of(table))}, &rows_));
  }
  drawn_.emplace(must(pg::Transaction::begin(key_holder_)));
  const auto key = must(key_holder_.query("SELECT nextval('public.reading_id_seq')"));
  drawn_key_ = must(key.get<std::int64_t>(0, 0));

  // The names of prepared transactions are shared by all databases of a cluster.
  auto preparing = must(pg::Connection::open(conninfo));
  const auto database = must(preparing.query("SELECT quote_literal(current_database())"));
  prepared_ = must(database.get<std::string>(0, 0));
  must(preparing.execute("BEGIN"));
  for (const Table table : kTables) {
    must(insert(preparing, table, {fmt::format("prepared, {}", name_of(table))}, &rows_));
  }
  must(preparing.execute("PREPARE TRANSACTION " + prepared_));
}

std::vector<WrittenRow> LongTransactions::commit() {
  const std::string body = "drawn first, written last";
  must(key_holder_.query("INSERT INTO public.reading (id, body) VALUES ($1, $2)",
                         pg::Params().int8(drawn_key_).text(body)));
  rows_.push_back({Table::kReading, drawn_key_, body});
  for (auto* transaction : {&*written_, &*drawn_}) {
    const pg::CommitResult result = transaction->commit();
    if (result.outcome != pg::CommitOutcome::kCommitted) throw std::runtime_error(result.reason);
  }
  must(writer_.execute("COMMIT PREPARED " + prepared_));
  return rows_;
}

Truth find_truth(const std::string& conninfo, const std::vector<WriterRecord>& records,
                 const std::vector<WrittenRow>& others) {
  auto connection = must(pg::Connection::open(conninfo));
  Truth truth;
  truth.polled = {name_of(Table::kReading)};
  for (const WrittenRow& row : others) add(truth, row);
  for (const WriterRecord& record : records) {
    auto& in_order = truth.in_order.emplace_back();
    for (const WrittenRow& row : record.committed) {
      add(truth, row);
      if (row.table != Table::kReading) in_order.push_back(id_of(row));
    }
    truth.in_doubt += record.in_doubt.size();
    for (const Table table : kTables) {
      std::vector<std::string> bodies;
      for (const WrittenRow& row : record.in_doubt) {
        if (row.table == table) bodies.push_back(row.body);
      }
      if (bodies.empty()) continue;
      const auto found =
          must(connection.query(fmt::format("SELECT id, {0} FROM {1} WHERE {0} = ANY($1)",
                                            body_of(table), relation_of(table)),
                                pg::Params().text_array(bodies)));
      for (std::size_t r = 0; r < found.size(); ++r) {
        add(truth,
            {table, must(found.get<std::int64_t>(r, 0)), must(found.get<std::string>(r, 1))});
      }
    }
  }
  return truth;
}

}  // namespace pgtally::torture
