// GET status, sources, entries.

#include "base/encoding.h"
#include "http/api_json.h"
#include "http/api_lookup.h"
#include "http/log_endpoints.h"
#include "pgtally/merkle.h"

namespace pgtally::http {

Result<Response> get_status(LogContext& context, const Call& call) {
  TRY_VOID(call.allow({}));
  TRY(const auto snapshot, context.status.read(context.sessions, call.ledger));
  TRY(const LogHeadPtr head, head_of(context));
  json::array sources;
  for (const SourceStatus& source : snapshot->status.sources) {
    sources.push_back(json_source(source));
  }
  json::object object{{"origin", snapshot->origin}, {"vkey", snapshot->vkey}};
  object["size"] = head ? head->size.value : 0;
  object["root"] = to_base64((head ? head->root : empty_root()).view());
  object["checkpoint"] = head ? json::value(json_checkpoint(*head)) : json::value(nullptr);
  object["witnessed"] = json_witnessed(snapshot->status.witnessed, head ? head->size : TreeSize{});
  object["sources"] = std::move(sources);
  object["as_of"] = json_time(snapshot->status.now);
  return json_response(json::serialize(object), kShortLived);
}

Result<Response> get_sources(LogContext& context, const Call& call) {
  TRY_VOID(call.allow({}));
  TRY(const auto snapshot, context.status.read(context.sessions, call.ledger));
  json::array sources;
  for (const SourceStatus& source : snapshot->status.sources) {
    json::object object = json_source(source);
    object["blind"] = source.info.blind;
    object["definition"] = source.info.definition;
    const auto document = snapshot->documents.find(source.info.id);
    if (document != snapshot->documents.end()) {
      object["document"] = "/document/" + to_hex(document->second.view());
    }
    sources.push_back(std::move(object));
  }
  json::object object{{"sources", std::move(sources)}};
  object["as_of"] = json_time(snapshot->status.now);
  return json_response(json::serialize(object), kShortLived);
}

Result<Response> get_entry(LogContext& context, const Call& call) {
  TRY_VOID(call.allow({}));
  constexpr std::string_view kPrefix = "/api/v1/entries/";
  const auto id = parse_decimal(std::string_view(call.request.path).substr(kPrefix.size()));
  if (!id.ok()) return not_found("an entry's name is its id, a whole number");
  TRY(const LogHeadPtr head, head_of(context));
  if (!head || *id >= head->size.value) return not_found("no such entry is under a checkpoint");
  TRY(const Bytes bytes, context.tree.entry(*head, LeafIndex{*id}, call.ledger));
  return json_response(json::serialize(json_entry(LeafIndex{*id}, bytes)), kImmutable);
}

Result<Response> get_entries(LogContext& context, const Call& call) {
  TRY_VOID(call.allow({"source", "key"}));
  TRY(const LogHeadPtr head, head_of(context));
  json::array entries;
  if (head) {
    TRY(const auto ids, find_by_key(context, *head, call));
    for (const LeafIndex id : ids) {
      TRY(const Bytes bytes, context.tree.entry(*head, id, call.ledger));
      entries.push_back(json_entry(id, bytes));
    }
  }
  if (entries.empty()) return not_found("no entry of that source has this key");
  return json_response(json::serialize(json::object{{"entries", std::move(entries)}}), kShortLived);
}

}  // namespace pgtally::http
