// Asks one witness to cosign the checkpoints of one log.
//
// It remembers the size that the witness cosigned last, so that the proof is the right one at once; if
// the witness names another (409), it asks again from there, kMaxTries times in all. What comes back
// has been verified with the witness's key; lines of other keys are left out.
//
// Errors: kTampered if the witness says that the checkpoint does not extend what it cosigned, or if
// its cosignature does not verify; kOperator if it does not know the log or the log's key; kRetry for
// what may go better next time.
//
// Spec: C2SP tlog-witness, add-checkpoint.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "client/http_client.h"
#include "pgtally/note.h"
#include "pgtally/policy.h"
#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

struct Cosignature {
  NoteSignature signature;
  std::uint64_t timestamp = 0;  // seconds since 1970, the witness's clock
};

// For one thread at a time.
class WitnessClient {
 public:
  static constexpr int kMaxTries = 3;
  static constexpr std::size_t kMaxAnswerSize = std::size_t{64} << 10;

  // That the tree of the first size is the beginning of the tree of the second.
  using Prove = std::function<Result<std::vector<Hash>>(TreeSize from, TreeSize to)>;

  // Refuses a witness without a URL, and one whose key is not of type 0x04.
  [[nodiscard]] static Result<WitnessClient> create(HttpClient http, PolicyWitness witness);

  [[nodiscard]] const PolicyWitness& witness() const { return witness_; }

  // What is known from before: the size that the witness cosigned last.
  void assume(TreeSize cosigned) { cosigned_ = cosigned; }

  // `note` is a signed checkpoint. The timeout is for all tries together.
  [[nodiscard]] Result<Cosignature> cosign(const std::string& note, const Prove& prove,
                                           std::chrono::milliseconds timeout);

 private:
  WitnessClient(HttpClient http, PolicyWitness witness)
      : http_(std::move(http)), witness_(std::move(witness)) {}

  [[nodiscard]] Error failed(std::string why) const;
  [[nodiscard]] Error refused(const HttpResponse& answer) const;
  [[nodiscard]] Result<TreeSize> conflict(const HttpResponse& answer, TreeSize size) const;
  [[nodiscard]] Result<Cosignature> read(const HttpResponse& answer, const std::string& text) const;

  HttpClient http_;
  PolicyWitness witness_;
  TreeSize cosigned_{0};
};

}  // namespace pgtally
