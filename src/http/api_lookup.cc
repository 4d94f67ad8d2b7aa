#include "http/api_lookup.h"

#include <algorithm>

#include "ledger/row_reader.h"
#include "pgtally/key.h"

namespace pgtally::http {

Result<std::vector<LeafIndex>> find_by_key(const LogContext& context, const LogHead& head,
                                           const Call& call) {
  const std::string* name = call.parameter("source");
  std::vector<std::string> key;
  for (const auto& [parameter, value] : call.parameters) {
    if (parameter == "key") key.push_back(value);
  }
  if (name == nullptr || key.empty()) {
    return reject("an entry is asked for by source=NAME and key=VALUE, once for each column");
  }
  TRY(const Ledger* ledger, call.database());
  const auto source = find_source(*ledger, *name);
  if (!source.ok() && source.error().code == ErrorCode::kReject) return std::vector<LeafIndex>{};
  if (!source.ok()) return source.error();
  TRY(const auto values, key_values(*ledger, *source, key));
  TRY(const Bytes encoded, encode_key(values));
  TRY(const auto rows,
      ledger->query(
          "SELECT id FROM pgtally.processed_log WHERE source_id = $1 AND key = $2 AND id < "
          "$3 ORDER BY id DESC LIMIT $4",
          pg::Params()
              .int4(source->id)
              .bytea(encoded)
              .tree_size(head.size)
              .int8(static_cast<std::int64_t>(context.limits.entries_listed))));
  std::vector<LeafIndex> ids;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    TRY(const auto id, rows.get<LeafIndex>(r, 0));
    ids.push_back(id);
  }
  return ids;
}

Result<std::optional<LeafIndex>> find_one(const LogContext& context, const LogHead& head,
                                          const Call& call) {
  if (call.parameter("id") == nullptr) {
    TRY(const auto ids, find_by_key(context, head, call));
    return ids.empty() ? std::nullopt : std::optional(ids.front());
  }
  if (call.parameter("source") != nullptr || call.parameter("key") != nullptr) {
    return reject("an entry is asked for by id, or by source and key, not by both");
  }
  TRY(const std::uint64_t id, call.number("id"));
  return id < head.size.value ? std::optional(LeafIndex{id}) : std::nullopt;
}

std::string shown_token(const Request& request) {
  constexpr std::string_view kScheme = "bearer ";
  const std::string& text = request.header("authorization");
  const auto same = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; };
  if (text.size() <= kScheme.size() ||
      !std::equal(kScheme.begin(), kScheme.end(), text.begin(),
                  [&](char scheme, char sent) { return same(sent, scheme); })) {
    return {};
  }
  return text.substr(kScheme.size());
}

Result<std::optional<Token>> token_of(const Ledger& ledger, const Request& request) {
  const std::string shown = shown_token(request);
  if (shown.empty()) return std::optional<Token>{};
  TRY(auto found, find_tokens(ledger, {shown}));
  return std::move(found.front());
}

Response refused(unsigned status, std::string_view detail) {
  Response response = problem(status, reason_phrase(status), detail);
  response.headers.emplace_back("Cache-Control", kNotKept);
  if (status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  if (status == 429) response.headers.emplace_back("Retry-After", "1");
  return response;
}

bool wants_json(const Request& request) {
  const std::string& accept = request.header("accept");
  const std::size_t json = accept.find("application/json");
  return json != std::string::npos && json < accept.find("text/plain");
}

}  // namespace pgtally::http
