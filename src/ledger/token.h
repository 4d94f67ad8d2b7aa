// Bearer tokens: who may append over HTTP, and who may be shown what proofs otherwise leave out.
//
// A token is "pgt_" and 64 hexadecimal digits, which are 32 random bytes; the database has only its
// SHA-256. One that was revoked or has expired is as good as unknown from the next request on.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ledger/ledger.h"
#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

// "append": write to append sources. "salts": proofs with the salt of their entry. "rows": proofs
// that disclose the row, which have the salt as well.
inline constexpr std::string_view kRights[] = {"append", "salts", "rows"};

struct Token {
  std::string name;
  std::vector<std::string> rights;
  std::optional<std::vector<std::string>> sources;  // nothing: all of them
  Time created_at;
  std::optional<Time> expires_at;
  std::optional<Time> revoked_at;

  // Whether it gives this right for this source.
  [[nodiscard]] bool allows(std::string_view right, std::string_view source) const;
};

struct TokenRequest {
  std::string name;
  std::vector<std::string> rights;
  std::vector<std::string> sources;              // empty: all
  std::optional<std::int64_t> lifetime_seconds;  // nothing: until it is revoked
};

// The token itself, which nobody can find out again. kReject for a name that is taken, and for rights
// and sources that there are not.
[[nodiscard]] Result<std::string> create_token(const Ledger& ledger, const TokenRequest& request);

// All that were ever made, in the order of their making.
[[nodiscard]] Result<std::vector<Token>> list_tokens(const Ledger& ledger);

// kReject if there is none of that name. Revoking again changes nothing.
[[nodiscard]] Result<void> revoke_token(const Ledger& ledger, const std::string& name);

// By what clients showed: for each text its token, or nothing if it is not a valid one.
[[nodiscard]] Result<std::vector<std::optional<Token>>> find_tokens(
    const Ledger& ledger, const std::vector<std::string>& shown);

}  // namespace pgtally
