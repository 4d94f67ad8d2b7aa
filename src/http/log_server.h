// A ledger over HTTP: server, answers, cache and sessions together.
#pragma once

#include <memory>
#include <string>

#include "http/log_context.h"
#include "http/server.h"
#include "pgtally/result.h"
#include "service/pulse.h"

namespace pgtally::http {

struct LogServerOptions {
  std::string conninfo;
  std::string schema;
  ServerOptions server;
  LogLimits log;
  // Of the loop beside it, and outlives the server; null: there is none.
  const Pulse* pulse = nullptr;
  const Waker* waker = nullptr;
};

class LogServer {
 public:
  // Serves when it returns. Waits for no database: it serves what it can as soon as it can.
  [[nodiscard]] static Result<std::unique_ptr<LogServer>> start(const LogServerOptions& options);
  ~LogServer();
  LogServer(const LogServer&) = delete;
  LogServer& operator=(const LogServer&) = delete;

  // There is a new checkpoint or cosignature. Any thread.
  void wake();
  // Whether there is a checkpoint to serve, so that going on makes sense when nothing else does.
  [[nodiscard]] bool serves_something() const;
  [[nodiscard]] Server& server();

 private:
  struct Parts;
  explicit LogServer(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace pgtally::http
