// Readers beside the cycle: each in a thread of its own, none in another's way.
#include "service/readers.h"

#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <thread>
#include <tuple>

#include "ledger/stager.h"
#include "pgtally/key.h"
#include "postgres/transaction.h"
#include "support/test_ledger.h"

namespace pgtally {
namespace {

using std::chrono::milliseconds;
using test::must;
using test::TestSchema;

// What the readers of a test are told to do, and what they did.
struct Script {
  std::atomic<bool> fails = false;
  std::atomic<int> steps = 0;
  std::atomic<int> alive = 0;
  std::atomic<int> place = 0;     // of readers that are made from now on
  std::atomic<int> read_at = -1;  // the place of the last step
  std::atomic<int> rows_left = 0;
  std::atomic<milliseconds> takes{milliseconds(0)};  // for a row
};

// Stages `rows_left` rows, one a step.
class ScriptedReader : public Reader {
 public:
  ScriptedReader(std::string name, std::int32_t source, Script& script)
      : name_(std::move(name)),
        place_(script.place),
        conninfo_("host=place" + std::to_string(place_)),
        sources_{source},
        script_(script) {
    ++script_.alive;
  }
  ~ScriptedReader() override { --script_.alive; }
  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] const std::string& conninfo() const override { return conninfo_; }
  [[nodiscard]] std::span<const std::int32_t> sources() const override { return sources_; }
  [[nodiscard]] Result<ReaderStep> step(const Ledger& ledger, milliseconds wait) override {
    ++script_.steps;
    script_.read_at = place_;
    if (script_.fails) return operator_error("the other side is down", "Start it.");
    if (script_.rows_left == 0) {
      std::this_thread::sleep_for(std::min(wait, milliseconds(5)));
      return ReaderStep{};
    }
    std::this_thread::sleep_for(script_.takes.load());
    TRY(auto transaction, pg::Transaction::begin(ledger.connection()));
    StagedRow row;
    row.source_id = sources_[0];
    row.source_position = std::to_string(script_.rows_left);
    const std::vector<std::string> columns{row.source_position};
    TRY(row.key, encode_key(columns));
    row.content.bytes[0] = 1;
    TRY_VOID(stage(ledger, {&row, 1}));
    if (transaction.commit().outcome != pg::CommitOutcome::kCommitted) return retry("unknown");
    --script_.rows_left;
    return ReaderStep{1, script_.rows_left > 0};
  }

 private:
  std::string name_;
  int place_;
  std::string conninfo_;
  std::vector<std::int32_t> sources_;
  Script& script_;
};

class ReadersTest : public testing::Test {
 protected:
  ReadersTest() : connection(ledger.connect()) {
    for (const std::string table : {"a", "b"}) {
      ledger.psql("CREATE TABLE " + table + " (id bigint PRIMARY KEY)");
      ledger.add_source(table, "public." + table, {"id"});
    }
    open.emplace(must(Ledger::open(connection, ledger.schema())));
  }
  [[nodiscard]] ReaderFactory factory() {
    return [this](const Ledger&) -> Result<Readers> {
      Readers readers;
      for (const auto& [name, source] : registry) {
        readers.push_back(
            std::make_unique<ScriptedReader>(name, source, source == 2 ? first : second));
      }
      return readers;
    };
  }
  [[nodiscard]] ReaderHome home() { return {ledger.conninfo(), ledger.schema(), factory()}; }
  [[nodiscard]] std::string failing() const {
    return ledger.psql(
        "SELECT coalesce(string_agg(source_id || ' ' || message, ', '), '') "
        "FROM pgtally.failure");
  }
  template <typename Condition>
  static bool comes_true(const Condition& condition) {
    for (int i = 0; i < 1000; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(milliseconds(10));
    }
    return false;
  }

  TestSchema ledger;
  pg::Connection connection;
  std::optional<Ledger> open;
  Script first;
  Script second;
  std::vector<std::pair<std::string, std::int32_t>> registry{{"first", 2}, {"second", 3}};
};

TEST_F(ReadersTest, one_that_fails_is_noted_and_holds_up_no_other) {
  const StopSignal stop = must(StopSignal::install());
  first.fails = true;
  second.rows_left = 20;
  ReaderPool pool(home(), stop);
  must(pool.refresh(*open));
  EXPECT_TRUE(comes_true([&] { return second.rows_left == 0; }));
  EXPECT_TRUE(comes_true([&] { return failing() == "2 the other side is down"; }));
  first.fails = false;
  first.rows_left = 3;
  EXPECT_TRUE(comes_true([&] { return first.rows_left == 0 && failing().empty(); }));
  EXPECT_EQ(ledger.drain(), 23);
}

TEST_F(ReadersTest, wake_whoever_takes_what_they_have_staged) {
  const StopSignal stop = must(StopSignal::install());
  const Waker waker = must(Waker::create());
  ReaderHome with_waker = home();
  with_waker.waker = &waker;
  ReaderPool pool(with_waker, stop);
  must(pool.refresh(*open));
  EXPECT_TRUE(comes_true([&] { return first.steps > 10 && second.steps > 10; }));
  const auto began = std::chrono::steady_clock::now();
  std::ignore = stop.wait_for(milliseconds(100), &waker);  // nothing was staged
  EXPECT_GE(std::chrono::steady_clock::now() - began, milliseconds(90));
  second.rows_left = 1;
  std::ignore = stop.wait_for(std::chrono::seconds(60), &waker);
  EXPECT_EQ(second.rows_left, 0);
  EXPECT_EQ(ledger.drain(), 1);
}

TEST_F(ReadersTest, rest_between_rows_that_trickle_in) {
  const StopSignal stop = must(StopSignal::install());
  ReaderPool pool(home(), stop);
  must(pool.refresh(*open));
  EXPECT_TRUE(comes_true([&] { return first.steps > 10; }));
  // One row is there whenever the reader looks: a step that stages one is paid for by a rest.
  first.takes = milliseconds(5);
  const std::jthread trickle([&](const std::stop_token& ended) {
    while (!ended.stop_requested()) {
      if (first.rows_left == 0) first.rows_left = 1;
      std::this_thread::sleep_for(milliseconds(1));
    }
  });
  const int before = first.steps;
  std::this_thread::sleep_for(std::chrono::seconds(2));
  EXPECT_LT(first.steps - before, 60);  // without rests, 400
}

TEST_F(ReadersTest, follow_the_registry) {
  const StopSignal stop = must(StopSignal::install());
  ReaderPool pool(home(), stop);
  must(pool.refresh(*open));
  EXPECT_EQ(first.alive + second.alive, 2);
  must(pool.refresh(*open));  // nothing has changed: the same two
  EXPECT_EQ(first.alive + second.alive, 2);
  registry = {{"first, anew", 2}};
  must(pool.refresh(*open));
  EXPECT_EQ(first.alive, 1);
  EXPECT_EQ(second.alive, 0);
  const int before = first.steps;
  EXPECT_TRUE(comes_true([&] { return first.steps > before; }));
}

TEST_F(ReadersTest, go_to_another_place_under_the_same_name) {
  const StopSignal stop = must(StopSignal::install());
  ReaderPool pool(home(), stop);
  must(pool.refresh(*open));
  EXPECT_TRUE(comes_true([&] { return first.read_at == 0 && second.read_at == 0; }));
  first.place = 1;
  must(pool.refresh(*open));
  EXPECT_TRUE(comes_true([&] { return first.read_at == 1; }));
  EXPECT_EQ(second.read_at, 0);
  EXPECT_EQ(first.alive + second.alive, 2);
}

TEST_F(ReadersTest, survive_the_loss_of_the_ledgers_connection) {
  const StopSignal stop = must(StopSignal::install());
  ReaderPool pool(home(), stop);
  must(pool.refresh(*open));
  EXPECT_TRUE(comes_true([&] { return first.steps > 0 && second.steps > 0; }));
  ledger.psql(
      "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
      "WHERE datname = current_database() AND pid <> pg_backend_pid()");
  first.rows_left = 5;
  EXPECT_TRUE(comes_true([&] { return first.rows_left == 0; }));
  EXPECT_EQ(ledger.drain(), 5);
}

TEST_F(ReadersTest, all_end_when_the_service_is_asked_to_stop) {
  {
    const StopSignal stop = must(StopSignal::install());
    first.fails = true;
    ReaderPool pool(home(), stop);
    must(pool.refresh(*open));
    EXPECT_TRUE(comes_true([&] { return first.steps > 0; }));
    std::raise(SIGTERM);
  }
  EXPECT_EQ(first.alive + second.alive, 0);
}

TEST_F(ReadersTest, are_run_to_their_end_one_after_the_other_for_a_single_run) {
  first.fails = true;
  second.rows_left = 4;
  must(read_everything(*open, factory()));
  EXPECT_EQ(second.rows_left, 0);
  EXPECT_EQ(failing(), "2 the other side is down");
  first.fails = false;
  must(read_everything(*open, factory()));
  EXPECT_EQ(failing(), "");
}

}  // namespace
}  // namespace pgtally
