#include "cli/demo_tamper.h"

#include <array>

#include "cli/rewrite_ledger.h"
#include "ledger/ledger.h"
#include "postgres/connection.h"

namespace pgtally::cli {
namespace {

constexpr const char* kTables =
    "CREATE TABLE payment (id bigint PRIMARY KEY, payer text NOT NULL, amount numeric(12,2) NOT "
    "NULL);"
    "INSERT INTO payment SELECT n, 'payer ' || n % 7, n * 10 FROM generate_series(1, 500) AS n;"
    "CREATE TABLE login (id bigint PRIMARY KEY, person text NOT NULL);"
    "INSERT INTO login SELECT n, 'person ' || n % 5 FROM generate_series(1, 200) AS n";

struct Tampering {
  const char* heading;
  const char* sql;
  const char* undo;
};

// Each is undone, so that the next is found alone.
constexpr std::array<Tampering, 5> kTamperings{{
    {"A row is changed", "UPDATE payment SET amount = 71 WHERE id = 7",
     "UPDATE payment SET amount = 70 WHERE id = 7"},
    {"A row is deleted", "DELETE FROM login WHERE id = 8",
     "SELECT pgtally.switch_triggers(3, false); INSERT INTO login VALUES (8, 'person 3');"
     "SELECT pgtally.switch_triggers(3, true)"},
    {"A row is slipped in, with the ledger's triggers off",
     "SELECT pgtally.switch_triggers(3, false); INSERT INTO login VALUES (900, 'nobody'); "
     "SELECT pgtally.switch_triggers(3, true)",
     "DELETE FROM login WHERE id = 900"},
    {"Two rows exchange their payers",
     "UPDATE payment SET payer = 'payer ' || (25 - id) % 7 WHERE id IN (12, 13)",
     "UPDATE payment SET payer = 'payer ' || id % 7 WHERE id IN (12, 13)"},
    {"The log itself is changed, with its guards off",
     "ALTER TABLE pgtally.processed_log DISABLE TRIGGER USER; UPDATE pgtally.processed_log SET "
     "sequenced_at = sequenced_at - interval '1 day' WHERE id = 42",
     "UPDATE pgtally.processed_log SET sequenced_at = sequenced_at + interval '1 day' WHERE id = "
     "42;"
     "ALTER TABLE pgtally.processed_log ENABLE ALWAYS TRIGGER continue_log;"
     "ALTER TABLE pgtally.processed_log ENABLE ALWAYS TRIGGER refuse_change"},
}};

Result<void> make_ledger(const DemoStage& stage) {
  stage.say("1  A ledger beside two tables, and an audit",
            "500 payments and 200 logins are recorded. A checkpoint is kept outside.");
  TRY(auto connection, pg::Connection::open(stage.conninfo()));
  TRY_VOID(connection.execute(kTables));
  TRY_VOID(stage.pgtally({"init", "--origin", "demo.example/shop"}));
  TRY_VOID(stage.pgtally({"source", "add", "payment", "--table", "payment", "--key", "id"}));
  TRY_VOID(stage.pgtally(
      {"source", "add", "login", "--table", "login", "--key", "id", "--mode", "trigger"}));
  TRY_VOID(stage.pgtally({"run", "--once"}));
  TRY_VOID(stage.pgtally({"checkpoint", "-o", "outside.checkpoint"}));
  return stage.pgtally({"audit"});
}

Result<void> tamper(const DemoStage& stage) {
  int number = 2;
  for (const Tampering& one : kTamperings) {
    stage.say(std::to_string(number++) + "  " + one.heading, std::string("SQL: ") + one.sql);
    TRY(auto connection, pg::Connection::open(stage.conninfo()));
    TRY_VOID(connection.execute(one.sql));
    TRY_VOID(stage.pgtally({"audit"}, Exit::kNo));
    TRY_VOID(connection.execute(one.undo));
  }
  return {};
}

Result<void> rewrite_everything(const DemoStage& stage) {
  stage.say("7  The operator rewrites the whole ledger, and signs it with the real key",
            "SQL: UPDATE payment SET amount = 71 WHERE id = 7\n"
            "Then every entry, tile and checkpoint is made anew, as if it had always been so.");
  TRY(auto connection, pg::Connection::open(stage.conninfo()));
  TRY_VOID(connection.execute("UPDATE payment SET amount = 71 WHERE id = 7"));
  TRY(const Ledger ledger, Ledger::open(connection, stage.options().schema));
  TRY([[maybe_unused]] const Rewritten done, rewrite_ledger(ledger, stage.options()));
  TRY_VOID(stage.pgtally({"audit"}));
  stage.tell("\nThe ledger is consistent with itself, which is all that it can say of itself.");
  return stage.pgtally({"audit", "--checkpoint", "outside.checkpoint"}, Exit::kNo);
}

}  // namespace

Result<void> play_tampering(const DemoStage& stage) {
  TRY_VOID(make_ledger(stage));
  TRY_VOID(tamper(stage));
  return rewrite_everything(stage);
}

}  // namespace pgtally::cli
