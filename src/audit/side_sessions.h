// Sessions beside an audit's own that see the same state: so that a server works for it on more than one
// processor.
//
// They are opened when they are first asked for, or ahead of that by threads of their own; and only as many
// as can be had: an audit reads with what it has. None waits long for a lock.
//
// Spec: PostgreSQL's documentation, "Snapshot Synchronization Functions".
#pragma once

#include <cstddef>
#include <future>
#include <string>
#include <vector>

#include "pgtally/result.h"
#include "postgres/connection.h"

namespace pgtally {

class SideSessions {
 public:
  // None, ever.
  SideSessions() = default;
  // Begins the transaction of `main` that shows one state, read only. `main` stays where it is and lives
  // longer; what is opened here must not be used after that transaction has ended.
  [[nodiscard]] static Result<SideSessions> begin(pg::Connection& main);

  // Begins to open them, because they will be asked for.
  void open_ahead();

  // Up to `count` sessions that hold a lock on the table already, as its readers do; the same ones for
  // each call. `relation` as SQL writes it.
  [[nodiscard]] std::vector<pg::Connection*> readers_of(const std::string& relation,
                                                        std::size_t count);

 private:
  using Opened = std::future<Result<pg::Connection>>;

  std::string conninfo_;
  std::string snapshot_;  // empty: no session can share it
  std::vector<Opened> ahead_;
  std::vector<pg::Connection> sessions_;
};

}  // namespace pgtally
