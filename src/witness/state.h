// What a witness remembers: the last checkpoint that it cosigned of each log, in an SQLite file.
//
// - A change is read, decided and stored under one write lock (BEGIN IMMEDIATE), so that any number
//   of processes and threads may share the file.
// - When update() returns, the change is on disk (WAL, synchronous = FULL).
// - A file that is not a witness's, or that is damaged, is an error and never an empty memory.
//
// Errors: kOperator for the file; kRetry if the lock could not be had in kStateBusyTime.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally::witness {

inline constexpr std::chrono::milliseconds kStateBusyTime{5000};

struct Remembered {
  TreeSize size;
  Hash root;
  std::string note;  // with the signatures of the log and of the witness

  bool operator==(const Remembered&) const = default;
};

// For one thread at a time.
class State {
 public:
  // Makes the file, readable by its owner only, if there is none; says in `created` that it remembers
  // nothing yet.
  [[nodiscard]] static Result<State> open(const std::string& path, bool* created = nullptr);
  State(State&&) noexcept;
  State& operator=(State&&) noexcept;
  ~State();

  [[nodiscard]] Result<std::optional<Remembered>> latest(const std::string& origin);

  // What `decide` makes of the last checkpoint takes its place. If it returns an error, everything
  // stays as it was and that error comes back.
  using Decide = std::function<Result<Remembered>(const std::optional<Remembered>&)>;
  [[nodiscard]] Result<Remembered> update(const std::string& origin, const Decide& decide);

 private:
  class Database;
  explicit State(std::unique_ptr<Database> database);
  std::unique_ptr<Database> database_;
};

}  // namespace pgtally::witness
