// sigkill [ROUNDS]: SIGKILL of the service at every step of its cycle and at random moments, and
// crashes of the database server, while writers go on. fsync is on.
//
// After each kill the service is started again, and when it has signed: no gap, no double, every
// note ever signed consistent with every other, tiles those of a rebuild, nothing signed that the
// guard did not hold. At the end each row is compared with what its writer knows.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "torture/siege.h"

namespace pgtally::torture {
namespace {

constexpr int kLeastKills = 100;
constexpr int kLeastHits = 3;
constexpr int kTargetedHits = 4;

enum class Round { kTargeted, kCommitHappens, kCommitNeverHappens, kRandom, kBeside, kCrash };
struct Planned {
  Round round;
  Step step = Step::kLocked;
};

std::vector<Planned> plan(int random_rounds) {
  std::vector<Planned> rounds;
  for (int s = 0; s < kSteps; ++s) {
    for (int n = 0; n < kTargetedHits; ++n)
      rounds.push_back({Round::kTargeted, static_cast<Step>(s)});
  }
  for (int n = 0; n < kLeastHits; ++n) {
    rounds.push_back({Round::kCommitHappens});
    rounds.push_back({Round::kCommitNeverHappens});
  }
  for (int n = 0; n < random_rounds; ++n) {
    rounds.push_back({n % 8 == 7 ? Round::kBeside : Round::kRandom});
  }
  for (const Step step : {Step::kLocked, Step::kTreeWritten, Step::kCommitSent, Step::kCommitSent,
                          Step::kGuardAdvanced, Step::kSigned}) {
    rounds.push_back({Round::kCrash, step});
  }
  std::mt19937 random(7);
  std::shuffle(rounds.begin(), rounds.end(), random);
  return rounds;
}

void print(const Siege& siege) {
  const Hits& hits = siege.hits();
  fmt::print("  {:<18} {:>8} {:>8}\n", "last step reached", "targeted", "random");
  for (std::size_t s = 0; s < kSteps; ++s) {
    fmt::print("  {:<18} {:>8} {:>8}\n", kStepNames[s], hits.targeted[s], hits.random[s]);
  }
  fmt::print("  {:<18} {:>8} {:>8}\n", "none yet", "", hits.before_first_step);
  fmt::print("  with COMMIT sent and the server held up: {} were committed, {} were not\n",
             hits.commit_happened, hits.commit_never_happened);
  fmt::print("  {} kills, {} server crashes, {} signatures made, {} distinct sizes signed\n",
             hits.total(), siege.server_crashes(), siege.signatures(), siege.notes());
}

int run(int random_rounds) {
  const auto begin = std::chrono::steady_clock::now();
  Siege siege;
  for (const Planned& planned : plan(random_rounds)) {
    switch (planned.round) {
      case Round::kTargeted:
        siege.kill_at(planned.step);
        break;
      case Round::kCommitHappens:
        siege.kill_at_commit(true);
        break;
      case Round::kCommitNeverHappens:
        siege.kill_at_commit(false);
        break;
      case Round::kRandom:
        siege.kill_at_random();
        break;
      case Round::kBeside:
        siege.kill_beside_another();
        break;
      case Round::kCrash:
        siege.crash_server_at(planned.step);
        break;
    }
  }
  const Comparison comparison = siege.finish();
  const double elapsed =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  fmt::print("SIGKILL of the service, {:.0f} s\n", elapsed);
  print(siege);
  print(comparison);
  const Hits& hits = siege.hits();
  if (hits.total() < kLeastKills || hits.fewest() < kLeastHits ||
      std::min(hits.commit_happened, hits.commit_never_happened) < kLeastHits) {
    fmt::print("  too few: {} kills are wanted, and {} at each step\n", kLeastKills, kLeastHits);
    return 1;
  }
  return comparison.is_clean() ? 0 : 1;
}

}  // namespace
}  // namespace pgtally::torture

int main(int argc, char** argv) {
  try {
    return pgtally::torture::run(argc > 1 ? std::stoi(argv[1]) : 72);
  } catch (const std::exception& error) {
    fmt::print(stderr, "sigkill: {}\n", error.what());
    return 2;
  }
}
