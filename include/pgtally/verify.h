// The verifier: a proof file and a policy in, a verdict out. No database, network or clock.
//
// Whatever a proof file holds is either checked, and listed in Verdict::checked; or cannot be
// checked with what is there, and is listed in Verdict::not_checked; or is wrong, and then there is
// an error and no verdict. kReject: the file is malformed. kTampered: it is well-formed and does
// not hold, or is not about what the caller expects.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pgtally/checkpoint.h"
#include "pgtally/content.h"
#include "pgtally/definition.h"
#include "pgtally/entry.h"
#include "pgtally/policy.h"
#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

struct Cosigned {
  std::string witness;          // the name in its key
  std::uint64_t timestamp = 0;  // seconds since 1970, the witness's clock

  bool operator==(const Cosigned&) const = default;
};

struct VerifiedCheckpoint {
  Checkpoint checkpoint;
  std::vector<Cosigned> cosigned_by;  // witnesses of the policy, in its order; each at its earliest

  bool operator==(const VerifiedCheckpoint&) const = default;
};

// A signed note against a policy: one of its logs signed it, under an origin that is its key's
// name, every signature by a key of the policy verifies, and the quorum is met.
[[nodiscard]] Result<VerifiedCheckpoint> verify_checkpoint(std::string_view note,
                                                           const Policy& policy);
// The same, whatever witnesses have cosigned it so far.
[[nodiscard]] Result<VerifiedCheckpoint> verify_signatures(std::string_view note,
                                                           const Policy& policy);

struct ExpectedKeyColumn {
  std::string name;  // empty: the value stands at its place in the key
  std::string value;
};

// What the caller knows from elsewhere and wants the entry to agree with. All optional.
struct Expectations {
  std::optional<std::string> source;
  std::optional<std::vector<ExpectedKeyColumn>> key;  // all columns; by name needs the definition
  std::optional<Bytes> row;                           // the bytes that H is the SHA-256 of
  std::optional<Hash> content_hash;                   // H, or what the entry publishes
};

struct Verdict {
  std::string origin;
  TreeSize size;
  Hash root;
  std::vector<Cosigned> cosigned_by;
  LeafIndex id;
  // Checkpoints of the same log that covered the entry before, by ascending size; whether witnesses
  // have cosigned them or not.
  std::vector<VerifiedCheckpoint> earlier;

  std::uint8_t entry_version = kEntryVersion;
  std::optional<Entry> entry;    // nothing if the version is unknown
  std::vector<std::string> key;  // its columns; empty if there is none, or only a hash of it
  bool key_is_hashed = false;

  std::optional<Hash> content;  // H, where it was shown to lie behind entry->content_hash
  std::optional<SourceDefinition> definition;
  std::vector<RowColumn> row;  // the columns, where the definition says row/v1
  std::optional<Bytes> data;   // the content, where the definition says data or column

  std::vector<std::string> checked;      // "checkpoint signature", "inclusion", "row", …
  std::vector<std::string> not_checked;  // what was in the file and why it could not be checked
};

[[nodiscard]] Result<Verdict> verify_proof(std::string_view text, const Policy& policy,
                                           const Expectations& expected = {});

struct OrderVerdict {
  Verdict first;  // the entry with the lower index
  Verdict second;
  bool same_batch = false;  // equal sequenced_at; false if either entry's version is unknown
};

[[nodiscard]] Result<OrderVerdict> verify_order_proof(std::string_view text, const Policy& policy,
                                                      const Expectations& first = {},
                                                      const Expectations& second = {});

}  // namespace pgtally
