// All that the answers about a log are made from, and how an answer is made.
//
// An endpoint is a function that is called on the loop first, without a ledger, and answers if all
// that it needs is in memory. If not it says kRetry, and is called once more on a worker with the
// ledger of that worker.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "http/event_feed.h"
#include "http/log_appender.h"
#include "http/log_head.h"
#include "http/log_metrics.h"
#include "http/log_sessions.h"
#include "http/log_tree.h"
#include "http/log_watch.h"
#include "http/message.h"
#include "http/status_cache.h"
#include "http/workers.h"
#include "service/pulse.h"
#include "service/waker.h"

namespace pgtally::http {

struct LogLimits {
  std::size_t cache_bytes = std::size_t{256} << 20;
  std::size_t workers = 4;                // threads with a session each
  std::size_t queue = 1000;               // requests that wait for one of them: 503
  std::chrono::milliseconds patience{0};  // that checkpoints have for their witnesses
  std::size_t entries_listed = 100;       // of one key
};

// The routes by name, for the metrics (log_routes.cc).
[[nodiscard]] std::vector<std::string> metric_names();

// Tells all who listen of a checkpoint.
void publish_head(EventFeed& events, const LogHead& head);

struct LogContext {
  LogContext(const std::string& conninfo, const std::string& schema, const LogLimits& limits,
             const Pulse* loop, const Waker* loop_waker = nullptr);

  const LogLimits limits;
  const Pulse* const pulse;  // null: no loop runs beside the server
  const Waker* const waker;  // of that loop; may be null
  Revealed revealed;
  LogTree tree;
  LogSessions sessions;
  StatusCache status;
  LogMetrics metrics{metric_names()};
  std::function<ServerCounts()> server_counts;  // set before the first request; may be empty
  std::shared_ptr<EventFeed> events = std::make_shared<EventFeed>();
  LogAppender appender;
  Workers workers;  // its threads use all of the above
  LogWatch watch;   // and its thread the workers as well
};

// One request as an endpoint sees it.
struct Call {
  const Request& request;
  const Parameters& parameters;
  const Ledger* ledger;  // null on the loop

  // The value of a parameter; null if it is not given.
  [[nodiscard]] const std::string* parameter(std::string_view name) const;
  // A number that has to be given. kReject if it is not, or is none.
  [[nodiscard]] Result<std::uint64_t> number(std::string_view name) const;
  // kReject for parameters that are not among these, or given twice where that means nothing.
  [[nodiscard]] Result<void> allow(std::initializer_list<std::string_view> names) const;
  // What an endpoint that always needs the database begins with.
  [[nodiscard]] Result<const Ledger*> database() const;
};
using Endpoint = Result<Response> (*)(LogContext& context, const Call& call);

// The head, or the answer that there is none: 404 if nothing was signed yet, kRetry if nobody knows.
[[nodiscard]] Result<LogHeadPtr> head_of(LogContext& context);

// An error as an answer: 400, 503 with Retry-After, or 500.
[[nodiscard]] Response response_to(const Error& error);
[[nodiscard]] Response not_found(std::string_view detail);

// Headers of what never changes, and of what changes with each checkpoint.
inline constexpr const char* kImmutable = "public, max-age=31536000, immutable";
inline constexpr const char* kShortLived = "public, max-age=1";
inline constexpr const char* kNotKept = "no-store";

[[nodiscard]] Response json_response(std::string body, const char* cache_control);

}  // namespace pgtally::http
