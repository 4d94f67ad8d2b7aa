#include "witness/witness.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"
#include "crypto/sha256.h"
#include "pgtally/merkle.h"

namespace pgtally::witness {
namespace {

constexpr const char* kSizeType = "text/x.tlog.size";

Answer refusal(unsigned status, const std::string& why) {
  return {.status = status, .body = why + "\n"};
}

Answer out_of_order(const Error& error) {
  Answer answer = refusal(error.code == ErrorCode::kRetry ? 503 : 500,
                          "the state of this witness cannot be used at the moment");
  answer.trouble = error;
  return answer;
}

// The note's line alone.
Result<std::string> line_of(const std::string& text, const NoteSignature& signature) {
  TRY(const std::string note, serialize(SignedNote{text, {signature}}));
  return note.substr(text.size() + 1);
}

}  // namespace

Witness::Witness(SigningKey key, VerifierKey verifier, State state, WallClock clock)
    : key_(std::move(key)),
      verifier_(std::move(verifier)),
      state_(std::move(state)),
      clock_(std::move(clock)),
      mutex_(std::make_unique<std::mutex>()) {}

Result<Witness> Witness::create(SigningKey key, const std::vector<VerifierKey>& logs, State state,
                                WallClock clock) {
  if (logs.empty()) return reject("a witness without a log has nothing to do");
  TRY(VerifierKey verifier, key.witness_verifier());
  Witness witness(std::move(key), std::move(verifier), std::move(state), std::move(clock));
  for (const VerifierKey& log : logs) {
    if (log.type() != kNoteEd25519) {
      return reject("the key of " + quoted(log.name()) + " is not one that a log signs with");
    }
    if (std::ranges::equal(log.public_key(), witness.verifier_.public_key())) {
      return reject("the log " + quoted(log.name()) + " has the witness's own key",
                    "Make a key of its own for the witness: pgtally key generate --witness");
    }
    Log& entry = witness.logs_[log.name()];
    entry.origin = log.name();
    entry.keys.push_back(log);
    witness.hashes_[to_hex(sha256(as_bytes(log.name())).view())] = log.name();
  }
  return witness;
}

Result<Witness::Submitted> Witness::read(std::string_view body, unsigned& status) const {
  status = 400;
  if (body.size() > kMaxRequestSize) {
    return reject(fmt::format("a request is no longer than {} bytes", kMaxRequestSize));
  }
  TRY(AddCheckpoint request, parse_add_checkpoint(body));
  TRY(const SignedNote note, parse_note(request.checkpoint));
  Submitted submitted{request.old_size, std::move(request.proof), {}, {note.text, {}}};
  TRY(submitted.checkpoint, parse_checkpoint(note.text));

  const auto log = logs_.find(submitted.checkpoint.origin);
  if (log == logs_.end()) {
    status = 404;
    return reject("no log of this witness is " + quoted(submitted.checkpoint.origin));
  }
  status = 403;
  for (const NoteSignature& signature : note.signatures) {
    for (const VerifierKey& key : log->second.keys) {
      if (!signature.is_by(key)) continue;
      if (!key.verify(note.text, signature.signature)) {
        return reject("the log's signature does not verify");
      }
      submitted.note.signatures.push_back(signature);
    }
  }
  if (submitted.note.signatures.empty()) return reject("the log's key has not signed this");
  status = 400;
  if (submitted.old_size > submitted.checkpoint.size) {
    return reject("the old size is beyond the checkpoint's");
  }
  return submitted;
}

// Under the state's lock: `latest` is what it holds until the result has taken its place.
Result<Remembered> Witness::judge(const Submitted& submitted,
                                  const std::optional<Remembered>& latest, Answer& answer) const {
  const Checkpoint& checkpoint = submitted.checkpoint;
  const TreeSize known = latest ? latest->size : TreeSize{0};
  if (submitted.old_size != known) {
    answer = {.status = 409, .content_type = kSizeType, .body = std::to_string(known.value) + "\n"};
    return reject("another checkpoint was cosigned last");
  }
  const Hash known_root = latest ? latest->root : empty_root();
  if (known == checkpoint.size && known_root != checkpoint.root) {
    // Without the size: the client has it right, and asking again would change nothing.
    answer = refusal(409, "a checkpoint of this size was cosigned with another root");
    return tampered("another root of the same size");
  }
  const auto consistent =
      verify_consistency(known, checkpoint.size, known_root, checkpoint.root, submitted.proof);
  if (!consistent.ok()) {
    answer = refusal(422, "the proof does not verify: " + consistent.error().message);
    return tampered(consistent.error().message);
  }
  const auto sign = [&]() -> Result<Remembered> {
    TRY(const NoteSignature cosignature, key_.cosign(submitted.note.text, clock_()));
    TRY(answer.body, line_of(submitted.note.text, cosignature));
    SignedNote note = submitted.note;
    note.signatures.push_back(cosignature);
    TRY(std::string stored, serialize(note));
    return Remembered{checkpoint.size, checkpoint.root, std::move(stored)};
  };
  auto cosigned = sign();
  if (!cosigned.ok()) answer = refusal(500, cosigned.error().message);
  return cosigned;
}

Answer Witness::add_checkpoint(std::string_view body) {
  unsigned status = 0;
  const auto submitted = read(body, status);
  if (!submitted.ok()) return refusal(status, submitted.error().message);
  Answer answer;
  const std::scoped_lock lock(*mutex_);
  const auto stored = state_.update(
      submitted->checkpoint.origin,
      [&](const std::optional<Remembered>& latest) { return judge(*submitted, latest, answer); });
  if (stored.ok() || answer.status != 200) return answer;
  // What was signed before the state failed is not given away.
  return out_of_order(stored.error());
}

Answer Witness::latest_checkpoint(std::string_view origin_hash) {
  const auto origin = hashes_.find(origin_hash);
  if (origin == hashes_.end()) return refusal(404, "no log of this witness has that hash");
  const std::scoped_lock lock(*mutex_);
  auto latest = state_.latest(origin->second);
  if (!latest.ok()) return out_of_order(latest.error());
  if (!*latest) return refusal(404, "no checkpoint of this log was cosigned yet");
  return {.status = 200, .body = std::move((*latest)->note)};
}

}  // namespace pgtally::witness
