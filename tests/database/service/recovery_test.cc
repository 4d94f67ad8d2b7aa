// What is done about a database that is not what was signed: recorded again, or ended; never forked.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/encoding.h"
#include "client/monitor.h"
#include "crypto/sha256.h"
#include "format/log_end.h"
#include "service/ending.h"
#include "support/published_log.h"

namespace pgtally {
namespace {

using test::error_of;
using test::kOrigin;
using test::must;
using test::PublishedLedger;
using test::TestDatabase;
using ServiceLedger = test::ServiceLedger<TestDatabase>;

constexpr const char* kWholeLog =
    "SELECT md5(string_agg(p::text, ',' ORDER BY id)) FROM (SELECT id, s.name, p.definition, "
    "ordinal, operation, key, source_position, source_time, content_hash, sequenced_at, "
    "CASE WHEN operation > 4 THEN data END FROM pgtally.processed_log AS p "
    "JOIN pgtally.source AS s USING (source_id)) AS p";

// A ledger, a backup of it, and what came after the backup, published.
class Lost {
 public:
  // `before` and `after` write to the database, before the backup and after it.
  explicit Lost(const std::function<void(ServiceLedger&)>& before,
                const std::function<void(ServiceLedger&)>& after) {
    before(ledger);
    must(ledger.run_once());
    staged(ledger);
    test::copy_database(ledger.database(), backup);
    after(ledger);
    must(ledger.run_once());
    must(published.publish(ledger.database()));
  }
  Lost() : Lost([](auto& l) { l.append(10); }, [](auto& l) { l.append(600); }) {}

  [[nodiscard]] Diagnosis diagnosis() { return published.diagnose(backup, ledger.guard()); }
  [[nodiscard]] Result<ReRecorded> recover() { return published.re_record(backup, ledger.guard()); }

  static void staged(ServiceLedger& ledger) { ledger.append(5); }

  ServiceLedger ledger;
  TestDatabase backup;
  PublishedLedger published;
};

TEST(Recovery, of_a_ledger_that_lost_nothing_has_nothing_to_do) {
  ServiceLedger ledger;
  ledger.append(300);
  must(ledger.run_once());
  PublishedLedger published;
  must(published.publish(ledger.database()));
  ledger.append(300);
  const Diagnosis found = published.diagnose(ledger.database(), ledger.guard());
  EXPECT_EQ(found.ground, Ground::kWhole);
  EXPECT_EQ(found.guard_problem, "");
  EXPECT_TRUE(found.reasons.empty());
}

TEST(Recovery, records_again_what_was_published_so_that_the_tree_is_the_same) {
  Lost lost;
  const Diagnosis found = lost.diagnosis();
  EXPECT_EQ(found.ground, Ground::kBehind);
  EXPECT_EQ(found.size.value, 12U);
  EXPECT_EQ(error_of(lost.ledger.run_once_on(lost.backup)).code, ErrorCode::kTampered);

  const ReRecorded done = must(lost.recover());
  EXPECT_EQ(done.entries, 605U);
  EXPECT_EQ(lost.backup.psql(kWholeLog), lost.ledger.database().psql(kWholeLog));
  const std::string tree =
      "SELECT size, root, frontier FROM pgtally.tree_head ORDER BY head_id DESC LIMIT 1";
  EXPECT_EQ(lost.backup.psql(tree), lost.ledger.database().psql(tree));
  const std::string tiles =
      "SELECT md5(string_agg(t::text, ',' ORDER BY level, index)) FROM pgtally.tile AS t";
  EXPECT_EQ(lost.backup.psql(tiles), lost.ledger.database().psql(tiles));
  EXPECT_EQ(lost.diagnosis().ground, Ground::kWhole);

  // It goes on, and what it signs then extends what was published.
  ServiceLedger::append_to(lost.backup, 300);
  EXPECT_EQ(must(lost.ledger.run_once_on(lost.backup)).head.size.value, 917U);
  EXPECT_EQ(must(lost.published.publish(lost.backup)).size.value, 917U);
  const test::TestDirectory state;
  DirectoryLog log(lost.published.path());
  auto connection = test::connect(lost.backup.conninfo());
  const Ledger there = must(Ledger::open(connection, "pgtally"));
  Monitor monitor(log, "here",
                  {.policy = must(Policy::trust(must(VerifierKey::parse(there.vkey())))),
                   .directory = state.path(),
                   .check_entries = true,
                   .progress = {}});
  EXPECT_EQ(must(monitor.look()).entries_checked.value, 917U);
}

// Five rows were in staging when the backup was made, and in the log that was lost.
TEST(Recovery, records_no_row_of_staging_twice_that_a_lost_batch_had_taken) {
  Lost lost;
  must(lost.recover());
  EXPECT_EQ(must(lost.ledger.run_once_on(lost.backup)).head.size.value, 617U);
  EXPECT_EQ(lost.backup.psql("SELECT count(*) FROM pgtally.append_only_log"), "15");
}

// The restored sequence gives out ids again that lost rows had.
TEST(Recovery, takes_a_row_that_got_the_id_of_a_lost_one_for_a_row_of_its_own) {
  Lost lost;
  lost.backup.psql(
      "INSERT INTO pgtally.append_only_log (data) SELECT ('new ' || g)::bytea FROM "
      "generate_series(1, 3) AS "
      "g");
  EXPECT_EQ(lost.backup.psql("SELECT max(id) FROM pgtally.append_only_log"), "18");
  must(lost.recover());
  EXPECT_EQ(must(lost.ledger.run_once_on(lost.backup)).head.size.value, 620U);
  EXPECT_EQ(lost.backup.psql("SELECT count(DISTINCT key), max(source_position::int) FROM "
                             "pgtally.processed_log WHERE operation = 1"),
            "618|618");
}

void make_tables(ServiceLedger& ledger) {
  ledger.database().psql(
      "CREATE TABLE paid (id bigint PRIMARY KEY, note text, xid xid8 NOT NULL DEFAULT "
      "pg_current_xact_id());"
      "ALTER TABLE paid ADD CHECK (xid = pg_current_xact_id()) NOT VALID;"
      "CREATE INDEX ON paid (xid, id);"
      "CREATE TABLE seen (id bigint PRIMARY KEY, note text);"
      "CREATE TABLE told (id bigint PRIMARY KEY, note text)");
  auto connection = test::connect(ledger.database().conninfo());
  const Ledger there = must(Ledger::open(connection, "pgtally"));
  for (const auto& [table, mode] :
       {std::pair("paid", "xid"), std::pair("seen", "poll"), std::pair("told", "trigger")}) {
    SourceRequest request;
    request.name = table;
    request.table = std::string("public.") + table;
    request.key = {"id"};
    request.mode = mode;
    must(pgtally::add_source(there, must(plan_source(there, capture_modes(), request))));
  }
}

void insert(const test::Server& server, int from, int to) {
  for (const char* table : {"paid", "seen", "told"}) {
    server.psql(std::string("INSERT INTO ") + table + " SELECT g, 'n' FROM generate_series(" +
                std::to_string(from) + ", " + std::to_string(to) + ", 2) AS g");
  }
}

// Rows of the tables that are not in the log exactly once.
std::string not_once(const test::Server& server) {
  std::string wrong;
  for (const std::string table : {"paid", "seen", "told"}) {
    wrong += server.psql(
        "SELECT string_agg(format('%s %s: %s ', '" + table + "', t.id, n), '') FROM " + table +
        " AS t, LATERAL (SELECT count(*) AS n FROM pgtally.processed_log AS p JOIN pgtally.source "
        "AS s USING (source_id) WHERE s.name = '" +
        table +
        "' AND p.key = substr(int4send(octet_length(t.id::text)), 3) || "
        "convert_to(t.id::text, 'UTF8')) AS l WHERE n <> 1");
  }
  return wrong;
}

TEST(Recovery, records_each_row_of_the_restored_tables_once) {
  ServiceLedger ledger;
  make_tables(ledger);
  insert(ledger.database(), 1, 21);
  must(ledger.run_once());
  insert(ledger.database(), 31, 41);  // in the backup, recorded after it
  const TestDatabase backup;
  test::copy_database(ledger.database(), backup);
  insert(ledger.database(), 51, 61);  // recorded, and lost with the database
  insert(ledger.database(), 2, 8);    // into holes
  must(ledger.run_once());
  PublishedLedger published;
  must(published.publish(ledger.database()));

  // Some of what was lost is brought back, before and after; and there are rows that are new.
  insert(backup, 51, 53);
  insert(backup, 71, 73);
  insert(backup, 2, 4);
  must(published.re_record(backup, ledger.guard()));
  insert(backup, 81, 83);
  insert(backup, 10, 12);
  must(ledger.run_once_on(backup));
  {
    auto connection = test::connect(backup.conninfo());
    const Ledger there = must(Ledger::open(connection, "pgtally"));
    for (const SweepTarget& target : must(sweep_targets(there))) {
      while (!must(sweep_window(there, target.source_id)).done) {
      }
    }
  }
  must(ledger.run_once_on(backup));
  EXPECT_EQ(not_once(backup), "");
  EXPECT_EQ(must(published.publish(backup)).size.value,
            std::stoull(backup.psql("SELECT count(*) FROM pgtally.processed_log")));
}

TEST(Recovery, brings_a_source_back_as_removed_that_was_added_after_the_backup) {
  Lost lost([](auto& l) { l.append(10); },
            [](auto& l) {
              make_tables(l);
              insert(l.database(), 1, 9);
            });
  const ReRecorded done = must(lost.recover());
  EXPECT_EQ(done.lost_sources, (std::vector<std::string>{"paid", "seen", "told"}));
  EXPECT_EQ(lost.backup.psql(kWholeLog), lost.ledger.database().psql(kWholeLog));
  EXPECT_EQ(lost.backup.psql("SELECT state, count(*) FROM pgtally.source GROUP BY 1 ORDER BY 1"),
            "active|2\nremoved|3");
  ServiceLedger::append_to(lost.backup);
  must(lost.ledger.run_once_on(lost.backup));
}

TEST(Recovery, is_refused_and_changes_nothing_where_a_document_is_missing) {
  Lost lost([](auto& l) { l.append(10); }, [](auto& l) { make_tables(l); });
  const std::string before = lost.backup.psql(kWholeLog);
  const std::string hash = lost.ledger.database().psql(
      "SELECT encode(sha256(document), 'hex') FROM pgtally.definition WHERE source_id = 3");
  std::filesystem::remove(lost.published.path() + "/document/" + hash);
  const Error error = error_of(lost.recover());
  EXPECT_EQ(error.code, ErrorCode::kReject);
  EXPECT_NE(error.message.find(hash), std::string::npos);
  EXPECT_EQ(lost.backup.psql(kWholeLog), before);
  EXPECT_EQ(lost.backup.psql("SELECT count(*) FROM pgtally.source"), "2");
}

TEST(Recovery, is_refused_and_changes_nothing_where_the_copy_was_changed) {
  Lost lost;
  const std::string before = lost.backup.psql(kWholeLog);
  for (const char* file : {"/tile/entries/001", "/tile/entries/002.p/105"}) {
    std::string bytes = test::content_of(lost.published.path() + file);
    bytes[200] ^= 1;
    test::write_file(lost.published.path() + file, bytes);
    EXPECT_EQ(error_of(lost.recover()).code, ErrorCode::kTampered) << file;
    EXPECT_EQ(lost.backup.psql(kWholeLog), before);
    bytes[200] ^= 1;
    test::write_file(lost.published.path() + file, bytes);
  }
  must(lost.recover());
}

TEST(Recovery, is_not_possible_where_more_was_signed_than_published) {
  Lost lost;
  lost.ledger.append();
  must(lost.ledger.run_once());
  const Diagnosis found = lost.diagnosis();
  EXPECT_EQ(found.ground, Ground::kShort);
  EXPECT_EQ(found.last_signed->size.value, 618U);
}

TEST(Recovery, without_guard_and_copy_knows_nothing) {
  ServiceLedger ledger;
  auto connection = test::connect(ledger.database().conninfo());
  const Ledger there = must(Ledger::open(connection, "pgtally"));
  ledger.append();
  must(ledger.run_once());
  EXPECT_EQ(must(diagnose(there, ledger.guard(), nullptr, {})).ground, Ground::kWhole);
  std::filesystem::remove(ledger.guard_file());
  // What the database itself says was signed may have been put back with it.
  EXPECT_EQ(must(diagnose(there, ledger.guard(), nullptr, {})).ground, Ground::kUnknown);
}

TEST(Recovery, names_the_first_entry_in_which_a_database_that_went_on_by_itself_differs) {
  Lost lost;
  lost.backup.psql("INSERT INTO pgtally.append_only_log (data) VALUES ('another')");
  lost.backup.psql("SELECT pgtally.process_next_batch()");
  const Diagnosis found = lost.diagnosis();
  EXPECT_EQ(found.ground, Ground::kParted);
  EXPECT_FALSE(found.two_histories);
  ASSERT_TRUE(found.parting);
  EXPECT_EQ(found.parting->id.value, 12U);
  EXPECT_NE(found.parting->published.find("insert of append_only_log \"11\""), std::string::npos);
}

TEST(Recovery, names_the_entry_that_somebody_has_rewritten_in_the_database) {
  Lost lost;
  lost.ledger.database().psql(
      "ALTER TABLE pgtally.processed_log DISABLE TRIGGER USER;"
      "UPDATE pgtally.processed_log SET source_time = source_time + interval '1 s' WHERE id = 411");
  const Diagnosis found = lost.published.diagnose(lost.ledger.database(), lost.ledger.guard());
  EXPECT_EQ(found.ground, Ground::kParted);
  ASSERT_TRUE(found.parting);
  EXPECT_EQ(found.parting->id.value, 411U);
  lost.ledger.database().psql("DELETE FROM pgtally.processed_log WHERE id = 300");
  const Diagnosis gap = lost.published.diagnose(lost.ledger.database(), lost.ledger.guard());
  EXPECT_EQ(gap.ground, Ground::kParted);
  EXPECT_EQ(gap.size.value, 300U);
}

// The state directory was copied along with the database, and both hosts signed.
TEST(Recovery, says_of_two_instances_that_both_signed_that_there_are_two_histories) {
  Lost lost;
  const test::TestDirectory state;
  std::filesystem::copy(
      lost.ledger.state(), state.path(),
      std::filesystem::copy_options::recursive | std::filesystem::copy_options::overwrite_existing);
  const Guard other(StateFiles::of(state.path().string(), kOrigin).guard);
  GuardState forged = must(other.read());
  forged.size = TreeSize{12};
  auto connection = test::connect(lost.backup.conninfo());
  const Ledger there = must(Ledger::open(connection, "pgtally"));
  forged.root = must(diagnose(there, other, nullptr, {})).root;
  must(other.replace(forged));
  ServiceLedger::append_to(lost.backup, 40);
  RunnerOptions options = lost.ledger.options(lost.backup.conninfo());
  options.state_directory = state.path().string();
  must(run_once(connection, options, {}));

  const Diagnosis found = lost.published.diagnose(lost.backup, other);
  EXPECT_EQ(found.ground, Ground::kParted);
  EXPECT_TRUE(found.two_histories);
  EXPECT_EQ(found.parting->id.value, 12U);

  // The same when it has signed more than was published.
  ServiceLedger::append_to(lost.backup, 1000);
  must(run_once(connection, options, {}));
  const Diagnosis longer = lost.published.diagnose(lost.backup, other);
  EXPECT_GT(longer.guard->size, longer.published->size);
  EXPECT_EQ(longer.ground, Ground::kParted);
  EXPECT_TRUE(longer.two_histories);
}

class Ended : public testing::Test {
 protected:
  Ended() {
    lost_.backup.psql("SELECT pgtally.process_next_batch()");
    request_.state_directory = lost_.ledger.state();
    request_.new_origin = "test.example/second";
    request_.new_schema = "second";
    request_.roles = Roles::kNone;
    request_.reason = "a restore";
    request_.statement_file = (directory_.path() / "end").string();
  }
  [[nodiscard]] Result<Ending> end() {
    auto connection = test::connect(lost_.backup.conninfo());
    const Ledger there = must(Ledger::open(connection, "pgtally"));
    return end_and_begin(there, lost_.diagnosis(), request_);
  }

  Lost lost_;
  test::TestDirectory directory_;
  EndingRequest request_;
};

TEST_F(Ended, log_states_its_last_head_and_the_next_one_begins_with_it) {
  EXPECT_EQ(lost_.diagnosis().ground, Ground::kParted);
  const Ending done = must(end());
  EXPECT_EQ(done.head.size.value, 617U);
  const std::string statement = test::content_of(request_.statement_file);
  const VerifierKey key =
      must(VerifierKey::parse(lost_.backup.psql("SELECT vkey FROM pgtally.ledger")));
  const LogEnd end = must(verify_log_end(statement, key));
  EXPECT_EQ(end.size.value, 617U);
  EXPECT_EQ(end.root, done.head.root);
  EXPECT_EQ(end.successor, "test.example/second");
  EXPECT_EQ(end.reason, "a restore");

  EXPECT_EQ(lost_.backup.psql("SELECT operation FROM second.processed_log ORDER BY id"), "5\n6\n5");
  const std::string notice =
      lost_.backup.psql("SELECT convert_from(data, 'UTF8') FROM second.processed_log WHERE id = 1");
  EXPECT_NE(notice.find("\"event\":\"continues\",\"head\":{\"origin\":\"test.example/service\""),
            std::string::npos);
  EXPECT_NE(notice.find("\"size\":\"617\""), std::string::npos);
  EXPECT_NE(notice.find(to_base64(done.head.root.view())), std::string::npos);
  EXPECT_NE(notice.find(to_hex(sha256(statement).view())), std::string::npos);
}

TEST_F(Ended, log_is_never_signed_again_and_the_next_one_is) {
  must(end());
  const std::string signed_before = lost_.backup.psql("SELECT max(size) FROM pgtally.checkpoint");
  ServiceLedger::append_to(lost_.backup, 900);
  const Error error = error_of(lost_.ledger.run_once_on(lost_.backup));
  EXPECT_EQ(error.code, ErrorCode::kOperator);
  EXPECT_NE(error.message.find("has ended"), std::string::npos);
  {
    auto connection = test::connect(lost_.backup.conninfo());
    const Ledger there = must(Ledger::open(connection, "pgtally"));
    const TreeHead head = must(read_tree_head(there));
    EXPECT_FALSE(accept_head(there, lost_.ledger.state(), head.size, head.root).ok());
  }
  // The primary, too, if it is still somewhere.
  lost_.ledger.append();
  EXPECT_FALSE(lost_.ledger.run_once().ok());
  EXPECT_EQ(lost_.backup.psql("SELECT max(size) FROM pgtally.checkpoint"), signed_before);

  lost_.backup.psql("INSERT INTO second.append_only_log (data) VALUES ('on')");
  auto connection = test::connect(lost_.backup.conninfo());
  RunnerOptions options = lost_.ledger.options(lost_.backup.conninfo());
  options.schema = "second";
  EXPECT_EQ(must(run_once(connection, options, {})).checkpoint->size.value, 4U);
}

TEST_F(Ended, log_can_be_ended_again_where_the_first_attempt_was_interrupted) {
  lost_.backup.psql("CREATE ROLE " + lost_.backup.name() + "_second_reader");
  request_.roles = Roles::kCreate;  // which is there
  EXPECT_FALSE(end().ok());
  EXPECT_TRUE(must(lost_.ledger.guard().read()).ended);
  const std::string statement = test::content_of(request_.statement_file);
  request_.roles = Roles::kNone;
  must(end());
  EXPECT_EQ(test::content_of(request_.statement_file), statement);
}

TEST_F(Ended, log_is_left_alone_where_the_next_one_cannot_be) {
  const auto refuses = [&](EndingRequest request) {
    auto connection = test::connect(lost_.backup.conninfo());
    const Ledger there = must(Ledger::open(connection, "pgtally"));
    EXPECT_FALSE(end_and_begin(there, lost_.diagnosis(), request).ok());
    EXPECT_FALSE(must(lost_.ledger.guard().read()).ended);
    EXPECT_FALSE(std::filesystem::exists(request.statement_file));
  };
  EndingRequest request = request_;
  request.new_origin = kOrigin;
  refuses(request);
  request = request_;
  request.new_schema = "pgtally";
  refuses(request);
  request = request_;
  request.reason = "two\nlines";
  refuses(request);
  std::filesystem::remove(StateFiles::of(lost_.ledger.state(), kOrigin).key);
  refuses(request_);
}

}  // namespace
}  // namespace pgtally
