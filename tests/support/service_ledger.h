// A ledger that was founded as `init` does it, with signing key and guard in a temporary directory.
#pragma once

#include <fstream>
#include <string>

#include "pgtally/checkpoint.h"
#include "pgtally/verify.h"
#include "service/founding.h"
#include "service/guard.h"
#include "service/runner.h"
#include "service/state_files.h"
#include "support/test_ledger.h"

namespace pgtally::test {

inline constexpr const char* kOrigin = "test.example/service";

// `Database` is TestDatabase or TestCluster.
template <typename Database>
class ServiceLedger {
 public:
  ServiceLedger() {
    auto connection = test::connect(database_.conninfo());
    must(found_ledger(connection, {kOrigin, "pgtally", state(), "", Roles::kNone}));
  }

  [[nodiscard]] Database& database() { return database_; }
  [[nodiscard]] const Database& database() const { return database_; }
  [[nodiscard]] std::string state() const { return state_.path().string(); }
  [[nodiscard]] Guard guard() const { return Guard(StateFiles::of(state(), kOrigin).guard); }
  [[nodiscard]] std::string guard_file() const { return StateFiles::of(state(), kOrigin).guard; }

  [[nodiscard]] RunnerOptions options() const { return options(database_.conninfo()); }
  [[nodiscard]] RunnerOptions options(const std::string& conninfo) const {
    RunnerOptions options;
    options.conninfo = conninfo;
    options.schema = "pgtally";
    options.state_directory = state();
    options.settings.interval = std::chrono::milliseconds(20);
    options.settings.checkpoint_interval = std::chrono::milliseconds(0);
    return options;
  }
  void append(int rows = 1) const { append_to(database_, rows); }
  static void append_to(const Server& server, int rows = 1) {
    server.psql(
        "INSERT INTO pgtally.append_only_log (data) SELECT g::text::bytea FROM "
        "generate_series(1, " +
        std::to_string(rows) + ") AS g");
  }
  [[nodiscard]] Result<OnceReport> run_once() const { return run_once_on(database_); }
  [[nodiscard]] Result<OnceReport> run_once_on(const Server& server) const {
    auto connection = test::connect(server.conninfo());
    return pgtally::run_once(connection, options(server.conninfo()), {});
  }

  // The sizes of all checkpoints, each of which has to verify.
  [[nodiscard]] std::vector<std::uint64_t> signed_sizes() const {
    std::vector<std::uint64_t> sizes;
    auto connection = test::connect(database_.conninfo());
    const Ledger ledger = must(Ledger::open(connection, "pgtally"));
    const Policy policy = must(Policy::trust(must(VerifierKey::parse(ledger.vkey()))));
    const auto rows = must(ledger.query("SELECT note FROM pgtally.checkpoint ORDER BY size"));
    for (std::size_t r = 0; r < rows.size(); ++r) {
      const auto note = must(rows.template get<std::string>(r, 0));
      sizes.push_back(must(verify_checkpoint(note, policy)).checkpoint.size.value);
    }
    return sizes;
  }

 private:
  Database database_;
  TestDirectory state_;
};

inline std::string content_of(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}
inline void write_file(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::trunc) << content;
}

}  // namespace pgtally::test
