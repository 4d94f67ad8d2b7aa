#include "service/readers.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <thread>
#include <utility>

#include "postgres/reconnect.h"
#include "service/log.h"
#include "service/pacer.h"

namespace pgtally {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// How long a reader waits for something to come, and so how long stopping it may take.
constexpr milliseconds kWait{200};

Result<void> note(const Ledger& ledger, const Reader& reader, const Error& error) {
  for (const std::int32_t source : reader.sources()) {
    TRY([[maybe_unused]] const auto noted,
        ledger.query("SELECT pgtally.note_failure($1::int4, '', $2, $3)",
                     pg::Params().int4(source).text(error.message).text(error.hint)));
  }
  return {};
}

Result<void> clear(const Ledger& ledger, const Reader& reader) {
  for (const std::int32_t source : reader.sources()) {
    TRY([[maybe_unused]] const auto cleared,
        ledger.query("SELECT pgtally.clear_failure($1::int4)", pg::Params().int4(source)));
  }
  return {};
}

}  // namespace

class ReaderPool::Worker {
 public:
  Worker(std::unique_ptr<Reader> reader, const ReaderHome& home, const StopSignal& stop)
      : reader_(std::move(reader)), home_(home), stop_(stop), thread_([this] { run(); }) {}
  ~Worker() { thread_.join(); }

  [[nodiscard]] bool does_as(const Reader& reader) const {
    return reader.name() == reader_->name() && reader.conninfo() == reader_->conninfo();
  }
  void ask_to_stop() { unwanted_ = true; }

 private:
  [[nodiscard]] bool stopping() const { return unwanted_ || stop_.requested(); }

  void run() {
    std::random_device seed;
    std::mt19937_64 random(seed());
    pg::Backoff backoff({}, [&] { return std::uniform_real_distribution<double>(0, 1)(random); });
    std::string last_error;
    while (!stopping()) {
      const Result<void> result = read_on([&] {
        if (!last_error.empty()) log(LogLevel::kInfo, reader_->name() + ": reading again");
        last_error.clear();
        backoff.reset();
      });
      if (result.ok()) continue;
      if (result.error().message != last_error) {
        log(LogLevel::kWarning, "reading " + reader_->name() + " failed", result.error());
        last_error = result.error().message;
      }
      rest(std::chrono::duration_cast<milliseconds>(backoff.next_delay()));
    }
  }

  // One connected stretch, until asked to stop or until something fails.
  [[nodiscard]] Result<void> read_on(const std::function<void()>& all_is_well) {
    TRY(auto connection, pg::Connection::open(home_.conninfo));
    TRY(const Ledger ledger, Ledger::open(connection, home_.schema));
    bool first = true;
    Pacer pacer(Pacer::kLongestRest);
    auto ended = Clock::now();
    while (!stopping()) {
      const auto began = Clock::now();
      const auto step = reader_->step(ledger, kWait);
      if (!step.ok()) {
        // With a connection that is in no transaction any more; if the ledger itself is away, there
        // is nowhere to note it, and nobody misses it.
        TRY_VOID(ledger.execute("ROLLBACK"));
        TRY_VOID(note(ledger, *reader_, step.error()));
        return step.error();
      }
      for (const std::string& remark : step->remarks) {
        log(LogLevel::kWarning, reader_->name() + ": " + remark);
      }
      if (first) {
        first = false;
        TRY_VOID(clear(ledger, *reader_));
        all_is_well();
      }
      if (step->staged > 0 && home_.waker != nullptr) home_.waker->wake();
      // Where nothing comes, it is the step that waits.
      const Found found = step->may_have_more ? Found::kMoreWaits
                          : step->staged > 0  ? Found::kSomething
                                              : Found::kNothing;
      const auto rested = began - std::exchange(ended, Clock::now()) + step->waited;
      rest(pacer.rest_after(rested, ended - began - step->waited, found).at_least);
    }
    return {};
  }

  void rest(milliseconds time) const {
    for (milliseconds slept{0}; slept < time && !stopping(); slept += kWait) {
      if (stop_.wait_for(std::min(kWait, time - slept))) return;
    }
  }

  std::unique_ptr<Reader> reader_;
  const ReaderHome& home_;
  const StopSignal& stop_;
  std::atomic<bool> unwanted_ = false;
  std::thread thread_;  // the last member: it uses the others
};

ReaderPool::ReaderPool(ReaderHome home, const StopSignal& stop)
    : home_(std::move(home)), stop_(stop) {}

ReaderPool::~ReaderPool() {
  for (const auto& worker : workers_) worker->ask_to_stop();
}

Result<void> ReaderPool::refresh(const Ledger& ledger) {
  if (!home_.factory) return {};
  TRY(auto readers, home_.factory(ledger));
  std::vector<std::unique_ptr<Worker>> unwanted;
  std::vector<std::unique_ptr<Worker>> kept;
  for (auto& worker : workers_) {
    const auto same = std::find_if(readers.begin(), readers.end(), [&](const auto& reader) {
      return reader != nullptr && worker->does_as(*reader);
    });
    if (same == readers.end()) {
      worker->ask_to_stop();
      unwanted.push_back(std::move(worker));
    } else {
      same->reset();
      kept.push_back(std::move(worker));
    }
  }
  workers_ = std::move(kept);
  unwanted.clear();  // waits; a reader under a new name may read the same slot
  for (auto& reader : readers) {
    if (reader == nullptr) continue;
    log(LogLevel::kInfo, "reading " + reader->name());
    workers_.push_back(std::make_unique<Worker>(std::move(reader), home_, stop_));
  }
  return {};
}

Result<void> read_everything(const Ledger& ledger, const ReaderFactory& factory) {
  TRY(auto readers, factory(ledger));
  for (const auto& reader : readers) {
    bool more = true;
    while (more) {
      const auto step = reader->step(ledger, kWait);
      if (!step.ok()) {
        TRY_VOID(ledger.execute("ROLLBACK"));
        TRY_VOID(note(ledger, *reader, step.error()));
        break;
      }
      for (const std::string& remark : step->remarks) {
        log(LogLevel::kWarning, reader->name() + ": " + remark);
      }
      more = step->may_have_more;
      if (!more) TRY_VOID(clear(ledger, *reader));
    }
  }
  return {};
}

}  // namespace pgtally
