#include "service/witnessing.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <thread>

#include "client/witness_client.h"
#include "ledger/cosignatures.h"
#include "ledger/tile_store.h"
#include "merkle/proof.h"
#include "service/log.h"
#include "service/witness_desk.h"

namespace pgtally {
namespace {

using std::chrono::milliseconds;
using Clock = WitnessDesk::Clock;

constexpr milliseconds kShortestRest{1000};
constexpr milliseconds kLongestRest{60'000};
// So often a round looks whether it should end.
constexpr milliseconds kGlance{100};
// Sizes for which cosignatures may still come in.
constexpr std::size_t kOpenSizes = 64;

class Witnessing {
 public:
  Witnessing(Policy policy, WitnessSettings settings)
      : policy_(std::move(policy)), settings_(std::move(settings)) {}
  Witnessing(const Witnessing&) = delete;
  Witnessing& operator=(const Witnessing&) = delete;
  ~Witnessing() {
    desk_.close();
    for (std::thread& thread : threads_) thread.join();
  }

  Result<void> find_witnesses() {
    for (const PolicyWitness& witness : policy_.witnesses()) {
      if (witness.url.empty() || witness.key.type() != kCosignatureEd25519) continue;
      TRY(auto client,
          WitnessClient::create(HttpClient([this] { return desk_.closed(); }), witness));
      witnesses_.push_back({std::move(client), {}, {}});
    }
    if (!witnesses_.empty()) return {};
    return reject("the policy names no witness that can be asked",
                  "A line has the witness's key, of type 4, and the URL where it is asked:\n"
                  "witness NAME VKEY https://…");
  }

  Result<void> deliver(const Ledger& ledger, const Outlet::Cancelled& cancelled) {
    TRY_VOID(begin(ledger));
    TRY_VOID(store_words(ledger));
    TRY(const auto newest, newest_checkpoint(ledger));
    if (!newest) return {};
    const bool is_new = newest->size != round_;
    if (is_new && Clock::now() - began_ < settings_.interval) return {};
    if (!is_new && !somebody_is_due()) return {};
    round_ = newest->size;
    began_ = Clock::now();
    for (Known& known : witnesses_) known.spoke = false;

    desk_.give({newest->size, newest->note});
    const auto held = hold_round(ledger, cancelled);
    desk_.leave();
    return held;
  }

 private:
  struct Known {
    WitnessClient client;
    TreeSize cosigned;                // as far as this process knows
    Clock::time_point rests_until{};  // after a failure
    bool spoke = false;               // in this round
  };

  Result<void> begin(const Ledger& ledger) {
    if (!threads_.empty()) return {};
    const auto& logs = policy_.logs();
    const auto is_ours = [&](const PolicyLog& log) { return log.key.text() == ledger.vkey(); };
    if (!logs.empty() && std::ranges::none_of(logs, is_ours)) {
      return operator_error(
          "the policy of [witness] is about other ledgers than " + ledger.origin(),
          "Add the line: log " + ledger.vkey());
    }
    for (Known& known : witnesses_) {
      TRY(const TreeSize last, last_cosigned(ledger, known.client.witness().key));
      known.client.assume(last);
    }
    for (std::size_t i = 0; i < witnesses_.size(); ++i) {
      threads_.emplace_back([this, i] { ask(i); });
    }
    return {};
  }

  // The thread of one witness. Of what is in its Known, it uses the client alone.
  void ask(std::size_t at) {
    WitnessClient& client = witnesses_[at].client;
    const auto prove = [this](TreeSize from, TreeSize to) { return desk_.proof(from, to); };
    TreeSize done{0};
    Clock::time_point rested{};
    milliseconds rest = kShortestRest;
    std::string last_error;
    while (const auto job = desk_.next(done, rested)) {
      auto cosigned = client.cosign(job->note, prove, settings_.timeout);
      if (cosigned.ok()) {
        if (!last_error.empty()) {
          log(LogLevel::kInfo, "the witness cosigns again", {{"witness", client.witness().name}});
        }
        last_error.clear();
        rest = kShortestRest;
        done = job->size;
        desk_.say({at, job->size, std::move(*cosigned), {}});
        continue;
      }
      if (cosigned.error().message != last_error && !desk_.closed()) {
        const bool forked = cosigned.error().code == ErrorCode::kTampered;
        log(forked ? LogLevel::kError : LogLevel::kWarning, "not cosigned", cosigned.error());
      }
      last_error = cosigned.error().message;
      rested = Clock::now() + rest;
      rest = std::min(2 * rest, kLongestRest);
      desk_.say({at, job->size, {}, rested});
    }
  }

  bool somebody_is_due() const {
    return std::ranges::any_of(witnesses_, [&](const Known& known) {
      return known.cosigned != round_ && known.rests_until <= Clock::now();
    });
  }

  Result<void> hold_round(const Ledger& ledger, const Outlet::Cancelled& cancelled) {
    const auto prove = [&](TreeSize from, TreeSize to) -> Result<std::vector<Hash>> {
      DatabaseTiles tiles(ledger, to);
      return prove_consistency(tiles, from, to);
    };
    const auto end = began_ + settings_.timeout;
    while (!is_over() && Clock::now() < end && !cancelled()) {
      desk_.attend(prove, std::min(end, Clock::now() + kGlance));
      TRY_VOID(store_words(ledger));
    }
    return {};
  }

  bool is_over() const {
    const auto by = cosigned_by_.find(round_);
    const bool is_met =
        policy_.quorum() != "none" && by != cosigned_by_.end() && policy_.is_met_by(by->second);
    return is_met || std::ranges::all_of(witnesses_, [&](const Known& known) {
             return known.spoke || known.cosigned == round_ || known.rests_until > Clock::now();
           });
  }

  Result<void> store_words(const Ledger& ledger) {
    for (WitnessWord& word : desk_.take_words()) unstored_.push_back(std::move(word));
    while (!unstored_.empty()) {
      const WitnessWord& word = unstored_.front();
      Known& known = witnesses_[word.witness];
      known.rests_until = word.rests_until;
      known.spoke = known.spoke || word.size == round_;
      if (word.cosignature) {
        known.cosigned = std::max(known.cosigned, word.size);
        TRY_VOID(store_cosignature(ledger, word.size, word.cosignature->signature,
                                   word.cosignature->timestamp));
        TRY_VOID(count(ledger, word.size, known.client.witness().name));
      }
      unstored_.erase(unstored_.begin());
    }
    return {};
  }

  Result<void> count(const Ledger& ledger, TreeSize size, const std::string& witness) {
    std::set<std::string>& by = cosigned_by_[size];
    const bool was_met = !by.empty() && policy_.is_met_by(by);
    by.insert(witness);
    if (!was_met && policy_.is_met_by(by)) {
      TRY_VOID(mark_witnessed(ledger, size));
      log(LogLevel::kInfo, "witnessed", {{"size", std::to_string(size.value)}});
    }
    while (cosigned_by_.size() > kOpenSizes) cosigned_by_.erase(cosigned_by_.begin());
    return {};
  }

  const Policy policy_;
  const WitnessSettings settings_;
  WitnessDesk desk_;
  std::vector<Known> witnesses_;  // not changed once there are threads
  TreeSize round_{0};
  Clock::time_point began_{};
  std::vector<WitnessWord> unstored_;
  std::map<TreeSize, std::set<std::string>> cosigned_by_;
  std::vector<std::thread> threads_;
};

}  // namespace

Result<Outlet> witnessing(Policy policy, const WitnessSettings& settings) {
  auto state = std::make_shared<Witnessing>(std::move(policy), settings);
  TRY_VOID(state->find_witnesses());
  return Outlet{"asking witnesses",
                [state](const Ledger& ledger, const Outlet::Cancelled& cancelled) {
                  return state->deliver(ledger, cancelled);
                }};
}

Result<Outlet> witnessing(const WitnessSettings& settings) {
  std::ifstream file(settings.policy.value_or(""), std::ios::binary);
  std::ostringstream text;
  if (!(text << file.rdbuf())) {
    return operator_error("cannot read the policy " + settings.policy.value_or(""),
                          "[witness] policy in pgtally.toml names a C2SP tlog-policy file.");
  }
  auto policy = Policy::parse(text.str());
  if (!policy.ok()) return std::move(policy).error().within(*settings.policy);
  return witnessing(std::move(*policy), settings);
}

}  // namespace pgtally
