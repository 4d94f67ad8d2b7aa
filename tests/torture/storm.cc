#include "torture/storm.h"

#include <fmt/format.h>

#include <chrono>
#include <csignal>
#include <stdexcept>
#include <thread>

#include "torture/pgtally_program.h"

namespace pgtally::torture {

Storm::Storm(test::TestCluster& cluster, const std::string& conninfo,
             const test::TestDirectory& directory)
    : cluster_(cluster),
      conninfo_(conninfo),
      directory_(directory),
      log_(directory.path() / "run.log") {
  start_service();
}

void Storm::start_service() {
  service_.emplace(pgtally_command(conninfo_, {"run", "--state", signing_state(directory_),
                                               "--interval", "100ms", "--batch-rows", "500"}),
                   log_);
}

void Storm::check_running() {
  if (service_->is_running()) return;
  throw std::runtime_error(fmt::format("pgtally run ended by itself, exit status {}:\n{}",
                                       service_->wait(), end_of(log_)));
}

void Storm::strike() {
  std::this_thread::sleep_for(
      std::chrono::milliseconds(std::uniform_int_distribution(2000, 4000)(random_)));
  check_running();
  const unsigned how = random_() % 8;
  const bool crash = how < 3;
  const bool kill = how > 1;
  if (crash) {
    cluster_.stop_immediately();
    ++crashes_;
  }
  if (kill) {
    service_->send(SIGKILL);
    service_->wait();
    ++kills_;
  }
  if (crash) cluster_.start();
  if (kill) start_service();
}

std::string Storm::last_words() const {
  return end_of(log_);
}

void Storm::end_service() {
  check_running();
  service_->send(SIGTERM);
  if (const int status = service_->wait(); status != 0) {
    throw std::runtime_error(
        fmt::format("pgtally run ended with status {} on SIGTERM:\n{}", status, end_of(log_)));
  }
}

}  // namespace pgtally::torture
