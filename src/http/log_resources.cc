// C2SP tlog-tiles, https://c2sp.org/tlog-tiles; and documents.

#include "base/encoding.h"
#include "crypto/sha256.h"
#include "format/entry_bundle.h"
#include "http/log_endpoints.h"

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

// The text of a document, from the definitions or from a notice; nothing if no entry below `size`
// names this hash.
Result<std::optional<std::string>> read_document(const Ledger& ledger, const Hash& hash,
                                                 TreeSize size) {
  TRY(const auto definitions,
      ledger.query("SELECT document FROM pgtally.definition WHERE sha256(document) = $1 AND "
                   "entry_id < $2 LIMIT 1",
                   pg::Params().hash(hash).tree_size(size)));
  if (!definitions.empty()) {
    TRY(const auto document, definitions.get<ByteView>(0, 0));
    return std::optional(std::string(as_text(document)));
  }
  // Only the owner may read `data`.
  const auto notices = ledger.query(
      "SELECT data FROM pgtally.processed_log WHERE source_id IN (SELECT source_id FROM "
      "pgtally.source) AND key = '' AND operation = 6 AND content_hash = $1 AND id < $2 AND data "
      "IS "
      "NOT NULL LIMIT 1",
      pg::Params().hash(hash).tree_size(size));
  if (!notices.ok() && ledger.connection().last_sqlstate() == "42501") {
    return std::optional<std::string>{};
  }
  if (!notices.ok()) return notices.error();
  if (notices->empty()) return std::optional<std::string>{};
  TRY(const auto document, notices->get<ByteView>(0, 0));
  return std::optional(std::string(as_text(document)));
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
    TRY(auto text, read_document(*ledger, *hash, head->size));
    if (!text) return not_found("no entry of the log names such a document");
    if (sha256(*text) != *hash) return tampered("a document of the database has another hash");
    piece = context.tree.keep_document(*hash, std::move(*text));
  }
  return served(*piece, "application/json");
}

}  // namespace pgtally::http
