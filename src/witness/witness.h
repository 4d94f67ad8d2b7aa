// The rules of a witness: which checkpoints it cosigns, and what it answers to the others.
//
// Invariants
//   - A cosignature leaves this class only after the checkpoint was stored as the log's latest.
//   - Of two checkpoints of one log that it cosigned, the later one is proved to extend the earlier
//     one. It takes back nothing and forgets nothing, whenever it is killed.
//
// Knows no network: takes the body of a request, gives the answer. Threads take turns.
//
// Spec: C2SP tlog-witness.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "format/add_checkpoint.h"
#include "format/signing_key.h"
#include "pgtally/checkpoint.h"
#include "pgtally/note.h"
#include "pgtally/result.h"
#include "witness/state.h"

namespace pgtally::witness {

// A request and the checkpoint in it: no more than this is read.
inline constexpr std::size_t kMaxRequestSize = std::size_t{64} << 10;

struct Answer {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  std::optional<Error> trouble = {};  // of the state: for the operator's eyes, not for the answer's
};

// Seconds since 1970.
using WallClock = std::function<std::uint64_t()>;

class Witness {
 public:
  // `logs`: whose checkpoints it cosigns; the origin is the key's name, and one log may have several
  // keys. Refuses keys that logs do not sign with, and a log with the witness's own key.
  [[nodiscard]] static Result<Witness> create(SigningKey key, const std::vector<VerifierKey>& logs,
                                              State state, WallClock clock);

  // 200 with the cosignature. 400: not a request, or the old size is beyond the checkpoint's. 404: no
  // log of ours. 403: not signed by it. 409: another checkpoint was cosigned last, whose size is the
  // body if that is what differs. 422: it does not extend that one. 500, 503: the state.
  [[nodiscard]] Answer add_checkpoint(std::string_view body);

  // The checkpoint that was cosigned last, by the hexadecimal SHA-256 of the log's origin.
  [[nodiscard]] Answer latest_checkpoint(std::string_view origin_hash);

  [[nodiscard]] const VerifierKey& verifier() const { return verifier_; }

 private:
  struct Log {
    std::string origin;
    std::vector<VerifierKey> keys;
  };
  // A checkpoint that one of its log's keys signed, without the lines of anybody else.
  struct Submitted {
    TreeSize old_size;
    std::vector<Hash> proof;
    Checkpoint checkpoint;
    SignedNote note;
  };

  Witness(SigningKey key, VerifierKey verifier, State state, WallClock clock);
  [[nodiscard]] Result<Submitted> read(std::string_view body, unsigned& status) const;
  [[nodiscard]] Result<Remembered> judge(const Submitted& submitted,
                                         const std::optional<Remembered>& latest,
                                         Answer& answer) const;

  SigningKey key_;
  VerifierKey verifier_;
  State state_;
  WallClock clock_;
  std::map<std::string, Log, std::less<>> logs_;            // by origin
  std::map<std::string, std::string, std::less<>> hashes_;  // of origins, to origins
  std::unique_ptr<std::mutex> mutex_;
};

}  // namespace pgtally::witness
