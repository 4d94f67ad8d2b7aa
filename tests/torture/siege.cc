#include "torture/siege.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <functional>
#include <sstream>
#include <thread>

#include "base/encoding.h"
#include "ledger/rebuild.h"
#include "pgtally/checkpoint.h"
#include "service/guard.h"
#include "service/state_files.h"
#include "torture/must.h"

namespace pgtally::torture {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr WorkloadOptions kWorkload{.writers = 4, .pause = milliseconds(80)};
constexpr seconds kPatience{60};

std::string read_all(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

void sleep_up_to(std::mt19937& random, int most) {
  std::this_thread::sleep_for(
      std::chrono::microseconds(std::uniform_int_distribution(0, most * 1000)(random)));
}

// The server process that holds the ledger's lock; 0 if there is none.
Result<int> sequencing_backend(const Ledger& ledger) {
  TRY(const auto rows,
      ledger.query("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"));
  if (rows.empty()) return 0;
  return rows.get<std::int32_t>(0, 0);
}

std::string founded(const test::TestCluster& cluster, const test::TestDirectory& directory) {
  found(cluster.conninfo(), directory.path() / "state");
  add_sources(cluster.conninfo());
  auto connection = must(pg::Connection::open(cluster.conninfo()));
  return must(Ledger::open(connection, std::string(kDefaultSchema))).vkey();
}

}  // namespace

int Hits::total() const {
  int sum = before_first_step;
  for (std::size_t s = 0; s < kSteps; ++s) sum += targeted[s] + random[s];
  return sum;
}

int Hits::fewest() const {
  int fewest = total();
  for (std::size_t s = 0; s < kSteps; ++s) fewest = std::min(fewest, targeted[s] + random[s]);
  return fewest;
}

Siege::Siege()
    : conninfo_(cluster_.conninfo()),
      board_(directory_.path() / "board"),
      history_(founded(cluster_, directory_)) {
  workload_.emplace(conninfo_, kWorkload);
}

ChildProcess Siege::start(const std::string& board) {
  return ChildProcess({SERVICE_UNDER_TEST, conninfo_, directory_.path() / "state",
                       directory_.path() / board, directory_.path() / "signatures"},
                      directory_.path() / "service.log");
}

void Siege::start_service() {
  board_->reset();
  service_.emplace(start("board"));
}

// Until the service has taken that many cycles more to their end.
void Siege::wait_until_stored(std::uint64_t more) {
  const std::uint64_t goal = board_->stored + more;
  const auto deadline = steady_clock::now() + kPatience;
  while (board_->stored < goal) {
    if (!service_->is_running() || steady_clock::now() > deadline) {
      throw std::runtime_error("the service does not go on; its log:\n" +
                               read_all(directory_.path() / "service.log"));
    }
    std::this_thread::sleep_for(milliseconds(1));
  }
}

void Siege::kill(bool targeted) {
  service_->send(SIGKILL);
  if (service_->wait() != 128 + SIGKILL) {
    throw std::runtime_error("the service ended by itself; its log:\n" +
                             read_all(directory_.path() / "service.log"));
  }
  const int step = board_->step;
  if (step == StepBoard::kNone) {
    ++hits_.before_first_step;
  } else {
    ++(targeted ? hits_.targeted : hits_.random)[static_cast<std::size_t>(step)];
  }
}

void Siege::recover() {
  start_service();
  wait_until_stored(1);
  check();
}

// Until the service has come to the step, where it then stays.
void Siege::linger_at(Step step) {
  const int place = static_cast<int>(step);
  board_->linger_at = place;
  const auto deadline = steady_clock::now() + kPatience;
  while (board_->lingers_at != place) {
    if (steady_clock::now() > deadline || !service_->is_running()) {
      throw std::runtime_error(fmt::format("the service never comes to step \"{}\"",
                                           kStepNames[static_cast<std::size_t>(step)]));
    }
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
}

void Siege::kill_at(Step step) {
  if (!service_) recover();
  linger_at(step);
  sleep_up_to(random_, 5);
  kill(true);
  recover();
}

void Siege::kill_at_commit(bool happens) {
  if (!service_) recover();
  auto connection = must(pg::Connection::open(conninfo_));
  const Ledger ledger = must(Ledger::open(connection, std::string(kDefaultSchema)));
  // An empty batch would leave nothing to tell the outcomes apart by.
  linger_at(Step::kEntriesCopied);
  linger_at(Step::kTreeWritten);
  const std::uint64_t before = changes_in_log(ledger);
  const int backend = must(sequencing_backend(ledger));
  ::kill(backend, SIGSTOP);
  linger_at(Step::kCommitSent);
  kill(true);
  if (!happens) {
    must(ledger.query("SELECT pg_terminate_backend($1)", pg::Params().int4(backend)));
  }
  ::kill(backend, SIGCONT);
  while (must(sequencing_backend(ledger)) == backend) std::this_thread::sleep_for(milliseconds(1));
  const bool happened = changes_in_log(ledger) > before;
  ++(happened ? hits_.commit_happened : hits_.commit_never_happened);
  recover();
}

void Siege::kill_at_random() {
  if (!service_) recover();
  sleep_up_to(random_, 80);
  kill(false);
  // Now and then the next one dies young.
  if (random_() % 4 == 0) {
    start_service();
    sleep_up_to(random_, 100);
    kill(false);
  }
  recover();
}

void Siege::kill_beside_another() {
  if (!service_) recover();
  const SharedBoard board(directory_.path() / "other-board");
  ChildProcess other = start("other-board");
  const auto deadline = steady_clock::now() + kPatience;
  while (board->step == StepBoard::kNone && steady_clock::now() < deadline) {
    std::this_thread::sleep_for(milliseconds(1));
  }
  sleep_up_to(random_, 50);
  kill(false);
  sleep_up_to(random_, 50);
  board->reset();
  recover();
  sleep_up_to(random_, 50);
  if (!other.is_running()) throw std::runtime_error("the other instance ended by itself");
}

void Siege::crash_server_at(Step step) {
  if (!service_) recover();
  linger_at(step);
  cluster_.stop_immediately();
  board_->linger_at = StepBoard::kNone;
  sleep_up_to(random_, 200);
  cluster_.start();
  ++server_crashes_;
  wait_until_stored(2);
  check();
}

void Siege::check() {
  auto connection = must(pg::Connection::open(conninfo_));
  const Ledger ledger = must(Ledger::open(connection, std::string(kDefaultSchema)));
  check_log(ledger);
  take_signatures();
  history_.add_stored(ledger);
  history_.check_consistency(ledger);
  const RebuildReport rebuilt = must(check_tree(ledger, {}));
  if (!rebuilt.findings.empty()) {
    throw std::runtime_error("the tree is not that of a rebuild: " + rebuilt.findings[0]);
  }
}

// No gap and no double, in one snapshot of a log that goes on.
void Siege::check_log(const Ledger& ledger) {
  const auto rows = must(ledger.query(R"sql(
    WITH numbered AS (
      SELECT id, ordinal, row_number() OVER (ORDER BY id) - 1 AS place,
             row_number() OVER (PARTITION BY source_id ORDER BY id) - 1 AS nth
        FROM pgtally.processed_log
    ), doubled AS (
      SELECT FROM pgtally.processed_log WHERE operation = 1
       GROUP BY source_id, key HAVING count(*) > 1
    )
    SELECT (SELECT count(*) FROM numbered WHERE id <> place OR ordinal <> nth),
           (SELECT count(*) FROM doubled))sql"));
  const auto gaps = must(rows.get<std::int64_t>(0, 0));
  const auto doubled = must(rows.get<std::int64_t>(0, 1));
  if (gaps + doubled != 0) {
    throw std::runtime_error(fmt::format("{} gaps and {} doubled rows in the log", gaps, doubled));
  }
}

// Those made since the last call, each with what the guard held when it was made.
void Siege::take_signatures() {
  if (!signatures_file_.is_open()) signatures_file_.open(directory_.path() / "signatures");
  signatures_file_.clear();
  std::string line;
  while (std::getline(signatures_file_, line)) {
    std::istringstream fields(line);
    std::uint64_t guarded = 0;
    std::string root;
    std::string encoded;
    fields >> guarded >> root >> encoded;
    const Bytes note = must(from_base64(encoded));
    history_.add(std::string(as_text(note)));
    ++signatures_;
    const SignedNote parsed = must(parse_note(as_text(note)));
    const Checkpoint checkpoint = must(parse_checkpoint(parsed.text));
    if (guarded < checkpoint.size.value ||
        (guarded == checkpoint.size.value && must(hash_from_base64(root)) != checkpoint.root)) {
      throw std::runtime_error(
          fmt::format("size {} was signed while the guard held size {} root {}",
                      checkpoint.size.value, guarded, root));
    }
  }
  if (signatures_ == 0) throw std::runtime_error("the service under test tells of no signature");
  const auto files = StateFiles::of(directory_.path() / "state", kOrigin);
  const GuardState guard = must(Guard(files.guard).read());
  if (guard.size < history_.largest()) {
    throw std::runtime_error(fmt::format("the guard holds size {}, and {} was signed",
                                         guard.size.value, history_.largest().value));
  }
}

Comparison Siege::finish() {
  workload_->stop();
  const Truth truth = find_truth(conninfo_, workload_->records(), {});
  auto connection = must(pg::Connection::open(conninfo_));
  const Ledger ledger = must(Ledger::open(connection, std::string(kDefaultSchema)));
  const auto deadline = steady_clock::now() + kPatience;
  while (changes_in_log(ledger) < truth.changes.size() && steady_clock::now() < deadline) {
    std::this_thread::sleep_for(milliseconds(20));
  }
  service_->send(SIGTERM);
  if (const int status = service_->wait(); status != 0) {
    throw std::runtime_error(fmt::format("the service ended with status {} on SIGTERM", status));
  }
  check();
  history_.check_against_entries(ledger);
  const Comparison comparison = compare(ledger, truth);
  if (history_.largest().value != comparison.total.entries) {
    throw std::runtime_error(fmt::format("the newest signed size is {}, and the log has {} entries",
                                         history_.largest().value, comparison.total.entries));
  }
  return comparison;
}

}  // namespace pgtally::torture
