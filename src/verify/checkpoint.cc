#include <algorithm>
#include <set>

#include "base/encoding.h"
#include "pgtally/verify.h"

namespace pgtally {
namespace {

Error bad_signature(const NoteSignature& signature) {
  return tampered("the signature by " + quoted(signature.name) + " on the checkpoint is wrong",
                  "The checkpoint was changed after it was signed, or the key is not the one that "
                  "signed it.");
}

Result<void> require_log_signature(const SignedNote& note, const Checkpoint& checkpoint,
                                   const Policy& policy) {
  if (policy.logs().empty())
    return reject("the policy names no log whose signature could be checked");
  bool signed_by_log = false;
  for (const PolicyLog& log : policy.logs()) {
    for (const NoteSignature& signature : note.signatures) {
      if (!signature.is_by(log.key)) continue;
      if (!log.key.verify(note.text, signature.signature)) return bad_signature(signature);
      signed_by_log = signed_by_log || log.key.name() == checkpoint.origin;
    }
  }
  if (signed_by_log) return {};
  std::string known;
  for (const PolicyLog& log : policy.logs()) known += (known.empty() ? "" : ", ") + log.key.name();
  return tampered("the checkpoint of " + quoted(checkpoint.origin) +
                      " is not signed by a log that is trusted here",
                  "Trusted: " + known + ". Check that the vkey is the one of this ledger.");
}

// The earliest cosignature of the witness; nothing if there is none.
Result<std::optional<std::uint64_t>> cosignature_of(const PolicyWitness& witness,
                                                    const SignedNote& note) {
  std::optional<std::uint64_t> earliest;
  if (witness.key.type() != kCosignatureEd25519) return earliest;
  for (const NoteSignature& signature : note.signatures) {
    if (!signature.is_by(witness.key)) continue;
    const auto time = verify_cosignature(witness.key, note.text, signature.signature);
    if (!time) return bad_signature(signature);
    earliest = std::min(*time, earliest.value_or(*time));
  }
  return earliest;
}

// `cosigned`: gets the names that the policy has for the witnesses.
Result<VerifiedCheckpoint> verified_signatures(std::string_view note, const Policy& policy,
                                               std::set<std::string>& cosigned) {
  TRY(const SignedNote parsed, parse_note(note));
  VerifiedCheckpoint verified;
  TRY(verified.checkpoint, parse_checkpoint(parsed.text));
  TRY_VOID(require_log_signature(parsed, verified.checkpoint, policy));
  for (const PolicyWitness& witness : policy.witnesses()) {
    TRY(const auto time, cosignature_of(witness, parsed));
    if (!time) continue;
    cosigned.insert(witness.name);
    verified.cosigned_by.push_back({witness.key.name(), *time});
  }
  return verified;
}

}  // namespace

Result<VerifiedCheckpoint> verify_checkpoint(std::string_view note, const Policy& policy) {
  std::set<std::string> cosigned;
  TRY(auto verified, verified_signatures(note, policy, cosigned));
  if (!policy.is_met_by(cosigned)) {
    return tampered("the checkpoint lacks the cosignatures that the policy asks for: quorum " +
                        quoted(policy.quorum()) + ", cosigned by " +
                        std::to_string(cosigned.size()) + " of " +
                        std::to_string(policy.witnesses().size()) + " witnesses",
                    "Ask for a proof under a checkpoint that more witnesses have cosigned.");
  }
  return verified;
}

Result<VerifiedCheckpoint> verify_signatures(std::string_view note, const Policy& policy) {
  std::set<std::string> cosigned;
  return verified_signatures(note, policy, cosigned);
}

}  // namespace pgtally
