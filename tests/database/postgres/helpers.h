// What the tests of the PostgreSQL layer share.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>

#include "pgtally/result.h"
#include "postgres/connection.h"
#include "support/test_database.h"

namespace pgtally::pg {

// The value, or a failed test that shows the error.
template <typename T>
T must(Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.error().message + "\n" + result.error().hint);
  return std::move(result).value();
}
inline void must(Result<void> result) {
  if (!result.ok()) throw std::runtime_error(result.error().message + "\n" + result.error().hint);
}

// The error, or a failed test.
template <typename T>
Error error_of(Result<T> result) {
  if (result.ok()) throw std::runtime_error("this should have failed");
  return std::move(result).error();
}

inline Connection connect(const test::Server& server) {
  return must(Connection::open(server.conninfo()));
}

inline void wait_until(const std::function<bool()>& condition) {
  for (int i = 0; i < 1000; ++i) {
    if (condition()) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  throw std::runtime_error("waited 10 s in vain");
}

// Ends a session from outside, and waits until it has gone.
inline void terminate(const test::Server& server, int backend_pid) {
  const std::string pid = std::to_string(backend_pid);
  server.psql("SELECT pg_terminate_backend(" + pid + ")");
  wait_until([&] {
    return server.psql("SELECT count(*) FROM pg_stat_activity WHERE pid = " + pid) == "0";
  });
}

// Waits until the session shows that state and wait event in pg_stat_activity.
inline void wait_for_event(const test::Server& server, int backend_pid, const std::string& event) {
  wait_until([&] {
    return server.psql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = '" + event +
                       "' AND pid = " + std::to_string(backend_pid)) == "1";
  });
}

}  // namespace pgtally::pg
