#include "cli/trust.h"

#include "cli/files.h"

namespace pgtally::cli {

void Trust::declare(Options& options) {
  options.option("--vkey", "K", vkey, "the ledger's verifier key, name+hash+base64");
  options.option("--policy", "P", policy,
                 "a C2SP tlog-policy file instead: ledgers and witnesses that are trusted");
}

Result<Policy> Trust::read() const {
  if (vkey && policy) return reject("--vkey and --policy both say what is trusted");
  if (vkey) {
    auto key = VerifierKey::parse(*vkey);
    if (!key.ok()) {
      return reject("--vkey: " + key.error().message,
                    "It should be one line, name+hash+base64, as `pgtally key show` prints it.");
    }
    return Policy::trust(std::move(*key));
  }
  if (!policy) {
    return reject("nothing says whom to trust",
                  "Give the ledger's verifier key with --vkey, or a policy file with --policy.");
  }
  TRY(const std::string text, read_file(*policy, kMaxPolicySize));
  auto parsed = Policy::parse(text);
  if (!parsed.ok()) return std::move(parsed).error().within(*policy);
  return parsed;
}

}  // namespace pgtally::cli
