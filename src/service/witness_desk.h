// Where the threads that ask witnesses, and the one that has the ledger, hand things to each other.
//
// The ledger's connection belongs to the thread of the outlet. So a thread that needs a proof leaves a
// question here and waits, and leaves here what a witness has cosigned.
#pragma once

#include <chrono>
#include <condition_variable>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "client/witness_client.h"
#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

// A checkpoint that is to be cosigned.
struct WitnessJob {
  TreeSize size;
  std::string note;
};

// What a witness said of one.
struct WitnessWord {
  std::size_t witness = 0;  // its place in the policy
  TreeSize size;
  std::optional<Cosignature> cosignature;  // nothing: it failed, and rests
  std::chrono::steady_clock::time_point rests_until;
};

class WitnessDesk {
 public:
  using Clock = std::chrono::steady_clock;

  // -- by the threads that ask ------------------------------------------------

  // The next checkpoint beyond `done` that the outlet attends to, but not before `rested`; nothing: it
  // is over.
  [[nodiscard]] std::optional<WitnessJob> next(TreeSize done, Clock::time_point rested);
  // Answered by the outlet's thread; kRetry if it has gone on, or if it is over.
  [[nodiscard]] Result<std::vector<Hash>> proof(TreeSize from, TreeSize to);
  void say(WitnessWord word);
  [[nodiscard]] bool closed() const;

  // -- by the outlet's thread -------------------------------------------------

  void give(WitnessJob job);
  // What was said since the last call.
  [[nodiscard]] std::vector<WitnessWord> take_words();
  // Answers what is asked with `prove`, until something was said or `until` is reached.
  void attend(const WitnessClient::Prove& prove, Clock::time_point until);
  // Who waits for a proof shall not wait longer: nobody attends any more.
  void leave();
  void close();

 private:
  struct Question {
    TreeSize from;
    TreeSize to;
    std::optional<Result<std::vector<Hash>>> answer;
  };

  mutable std::mutex mutex_;
  std::condition_variable for_askers_;
  std::condition_variable for_outlet_;
  std::optional<WitnessJob> job_;
  std::list<Question*> questions_;
  std::vector<WitnessWord> words_;
  bool attended_ = false;
  bool closed_ = false;
};

}  // namespace pgtally
