// C2SP tlog-tiles, https://c2sp.org/tlog-tiles; and documents.

#include "base/encoding.h"
#include "format/entry_bundle.h"
#include "http/log_endpoints.h"
#include "ledger/documents.h"

namespace pgtally::http {
namespace {

Response served(const Piece& piece, const char* type) {
  Response response;
  response.headers = {{"Content-Type", type}, {"Cache-Control", kImmutable}};
  response.body = piece.bytes;
  response.etag = piece.etag;
  if (piece.gzipped) {
    response.gzipped = piece.gzipped;
    response.compressible = true;
  }
  return response;
}

}  // namespace

Result<Response> get_checkpoint(LogContext& context, const Call& call) {
  TRY_VOID(call.allow({}));
  TRY(const LogHeadPtr head, head_of(context));
  if (!head) return not_found("nothing was signed yet");
  Response response;
  response.headers = {{"Content-Type", "text/plain; charset=utf-8"},
                      {"Cache-Control", kShortLived}};
  response.body = head->note;
  response.etag = head->etag;
  return response;
}

Result<Response> get_tile(LogContext& context, const Call& call) {
  const std::string_view path = std::string_view(call.request.path).substr(1);
  const bool is_bundle = path.starts_with("tile/entries/");
  const auto request = is_bundle ? parse_bundle_path(path) : parse_tile_path(path);
  if (!request.ok()) return not_found(request.error().message);
  TRY(const LogHeadPtr head, head_of(context));
  if (!head || tile_width(request->tile, head->size) < request->width) {
    return not_found("the tree that was signed has no such tile");
  }
  TRY(const auto piece, is_bundle ? context.tree.bundle(*head, *request, call.ledger)
                                  : context.tree.tile(*head, *request, call.ledger));
  return served(*piece, "application/octet-stream");
}

Result<Response> get_document(LogContext& context, const Call& call) {
  constexpr std::string_view kPrefix = "/document/";
  const std::string_view name = std::string_view(call.request.path).substr(kPrefix.size());
  const auto hash = hash_from_hex(name);
  if (!hash.ok() || to_hex(hash->view()) != name) {
    return not_found("a document's name is its SHA-256 in 64 lower-case hexadecimal digits");
  }
  TRY(const LogHeadPtr head, head_of(context));
  if (!head) return not_found("nothing was signed yet");
  auto piece = context.tree.document(*hash);
  if (!piece) {
    TRY(const Ledger* ledger, call.database());
    TRY(auto text, find_document(*ledger, *hash, head->size));
    if (!text) return not_found("no entry of the log names such a document");
    piece = context.tree.keep_document(*hash, std::move(*text));
  }
  return served(*piece, "application/json");
}

}  // namespace pgtally::http
