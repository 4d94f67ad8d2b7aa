#include "ledger/token.h"

#include <algorithm>
#include <map>

#include "base/encoding.h"
#include "crypto/ed25519.h"
#include "crypto/sha256.h"
#include "ledger/registry.h"

namespace pgtally {
namespace {

constexpr std::string_view kPrefix = "pgt_";
constexpr const char* kColumns =
    "name, rights, sources, created_at, expires_at, revoked_at, hash FROM pgtally.token";

Result<std::optional<Time>> time_or_nothing(const pg::Rows& rows, std::size_t row,
                                            std::size_t column) {
  TRY(const Time time, rows.get<Time>(row, column));
  return time.microseconds == Time::kNone ? std::nullopt : std::optional(time);
}

Result<Token> token_at(const pg::Rows& rows, std::size_t row) {
  Token token;
  TRY(token.name, rows.get<std::string>(row, 0));
  TRY(token.rights, rows.get<std::vector<std::string>>(row, 1));
  if (!rows.is_null(row, 2)) {
    TRY(token.sources, rows.get<std::vector<std::string>>(row, 2));
  }
  TRY(token.created_at, rows.get<Time>(row, 3));
  TRY(token.expires_at, time_or_nothing(rows, row, 4));
  TRY(token.revoked_at, time_or_nothing(rows, row, 5));
  return token;
}

Result<void> check(const Ledger& ledger, const TokenRequest& request) {
  if (request.name.empty() || request.name.size() > 100) {
    return reject("a token's name has 1 to 100 bytes");
  }
  if (request.rights.empty()) return reject("a token without rights is good for nothing");
  for (const std::string& right : request.rights) {
    if (std::ranges::find(kRights, right) == std::end(kRights)) {
      return reject(quoted(right) + " is not a right", "The rights are append, salts and rows.");
    }
  }
  for (const std::string& source : request.sources) {
    TRY([[maybe_unused]] const auto there, find_source(ledger, source));
  }
  return {};
}

}  // namespace

bool Token::allows(std::string_view right, std::string_view source) const {
  const bool has_right = std::ranges::find(rights, right) != rights.end() ||
                         (right == "salts" && std::ranges::find(rights, "rows") != rights.end());
  return has_right && (!sources || std::ranges::find(*sources, source) != sources->end());
}

Result<std::string> create_token(const Ledger& ledger, const TokenRequest& request) {
  TRY_VOID(check(ledger, request));
  TRY(const Bytes random, random_bytes(32));
  std::string text = std::string(kPrefix) + to_hex(random);
  pg::Params params;
  params.text(request.name).hash(sha256(text)).text_array(request.rights);
  if (request.sources.empty()) {
    params.null();
  } else {
    params.text_array(request.sources);
  }
  if (request.lifetime_seconds) {
    params.int8(*request.lifetime_seconds);
  } else {
    params.null();
  }
  const auto made = ledger.query(
      "INSERT INTO pgtally.token (name, hash, rights, sources, expires_at) VALUES ($1, $2, $3, "
      "$4::text[], clock_timestamp() + $5::int8 * interval '1 second') ON CONFLICT (name) DO "
      "NOTHING RETURNING token_id",
      params);
  if (!made.ok()) return made.error();
  if (made->empty()) {
    return reject("there is a token of the name " + quoted(request.name) + " already",
                  "A name is never given out again: pgtally token list shows all.");
  }
  return text;
}

Result<std::vector<Token>> list_tokens(const Ledger& ledger) {
  TRY(const auto rows, ledger.query("SELECT " + std::string(kColumns) + " ORDER BY token_id"));
  std::vector<Token> tokens;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    TRY(auto token, token_at(rows, r));
    tokens.push_back(std::move(token));
  }
  return tokens;
}

Result<void> revoke_token(const Ledger& ledger, const std::string& name) {
  TRY(const auto rows,
      ledger.query("UPDATE pgtally.token SET revoked_at = coalesce(revoked_at, clock_timestamp()) "
                   "WHERE name = $1 RETURNING token_id",
                   pg::Params().text(name)));
  if (!rows.empty()) return {};
  return reject("there is no token of the name " + quoted(name), "pgtally token list shows all.");
}

Result<std::vector<std::optional<Token>>> find_tokens(const Ledger& ledger,
                                                      const std::vector<std::string>& shown) {
  std::vector<Bytes> hashes;
  for (const std::string& text : shown) {
    const Hash hash = sha256(text);
    hashes.emplace_back(hash.bytes.begin(), hash.bytes.end());
  }
  TRY(const auto rows,
      ledger.query("SELECT " + std::string(kColumns) +
                       " WHERE hash = ANY($1) AND revoked_at IS NULL AND (expires_at IS NULL OR "
                       "expires_at > clock_timestamp())",
                   pg::Params().bytea_array(hashes)));
  std::map<Bytes, Token> found;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    TRY(auto hash, rows.get<Bytes>(r, 6));
    TRY(found[std::move(hash)], token_at(rows, r));
  }
  std::vector<std::optional<Token>> tokens;
  for (const Bytes& hash : hashes) {
    const auto it = found.find(hash);
    tokens.push_back(it == found.end() ? std::nullopt : std::optional(it->second));
  }
  return tokens;
}

}  // namespace pgtally
