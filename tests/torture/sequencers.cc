#include "torture/sequencers.h"

#include <fmt/format.h>

#include <atomic>
#include <csignal>
#include <random>
#include <stdexcept>
#include <thread>
#include <vector>

#include "postgres/connection.h"
#include "torture/child_process.h"
#include "torture/pgtally_program.h"

namespace pgtally::torture {
namespace {

constexpr int kInstances = 3;

// Batches of all sizes, so that most rounds are cut off somewhere.
class SqlClients : public Sequencers {
 public:
  SqlClients(const std::string& conninfo, int count) : errors_(static_cast<std::size_t>(count)) {
    for (std::size_t c = 0; c < errors_.size(); ++c) {
      threads_.emplace_back([this, conninfo, c] {
        const auto result = call(conninfo, c);
        if (!result.ok()) errors_[c] = result.error().message;
      });
    }
  }
  ~SqlClients() override { join(); }

  void stop() override {
    join();
    for (const std::string& error : errors_) {
      if (!error.empty()) throw std::runtime_error("process_next_batch(): " + error);
    }
  }

 private:
  Result<void> call(const std::string& conninfo, std::size_t client) {
    std::mt19937 random(static_cast<unsigned>(client));
    TRY(auto connection, pg::Connection::open(conninfo));
    while (!stopping_) {
      const std::int32_t most =
          std::uniform_int_distribution(1, random() % 2 == 0 ? 20 : 2000)(random);
      TRY(const auto rows,
          connection.query("SELECT pgtally.process_next_batch($1::int4)", pg::Params().int4(most)));
      TRY(const auto taken, rows.get<std::int64_t>(0, 0));
      if (taken == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return {};
  }

  void join() {
    stopping_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  std::atomic<bool> stopping_ = false;
  std::vector<std::string> errors_;
  std::vector<std::thread> threads_;
};

class Services : public Sequencers {
 public:
  Services(const std::string& conninfo, const test::TestDirectory& directory, bool shared) {
    for (int i = 0; i < kInstances; ++i) {
      const bool signs = shared || i == 0;
      const std::string state = signs ? signing_state(directory)
                                      : (directory.path() / fmt::format("state-{}", i)).string();
      logs_.push_back(directory.path() / fmt::format("run-{}.log", i));
      processes_.emplace_back(
          pgtally_command(conninfo, {"run", "--state", state, "--interval", "20ms", "--batch-rows",
                                     i == 0 ? "5000" : "100"}),
          logs_.back());
    }
  }

  void stop() override {
    for (std::size_t i = 0; i < processes_.size(); ++i) {
      const bool ran = processes_[i].is_running();
      processes_[i].send(SIGTERM);
      const int status = processes_[i].wait();
      if (!ran || status != 0) {
        throw std::runtime_error(fmt::format("pgtally run {}, exit status {}:\n{}",
                                             ran ? "did not stop cleanly" : "ended by itself",
                                             status, end_of(logs_[i])));
      }
    }
  }

 private:
  std::vector<ChildProcess> processes_;
  std::vector<std::filesystem::path> logs_;
};

class Both : public Sequencers {
 public:
  Both(std::unique_ptr<Sequencers> first, std::unique_ptr<Sequencers> second)
      : first_(std::move(first)), second_(std::move(second)) {}
  void stop() override {
    first_->stop();
    second_->stop();
  }

 private:
  std::unique_ptr<Sequencers> first_;
  std::unique_ptr<Sequencers> second_;
};

}  // namespace

std::unique_ptr<Sequencers> start_sequencers(Through through, const std::string& conninfo,
                                             const test::TestDirectory& directory) {
  switch (through) {
    case Through::kSql:
      return std::make_unique<SqlClients>(conninfo, kInstances);
    case Through::kRun:
      return std::make_unique<Services>(conninfo, directory, true);
    case Through::kApart:
      return std::make_unique<Both>(std::make_unique<Services>(conninfo, directory, false),
                                    std::make_unique<SqlClients>(conninfo, 1));
  }
  return nullptr;
}

}  // namespace pgtally::torture
