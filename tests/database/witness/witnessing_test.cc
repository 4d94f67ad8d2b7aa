// A ledger that has its checkpoints cosigned: rounds, quorum, what is shown meanwhile, what is kept.

#include "service/witnessing.h"

#include <gtest/gtest.h>

#include <atomic>

#include "http/server.h"
#include "ledger/cosignatures.h"
#include "ledger/prover.h"
#include "support/service_ledger.h"
#include "support/signed_log.h"
#include "witness/handler.h"

namespace pgtally {
namespace {

using std::chrono::milliseconds;
using test::must;
using Clock = std::chrono::steady_clock;

// A witness of our own, over HTTP, that can be told to say nothing.
class OneWitness : public http::Handler {
 public:
  OneWitness(const std::string& name, std::uint8_t seed, const VerifierKey& log,
             const std::string& directory)
      : key(test::test_key(name, seed)),
        handler_(must(witness::Witness::create(key, {log},
                                               must(witness::State::open(directory + "/" + name)),
                                               [] { return 1'795'003'601; }))) {
    http::ServerOptions options;
    options.listen = "127.0.0.1:0";
    options.limits.drain = milliseconds(100);
    server_ = must(http::Server::start(options, *this));
  }
  ~OneWitness() override { server_->stop(); }

  void handle(http::Request request, http::Answer answer) override {
    ++requests;
    if (silent) {
      kept_.push_back(std::move(answer));
    } else {
      handler_.handle(std::move(request), std::move(answer));
    }
  }
  [[nodiscard]] std::string line() const {
    return "witness " + key.name() + " " + must(key.witness_verifier()).text() + " " +
           server_->url() + "\n";
  }

  SigningKey key;
  std::atomic<int> requests = 0;
  std::atomic<bool> silent = false;

 private:
  witness::Handler handler_;
  std::vector<http::Answer> kept_;
  std::unique_ptr<http::Server> server_;
};

class WitnessingTest : public testing::Test {
 protected:
  WitnessingTest()
      : connection(test::connect(home.database().conninfo())),
        ledger(must(Ledger::open(connection, "pgtally"))) {
    for (std::uint8_t i = 0; i < 3; ++i) {
      witnesses.push_back(std::make_unique<OneWitness>(
          "w" + std::to_string(i), 40 + i, must(VerifierKey::parse(ledger.vkey())), home.state()));
    }
  }

  [[nodiscard]] Policy policy(const std::string& threshold = "2") const {
    std::string text = "log " + ledger.vkey() + "\n";
    for (const auto& witness : witnesses) text += witness->line();
    return must(Policy::parse(text + "group enough " + threshold + " w0 w1 w2\nquorum enough\n"));
  }
  [[nodiscard]] Outlet outlet(milliseconds timeout = milliseconds(5000)) const {
    return must(witnessing(policy(), {{}, timeout, milliseconds(1)}));
  }
  void deliver(const Outlet& outlet) const {
    must(outlet.deliver(ledger, [] { return false; }));
  }
  TreeSize grow() const {
    home.append();
    must(home.run_once());
    return must(newest_checkpoint(ledger))->size;
  }
  [[nodiscard]] std::size_t witnesses_of(TreeSize size) const {
    const auto loose =
        must(Policy::parse("log " + ledger.vkey() + "\n" + witnesses[0]->line() +
                           witnesses[1]->line() + witnesses[2]->line() + "quorum none\n"));
    return must(verify_checkpoint(must(cosigned_checkpoint(ledger, size)), loose))
        .cosigned_by.size();
  }

  test::ServiceLedger<test::TestDatabase> home;
  pg::Connection connection;
  Ledger ledger;
  std::vector<std::unique_ptr<OneWitness>> witnesses;
};

TEST_F(WitnessingTest, collects_cosignatures_of_one_checkpoint_until_the_quorum_is_met) {
  const Outlet asking = outlet();
  for (int round = 0; round < 5; ++round) {
    const TreeSize size = grow();
    const auto began = Clock::now();
    do {
      deliver(asking);
    } while (!must(newest_witnessed(ledger)) && Clock::now() - began < milliseconds(5000));
    ASSERT_EQ(must(newest_witnessed(ledger))->size, size);
    EXPECT_TRUE(verify_checkpoint(must(cosigned_checkpoint(ledger, size)), policy()).ok());
  }
}

TEST_F(WitnessingTest, is_not_held_up_by_a_witness_that_the_quorum_does_not_need) {
  witnesses[1]->silent = true;
  const TreeSize size = grow();
  const Outlet asking = outlet(milliseconds(20'000));
  const auto began = Clock::now();
  deliver(asking);
  EXPECT_LT(Clock::now() - began, milliseconds(10'000));
  EXPECT_EQ(must(newest_witnessed(ledger))->size, size);
  EXPECT_EQ(witnesses_of(size), 2U);
}

TEST_F(WitnessingTest, waits_no_longer_than_the_timeout_for_a_quorum) {
  witnesses[1]->silent = true;
  witnesses[2]->silent = true;
  const TreeSize size = grow();
  const Outlet asking = outlet(milliseconds(300));
  const auto began = Clock::now();
  deliver(asking);
  EXPECT_LT(Clock::now() - began, milliseconds(3000));
  EXPECT_FALSE(must(newest_witnessed(ledger)));
  EXPECT_EQ(witnesses_of(size), 1U) << "what there is, is kept";
}

TEST_F(WitnessingTest, knows_after_a_restart_where_each_witness_stands) {
  const TreeSize first = grow();
  {
    const Outlet asking = outlet();
    const auto began = Clock::now();
    while (witnesses_of(first) < 3 && Clock::now() - began < milliseconds(5000)) deliver(asking);
  }
  ASSERT_EQ(witnesses_of(first), 3U);
  for (const auto& witness : witnesses) witness->requests = 0;
  const TreeSize second = grow();
  const Outlet asking = outlet();
  const auto began = Clock::now();
  while (witnesses_of(second) < 3 && Clock::now() - began < milliseconds(5000)) deliver(asking);
  for (const auto& witness : witnesses) EXPECT_EQ(witness->requests, 1) << "no 409 in between";
}

TEST_F(WitnessingTest, proves_entries_under_what_is_witnessed_as_long_as_that_covers_them) {
  const TreeSize first = grow();
  deliver(outlet());
  const TreeSize second = grow();
  const auto size_of_proof = [&](std::uint64_t id) {
    const auto proof = must(prove_entry(ledger, LeafIndex{id}, false));
    return must(verify_proof(proof, must(Policy::trust(must(VerifierKey::parse(ledger.vkey()))))))
        .size;
  };
  EXPECT_EQ(size_of_proof(0), first);
  EXPECT_EQ(size_of_proof(second.value - 1), second);
  EXPECT_TRUE(verify_proof(must(prove_entry(ledger, LeafIndex{0}, false)), policy()).ok());
}

TEST_F(WitnessingTest, shows_a_checkpoint_once_it_is_witnessed_or_has_waited_long_enough) {
  constexpr milliseconds kHour{3'600'000};
  const TreeSize first = grow();
  EXPECT_FALSE(must(checkpoint_to_show(ledger, kHour)));
  EXPECT_EQ(must(checkpoint_to_show(ledger, milliseconds(0)))->size, first);
  deliver(outlet());
  const TreeSize second = grow();
  EXPECT_EQ(must(checkpoint_to_show(ledger, kHour))->size, first);
  EXPECT_EQ(must(checkpoint_to_show(ledger, milliseconds(0)))->size, second);
  ::usleep(20'000);
  EXPECT_EQ(must(checkpoint_to_show(ledger, milliseconds(10)))->size, second);
}

TEST_F(WitnessingTest, is_refused_with_a_policy_about_other_ledgers_or_without_witnesses) {
  const auto other = test::test_key("other.example", 5).verifier().text();
  const Policy about_others =
      must(Policy::parse("log " + other + "\n" + witnesses[0]->line() + "quorum w0\n"));
  const Outlet asking = must(witnessing(about_others, {}));
  EXPECT_EQ(asking.deliver(ledger, [] { return false; }).error().code, ErrorCode::kOperator);
  EXPECT_FALSE(witnessing(must(Policy::parse("log " + other + "\nquorum none\n")), {}).ok());
}

TEST_F(WitnessingTest, leaves_what_witnesses_said_of_thinned_checkpoints_to_go_with_them) {
  const TreeSize first = grow();
  deliver(outlet());
  ASSERT_GE(witnesses_of(first), 2U);
  const TreeSize second = grow();
  const TreeSize third = grow();
  // All three as of one minute, long ago: the last is kept, and the last that was witnessed.
  home.database().psql(
      "ALTER TABLE pgtally.checkpoint DISABLE TRIGGER USER;"
      "UPDATE pgtally.checkpoint SET signed_at = timestamptz '2026-01-01 12:00:30+00';"
      "ALTER TABLE pgtally.checkpoint ENABLE ALWAYS TRIGGER refuse_change;"
      "ALTER TABLE pgtally.checkpoint ENABLE ALWAYS TRIGGER only_thin;");
  EXPECT_EQ(home.database().psql("SELECT pgtally.thin_checkpoints()"), "1");
  EXPECT_TRUE(must(checkpoint_of_size(ledger, first)));
  EXPECT_FALSE(must(checkpoint_of_size(ledger, second)));
  EXPECT_TRUE(must(checkpoint_of_size(ledger, third)));
  must(mark_witnessed(ledger, third));
  EXPECT_EQ(home.database().psql("SELECT pgtally.thin_checkpoints()"), "1");
  EXPECT_FALSE(must(checkpoint_of_size(ledger, first)));
  EXPECT_EQ(home.database().psql("SELECT count(*) FROM pgtally.cosignature"), "0");
  EXPECT_EQ(home.database().psql("SELECT string_agg(size::text, ',') FROM pgtally.witnessed"),
            std::to_string(third.value));
}

}  // namespace
}  // namespace pgtally
