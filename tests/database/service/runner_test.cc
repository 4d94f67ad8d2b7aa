// The running service: lost connections, restarts, stopping.
#include <gtest/gtest.h>

#include <csignal>
#include <thread>

#include "support/service_ledger.h"

namespace pgtally {
namespace {

using test::error_of;
using test::must;
using test::TestCluster;
using test::TestDatabase;

// run_loop() in a thread, until it is told to stop by the signal that a service manager sends.
class Service {
 public:
  explicit Service(RunnerOptions options)
      : stop_(must(StopSignal::install())), options_(std::move(options)), thread_([this] {
          result_ = run_loop(options_, stop_);
          done_ = true;
        }) {}
  ~Service() {
    if (thread_.joinable()) std::ignore = end();
  }
  Result<void> end() {
    if (!done_) ::kill(::getpid(), SIGTERM);
    thread_.join();
    return result_;
  }
  [[nodiscard]] bool done() const { return done_; }

 private:
  StopSignal stop_;
  RunnerOptions options_;
  Result<void> result_;
  std::atomic<bool> done_ = false;
  std::thread thread_;
};

bool eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 1500; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

template <typename Database>
bool signs_up_to(test::ServiceLedger<Database>& ledger, std::uint64_t size) {
  return eventually([&] {
    return ledger.database().psql("SELECT coalesce(max(size), 0) FROM pgtally.checkpoint") ==
           std::to_string(size);
  });
}

TEST(Runner, signs_what_comes_and_stops_on_sigterm_with_nothing_left_unsigned) {
  test::ServiceLedger<TestDatabase> ledger;
  Service service(ledger.options());
  ledger.append(5);
  EXPECT_TRUE(signs_up_to(ledger, 7));
  ledger.append(5);
  must(service.end());
  EXPECT_EQ(ledger.signed_sizes().back(), 12U);
}

TEST(Runner, goes_on_after_its_session_was_ended) {
  test::ServiceLedger<TestDatabase> ledger;
  Service service(ledger.options());
  for (int i = 1; i <= 3; ++i) {
    ledger.append(100);
    EXPECT_TRUE(signs_up_to(ledger, 2 + 100 * static_cast<std::uint64_t>(i)));
    ledger.database().psql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
        "datname = current_database() AND pid <> pg_backend_pid()");
  }
  ledger.append(1);
  EXPECT_TRUE(signs_up_to(ledger, 303));
  EXPECT_FALSE(service.done());
  must(service.end());
}

TEST(Runner, goes_on_after_the_server_was_restarted_and_after_it_crashed) {
  test::ServiceLedger<TestCluster> ledger;
  Service service(ledger.options());
  ledger.append(10);
  EXPECT_TRUE(signs_up_to(ledger, 12));
  ledger.database().restart();
  ledger.append(10);
  EXPECT_TRUE(signs_up_to(ledger, 22));
  ledger.database().stop_immediately();
  ledger.database().start();
  ledger.append(10);
  EXPECT_TRUE(signs_up_to(ledger, 32));
  must(service.end());
}

TEST(Runner, stops_by_itself_when_the_guard_says_that_the_database_went_back) {
  test::ServiceLedger<TestDatabase> ledger;
  ledger.append(10);
  must(ledger.run_once());
  const TestDatabase backup;
  test::copy_database(ledger.database(), backup);
  ledger.append(10);
  must(ledger.run_once());
  Service service(ledger.options(backup.conninfo()));
  EXPECT_TRUE(eventually([&] { return service.done(); }));
  EXPECT_EQ(error_of(service.end()).code, ErrorCode::kTampered);
}

// An idle loop sleeps twice as long each time: after a sleep of two seconds comes one of four.
TEST(Runner, takes_at_once_what_it_is_woken_for) {
  test::ServiceLedger<TestDatabase> ledger;
  Pulse pulse;
  const Waker waker = must(Waker::create());
  RunnerOptions options = ledger.options();
  options.settings.interval = std::chrono::seconds(60);
  options.pulse = &pulse;
  options.waker = &waker;
  Service service(options);
  auto last = std::chrono::steady_clock::time_point::max();
  EXPECT_TRUE(eventually([&] {
    const auto now = pulse.state().last_cycle.value_or(last);
    return now - std::exchange(last, now) > std::chrono::seconds(2);
  }));
  const auto began = std::chrono::steady_clock::now();
  ledger.append(5);
  waker.wake();
  EXPECT_TRUE(signs_up_to(ledger, 7));
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(2));
  must(service.end());
}

TEST(Runner, refuses_a_server_without_fsync_unless_that_was_asked_for) {
  test::ServiceLedger<TestDatabase> ledger;  // in a cluster that runs so because it was asked for
  ledger.append();
  must(ledger.run_once());
  auto connection = test::connect(ledger.database().conninfo() +
                                  " options='-c pgtally.fsync_off_was_asked_for=off'");
  const Error error = error_of(open_for_sequencing(connection, "pgtally"));
  EXPECT_EQ(error.code, ErrorCode::kOperator);
  EXPECT_NE(error.message.find("fsync = off"), std::string::npos);
}

TEST(Runner, makes_its_session_wait_for_durable_commits_whatever_the_role_says) {
  test::ServiceLedger<TestDatabase> ledger;
  auto connection =
      test::connect(ledger.database().conninfo() + " options='-c synchronous_commit=off'");
  must(open_for_sequencing(connection, "pgtally"));
  const auto rows = must(connection.query("SELECT current_setting('synchronous_commit')"));
  EXPECT_EQ(must(rows.get<std::string>(0, 0)), "on");
}

TEST(Runner, leaves_no_row_behind_that_was_committed_before_a_run_began) {
  test::ServiceLedger<TestDatabase> ledger;
  ledger.append(500);
  RunnerOptions options = ledger.options();
  options.settings.batch_rows = 7;
  auto connection = test::connect(options.conninfo);
  const OnceReport report = must(run_once(connection, options, {}));
  EXPECT_EQ(report.rows, 500U);
  EXPECT_EQ(report.checkpoint->size.value, 502U);
}

}  // namespace
}  // namespace pgtally
