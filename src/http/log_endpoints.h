// Every endpoint of a log; log_routes.cc says which path is whose, docs/http.md what each answers.
#pragma once

#include "http/log_context.h"

namespace pgtally::http {

// log_resources.cc: C2SP tlog-tiles, and the documents that the log's entries name.
[[nodiscard]] Result<Response> get_checkpoint(LogContext& context, const Call& call);
[[nodiscard]] Result<Response> get_tile(LogContext& context, const Call& call);
[[nodiscard]] Result<Response> get_document(LogContext& context, const Call& call);

// api_read.cc
[[nodiscard]] Result<Response> get_status(LogContext& context, const Call& call);
[[nodiscard]] Result<Response> get_sources(LogContext& context, const Call& call);
[[nodiscard]] Result<Response> get_entry(LogContext& context, const Call& call);
[[nodiscard]] Result<Response> get_entries(LogContext& context, const Call& call);

// api_proof.cc
[[nodiscard]] Result<Response> get_inclusion(LogContext& context, const Call& call);
[[nodiscard]] Result<Response> get_consistency(LogContext& context, const Call& call);
[[nodiscard]] Result<Response> get_order(LogContext& context, const Call& call);

// The description of all this, as OpenAPI 3.0: openapi.json.
extern const std::string_view kOpenapi;
[[nodiscard]] Result<Response> get_openapi(LogContext& context, const Call& call);

// api_health.cc
[[nodiscard]] Result<Response> get_events(LogContext& context, const Call& call);
[[nodiscard]] Result<Response> get_health(LogContext& context, const Call& call);
[[nodiscard]] Result<Response> get_readiness(LogContext& context, const Call& call);
[[nodiscard]] Result<Response> get_sequencer(LogContext& context, const Call& call);
[[nodiscard]] Result<Response> get_metrics(LogContext& context, const Call& call);

}  // namespace pgtally::http
