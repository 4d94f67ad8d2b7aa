// Looking at a ledger again, for rows that were read at another moment than the log.
//
// Mode logical: once the stream's stored position lies behind the one that the server had when the rows
// were read, everything that they show is in the log or staged. What was recorded of a key since the log
// was read is then the whole list of what its row can have been.
//
// Modes xid and poll in other databases: only rows without an entry are in question. The same functions
// are asked that the sweeps of these sources ask (sql/functions/remote.sql): which of the rows are still
// not recorded, and which of those their reader is not going to take.

#include <fmt/format.h>

#include <algorithm>
#include <thread>
#include <unordered_set>

#include "audit/ledger_places.h"
#include "format/blinding.h"
#include "pgtally/key.h"
#include "postgres/copy.h"
#include "postgres/further_session.h"

namespace pgtally {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kMostLater = 200'000;  // some 30 MB
constexpr std::chrono::milliseconds kPause{100};
// A service that lost its connection is back by then; one that is not running is not waited for.
constexpr std::chrono::seconds kUnread{3};

// One snapshot of a session; given up at the end.
class Snapshot {
 public:
  static Result<Snapshot> begin(pg::Connection& connection) {
    TRY_VOID(connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"));
    return Snapshot(connection);
  }
  Snapshot(Snapshot&& other) noexcept : connection_(std::exchange(other.connection_, nullptr)) {}
  Snapshot& operator=(Snapshot&&) = delete;
  ~Snapshot() {
    if (connection_ != nullptr) (void)connection_->execute("ROLLBACK");
  }

 private:
  explicit Snapshot(pg::Connection& connection) : connection_(&connection) {}
  pg::Connection* connection_;
};

// Takes what passes from what is left.
class Waiting {
 public:
  explicit Waiting(std::chrono::milliseconds& left) : left_(&left), begun_(Clock::now()) {}
  ~Waiting() { *left_ = std::max(*left_ - spent(), std::chrono::milliseconds(0)); }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

  [[nodiscard]] std::chrono::milliseconds spent() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begun_);
  }
  [[nodiscard]] bool is_over() const { return spent() >= *left_; }

 private:
  std::chrono::milliseconds* left_;
  Clock::time_point begun_;
};

Result<std::unordered_set<std::int64_t>> places_in(const pg::Rows& rows, std::size_t column) {
  TRY(const auto places, rows.get<std::vector<std::int64_t>>(0, column));
  return std::unordered_set<std::int64_t>(places.begin(), places.end());
}

}  // namespace

struct LedgerPlaces::Session {
  explicit Session(pg::Connection made) : connection(std::move(made)) {}
  pg::Connection connection;
  std::optional<Ledger> ledger;
};

Result<LedgerPlaces::Session*> LedgerPlaces::session() {
  if (session_) return session_.get();
  TRY(auto connection, pg::Connection::open(pg::conninfo_of(ledger_->connection())));
  auto session = std::make_shared<Session>(std::move(connection));
  TRY(session->ledger, Ledger::open(session->connection, ledger_->schema()));
  session_ = std::move(session);
  return session_.get();
}

Result<Later> LedgerPlaces::look_again(const LoggedSource& logged, const KeyHasher& hasher,
                                       std::span<const Unrecorded> unrecorded) {
  const auto found = sources_.find(logged.name);
  if (found == sources_.end()) return reject("source " + logged.name + " is not in the registry");
  const Source& source = found->second;
  if (source.mode == "logical") return follow_stream(source, logged.name, hasher);
  return follow_reader(source, unrecorded);
}

Result<Later> LedgerPlaces::follow_stream(const Source& source, const std::string& name,
                                          const KeyHasher& hasher) {
  TRY(Session* const session, this->session());
  const Waiting waiting(left_);
  bool was_read = false;
  while (true) {
    TRY(const Snapshot snapshot, Snapshot::begin(session->connection));
    TRY(const auto rows,
        session->ledger->query("SELECT coalesce((SELECT p.commit_lsn >= $2::text::pg_lsn FROM "
                               "pgtally.stream_progress AS p WHERE p.stream_id = $1 ORDER BY "
                               "p.progress_id DESC LIMIT 1), false)",
                               pg::Params().int4(source.stream).text(read_at_)));
    TRY(const bool passed, rows.get<bool>(0, 0));
    TRY(const bool is_read, this->is_read(source));
    was_read = was_read || is_read;
    std::string undecided;
    if (!passed && waiting.is_over()) {
      undecided = "its stream has not come as far as the rows that were read";
    }
    if (!passed && !was_read &&
        waiting.spent() >= std::min<std::chrono::milliseconds>(kUnread, left_)) {
      undecided = "nobody reads its replication slot: is the service running?";
    }
    if (passed || !undecided.empty()) {
      TRY(Later later, changes_since(*session->ledger, source, name, hasher));
      if (later.undecided.empty()) later.undecided = undecided;
      return later;
    }
    std::this_thread::sleep_for(kPause);
  }
}

// Whether a session holds the stream's slot.
Result<bool> LedgerPlaces::is_read(const Source& source) const {
  TRY(const auto slot, ledger_->query("SELECT slot::text FROM pgtally.stream WHERE stream_id = $1",
                                      pg::Params().int4(source.stream)));
  if (slot.empty()) return false;
  TRY(const auto name, slot.get<std::string>(0, 0));
  pg::Connection& there = elsewhere_ ? *elsewhere_ : ledger_->connection();
  TRY(const auto rows, there.query("SELECT EXISTS (SELECT FROM pg_replication_slots WHERE "
                                   "slot_name = $1 AND active)",
                                   pg::Params().text(name)));
  return rows.get<bool>(0, 0);
}

Result<Later> LedgerPlaces::changes_since(const Ledger& ledger, const Source& source,
                                          const std::string& name, const KeyHasher& hasher) const {
  Later later;
  std::uint64_t taken = 0;
  const auto take = [&](const StagedEntry& entry, const KeyState& state) {
    if (entry.operation == Operation::kTruncate) later.truncated = true;
    if (entry.operation == Operation::kInsert) ++later.inserted;
    if (entry.operation == Operation::kDelete) ++later.deleted;
    if (!has_key(entry.operation)) return;
    if (++taken > kMostLater) {
      later.undecided = "too much of it has changed since the log was read";
    } else {
      later.states[hasher(entry.key)].push_back(state);
    }
  };
  TRY(const auto secrets, ledger.query("SELECT secret FROM pgtally.secret WHERE source_id = $1",
                                       pg::Params().int4(source.id)));
  std::optional<Hash> secret;
  if (!secrets.empty()) {
    TRY(secret, secrets.get<Hash>(0, 0));
  }
  {
    TRY(auto copy,
        pg::CopyOut::start(ledger.connection(),
                           ledger.sql(fmt::format(
                               "COPY (SELECT p.id, p.definition, p.operation, p.key, "
                               "p.content_hash FROM pgtally.processed_log AS p WHERE p.id >= {} "
                               "AND p.source_id = {} ORDER BY p.id) TO STDOUT (FORMAT binary)",
                               size_.value, source.id))));
    while (true) {
      TRY(const bool more, copy.next());
      if (!more) break;
      KeyState state;
      StagedEntry entry;
      TRY(const auto id, copy.get<std::int64_t>(0));
      state.id = LeafIndex{static_cast<std::uint64_t>(id)};
      TRY(const auto definition, copy.get<std::int32_t>(1));
      state.definition = static_cast<std::uint32_t>(definition);
      TRY(const auto operation, copy.get<std::int16_t>(2));
      state.operation = entry.operation = static_cast<Operation>(operation);
      TRY(entry.key, copy.get<ByteView>(3));
      TRY(state.content, copy.get<Hash>(4));
      state.salted = secret.has_value();
      if (secret) state.salt = salt_of(secret->bytes, state.id);
      take(entry, state);
    }
  }
  TRY(const StagedReader reader, StagedReader::open(ledger, {{source.id, name}}));
  TRY_VOID(reader.read_staging(
      [&](const StagedEntry& entry) {
        KeyState state;
        state.id = LeafIndex{kStagedIds + taken};
        state.definition = entry.definition;
        state.operation = entry.operation;
        state.content = entry.content;
        take(entry, state);
        return Result<void>();
      },
      source.id));
  return later;
}

Result<Later> LedgerPlaces::follow_reader(const Source& source,
                                          std::span<const Unrecorded> unrecorded) {
  TRY(Session* const session, this->session());
  const Waiting waiting(left_);
  std::vector<const Unrecorded*> asked;
  for (const Unrecorded& row : unrecorded) asked.push_back(&row);
  Later later;
  later.asked_alone = true;
  while (true) {
    std::vector<Bytes> keys;
    std::vector<std::string> positions;
    for (const Unrecorded* row : asked) {
      keys.push_back(row->key);
      // What the row's position would be in an entry: its xid, or its key.
      TRY(const DecodedKey key, decode_key(row->key));
      positions.push_back(source.mode == "xid"  ? (row->xid == 0 ? "" : std::to_string(row->xid))
                          : key.columns.empty() ? ""
                                                : key.columns[0]);
    }
    TRY(const Snapshot snapshot, Snapshot::begin(session->connection));
    TRY(const auto rows, session->ledger->query(
                             "SELECT pgtally.unrecorded($1::int4, $2::bytea[]), "
                             "pgtally.late_rows($1::int4, $2::bytea[], $3::text[])",
                             pg::Params().int4(source.id).bytea_array(keys).text_array(positions)));
    TRY(const auto still, places_in(rows, 0));
    TRY(const auto passed, places_in(rows, 1));
    std::vector<const Unrecorded*> waited_for;
    for (std::size_t i = 0; i < asked.size(); ++i) {
      const auto place = static_cast<std::int64_t>(i + 1);
      if (!still.contains(place)) {
        later.recorded.insert(asked[i]->hash);
      } else if (!passed.contains(place)) {
        waited_for.push_back(asked[i]);
      }
    }
    asked = std::move(waited_for);
    // Sweeps come too seldom to be waited for.
    if (asked.empty() || waiting.is_over() || source.sweeps_only) break;
    std::this_thread::sleep_for(kPause);
  }
  for (const Unrecorded* row : asked) later.waiting.insert(row->hash);
  return later;
}

}  // namespace pgtally
