// The statement with which a log ends: its key's last word, after which it signs nothing.
//
// A signed note whose text begins with kLogEndTitle, so it can be taken for no checkpoint: a checkpoint
// begins with its key's name.
//
// Spec: docs/formats.md, section "End of a log".
#pragma once

#include <string>
#include <string_view>

#include "format/signing_key.h"
#include "pgtally/note.h"
#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

inline constexpr std::string_view kLogEndTitle = "pgtally log end v1";

struct LogEnd {
  std::string origin;
  TreeSize size;          // of the last head that was signed
  Hash root;              // and its root
  Time at;                // by the operator's clock
  std::string successor;  // the origin of the log that goes on
  std::string reason;     // one line of UTF-8 without control characters

  bool operator==(const LogEnd&) const = default;
};

// kReject for a key of another origin, and for a reason or successor that is no single line.
[[nodiscard]] Result<std::string> sign_log_end(const SigningKey& key, const LogEnd& end);

// kReject for what is no such statement, kTampered for one that the key has not signed.
[[nodiscard]] Result<LogEnd> verify_log_end(std::string_view note, const VerifierKey& key);

}  // namespace pgtally
