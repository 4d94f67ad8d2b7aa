// pgtally append: write to an append source by hand.

#include <iostream>

#include "cli/commands/list.h"
#include "cli/json.h"
#include "cli/ledger_session.h"
#include "cli/program.h"
#include "cli/terminal/numbers.h"
#include "postgres/copy.h"
#include "postgres/transaction.h"

namespace pgtally::cli {
namespace {

// A line of standard input that is longer is refused rather than kept in memory without bound.
constexpr std::size_t kMaxData = std::size_t{64} << 20;
constexpr std::uint64_t kLinesPerTransaction = 10'000;

class Append : public Command {
 public:
  Description describe() const override {
    return {.name = "append",
            .group = Group::kRecord,
            .summary = "append data to the ledger itself",
            .usage = "[DATA…] [--source NAME]",
            .details =
                "Each argument, or without arguments each line of standard input, becomes one "
                "row of an append source. The ids that are printed are the rows' keys.",
            .examples = {{"pgtally append 'door 7 opened'", "One row"},
                         {"pgtally append --source events < events.jsonl", "A row for each line"},
                         {"pgtally run --once && pgtally prove append_only_log 1 --row",
                          "Prove the first"}}};
  }
  void declare(Options& options) override {
    options.optional_arguments("DATA", data_, "the data; else lines of standard input");
    options.option("--source", "NAME", source_, "the append source (append_only_log)");
  }
  Result<Exit> run(Context& context) override {
    TRY(const Ledger ledger, open_ledger(context));
    if (data_.empty()) return append_lines(context, ledger);
    json::array ids;
    TRY(auto transaction, pg::Transaction::begin(ledger.connection()));
    std::vector<std::int64_t> appended;
    for (const std::string& data : data_) {
      TRY(const std::int64_t id, append_one(ledger, data));
      appended.push_back(id);
    }
    TRY_VOID(committed(transaction));
    for (const std::int64_t id : appended) {
      ids.push_back(id);
      if (!context.json()) context.output().line(std::to_string(id));
    }
    if (context.json()) print_json(context.output(), {{"ok", true}, {"ids", std::move(ids)}});
    return Exit::kOk;
  }

 private:
  Result<std::int64_t> append_one(const Ledger& ledger, const std::string& data) const {
    TRY(const auto rows, ledger.query("SELECT pgtally.append($1, $2)",
                                      pg::Params().bytea(as_bytes(data)).text(source_)));
    return rows.get<std::int64_t>(0, 0);
  }

  static Result<void> committed(pg::Transaction& transaction) {
    const pg::CommitResult result = transaction.commit();
    if (result.outcome == pg::CommitOutcome::kCommitted) return {};
    return retry("whether the rows were committed is not known: " + result.reason,
                 "Look whether they are there before you append them again.");
  }

  Result<Exit> append_lines(Context& context, const Ledger& ledger) const {
    std::uint64_t lines = 0;
    std::string line;
    bool more = true;
    while (more) {
      TRY(auto transaction, pg::Transaction::begin(ledger.connection()));
      std::uint64_t in_transaction = 0;
      while (in_transaction < kLinesPerTransaction && (more = !!std::getline(std::cin, line))) {
        if (line.size() > kMaxData) {
          return reject("line " + std::to_string(lines + in_transaction + 1) + " is longer than " +
                        std::to_string(kMaxData) + " bytes");
        }
        TRY([[maybe_unused]] const auto id, append_one(ledger, line));
        ++in_transaction;
      }
      TRY_VOID(committed(transaction));
      lines += in_transaction;
    }
    if (context.json()) {
      print_json(context.output(), {{"ok", true}, {"rows", lines}});
    } else {
      context.output().line("appended " + counted(lines, "row", "rows"));
    }
    return Exit::kOk;
  }

  std::vector<std::string> data_;
  std::string source_ = "append_only_log";
};

}  // namespace

void add_append(Program& program) {
  program.add(std::make_unique<Append>());
}

}  // namespace pgtally::cli
