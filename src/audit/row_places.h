// Where the rows of sources are, and what is known of how far they have been recorded. The comparison
// itself knows neither a ledger nor how rows are captured.
//
//   LedgerPlaces (ledger_places.h)   over a ledger: its database and those that its sources are in
//   for a bundle                     over a database alone
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "audit/key_states.h"
#include "audit/log_check.h"
#include "audit/row_stream.h"
#include "audit/side_sessions.h"
#include "audit/table_fit.h"
#include "pgtally/result.h"
#include "postgres/connection.h"

namespace pgtally {

// One source's.
struct RowPlace {
  std::string mode;
  std::string place;                     // host:port/database, where it is not the ledger's own
  pg::Connection* connection = nullptr;  // in a transaction that shows one state; null: see why_not
  std::string why_not;
  bool cannot_be_read = false;    // as it should be
  SideSessions* sides = nullptr;  // beside the connection; may be null

  // What the table has become that the newest definition does not say yet.
  std::string relation;  // empty: what it says
  Renamings renamed_since;

  // Rows that were there when the source was added, and are not recorded: see RowStream.
  std::string skipped;
  bool has_xid = false;

  // Why a row without an entry, or one that is not as its last entry says, may be nobody's fault.
  // Empty: it is somebody's.
  std::string unrecorded_because;
  std::string changed_because;
  bool tracks_changes = false;  // its updates and deletes are recorded
  // Rows without an entry are found by sweeps alone: only one that claims to be from before the last
  // sweep that has ended, accuses anybody. kNone: there was none.
  bool sweeps_only = false;
  Time swept;

  // The rows are not of the same state as the log: RowPlaces::look_again() decides what differs.
  bool look_again = false;
};

// An entry that will be in the log behind its end; nothing of it is blinded.
struct StagedEntry {
  std::string_view source;
  std::uint32_t definition = 0;
  Operation operation = Operation::kInsert;
  ByteView key;
  Hash content;
};

// What has happened to the keys of one source since the log was read.
struct Later {
  std::string
      undecided;  // why it cannot be said; empty: what is not explained by the rest, accuses
  // In the order of the log. Ids beyond kStagedIds are staged.
  std::unordered_map<KeyHash, std::vector<KeyState>, KeyHashBits> states;
  std::uint64_t inserted = 0;
  std::uint64_t deleted = 0;
  bool truncated = false;
  // Where single rows were asked for: what is not among them is not known.
  bool asked_alone = false;
  std::unordered_set<KeyHash, KeyHashBits> recorded;  // are in the log or staged by now
  std::unordered_set<KeyHash, KeyHashBits> waiting;   // may still come
  std::string waiting_because = "it is not in the log yet";
};

class RowPlaces {
 public:
  virtual ~RowPlaces() = default;

  // How many entries the source may have, for sizing; 0: not known.
  [[nodiscard]] virtual std::uint64_t entries_of(std::string_view source) = 0;

  // What the capture has still to bring into the log, as the state shows it that open() shows. In order.
  using TakeStaged = std::function<Result<void>(const StagedEntry&)>;
  [[nodiscard]] virtual Result<void> read_staged(const TakeStaged& take) = 0;

  // Prepares for reading its rows. An error ends the audit.
  [[nodiscard]] virtual Result<RowPlace> open(const LoggedSource& source) = 0;

  // After the rows were read: waits for the capture to have seen what was read, as long as it is
  // allowed. `unrecorded`: rows without an entry, the first of them.
  struct Unrecorded {
    KeyHash hash;
    Bytes key;
    std::uint64_t xid = 0;
  };
  [[nodiscard]] virtual Result<Later> look_again(const LoggedSource& source,
                                                 const KeyHasher& hasher,
                                                 std::span<const Unrecorded> unrecorded) = 0;

  // Of a source that is appended to: what staging still has of it, each with its key and content; and
  // what is kept beside the entries, by ascending ids, with what each publishes. `all`: none of what was
  // appended was pruned.
  struct Appended {
    bool all = true;
    std::string why_not = {};  // it cannot be seen at all; empty: it can
  };
  using TakeAppended = std::function<Result<void>(ByteView key, const Hash& content)>;
  using TakeKept =
      std::function<Result<void>(LeafIndex id, const Hash& entry, const Hash& content)>;
  [[nodiscard]] virtual Result<Appended> read_appended(const LoggedSource& source,
                                                       const TakeAppended& take,
                                                       const TakeKept& take_kept) = 0;
};

}  // namespace pgtally
