#include "http/log_routes.h"

#include <algorithm>
#include <array>

#include "http/log_endpoints.h"

namespace pgtally::http {
namespace {

struct Route {
  std::string_view path;  // one that ends in '/' stands for all that begin so
  std::string_view name;  // as OpenAPI writes it
  std::string_view method;
  Endpoint endpoint;  // null: it writes, and `form` says how
  LogAppender::Form form = LogAppender::Form::kEntries;
};

constexpr std::array kRoutes{
    Route{"/checkpoint", "/checkpoint", "GET", get_checkpoint},
    Route{"/tile/", "/tile/{path}", "GET", get_tile},
    Route{"/document/", "/document/{sha256}", "GET", get_document},
    Route{"/api/v1/status", "/api/v1/status", "GET", get_status},
    Route{"/api/v1/sources", "/api/v1/sources", "GET", get_sources},
    Route{"/api/v1/entries/", "/api/v1/entries/{id}", "GET", get_entry},
    Route{"/api/v1/entries", "/api/v1/entries", "GET", get_entries},
    Route{"/api/v1/entries", "/api/v1/entries", "POST", nullptr},
    Route{"/add", "/add", "POST", nullptr, LogAppender::Form::kAdd},
    Route{"/api/v1/proof/inclusion", "/api/v1/proof/inclusion", "GET", get_inclusion},
    Route{"/api/v1/proof/consistency", "/api/v1/proof/consistency", "GET", get_consistency},
    Route{"/api/v1/proof/order", "/api/v1/proof/order", "GET", get_order},
    Route{"/api/v1/events", "/api/v1/events", "GET", get_events},
    Route{"/api/v1/openapi.json", "/api/v1/openapi.json", "GET", get_openapi},
    Route{"/metrics", "/metrics", "GET", get_metrics},
    Route{"/healthz", "/healthz", "GET", get_health},
    Route{"/readyz", "/readyz", "GET", get_readiness},
    Route{"/readyz/sequencer", "/readyz/sequencer", "GET", get_sequencer},
};

bool is_at(const Route& route, std::string_view path) {
  return route.path.ends_with('/') ? path.starts_with(route.path) : path == route.path;
}

Response wrong_method(std::string_view path) {
  std::string allowed;
  for (const Route& route : kRoutes) {
    if (!is_at(route, path)) continue;
    allowed += (allowed.empty() ? "" : ", ") + std::string(route.method);
    if (route.method == "GET") allowed += ", HEAD";
  }
  Response response = problem(405, reason_phrase(405), "this path takes " + allowed);
  response.headers.emplace_back("Allow", std::move(allowed));
  return response;
}

Answer counted(LogContext& context, std::size_t route, Answer answer) {
  return [&context, route, answer = std::move(answer),
          began = std::chrono::steady_clock::now()](Response response) {
    context.metrics.answered(route, response.status, std::chrono::steady_clock::now() - began);
    answer(std::move(response));
  };
}

// A request that needs the database, on its way through the queue of the workers.
struct Job {
  Endpoint endpoint;
  Request request;
  Parameters parameters;
  Answer answer;
};

void work_on(LogContext& context, const Job& job, std::size_t worker) {
  const auto ledger = context.sessions.of(worker);
  if (!ledger.ok()) {
    // Now that the database is known to be away, what was read before may do.
    auto stale = job.endpoint(context, {job.request, job.parameters, nullptr});
    return job.answer(stale.ok() ? *std::move(stale) : response_to(ledger.error()));
  }
  auto result = job.endpoint(context, {job.request, job.parameters, *ledger});
  job.answer(result.ok() ? *std::move(result) : response_to(result.error()));
}

}  // namespace

std::vector<RouteName> route_names() {
  std::vector<RouteName> names;
  for (const Route& route : kRoutes) names.push_back({route.name, route.method});
  return names;
}

std::vector<std::string> metric_names() {
  std::vector<std::string> names;
  for (const Route& route : kRoutes) names.emplace_back(route.name);
  return names;
}

void LogRoutes::handle(Request request, Answer answer) {
  const auto there = [&](const Route& route) { return is_at(route, request.path); };
  const auto any = std::ranges::find_if(kRoutes, there);
  if (any == kRoutes.end()) return answer(not_found("there is nothing at this path"));
  const auto route = std::find_if(any, kRoutes.end(), [&](const Route& each) {
    return each.method == request.method && there(each);
  });
  if (route == kRoutes.end()) return answer(wrong_method(request.path));

  answer = counted(context_, static_cast<std::size_t>(route - kRoutes.begin()), std::move(answer));
  auto parameters = query_parameters(request.query);
  if (!parameters.ok()) return answer(response_to(parameters.error()));
  if (route->endpoint == nullptr) {
    return context_.appender.take(route->form, std::move(request), *parameters, std::move(answer));
  }
  auto at_once = route->endpoint(context_, {request, *parameters, nullptr});
  if (at_once.ok()) return answer(*std::move(at_once));
  if (at_once.error().code != ErrorCode::kRetry) return answer(response_to(at_once.error()));

  auto job = std::make_shared<const Job>(
      Job{route->endpoint, std::move(request), *std::move(parameters), std::move(answer)});
  const bool taken = context_.workers.post(
      [&context = context_, job](std::size_t worker) { work_on(context, *job, worker); });
  if (!taken) job->answer(busy("too many requests wait for the database", 1));
}

}  // namespace pgtally::http
