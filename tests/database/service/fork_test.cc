// What is never signed: anything that the guard does not already hold, or that contradicts it.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "ledger/tree_head.h"
#include "support/service_ledger.h"

namespace pgtally {
namespace {

using test::error_of;
using test::kOrigin;
using test::must;
using test::TestDatabase;
using ServiceLedger = test::ServiceLedger<TestDatabase>;

TEST(Guard, refuses_to_sign_when_the_database_was_restored_to_an_earlier_state) {
  ServiceLedger ledger;
  ledger.append(10);
  must(ledger.run_once());
  const TestDatabase backup;
  test::copy_database(ledger.database(), backup);
  ledger.append(10);
  must(ledger.run_once());
  const GuardState guarded = must(ledger.guard().read());
  EXPECT_EQ(guarded.size.value, 22U);

  const Error error = error_of(ledger.run_once_on(backup));
  EXPECT_EQ(error.code, ErrorCode::kTampered);
  EXPECT_EQ(error.message, "the database is behind what this ledger has already signed");
  EXPECT_NE(error.hint.find("size 22"), std::string::npos);
  EXPECT_NE(error.hint.find("size 12"), std::string::npos);
  // Nothing was sequenced, and the guard stands where it stood.
  EXPECT_EQ(backup.psql("SELECT count(*) FROM pgtally.processed_log"), "12");
  EXPECT_EQ(must(ledger.guard().read()).size, guarded.size);
  EXPECT_EQ(backup.psql("SELECT max(size) FROM pgtally.checkpoint"), "12");
}

TEST(Guard, refuses_to_sign_another_history_of_equal_or_greater_size) {
  for (const int more : {10, 500}) {
    ServiceLedger ledger;
    ledger.append(10);
    must(ledger.run_once());
    const TestDatabase backup;
    test::copy_database(ledger.database(), backup);
    ledger.append(10);
    must(ledger.run_once());
    // The copy goes on by itself, without the service.
    ServiceLedger::append_to(backup, more);
    {
      auto connection = test::connect(backup.conninfo());
      const Ledger there = must(Ledger::open(connection, "pgtally"));
      must(Sequencer(10000, nullptr).take_next(there, Road::kFast));
    }
    const Error error = error_of(ledger.run_once_on(backup));
    EXPECT_EQ(error.code, ErrorCode::kTampered);
    EXPECT_EQ(error.message,
              "the database holds another history than the one this ledger has signed");
    EXPECT_EQ(must(ledger.guard().read()).size.value, 22U);
    EXPECT_EQ(backup.psql("SELECT max(size) FROM pgtally.checkpoint"), "12");
  }
}

// A running instance, too, whose database is exchanged under it.
TEST(Guard, refuses_a_fork_also_in_the_middle_of_a_run) {
  ServiceLedger ledger;
  ledger.append(10);
  must(ledger.run_once());
  const TestDatabase fork;
  test::copy_database(ledger.database(), fork);
  ledger.append(10);
  must(ledger.run_once());
  ServiceLedger::append_to(fork, 20);

  auto connection = test::connect(fork.conninfo());
  const Ledger there = must(open_for_sequencing(connection, "pgtally"));
  std::string why_not;
  Cycle cycle = must(make_cycle(there, ledger.options(), &why_not));
  // No check() before, as if the database had been exchanged since.
  EXPECT_EQ(error_of(cycle.run_once(there, Road::kFast, true)).code, ErrorCode::kTampered);
  EXPECT_EQ(error_of(cycle.run_once(there, Road::kFast, true)).code, ErrorCode::kTampered);
  EXPECT_EQ(fork.psql("SELECT max(size) FROM pgtally.checkpoint"), "12");
}

TEST(Guard, signs_nothing_without_it_and_says_how_to_go_on) {
  ServiceLedger ledger;
  ledger.append();
  std::filesystem::remove(ledger.guard_file());
  const Error error = error_of(ledger.run_once());
  EXPECT_EQ(error.code, ErrorCode::kOperator);
  EXPECT_NE(error.hint.find("--accept-head"), std::string::npos);
  EXPECT_TRUE(ledger.signed_sizes().empty());
}

TEST(Guard, signs_nothing_with_that_of_another_ledger) {
  ServiceLedger ledger;
  ServiceLedger other;
  ledger.append();
  test::write_file(ledger.guard_file(), test::content_of(other.guard_file()));
  const Error error = error_of(ledger.run_once());
  EXPECT_EQ(error.code, ErrorCode::kOperator);
  EXPECT_NE(error.message.find("belongs to another ledger"), std::string::npos);
  EXPECT_TRUE(ledger.signed_sizes().empty());
}

TEST(Guard, signs_nothing_with_a_damaged_file) {
  ServiceLedger ledger;
  ledger.append();
  const std::string whole = test::content_of(ledger.guard_file());
  for (std::size_t i = 0; i < whole.size(); ++i) {
    test::write_file(ledger.guard_file(), whole.substr(0, i));
    ASSERT_FALSE(ledger.run_once().ok()) << "cut off at " << i;
  }
  test::write_file(ledger.guard_file(), whole + "\n");
  EXPECT_FALSE(ledger.run_once().ok());
  EXPECT_TRUE(ledger.signed_sizes().empty());
  test::write_file(ledger.guard_file(), whole);
  must(ledger.run_once());
}

TEST(Guard, is_never_made_twice_for_one_origin) {
  ServiceLedger ledger;
  const TestDatabase empty;
  auto connection = test::connect(empty.conninfo());
  EXPECT_EQ(
      error_of(found_ledger(connection, {kOrigin, "pgtally", ledger.state(), "", Roles::kNone}))
          .code,
      ErrorCode::kReject);
  EXPECT_EQ(empty.psql("SELECT to_regnamespace('pgtally') IS NULL"), "t");
}

TEST(AcceptHead, lets_another_host_sign_and_stops_the_one_that_did) {
  ServiceLedger ledger;
  ledger.append(5);
  const OnceReport before = must(ledger.run_once());
  const std::string old_guard = test::content_of(ledger.guard_file());
  std::filesystem::remove(ledger.guard_file());
  {
    auto connection = test::connect(ledger.database().conninfo());
    const Ledger there = must(Ledger::open(connection, "pgtally"));
    Hash wrong = before.head.root;
    wrong.bytes[3] ^= 1;
    EXPECT_EQ(error_of(accept_head(there, ledger.state(), before.head.size, wrong)).code,
              ErrorCode::kTampered);
    EXPECT_EQ(error_of(accept_head(there, ledger.state(), TreeSize{99}, before.head.root)).code,
              ErrorCode::kTampered);
    EXPECT_FALSE(std::filesystem::exists(ledger.guard_file()));
    must(accept_head(there, ledger.state(), before.head.size, before.head.root));
  }
  ledger.append(5);
  EXPECT_EQ(must(ledger.run_once()).checkpoint->size.value, 12U);
  ledger.append(5);
  test::write_file(ledger.guard_file(), old_guard);
  EXPECT_EQ(error_of(ledger.run_once()).code, ErrorCode::kOperator);
  EXPECT_EQ(ledger.signed_sizes().back(), 12U);
}

// Stops the cycle at a step by ending the session, as a crash would, and looks at what is there.
class StopAt : public StepObserver {
 public:
  StopAt(const test::Server& server, Step step, std::function<void()> look)
      : server_(server), step_(step), look_(std::move(look)) {}
  void reached(Step step) override {
    if (step == Step::kSigned && look_) look_();
    if (step != step_ || stopped_) return;
    stopped_ = true;
    server_.psql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
        "AND datname = current_database()");
  }
  [[nodiscard]] bool stopped() const { return stopped_; }

 private:
  const test::Server& server_;
  Step step_;
  std::function<void()> look_;
  bool stopped_ = false;
};

class CycleStopped : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(at_step, CycleStopped, testing::Range(0, kSteps));

TEST_P(CycleStopped, signs_only_what_the_guard_holds_and_is_mended_by_the_next) {
  ServiceLedger ledger;
  ledger.append(300);
  must(ledger.run_once());
  ledger.append(300);
  const Step step = static_cast<Step>(GetParam());
  bool signed_ahead = false;
  StopAt observer(ledger.database(), step, [&] {
    // At the moment when a signature exists: the guard has its size, and the log's commit is there.
    const auto guarded = must(ledger.guard().read()).size.value;
    const auto committed = ledger.database().psql("SELECT max(size) FROM pgtally.tree_head");
    signed_ahead |= guarded > std::stoull(committed);
  });
  RunnerOptions options = ledger.options();
  options.observer = &observer;
  {
    auto connection = test::connect(options.conninfo);
    EXPECT_FALSE(run_once(connection, options, {}).ok());
  }
  EXPECT_TRUE(observer.stopped());
  EXPECT_FALSE(signed_ahead);
  const auto sizes = ledger.signed_sizes();
  const std::uint64_t guarded = must(ledger.guard().read()).size.value;
  EXPECT_LE(sizes.back(), guarded);
  if (step < Step::kGuardAdvanced) {
    EXPECT_EQ(guarded, 302U);
  }

  const OnceReport after = must(ledger.run_once());
  EXPECT_EQ(after.head.size.value, 602U);
  EXPECT_EQ(ledger.signed_sizes().back(), 602U);
  EXPECT_EQ(ledger.database().psql("SELECT count(*), count(DISTINCT source_position), max(id) FROM "
                                   "pgtally.processed_log WHERE operation = 1"),
            "600|600|601");
}

TEST(Cycle, of_two_instances_on_one_ledger_never_collide) {
  ServiceLedger ledger;
  auto connection_a = test::connect(ledger.database().conninfo());
  auto connection_b = test::connect(ledger.database().conninfo());
  const Ledger a = must(open_for_sequencing(connection_a, "pgtally"));
  const Ledger b = must(open_for_sequencing(connection_b, "pgtally"));
  std::string why_not;
  Cycle cycle_a = must(make_cycle(a, ledger.options(), &why_not));
  Cycle cycle_b = must(make_cycle(b, ledger.options(), &why_not));
  for (int i = 0; i < 20; ++i) {
    ledger.append(37);
    const bool first = i % 3 != 0;
    const CycleReport report =
        must((first ? cycle_a : cycle_b).run_once(first ? a : b, Road::kFast, true));
    ASSERT_TRUE(report.checkpoint.has_value());
    ASSERT_EQ(report.checkpoint->size, report.head.size);
  }
  EXPECT_EQ(ledger.signed_sizes().size(), 20U);
  EXPECT_EQ(must(ledger.guard().read()).size.value, 742U);
}

TEST(Cycle, signs_what_others_sequenced_meanwhile) {
  ServiceLedger ledger;
  ledger.append(10);
  ledger.database().psql("SELECT pgtally.process_next_batch()");
  EXPECT_EQ(must(ledger.run_once()).checkpoint->size.value, 12U);
  EXPECT_EQ(ledger.signed_sizes().size(), 1U);
  EXPECT_FALSE(must(ledger.run_once()).checkpoint.has_value() &&
               ledger.signed_sizes().size() != 1U);
}

}  // namespace
}  // namespace pgtally
