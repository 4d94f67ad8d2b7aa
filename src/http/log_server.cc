#include "http/log_server.h"

#include <atomic>

#include "http/log_routes.h"

namespace pgtally::http {

struct LogServer::Parts {
  explicit Parts(const LogServerOptions& options)
      : context(options.conninfo, options.schema, options.log, options.pulse, options.waker),
        routes(context) {}

  LogContext context;
  LogRoutes routes;
  std::unique_ptr<Server> server;  // the first to go: it calls the routes
  std::atomic<Server*> running = nullptr;
};

LogServer::LogServer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

LogServer::~LogServer() = default;

Result<std::unique_ptr<LogServer>> LogServer::start(const LogServerOptions& options) {
  auto parts = std::make_unique<Parts>(options);
  parts->context.server_counts = [&running = parts->running] {
    const Server* server = running;
    return server != nullptr ? server->counts() : ServerCounts{};
  };
  TRY(parts->server, Server::start(options.server, parts->routes));
  parts->running = parts->server.get();
  return std::unique_ptr<LogServer>(new LogServer(std::move(parts)));
}

void LogServer::wake() {
  parts_->context.watch.wake();
}

bool LogServer::serves_something() const {
  return parts_->context.revealed.head() != nullptr;
}

Server& LogServer::server() {
  return *parts_->server;
}

}  // namespace pgtally::http
