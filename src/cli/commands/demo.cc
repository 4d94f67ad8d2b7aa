// pgtally demo: the whole story in half a minute, on a database that is gone afterwards.

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "base/encoding.h"
#include "cli/commands/list.h"
#include "cli/demo_stage.h"
#include "cli/demo_tamper.h"
#include "cli/ledger_session.h"
#include "cli/program.h"
#include "cli/rewrite_ledger.h"
#include "cli/terminal/numbers.h"
#include "ledger/ledger.h"
#include "postgres/transaction.h"

namespace pgtally::cli {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr int kWriters = 4;
constexpr int kRowsInTransaction = 5;
constexpr int kRollbackEvery = 5;

constexpr const char* kTables =
    "CREATE TABLE payment (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    "                      payer text NOT NULL, amount numeric(12,2) NOT NULL);"
    "CREATE TABLE login (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    "                    person text NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp())";

// How many rows of the tables are in the log: a full join that has as many rows as either side has
// joined each row to exactly one entry.
constexpr const char* kCompare =
    "SELECT count(t.id), count(l.id), count(*)"
    "  FROM (SELECT 'payment' AS name, id FROM public.payment UNION ALL SELECT 'login', id FROM "
    "public.login) AS "
    "t"
    "  FULL JOIN (SELECT name, source_position::bigint AS id"
    "               FROM pgtally.processed_log JOIN pgtally.source USING (source_id)"
    "              WHERE operation = 1) AS l USING (name, id)";

struct Written {
  std::atomic<std::uint64_t> committed{0};
  std::atomic<std::uint64_t> rolled_back{0};
};

// Short transactions over both tables, every fifth rolled back, which leaves gaps in the ids.
Result<void> keep_writing(const std::string& conninfo, int writer, const std::atomic<bool>& stop,
                          Written& written) {
  TRY(auto connection, pg::Connection::open(conninfo));
  for (int round = 1; !stop; ++round) {
    TRY(auto transaction, pg::Transaction::begin(connection));
    TRY_VOID(
        connection.execute(fmt::format("INSERT INTO payment (payer, amount) SELECT 'payer {0}', "
                                       "{1} + n FROM generate_series(1, {2}) n;"
                                       "INSERT INTO login (person) VALUES ('person {0}')",
                                       writer, round, kRowsInTransaction - 1)));
    if (round % kRollbackEvery == 0) {
      TRY_VOID(transaction.rollback());
      written.rolled_back += kRowsInTransaction;
    } else if (const auto result = transaction.commit();
               result.outcome == pg::CommitOutcome::kCommitted) {
      written.committed += kRowsInTransaction;
    } else {
      return retry("a writer's COMMIT failed: " + result.reason);
    }
  }
  return {};
}

class Demo : public Command {
 public:
  Description describe() const override {
    return {
        .name = "demo",
        .group = Group::kStart,
        .summary = "show in half a minute what pgtally does, on a database that goes away again",
        .usage = "[tamper | rewrite-ledger] [--seconds N]",
        .details =
            "Makes a private PostgreSQL in a temporary directory, writes to two tables from "
            "several sessions at once while their rows are recorded, proves and verifies "
            "one row, and changes it behind the ledger's back. Uses no other database, "
            "whatever is set, and leaves nothing.\n\n`demo tamper` does the same with a few ways "
            "of "
            "falsifying rows and log, each followed by an audit that names it.\n\n`demo "
            "rewrite-ledger` is the exception: on the private cluster that --embedded or "
            "PGTALLY_EMBEDDED names, and on no other database, it plays the operator who has it "
            "all. It writes the ledger there anew as if the rows of today had always been so, and "
            "signs it with the real key. What can tell is a checkpoint that was kept elsewhere.",
        .examples = {{"pgtally demo", "Watch it"},
                     {"pgtally demo --seconds 20", "With more rows"},
                     {"pgtally demo tamper", "What an audit finds"},
                     {"pgtally demo rewrite-ledger",
                      "And what it cannot find without a checkpoint from outside"}}};
  }
  void declare(Options& options) override {
    options.argument("WHAT", what_, "tamper or rewrite-ledger; else the whole story");
    options.option("--seconds", "N", seconds_, "how long the writers write (3)");
  }

  Result<Exit> run(Context& context) override {
    if (seconds_ < 1 || seconds_ > 3600) return reject("--seconds is from 1 to 3600");
    if (what_ == "rewrite-ledger") return rewrite(context);
    if (what_ && what_ != "tamper") {
      return reject("there is no demonstration " + pgtally::quoted(*what_),
                    "There are tamper, rewrite-ledger, and the one without a name.");
    }
    TRY(const DemoStage stage, DemoStage::build(context));
    if (what_) {
      TRY_VOID(play_tampering(stage));
      stage.say("That was all; the server and its files are removed now.");
      return Exit::kOk;
    }
    TRY_VOID(make_ledger(stage));
    TRY(const std::string late, record_while_others_write(stage));
    TRY_VOID(prove_and_verify(stage, late));
    TRY_VOID(cheat(stage, late));
    stage.say("That was all; the server and its files are removed now.",
              "To record tables of your own, begin with: pgtally init --help");
    return Exit::kOk;
  }

 private:
  static Result<void> make_ledger(const DemoStage& stage) {
    stage.say("1  A ledger beside two tables",
              "Plain tables of some application: payment and login. They are not changed.");
    TRY(auto connection, pg::Connection::open(stage.conninfo()));
    TRY_VOID(connection.execute(kTables));
    TRY_VOID(stage.pgtally({"init", "--origin", "demo.example/shop"}));
    TRY_VOID(stage.pgtally({"source", "add", "payment", "--table", "payment", "--key", "id"}));
    return stage.pgtally(
        {"source", "add", "login", "--table", "login", "--key", "id", "--time", "at"});
  }

  // Returns the id of the row whose transaction committed last of all.
  Result<std::string> record_while_others_write(const DemoStage& stage) const {
    stage.say(
        "2  Recording while others write",
        fmt::format("{} sessions write for {} s, and roll back one transaction in {}. One more "
                    "inserts a payment at the very\nbeginning, and commits it when all others "
                    "are done: whoever looks for ids above the last one never sees it.",
                    kWriters, seconds_, kRollbackEvery));
    const std::string& conninfo = stage.conninfo();
    TRY(auto patient, pg::Connection::open(conninfo));
    TRY(auto transaction, pg::Transaction::begin(patient));
    TRY(const auto late, patient.query("INSERT INTO payment (payer, amount) VALUES ('ACME', 1200)"
                                       " RETURNING id::text"));
    TRY(const std::string id, late.get<std::string>(0, 0));

    Written written;
    TRY(auto service, pg::Connection::open(conninfo));
    TRY_VOID(record_beside_writers(stage, service, written));
    TRY(const auto so_far, service.query("SELECT max(id)::text FROM public.payment"));
    TRY(const std::string highest, so_far.get<std::string>(0, 0));
    if (const auto result = transaction.commit(); result.outcome != pg::CommitOutcome::kCommitted) {
      return retry("a writer's COMMIT failed: " + result.reason);
    }
    stage.tell(fmt::format(
        "Payment {} is committed now; the log has taken payments up to {} before.", id, highest));
    TRY_VOID(stage.pgtally({"run", "--once"}));
    TRY_VOID(stage.pgtally({"status"}));

    TRY(const auto compared, service.query(kCompare));
    TRY(const auto rows, compared.get<std::int64_t>(0, 0));
    TRY(const auto entries, compared.get<std::int64_t>(0, 1));
    TRY(const auto pairs, compared.get<std::int64_t>(0, 2));
    const auto committed = static_cast<std::int64_t>(written.committed + 1);
    if (rows != committed || entries != committed || pairs != committed) {
      return tampered(
          fmt::format("{} rows were committed; {} are in the tables, {} in the log, {} in "
                      "either",
                      committed, rows, entries, pairs),
          "This should be impossible. Please report it.");
    }
    stage.tell(
        fmt::format("\n{} committed, and each is in the log exactly once. {} rolled back, and "
                    "none of them is.",
                    counted(written.committed + 1, "row was", "rows were"),
                    counted(written.rolled_back, "was", "were")));
    return id;
  }

  Result<void> record_beside_writers(const DemoStage& stage, pg::Connection& service,
                                     Written& written) const {
    std::atomic<bool> stop{false};
    std::vector<Result<void>> outcomes(kWriters);
    Result<void> recorded;
    {
      std::vector<std::jthread> writers;
      for (int i = 0; i < kWriters; ++i) {
        writers.emplace_back([&, i] {
          outcomes[static_cast<std::size_t>(i)] =
              keep_writing(stage.conninfo(), i + 1, stop, written);
        });
      }
      const auto end = SteadyClock::now() + std::chrono::seconds(seconds_);
      while (recorded.ok() && SteadyClock::now() < end) {
        recorded = record_once(stage, service);
      }
      stop = true;
    }
    for (const auto& outcome : outcomes) TRY_VOID(outcome);
    TRY_VOID(recorded);
    return record_once(stage, service);
  }

  static Result<void> record_once(const DemoStage& stage, pg::Connection& service) {
    TRY_VOID(stage.go_on());
    TRY([[maybe_unused]] const auto report, run_once(service, stage.options(), {}));
    return {};
  }

  static Result<void> prove_and_verify(const DemoStage& stage, const std::string& id) {
    stage.say(
        "3  Proving a row to a stranger",
        "The proof is a file. Whoever has it and the verifier key needs no database to check it.");
    TRY_VOID(stage.pgtally({"prove", "payment", id, "--row", "-o", "late.tlog-proof"}));
    TRY(auto connection, pg::Connection::open(stage.conninfo()));
    TRY(const Ledger ledger, Ledger::open(connection, stage.options().schema));
    TRY_VOID(stage.pgtally({"verify", "late.tlog-proof", "--vkey", ledger.vkey()}));
    TRY_VOID(stage.pgtally({"prove-order", "login:1", "payment:" + id, "-o", "a.order-proof"}));
    return stage.pgtally({"verify", "a.order-proof", "--vkey", ledger.vkey()});
  }

  static Result<void> cheat(const DemoStage& stage, const std::string& id) {
    const std::string change = "UPDATE payment SET amount = 12000 WHERE id = " + id;
    stage.say("4  Changing the row behind the ledger's back", "SQL: " + change);
    TRY(auto connection, pg::Connection::open(stage.conninfo()));
    TRY_VOID(connection.execute(change));
    TRY_VOID(stage.pgtally({"prove", "payment", id, "--row"}, Exit::kNo));
    stage.tell(
        "\nThe row is not what was recorded any more, and there is no proof that says so.\n"
        "The file from before still shows what was.");
    return {};
  }

  static Result<Exit> rewrite(Context& context) {
    if (!context.globals().embedded) {
      return reject(
          "this would destroy a ledger, and does it to no database but a private one",
          "Name the private cluster with --embedded DIR or PGTALLY_EMBEDDED, as the quick "
          "start's env does.");
    }
    TRY(const RunnerOptions options, runner_options(context, ""));
    TRY(const Ledger ledger, open_ledger(context));
    TRY(const Rewritten done, rewrite_ledger(ledger, options));
    Output& out = context.output();
    out.line(fmt::format("rewrote  {} as {}: what the tables hold now, as if it had always been so",
                         counted(done.before, "entry", "entries"),
                         with_thousands(done.size.value)));
    out.line("signed   root " + to_base64(done.root.view()) + ", with the ledger's own key");
    out.line("guard    put back, so that nobody here minds");
    out.remark(
        "Next: pgtally audit                                    it finds nothing, and says why\n"
        "      pgtally audit --checkpoint outside.checkpoint    it does, if one was kept before");
    return Exit::kOk;
  }

  std::optional<std::string> what_;
  std::uint64_t seconds_ = 3;
};

}  // namespace

void add_demo(Program& program) {
  program.add(std::make_unique<Demo>());
}

}  // namespace pgtally::cli
