// GET proof/inclusion, proof/consistency, proof/order.
//
// Proofs are made from the nodes in memory and verified before they go out. They hold what is public
// and nothing else, unless a token is shown that allows salts or rows.

#include "http/api_proof.h"

#include "base/encoding.h"
#include "http/api_json.h"
#include "http/api_lookup.h"
#include "http/log_endpoints.h"
#include "ledger/prover.h"
#include "ledger/row_reader.h"
#include "ledger/token.h"
#include "merkle/proof.h"
#include "pgtally/merkle.h"
#include "pgtally/proof_file.h"

namespace pgtally::http {
namespace {

struct Inclusion {
  LeafIndex id;
  SignedTree tree;
  Bytes entry;
  std::vector<Hash> path;
  std::optional<Hash> salt;
};

Result<Inclusion> include(LogContext& context, const LogHead& head, LeafIndex id, SignedTree tree,
                          const Ledger* ledger) {
  LogNodes nodes(context.tree, head, ledger);
  Inclusion proof{id, std::move(tree), {}, {}, {}};
  TRY(proof.path, prove_inclusion(nodes, id, proof.tree.size));
  TRY(proof.entry, context.tree.entry(head, id, ledger));
  TRY_VOID(
      verify_inclusion(id, proof.tree.size, leaf_hash(proof.entry), proof.path, proof.tree.root));
  return proof;
}

Result<std::string> text_of(const Inclusion& proof) {
  ProofFile file;
  file.index = proof.id;
  file.path = proof.path;
  file.checkpoint = *proof.tree.note;
  ProofExtra extra;
  extra.entry = proof.entry;
  extra.salt = proof.salt;
  TRY(file.extra, encode_extra(extra));
  return serialize(file);
}

json::object json_of(const LogHead& head, const Inclusion& proof) {
  json::object object = json_entry(proof.id, proof.entry);
  object["origin"] = head.origin;
  object["size"] = proof.tree.size.value;
  object["root"] = to_base64(proof.tree.root.view());
  object["proof"] = json_hashes(proof.path);
  object["checkpoint"] = *proof.tree.note;
  if (proof.salt) object["salt"] = to_hex(proof.salt->view());
  return object;
}

Response with_form(Response response) {
  response.headers.emplace_back("Vary", "Accept");
  return response;
}

Response text_response(std::string text) {
  Response response = respond(200, "text/plain; charset=utf-8", std::move(text));
  response.headers.emplace_back("Cache-Control", kShortLived);
  return response;
}

Response kept_by_nobody(Response response) {
  for (auto& [name, value] : response.headers) {
    if (name == "Cache-Control") value = kNotKept;
  }
  return response;
}

Result<std::optional<Hash>> salt_of_entry(const Ledger& ledger, LeafIndex id, ByteView bytes) {
  const auto entry = decode_entry(bytes);
  if (!entry.ok() || !has_key(entry->operation)) return std::optional<Hash>{};
  TRY(const SourceInfo source, find_source(ledger, entry->source));
  return read_salt(ledger, source, id, true);
}

// A proof for who shows a token: with what it allows to be shown.
Result<Response> disclosing(LogContext& context, const LogHead& head, ProofRequest request,
                            const Call& call) {
  TRY(const Ledger* ledger, call.database());
  TRY(const auto token, token_of(*ledger, call.request));
  if (!token) return refused(401, "this needs a valid token: Authorization: Bearer TOKEN");
  TRY(const std::string source, source_of_entry(*ledger, request.id));
  const std::string* row = call.parameter("row");
  if (row == nullptr || *row == "0") {
    request.salt = token->allows("salts", source);
    return inclusion(context, head, request, ledger);
  }
  if (*row != "1") return reject("row is 0 or 1");
  if (call.parameter("size") != nullptr)
    return reject("rows are disclosed under the newest checkpoint");
  if (!token->allows("rows", source)) return refused(403, "the token does not allow to see rows");
  TRY(auto text, prove_entry(*ledger, request.id, true));
  return kept_by_nobody(text_response(std::move(text)));
}

}  // namespace

Result<Response> inclusion(LogContext& context, const LogHead& head, const ProofRequest& request,
                           const Ledger* ledger) {
  TRY(auto tree, context.tree.signed_tree(head, request.size, ledger));
  TRY(auto proof, include(context, head, request.id, std::move(tree), ledger));
  if (request.salt) {
    TRY(proof.salt, salt_of_entry(*ledger, request.id, proof.entry));
  }
  Response response;
  if (request.json) {
    response = json_response(json::serialize(json_of(head, proof)), kShortLived);
  } else {
    TRY(auto text, text_of(proof));
    response = text_response(std::move(text));
  }
  if (request.salt) response = kept_by_nobody(std::move(response));
  return with_form(std::move(response));
}

Result<Response> get_inclusion(LogContext& context, const Call& call) {
  TRY_VOID(call.allow({"id", "source", "key", "size", "row"}));
  TRY(const LogHeadPtr head, head_of(context));
  if (!head) return not_found("nothing was signed yet");
  ProofRequest request{{}, head->size, wants_json(call.request), false};
  if (call.parameter("size") != nullptr) {
    TRY(request.size.value, call.number("size"));
  }
  TRY(const auto id, find_one(context, *head, call));
  if (!id) return not_found("no such entry is under a checkpoint");
  request.id = *id;
  if (*id >= LeafIndex{request.size.value}) {
    return not_found("the entry came after the checkpoint of that size");
  }
  const auto tree = context.tree.signed_tree(*head, request.size, call.ledger);
  if (!tree.ok() && tree.error().code == ErrorCode::kReject) {
    return not_found(tree.error().message);
  }
  if (!call.request.header("authorization").empty() || call.parameter("row") != nullptr) {
    return disclosing(context, *head, request, call);
  }
  return inclusion(context, *head, request, call.ledger);
}

Result<Response> get_order(LogContext& context, const Call& call) {
  TRY_VOID(call.allow({"first", "second"}));
  TRY(std::uint64_t first, call.number("first"));
  TRY(std::uint64_t second, call.number("second"));
  if (first == second) return reject("an order proof is about two entries");
  if (first > second) std::swap(first, second);
  TRY(const LogHeadPtr head, head_of(context));
  if (!head || second >= head->size.value) return not_found("no such entry is under a checkpoint");
  const SignedTree tree{head->size, head->root, head->note};
  TRY(const auto one, include(context, *head, LeafIndex{first}, tree, call.ledger));
  TRY(const auto other, include(context, *head, LeafIndex{second}, tree, call.ledger));
  if (wants_json(call.request)) {
    const json::object object{{"first", json_of(*head, one)}, {"second", json_of(*head, other)}};
    return with_form(json_response(json::serialize(object), kShortLived));
  }
  OrderProofFile file;
  TRY(file.first, text_of(one));
  TRY(file.second, text_of(other));
  TRY(auto text, serialize(file));
  return with_form(text_response(std::move(text)));
}

Result<Response> get_consistency(LogContext& context, const Call& call) {
  TRY_VOID(call.allow({"from", "to"}));
  TRY(const LogHeadPtr head, head_of(context));
  if (!head) return not_found("nothing was signed yet");
  TRY(const std::uint64_t from, call.number("from"));
  std::uint64_t to = head->size.value;
  if (call.parameter("to") != nullptr) {
    TRY(to, call.number("to"));
  }
  if (from > to) return reject("from is the smaller size, to the larger one");
  if (to > head->size.value) return not_found("no such size was signed yet");
  LogNodes nodes(context.tree, *head, call.ledger);
  TRY(const auto path, prove_consistency(nodes, TreeSize{from}, TreeSize{to}));
  TRY(const Hash root_from, root_at(nodes, TreeSize{from}));
  TRY(const Hash root_to, root_at(nodes, TreeSize{to}));
  TRY_VOID(verify_consistency(TreeSize{from}, TreeSize{to}, root_from, root_to, path));
  const json::object object{{"size1", from},
                            {"size2", to},
                            {"root1", to_base64(root_from.view())},
                            {"root2", to_base64(root_to.view())},
                            {"proof", json_hashes(path)}};
  return json_response(json::serialize(object), kShortLived);
}

}  // namespace pgtally::http
