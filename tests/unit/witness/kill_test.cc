// A witness that is killed at any moment: what it gave away, it remembers.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>

#include "support/signed_log.h"
#include "support/temporary_directory.h"
#include "witness/witness.h"

namespace pgtally::witness {
namespace {

constexpr std::uint64_t kEntries = 4000;

class KilledWitness : public testing::Test {
 protected:
  test::SignedLog log{test::test_key("log.example/a", 1), kEntries};
  test::SignedLog fork{test::test_key("log.example/a", 1), kEntries + 1, 0};
  test::TemporaryDirectory directory;

  Witness open() {
    return std::move(Witness::create(test::test_key("w.example", 9), {log.vkey()},
                                     *State::open(directory.path() + "/state"), [] { return 1; })
                         .value());
  }
  std::uint64_t remembered() {
    const auto latest = State::open(directory.path() + "/state")->latest("log.example/a");
    EXPECT_TRUE(latest.ok());
    return latest.ok() && *latest ? (*latest)->size.value : 0;
  }

  // Cosigns one entry after the other, and tells of each cosignature once it has it.
  [[noreturn]] void cosign_on(int told, std::uint64_t from) {
    Witness witness = open();
    for (std::uint64_t size = from; size < kEntries; ++size) {
      const Answer answer = witness.add_checkpoint(serialize(log.request(size, size + 1)));
      const std::uint64_t given = size + 1;
      if (answer.status != 200 || ::write(told, &given, sizeof given) != sizeof given) break;
    }
    ::_exit(0);
  }
};

TEST_F(KilledWitness, remembers_every_cosignature_that_left_it_and_so_cosigns_no_fork) {
  std::mt19937 random(7);
  std::uint64_t given = 0;
  for (int round = 0; round < 25; ++round) {
    const std::uint64_t from = remembered();
    ASSERT_GE(from, given);
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    if (child == 0) cosign_on(ends[1], from);
    ::close(ends[1]);
    ::usleep(std::uniform_int_distribution<useconds_t>(1'000, 40'000)(random));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    std::uint64_t size = 0;
    while (::read(ends[0], &size, sizeof size) == sizeof size) given = size;
    ::close(ends[0]);

    Witness witness = open();
    for (const std::uint64_t old_size : {std::uint64_t{0}, given}) {
      if (given == 0) continue;
      const Answer answer = witness.add_checkpoint(serialize(fork.request(old_size, kEntries + 1)));
      EXPECT_TRUE(answer.status == 409 || answer.status == 422) << answer.status;
    }
  }
  EXPECT_GT(given, 0U) << "no child came as far as to cosign";
}

}  // namespace
}  // namespace pgtally::witness
