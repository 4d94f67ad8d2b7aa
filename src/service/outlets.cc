#include "service/outlets.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <random>
#include <thread>

#include "postgres/connection.h"
#include "postgres/reconnect.h"
#include "service/log.h"

namespace pgtally {

class Outlets::Worker {
 public:
  Worker(const std::string& conninfo, const std::string& schema, Outlet outlet)
      : conninfo_(conninfo),
        schema_(schema),
        outlet_(std::move(outlet)),
        thread_([this] { run(); }) {}
  ~Worker() { thread_.join(); }

  void wake() {
    const std::lock_guard lock(mutex_);
    woken_ = true;
    changed_.notify_one();
  }

  void ask_to_stop() {
    const std::lock_guard lock(mutex_);
    stop_at_ = Clock::now() + kGrace;
    changed_.notify_one();
  }

 private:
  using Clock = std::chrono::steady_clock;

  void run() {
    std::random_device seed;
    std::mt19937_64 random(seed());
    pg::Backoff backoff({}, [&] { return std::uniform_real_distribution<double>(0, 1)(random); });
    std::string last_error;
    std::chrono::milliseconds rest{0};  // the first round is at once
    while (wait(rest)) {
      const Result<void> result = deliver();
      rest = kLook;
      if (result.ok()) {
        if (!last_error.empty()) log(LogLevel::kInfo, outlet_.name + ": it goes on again");
        last_error.clear();
        backoff.reset();
        continue;
      }
      if (result.error().message != last_error) {
        log(LogLevel::kWarning, outlet_.name + " failed", result.error());
        last_error = result.error().message;
      }
      connection_.reset();
      rest = std::chrono::duration_cast<std::chrono::milliseconds>(backoff.next_delay());
      failing_ = true;
    }
  }

  // Until woken, or for so long; a failure is waited out even when woken. False: it is over.
  bool wait(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, time, [&] { return stop_at_ || (woken_ && !failing_); });
    const bool last_round = stop_at_ && woken_ && !failing_;
    failing_ = false;
    woken_ = false;
    return !stop_at_ || last_round;
  }

  [[nodiscard]] Result<void> deliver() {
    if (!connection_) {
      TRY(connection_, pg::Connection::open(conninfo_));
    }
    TRY(const Ledger ledger, Ledger::open(*connection_, schema_));
    return outlet_.deliver(ledger, [this] {
      const std::lock_guard lock(mutex_);
      return stop_at_ && Clock::now() >= *stop_at_;
    });
  }

  const std::string conninfo_;
  const std::string schema_;
  const Outlet outlet_;
  std::optional<pg::Connection> connection_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool woken_ = false;
  bool failing_ = false;
  std::optional<Clock::time_point> stop_at_;
  std::thread thread_;  // the last member: it uses all others
};

Outlets::Outlets(const std::string& conninfo, const std::string& schema,
                 std::vector<Outlet> outlets) {
  for (Outlet& outlet : outlets) {
    workers_.push_back(std::make_unique<Worker>(conninfo, schema, std::move(outlet)));
  }
}

Outlets::~Outlets() {
  for (const auto& worker : workers_) worker->ask_to_stop();
}

void Outlets::wake() {
  for (const auto& worker : workers_) worker->wake();
}

}  // namespace pgtally
