#include "audit/signed_roots.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "base/encoding.h"
#include "format/times.h"
#include "pgtally/note.h"
#include "pgtally/verify.h"

namespace pgtally {
namespace {

std::string text_of(TreeSize size, const Hash& root) {
  return fmt::format("size {}, root {}", size.value, to_base64(root.view()));
}

// Which witnesses of the policy cosigned a note.
struct Cosigners {
  std::vector<Cosigned> good;
  std::vector<std::string> bad;
  bool are_enough = false;  // for a quorum, where the policy asks for one
};

bool asks_for_witnesses(const Policy& policy) {
  return policy.quorum() != "none";
}

Cosigners cosigners_of(std::string_view note, const Policy& policy) {
  Cosigners cosigners;
  const auto parsed = parse_note(note);
  if (!parsed.ok()) return cosigners;
  std::set<std::string> names;  // within the policy
  for (const PolicyWitness& witness : policy.witnesses()) {
    if (witness.key.type() != kCosignatureEd25519) continue;
    std::optional<std::uint64_t> earliest;
    for (const NoteSignature& signature : parsed->signatures) {
      if (!signature.is_by(witness.key)) continue;
      const auto time = verify_cosignature(witness.key, parsed->text, signature.signature);
      if (!time) cosigners.bad.push_back(witness.key.name());
      if (time) earliest = std::min(*time, earliest.value_or(*time));
    }
    if (!earliest) continue;
    cosigners.good.push_back({witness.key.name(), *earliest});
    names.insert(witness.name);
  }
  cosigners.are_enough = asks_for_witnesses(policy) && policy.is_met_by(names);
  return cosigners;
}

Time earliest_of(const std::vector<Cosigned>& cosigned) {
  const auto first = std::ranges::min_element(cosigned, {}, &Cosigned::timestamp);
  return first == cosigned.end() ? Time{} : time_of_seconds(first->timestamp);
}

// The key of the log's own checkpoints, alone. kReject if the policy has none for it.
Result<Policy> key_of(const Policy& policy) {
  if (policy.logs().size() == 1) return Policy::trust(policy.logs().front().key);
  return reject(
      fmt::format("the policy names {} logs, and an audit is of one", policy.logs().size()),
      "Give the ledger's own verifier key with --vkey, or a policy with one log line.");
}

}  // namespace

Result<void> SignedRoots::add_kept(const AuditedCheckpoint& kept, const Policy& key,
                                   const Policy& policy) {
  ++checked_;
  const auto accuse = [&](std::string recorded, std::string actual) {
    findings_.push_back({.kind = FindingKind::kLog,
                         .recorded = std::move(recorded),
                         .actual = std::move(actual),
                         .recorded_at = kept.signed_at});
  };
  const std::string name =
      kept.size ? fmt::format("the checkpoint of size {}", kept.size->value) : "a checkpoint";
  const auto verified = verify_checkpoint(kept.note, key);
  if (!verified.ok()) {
    accuse(name + ", signed by the log", verified.error().message);
    return {};
  }
  const Checkpoint& signed_one = verified->checkpoint;
  if ((kept.size && *kept.size != signed_one.size) ||
      (kept.root && *kept.root != signed_one.root)) {
    accuse(name + ": its signed note says " + text_of(signed_one.size, signed_one.root),
           "its row says " +
               text_of(kept.size.value_or(signed_one.size), kept.root.value_or(signed_one.root)));
  }
  if (kept.damaged_cosignatures > 0) {
    accuse(name + ", cosigned",
           fmt::format("{} of its cosignatures cannot be read", kept.damaged_cosignatures));
  }
  Cosigners cosigners = cosigners_of(kept.note, policy);
  for (const std::string& witness : cosigners.bad) {
    accuse(name + ", cosigned by " + witness, "that cosignature is not the witness's");
  }
  roots_.push_back({signed_one.size, signed_one.root, kept.signed_at, earliest_of(cosigners.good),
                    "", cosigners.are_enough});
  marks_.push_back({signed_one.size, kept.signed_at, std::move(cosigners.good)});
  if (cosigners.are_enough && (!witnessed_ || witnessed_->size < signed_one.size)) {
    witnessed_ = marks_.back();
  }
  return {};
}

Result<void> SignedRoots::add_outside(const OutsideCheckpoint& outside, const Policy& policy) {
  auto verified = verify_checkpoint(outside.note, policy);
  if (!verified.ok()) {
    // It says nothing about the log, so it is no finding.
    return reject(outside.from + ": " + verified.error().message, verified.error().hint);
  }
  ++checked_;
  roots_.push_back({verified->checkpoint.size, verified->checkpoint.root, Time{},
                    earliest_of(verified->cosigned_by), outside.from, true});
  return {};
}

Result<SignedRoots> SignedRoots::load(AuditedLog& log, const Policy& policy,
                                      const std::vector<OutsideCheckpoint>& outside) {
  SignedRoots roots;
  TRY(const Policy key, key_of(policy));
  roots.origin_ = key.logs().front().key.name();
  TRY_VOID(log.read_checkpoints(
      [&](const AuditedCheckpoint& kept) { return roots.add_kept(kept, key, policy); }));
  for (const OutsideCheckpoint& each : outside) TRY_VOID(roots.add_outside(each, policy));
  std::ranges::stable_sort(roots.roots_, {}, [](const Root& root) {
    return std::tuple(root.size, root.from.empty(), !root.is_remembered);
  });
  std::ranges::stable_sort(roots.marks_, {}, &CheckpointMark::size);
  if (asks_for_witnesses(policy) && !roots.remembered()) {
    roots.findings_.push_back(
        {.recorded = "the policy asks that witnesses have cosigned what was signed: quorum " +
                     quoted(policy.quorum()),
         .actual =
             fmt::format("of the {} checkpoints that are kept, none was cosigned by enough of "
                         "them: either the log was never witnessed, or it is not the log that "
                         "was",
                         roots.marks_.size())});
  }
  return roots;
}

std::optional<TreeSize> SignedRoots::remembered() const {
  std::optional<TreeSize> largest;
  for (const Root& root : roots_) {
    if (root.is_remembered) largest = root.size;
  }
  return largest;
}

}  // namespace pgtally
