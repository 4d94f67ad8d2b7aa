#include "witness/state.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/encoding.h"
#include "pgtally/checkpoint.h"
#include "pgtally/note.h"

namespace pgtally::witness {
namespace {

constexpr int kApplicationId = 0x70675774;  // "pgWt"
constexpr int kVersion = 1;

// Sizes are text: SQLite's integers end at 2^63 - 1.
constexpr const char* kSchema = R"sql(
  CREATE TABLE cosigned (
    origin TEXT PRIMARY KEY,
    size   TEXT NOT NULL,
    root   BLOB NOT NULL CHECK (length(root) = 32),
    note   TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
)sql";

struct Close {
  void operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Handle = std::unique_ptr<sqlite3, Close>;
using Statement = std::unique_ptr<sqlite3_stmt, Close>;

// An existing file is left as it is.
Result<void> create_private(const std::string& path) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file >= 0) {
    ::close(file);
    return {};
  }
  if (errno == EEXIST) return {};
  return operator_error("cannot create " + path + ": " + std::strerror(errno));
}

// A note that does not say what stands beside it was put there by somebody else.
Result<Remembered> checked(Remembered stored, const std::string& origin) {
  const auto note = parse_note(stored.note);
  if (note.ok()) {
    const auto checkpoint = parse_checkpoint(note->text);
    if (checkpoint.ok() && checkpoint->origin == origin && checkpoint->size == stored.size &&
        checkpoint->root == stored.root) {
      return stored;
    }
  }
  return tampered("what is remembered of " + quoted(origin) + " does not fit together",
                  "Bring the state back as the witness wrote it last; an older copy would let a "
                  "log that forked be cosigned.");
}

}  // namespace

class State::Database {
 public:
  Database(Handle handle, std::string path) : handle_(std::move(handle)), path_(std::move(path)) {}

  Result<void> run(const char* sql) {
    const int code = sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr);
    return code == SQLITE_OK ? Result<void>() : failed(code);
  }

  // True if the file was empty.
  Result<bool> prepare_file() {
    sqlite3_busy_timeout(handle_.get(), static_cast<int>(kStateBusyTime.count()));
    TRY_VOID(
        run("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA trusted_schema = 0"));
    TRY_VOID(run("BEGIN IMMEDIATE"));
    auto made = make_schema();
    if (!made.ok()) {
      roll_back();
      return made;
    }
    TRY_VOID(run("COMMIT"));
    return made;
  }

  Result<std::optional<Remembered>> latest(const std::string& origin) {
    TRY(const Statement query, prepare("SELECT size, root, note FROM cosigned WHERE origin = ?1"));
    bind(query, 1, origin);
    const int code = sqlite3_step(query.get());
    if (code == SQLITE_DONE) return std::optional<Remembered>{};
    if (code != SQLITE_ROW) return failed(code);
    Remembered stored;
    auto size = parse_decimal(column(query, 0));
    if (!size.ok()) return std::move(size).error().within(path_);
    stored.size = TreeSize{*size};
    const std::string root = column(query, 1);
    if (root.size() != Hash::kSize) return operator_error(path_ + " holds a root that is none");
    std::ranges::copy(as_bytes(root), stored.root.bytes.begin());
    stored.note = column(query, 2);
    TRY(stored, checked(std::move(stored), origin));
    return std::optional(std::move(stored));
  }

  Result<Remembered> update(const std::string& origin, const Decide& decide) {
    TRY_VOID(run("BEGIN IMMEDIATE"));
    auto stored = replace(origin, decide);
    if (!stored.ok()) {
      roll_back();
      return stored;
    }
    const auto committed = run("COMMIT");
    if (committed.ok()) return stored;
    roll_back();
    return committed.error();
  }

 private:
  // One that is new gets the table; one that is not has to be a witness's.
  Result<bool> make_schema() {
    TRY(const int id, pragma("PRAGMA application_id"));
    TRY(const int version, pragma("PRAGMA user_version"));
    TRY(const int objects, pragma("SELECT count(*) FROM sqlite_schema"));
    if (id == 0 && version == 0 && objects == 0) {
      TRY_VOID(run(kSchema));
      const std::string mark = "PRAGMA application_id = " + std::to_string(kApplicationId) +
                               "; PRAGMA user_version = " + std::to_string(kVersion);
      TRY_VOID(run(mark.c_str()));
      return true;
    }
    if (id == kApplicationId && version == kVersion) return false;
    return operator_error(path_ + " is not the state of a witness, or of a later version",
                          "Give the file that this witness wrote, or one that does not exist.");
  }

  Result<Remembered> replace(const std::string& origin, const Decide& decide) {
    TRY(const auto before, latest(origin));
    TRY(const Remembered after, decide(before));
    TRY(const Statement query,
        prepare("INSERT INTO cosigned (origin, size, root, note) VALUES (?1, ?2, ?3, ?4) "
                "ON CONFLICT (origin) DO UPDATE SET size = ?2, root = ?3, note = ?4"));
    bind(query, 1, origin);
    bind(query, 2, std::to_string(after.size.value));
    sqlite3_bind_blob(query.get(), 3, after.root.bytes.data(), Hash::kSize, SQLITE_TRANSIENT);
    bind(query, 4, after.note);
    const int code = sqlite3_step(query.get());
    if (code != SQLITE_DONE) return failed(code);
    return after;
  }

  Result<Statement> prepare(const char* sql) {
    sqlite3_stmt* statement = nullptr;
    const int code = sqlite3_prepare_v2(handle_.get(), sql, -1, &statement, nullptr);
    if (code != SQLITE_OK) return failed(code);
    return Statement(statement);
  }

  Result<int> pragma(const char* sql) {
    TRY(const Statement query, prepare(sql));
    const int code = sqlite3_step(query.get());
    if (code != SQLITE_ROW) return failed(code);
    return sqlite3_column_int(query.get(), 0);
  }

  static void bind(const Statement& query, int at, const std::string& text) {
    sqlite3_bind_text(query.get(), at, text.data(), static_cast<int>(text.size()),
                      SQLITE_TRANSIENT);
  }

  static std::string column(const Statement& query, int at) {
    const void* bytes = sqlite3_column_blob(query.get(), at);
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(query.get(), at));
    return bytes == nullptr ? std::string() : std::string(static_cast<const char*>(bytes), size);
  }

  // A failed COMMIT may or may not have ended the transaction.
  void roll_back() {
    if (sqlite3_get_autocommit(handle_.get()) == 0) {
      sqlite3_exec(handle_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
    }
  }

  Error failed(int code) const {
    const std::string message = path_ + ": " + sqlite3_errmsg(handle_.get());
    const int primary = code & 0xff;
    if (primary == SQLITE_BUSY || primary == SQLITE_LOCKED) return retry(message);
    return operator_error(message, "Nothing was cosigned. See to the file and its file system.");
  }

  Handle handle_;
  std::string path_;
};

Result<State> State::open(const std::string& path, bool* created) {
  TRY_VOID(create_private(path));
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READWRITE, nullptr);
  Handle handle(raw);
  if (code != SQLITE_OK) {
    return operator_error("cannot open " + path + ": " + sqlite3_errstr(code));
  }
  auto database = std::make_unique<Database>(std::move(handle), path);
  TRY(const bool is_new, database->prepare_file());
  if (created != nullptr) *created = is_new;
  return State(std::move(database));
}

State::State(std::unique_ptr<Database> database) : database_(std::move(database)) {}
State::State(State&&) noexcept = default;
State& State::operator=(State&&) noexcept = default;
State::~State() = default;

Result<std::optional<Remembered>> State::latest(const std::string& origin) {
  return database_->latest(origin);
}

Result<Remembered> State::update(const std::string& origin, const Decide& decide) {
  return database_->update(origin, decide);
}

}  // namespace pgtally::witness
