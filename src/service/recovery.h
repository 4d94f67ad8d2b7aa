// What a ledger's database has left of what was signed, where it parts from that, and the way on.
//
// Looking changes nothing. Three witnesses of what was signed are held against the entries that are in
// the database now: the guard of this host, the newest checkpoint that the database itself has kept, and
// a published copy of the log. The entries are read and hashed anew; stored tiles are not believed.
//
// What follows from it: re_record.h, ending.h. docs/recovery.md says it for operators.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "client/log_reader.h"
#include "ledger/ledger.h"
#include "merkle/frontier.h"
#include "pgtally/checkpoint.h"
#include "pgtally/result.h"
#include "pgtally/types.h"
#include "service/guard.h"

namespace pgtally {

// The log as it was published: a directory, a server, a bundle.
struct PublishedCopy {
  PublishedLog* log = nullptr;
  std::string place;      // for people
  std::string note;       // its checkpoint, which was verified
  Checkpoint checkpoint;  // the same
};

struct SignedSize {
  TreeSize size;
  Hash root;
};

enum class Ground {
  kWhole,    // the database extends everything that is known to have been signed
  kBehind,   // it is a beginning of the published copy, which has everything that was signed
  kShort,    // it is a beginning, and no copy at hand has all that was signed
  kParted,   // it holds something else than what was signed
  kUnknown,  // nothing says what was signed
};

// "whole", "behind", …
[[nodiscard]] std::string_view name_of(Ground ground);

// The first entry in which the database and the published copy differ.
struct Parting {
  LeafIndex id;
  std::string published;    // what the entry says, for people
  std::string in_database;  // likewise; or why it cannot be an entry
};

struct Diagnosis {
  Ground ground = Ground::kUnknown;
  TreeSize size;                    // of processed_log
  Hash root;                        // over its entries
  std::optional<GuardState> guard;  // of this host; see guard_problem where there is none
  std::string guard_problem;        // why it cannot sign here, even if the ground is whole
  std::optional<SignedSize> published;
  std::optional<SignedSize> kept;    // the newest checkpoint in the database that is well signed
  std::optional<Parting> parting;    // kParted with a copy that reaches so far
  std::vector<std::string> reasons;  // what was found, a sentence each
  // The key has signed two trees that cannot both be this log: it is a fork, whatever is done now.
  bool two_histories = false;
  std::optional<SignedSize> last_signed;  // the largest head that is known to have been signed

  // The tree of the entries up to the last multiple of 256, for whoever goes on from there.
  Frontier full_tiles;
};

using RecoveryProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

// `copy` may be null. One pass over the log of the database; of the copy, some tiles, unless the two
// part: then also the tiles of at most kRootEvery entries.
[[nodiscard]] Result<Diagnosis> diagnose(const Ledger& ledger, const Guard& guard,
                                         const PublishedCopy* copy,
                                         const RecoveryProgress& progress);

inline constexpr std::uint64_t kRootEvery = 65'536;

// What an entry says, for people: "insert of payment 42, recorded 2026-11-22 14:03:27.118204 UTC".
[[nodiscard]] std::string describe_entry(ByteView entry);

}  // namespace pgtally
