// An audit with nothing but a bundle and SELECT on the tables.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "audit/audit_bundle.h"
#include "audit/bundle_ledger.h"
#include "support/service_ledger.h"
#include "support/temporary_directory.h"

namespace pgtally {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class BundleAudit : public testing::Test {
 public:
  BundleAudit() {
    sql("CREATE TABLE payment (id bigint PRIMARY KEY, payer text, amount numeric(12,2), note text);"
        "CREATE TABLE login (id bigint PRIMARY KEY, who text);"
        "CREATE TABLE event (id bigint PRIMARY KEY, what text,"
        "                    xid xid8 NOT NULL DEFAULT pg_current_xact_id());"
        "CREATE INDEX ON event (xid, id);"
        "ALTER TABLE event ADD CHECK (xid = pg_current_xact_id()) NOT VALID;"
        "CREATE TABLE word (word text PRIMARY KEY, meaning text)");
    add("payment", {"id"}, "poll", [](SourceRequest& request) { request.exclude = {"note"}; });
    add("login", {"id"}, "trigger", [](SourceRequest& request) { request.track_changes = true; });
    add("event", {"id"}, "xid", [](SourceRequest& request) { request.blind = false; });
    add("word", {"word"}, "poll");
    sql("INSERT INTO payment SELECT g, 'P' || g, g * 1.5 FROM generate_series(1, 700) AS g;"
        "INSERT INTO login SELECT g, 'w' || g FROM generate_series(1, 100) AS g;"
        "INSERT INTO event SELECT g, 'e' || g FROM generate_series(1, 100) AS g;"
        "INSERT INTO word SELECT 'w' || g, 'm' || g FROM generate_series(1, 100) AS g");
    record();
  }

  std::string sql(const std::string& text) const { return ledger_.database().psql(text); }
  void record() const {
    for (int i = 0; i < 3; ++i) test::must(ledger_.run_once());
  }
  void add(const std::string& name, const std::vector<std::string>& key, const std::string& mode,
           const std::function<void(SourceRequest&)>& change = {}) const {
    auto connection = test::connect(ledger_.database().conninfo());
    const Ledger ledger = test::must(Ledger::open(connection, "pgtally"));
    SourceRequest request;
    request.name = request.table = name;
    request.key = key;
    request.mode = mode;
    if (change) change(request);
    test::must(add_source(ledger, test::must(plan_source(ledger, capture_modes(), request))));
  }
  LedgerBundle bundle(const BundleOptions& options = {}) const {
    auto connection = test::connect(ledger_.database().conninfo());
    const Ledger ledger = test::must(Ledger::open(connection, "pgtally"));
    return test::must(bundle_ledger(ledger, options, file()));
  }
  std::string file() const { return directory_.path() + "/ledger.bundle"; }
  Policy policy() const {
    auto connection = test::connect(ledger_.database().conninfo());
    const Ledger ledger = test::must(Ledger::open(connection, "pgtally"));
    return test::must(Policy::trust(test::must(VerifierKey::parse(ledger.vkey()))));
  }
  Result<AuditReport> try_audit(bool as_of_bundle, const std::vector<std::string>& sources,
                                const std::string& conninfo = {}) const {
    TRY(const auto log, BundleLog::open(file()));
    auto connection = test::connect(conninfo.empty() ? ledger_.database().conninfo() : conninfo);
    AuditOptions options;
    options.sources = sources;
    return audit_bundle(*log, connection, policy(), options, as_of_bundle);
  }
  AuditReport audit(bool as_of_bundle = false, const std::vector<std::string>& sources = {}) const {
    return test::must(try_audit(as_of_bundle, sources));
  }
  static std::vector<std::string> findings(const AuditReport& report) {
    std::vector<std::string> out;
    for (const Finding& finding : report.findings.listed()) {
      std::string text = std::string(name_of(finding.kind)) + " " + finding.source;
      for (const std::string& column : finding.key) text += " " + column;
      out.push_back(text);
    }
    std::ranges::sort(out);
    return out;
  }
  // "login 1, payment 2": how many rows of which source.
  static std::string undecided(const AuditReport& report) {
    std::string out;
    for (const SourceReport& source : report.sources) {
      if (source.undecided == 0) continue;
      out += (out.empty() ? "" : ", ") + source.name + " " + std::to_string(source.undecided);
    }
    return out;
  }
  static const SourceReport& source(const AuditReport& report, const std::string& name) {
    return *std::ranges::find(report.sources, name, &SourceReport::name);
  }

  test::ServiceLedger<test::TestDatabase> ledger_;
  test::TemporaryDirectory directory_;
};

TEST_F(BundleAudit, finds_nothing_where_nothing_was_done) {
  const LedgerBundle made = bundle();
  EXPECT_EQ(made.report.salts, 900U);
  const AuditReport report = audit();
  EXPECT_THAT(findings(report), IsEmpty());
  EXPECT_EQ(undecided(report), "");
  EXPECT_EQ(report.rows_checked, 1000U);
  EXPECT_EQ(report.entries_checked, made.report.size.value);
  for (const char* name : {"payment", "login", "event", "word"}) {
    EXPECT_TRUE(source(report, name).rows_checked) << name;
    EXPECT_TRUE(source(report, name).content_checked) << name;
  }
  EXPECT_THAT(source(report, "payment").not_covered, ElementsAre("note"));
  EXPECT_THAT(report.remarks.back(), HasSubstr("read from a bundle"));
}

TEST_F(BundleAudit, accuses_at_once_where_rows_are_only_inserted) {
  bundle();
  sql("UPDATE payment SET amount = amount + 1 WHERE id = 7; DELETE FROM payment WHERE id = 8;"
      "DELETE FROM event WHERE id = 9; UPDATE payment SET note = 'x' WHERE id = 10");
  const AuditReport report = audit();
  EXPECT_THAT(findings(report),
              ElementsAre("changed payment 7", "missing event 9", "missing payment 8"));
  EXPECT_EQ(undecided(report), "");
  for (const Finding& finding : report.findings.listed()) {
    EXPECT_TRUE(finding.covered_by.has_value());
    EXPECT_TRUE(finding.recorded_at.has_value());
  }
}

TEST_F(BundleAudit, leaves_undecided_what_may_have_come_after_the_bundle) {
  bundle();
  sql("INSERT INTO payment VALUES (701, 'new', 1), (-1, 'new, too', 2);"
      "INSERT INTO login VALUES (101, 'new'); UPDATE login SET who = 'x' WHERE id = 1;"
      "DELETE FROM login WHERE id = 2; INSERT INTO word VALUES ('new', 'new')");
  AuditReport report = audit();
  EXPECT_THAT(findings(report), IsEmpty());
  EXPECT_EQ(undecided(report), "login 3, payment 2, word 1");
  EXPECT_THAT(source(report, "login").undecided_because, HasSubstr("newer than the bundle"));
  EXPECT_THAT(source(report, "payment").undecided_because, HasSubstr("newer than the bundle"));
  EXPECT_THAT(source(report, "login").undecided_keys.size(), 3U);

  // On somebody's word that nothing was written since, all of it accuses.
  report = audit(true);
  EXPECT_THAT(findings(report), ElementsAre("changed login 1", "missing login 2",
                                            "unrecorded login 101", "unrecorded payment -1",
                                            "unrecorded payment 701", "unrecorded word new"));
  EXPECT_EQ(undecided(report), "");

  // A newer bundle decides, but for a key below the highest, which is left to the next sweep.
  record();
  bundle();
  report = audit();
  EXPECT_THAT(findings(report), IsEmpty());
  EXPECT_EQ(undecided(report), "payment 1");
}

TEST_F(BundleAudit, accuses_a_row_that_is_older_than_the_bundle_and_was_never_recorded) {
  sql("ALTER TABLE login DISABLE TRIGGER ALL; INSERT INTO login VALUES (500, 'slipped in');"
      "DO $$ DECLARE t name; BEGIN FOR t IN SELECT tgname FROM pg_trigger WHERE tgrelid = "
      "'login'::regclass AND NOT tgisinternal LOOP EXECUTE format('ALTER TABLE login ENABLE ALWAYS "
      "TRIGGER %I', t); END LOOP; END $$");
  // Nothing is waiting, so whatever is there now has to be in the log; as far as it is older than all
  // transactions of the cluster, in other databases too.
  for (int i = 0; i < 6000 && sql("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint > "
                                  "(SELECT xmin::text::bigint FROM login WHERE id = 500)") != "t";
       ++i) {
    usleep(10'000);
  }
  bundle();
  sql("INSERT INTO login VALUES (501, 'new')");
  AuditReport report = audit();
  EXPECT_THAT(findings(report), ElementsAre("unrecorded login 500"));
  EXPECT_EQ(undecided(report), "login 1");

  // While rows are on their way, nobody can tell them from those.
  bundle();
  report = audit();
  EXPECT_THAT(findings(report), IsEmpty());
  EXPECT_EQ(undecided(report), "login 2");
}

TEST_F(BundleAudit, without_salts_compares_keys_and_says_so) {
  EXPECT_EQ(bundle({.salts = std::vector<std::string>{"word"}, .progress = {}}).report.salts, 100U);
  sql("UPDATE payment SET amount = 0 WHERE id = 7; DELETE FROM payment WHERE id = 8;"
      "UPDATE word SET meaning = '' WHERE word = 'w1'");
  const AuditReport report = audit();
  EXPECT_THAT(findings(report), ElementsAre("changed word w1", "missing payment 8"));
  EXPECT_FALSE(source(report, "payment").content_checked);
  EXPECT_TRUE(source(report, "word").content_checked);
  EXPECT_TRUE(source(report, "event").content_checked);  // whose hashes are not blinded
}

TEST_F(BundleAudit, needs_nothing_of_the_ledger_but_select_on_the_tables) {
  bundle();
  const std::string role = "auditor_of_" + ledger_.database().name();
  sql("CREATE ROLE " + role + " LOGIN; GRANT SELECT ON payment, event TO " + role +
      "; DROP TABLE word");
  struct DropRole {
    const BundleAudit* test;
    std::string role;
    ~DropRole() { test->sql("DROP OWNED BY " + role + "; DROP ROLE " + role); }
  } const drop{this, role};
  const std::string as_auditor = ledger_.database().conninfo() + " options='-c role=" + role + "'";
  sql("UPDATE payment SET amount = 0 WHERE id = 7");
  const AuditReport report = test::must(try_audit(false, {}, as_auditor));
  EXPECT_THAT(findings(report), ElementsAre("changed payment 7"));
  EXPECT_FALSE(source(report, "login").rows_checked);
  EXPECT_THAT(source(report, "login").why_not, HasSubstr("may not be read"));
  EXPECT_FALSE(source(report, "word").rows_checked);
  EXPECT_THAT(source(report, "word").why_not, HasSubstr("not in this database"));

  // What was asked for by name has to be there.
  EXPECT_EQ(test::error_of(try_audit(false, {"login"}, as_auditor)).code, ErrorCode::kOperator);
  const AuditReport gone = test::must(try_audit(false, {"word"}, as_auditor));
  EXPECT_FALSE(gone.findings.empty());
  EXPECT_EQ(test::error_of(try_audit(false, {"words"}, as_auditor)).code, ErrorCode::kReject);
}

TEST_F(BundleAudit, of_a_log_that_was_rewritten_with_the_real_key_is_caught_by_a_checkpoint) {
  bundle();
  std::string outside;
  test::must(
      test::must(BundleLog::open(file()))->read_checkpoints([&](const AuditedCheckpoint& kept) {
        outside = kept.note;
        return Result<void>();
      }));
  // The same key, another log: what an operator can always make.
  const auto log = test::must(BundleLog::open(file()));
  auto connection = test::connect(ledger_.database().conninfo());
  AuditOptions options;
  options.outside = {{"kept.checkpoint", outside}};
  AuditReport report = test::must(audit_bundle(*log, connection, policy(), options, false));
  EXPECT_THAT(findings(report), IsEmpty());
  EXPECT_EQ(report.remembered, log->size());

  // The old bundle against a checkpoint of a longer log.
  ledger_.append(3);
  record();
  bundle();
  test::must(
      test::must(BundleLog::open(file()))->read_checkpoints([&](const AuditedCheckpoint& kept) {
        outside = kept.note;
        return Result<void>();
      }));
  options.outside = {{"kept.checkpoint", outside}};
  report = test::must(audit_bundle(*log, connection, policy(), options, false));
  EXPECT_GT(report.findings.count(FindingKind::kLog), 0U);
}

TEST_F(BundleAudit, refuses_the_bundle_of_another_ledger) {
  bundle();
  const auto log = test::must(BundleLog::open(file()));
  auto connection = test::connect(ledger_.database().conninfo());
  const Policy other =
      test::must(Policy::trust(test::must(SigningKey::from_seed("other.example", {1})).verifier()));
  const Error error = test::error_of(audit_bundle(*log, connection, other, {}, false));
  EXPECT_EQ(error.code, ErrorCode::kReject);
  EXPECT_THAT(error.message, HasSubstr("test.example/service"));
  // And under the right name with the wrong key, nothing of it is signed.
  const Policy forged =
      test::must(Policy::trust(test::must(SigningKey::from_seed(test::kOrigin, {1})).verifier()));
  EXPECT_GT(test::must(audit_bundle(*log, connection, forged, {}, false))
                .findings.count(FindingKind::kLog),
            0U);
}

TEST_F(BundleAudit, is_made_while_others_write_and_holds_one_moment) {
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (int i = 1000; !done; ++i) {
      sql("INSERT INTO payment VALUES (" + std::to_string(i) + ", 'w', 1)");
      (void)ledger_.run_once();
    }
  });
  for (int i = 0; i < 5; ++i) {
    bundle();
    const AuditReport report = audit();
    EXPECT_THAT(findings(report), IsEmpty());
  }
  done = true;
  writer.join();
}

}  // namespace
}  // namespace pgtally
