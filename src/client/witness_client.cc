#include "client/witness_client.h"

#include <fmt/format.h>

#include "base/encoding.h"
#include "format/add_checkpoint.h"
#include "pgtally/checkpoint.h"

namespace pgtally {
namespace {

using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

constexpr std::string_view kSizeType = "text/x.tlog.size";

}  // namespace

Result<WitnessClient> WitnessClient::create(HttpClient http, PolicyWitness witness) {
  if (witness.key.type() != kCosignatureEd25519) {
    return reject("the key of witness " + quoted(witness.name) + " is not one that is counted",
                  "Use the witness's Ed25519 cosignature key, of type 4.");
  }
  if (witness.url.empty()) {
    return reject("nothing says where witness " + quoted(witness.name) + " can be asked",
                  "Put its submission prefix, a URL, at the end of its line in the policy.");
  }
  while (witness.url.ends_with('/')) witness.url.pop_back();
  return WitnessClient(std::move(http), std::move(witness));
}

Error WitnessClient::failed(std::string why) const {
  return retry("witness " + witness_.name + " at " + witness_.url + " " + std::move(why));
}

Error WitnessClient::refused(const HttpResponse& answer) const {
  const std::string says = fmt::format("witness {} at {} answers {}: {}", witness_.name,
                                       witness_.url, answer.status, quoted(answer.body, 200));
  switch (answer.status) {
    case 403:
      return operator_error(says, "Its operator has another verifier key for this log.");
    case 404:
      return operator_error(says, "Ask its operator to add this log's verifier key.");
    case 409:
    case 422:
      return tampered(says, fmt::format("It has cosigned size {} of this log with a tree that is "
                                        "not the beginning of ours. If that is true, the log "
                                        "forked.",
                                        cosigned_.value));
    default:
      return retry(says);
  }
}

// The size to go on from.
Result<TreeSize> WitnessClient::conflict(const HttpResponse& answer, TreeSize size) const {
  std::string_view body = answer.body;
  if (body.ends_with('\n')) body.remove_suffix(1);
  const auto known = parse_decimal(body);
  if (!known.ok()) return failed("answers 409 without a size: " + quoted(answer.body));
  if (*known > size.value) {
    return failed(fmt::format("has cosigned size {} already, beyond {}", *known, size.value));
  }
  if (*known == cosigned_.value) {
    return failed(fmt::format("asks for a proof from size {}, and refuses it", *known));
  }
  return TreeSize{*known};
}

// Spec: C2SP tlog-witness: what comes back are signature lines, to be read under the checkpoint.
Result<Cosignature> WitnessClient::read(const HttpResponse& answer, const std::string& text) const {
  const auto note = parse_note(text + "\n" + answer.body);
  if (!note.ok()) return failed("answers with no cosignature: " + note.error().message);
  for (const NoteSignature& signature : note->signatures) {
    if (!signature.is_by(witness_.key)) continue;
    const auto time = verify_cosignature(witness_.key, text, signature.signature);
    if (time) return Cosignature{signature, *time};
    return tampered("the cosignature of witness " + witness_.name + " does not verify");
  }
  return failed("answers with no cosignature by its key");
}

Result<Cosignature> WitnessClient::cosign(const std::string& note, const Prove& prove,
                                          milliseconds timeout) {
  TRY(const SignedNote parsed, parse_note(note));
  TRY(const Checkpoint checkpoint, parse_checkpoint(parsed.text));
  if (checkpoint.size < cosigned_) return failed("has cosigned a later checkpoint already");
  const auto deadline = SteadyClock::now() + timeout;
  for (int tries = 0; tries < kMaxTries; ++tries) {
    AddCheckpoint request{cosigned_, {}, note};
    TRY(request.proof, prove(cosigned_, checkpoint.size));
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - SteadyClock::now());
    if (left <= milliseconds(0)) break;
    TRY(const HttpResponse answer, http_.send({.method = "POST",
                                               .url = witness_.url + "/add-checkpoint",
                                               .headers = {{"Content-Type", "text/plain"}},
                                               .body = serialize(request),
                                               .timeout = left,
                                               .max_body = kMaxAnswerSize}));
    if (answer.status == 200) {
      auto cosignature = read(answer, parsed.text);
      if (cosignature.ok()) cosigned_ = checkpoint.size;
      return cosignature;
    }
    const bool names_size =
        answer.status == 409 && answer.header("content-type").starts_with(kSizeType);
    if (!names_size) return refused(answer);
    TRY(cosigned_, conflict(answer, checkpoint.size));
  }
  return failed(fmt::format("did not cosign within {} ms", timeout.count()));
}

}  // namespace pgtally
