// Live events, the description of the API, and how the process, its reads and its sequencing are.

#include "http/api_json.h"
#include "http/log_endpoints.h"

namespace pgtally::http {
namespace {

// A cycle over a full batch takes seconds at most; after this long without one, something hangs.
constexpr std::chrono::seconds kCycleMayTake{30};

Response state(unsigned status, const json::object& object) {
  Response response = respond(status, "application/json", json::serialize(object));
  response.headers.emplace_back("Cache-Control", kNotKept);
  return response;
}

// Why this instance does not sequence and sign; empty if it does.
std::string what_is_wrong(const Pulse* pulse) {
  if (pulse == nullptr) return "no sequencer runs beside this server";
  const PulseState now = pulse->state();
  if (!now.trouble.empty()) return "the last cycle failed";
  if (!now.last_cycle) return "no cycle has ended yet";
  if (std::chrono::steady_clock::now() - *now.last_cycle > kCycleMayTake) {
    return "the last cycle ended long ago";
  }
  if (!now.signs) return "this host has neither signing key nor guard";
  return {};
}

}  // namespace

void publish_head(EventFeed& events, const LogHead& head) {
  events.publish("checkpoint", std::to_string(head.size.value),
                 json::serialize(json_checkpoint(head)));
}

Result<Response> get_events(LogContext& context, const Call& call) {
  TRY_VOID(call.allow({}));
  Response response;
  response.events = context.events;
  return response;
}

Result<Response> get_health(LogContext&, const Call&) {
  return state(200, {{"ok", true}});
}

Result<Response> get_readiness(LogContext& context, const Call&) {
  const LogHeadPtr head = context.revealed.head();
  const bool ready = head || context.revealed.has_looked();
  json::object object{{"ok", ready}, {"database", context.sessions.database_is_there()}};
  object["size"] = head ? head->size.value : 0;
  return state(ready ? 200 : 503, object);
}

Result<Response> get_sequencer(LogContext& context, const Call&) {
  const std::string wrong = what_is_wrong(context.pulse);
  if (wrong.empty()) return state(200, {{"ok", true}});
  return state(503, {{"ok", false}, {"reason", wrong}});
}

Result<Response> get_openapi(LogContext&, const Call&) {
  return json_response(std::string(kOpenapi), "public, max-age=3600");
}

Result<Response> get_metrics(LogContext& context, const Call& call) {
  const auto status = context.status.read(context.sessions, call.ledger);
  // Without a database there are still numbers to show.
  if (!status.ok() && context.sessions.database_is_there()) return status.error();
  const LogHeadPtr head = context.revealed.head();
  MetricSources sources;
  sources.head = head.get();
  sources.status = status.ok() ? status->get() : nullptr;
  sources.database_is_there = context.sessions.database_is_there();
  sources.sequences = what_is_wrong(context.pulse).empty();
  if (context.pulse != nullptr) sources.pulse = context.pulse->state();
  sources.cache = context.tree.counts();
  if (context.server_counts) sources.server = context.server_counts();
  sources.waiting = context.workers.waiting();
  Response response = respond(200, "text/plain; version=0.0.4", context.metrics.text(sources));
  response.headers.emplace_back("Cache-Control", kNotKept);
  response.compressible = true;
  return response;
}

}  // namespace pgtally::http
