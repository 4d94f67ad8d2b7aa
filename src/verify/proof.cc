#include "base/encoding.h"
#include "pgtally/merkle.h"
#include "pgtally/proof_file.h"
#include "pgtally/verify.h"
#include "verify/proof_checker.h"

namespace pgtally {
namespace {

Result<void> add_earlier(const ProofExtra& extra, const Policy& policy, Verdict& verdict) {
  TreeSize before{verdict.id.value};
  for (const EarlierRecord& record : extra.earlier) {
    TRY(auto verified, verify_signatures(record.checkpoint, policy));
    const Checkpoint& checkpoint = verified.checkpoint;
    if (checkpoint.origin != verdict.origin) {
      return tampered("it is of the log " + quoted(checkpoint.origin) + ", the proof of " +
                      quoted(verdict.origin));
    }
    if (checkpoint.size <= before || checkpoint.size >= verdict.size) {
      return tampered("a checkpoint of " + std::to_string(checkpoint.size.value) +
                      " entries is not between the one before it and the one of the proof");
    }
    TRY_VOID(verify_inclusion(verdict.id, checkpoint.size, leaf_hash(extra.entry), record.path,
                              checkpoint.root));
    before = checkpoint.size;
    verdict.earlier.push_back(std::move(verified));
  }
  if (!verdict.earlier.empty()) verdict.checked.emplace_back("earlier checkpoint");
  return {};
}

Result<Verdict> verify_parsed(const ProofFile& proof, const Policy& policy,
                              const Expectations& expected) {
  if (!proof.extra) {
    return reject("the proof holds no entry",
                  "It has no `extra` line: another program wrote it, or the line was taken out.");
  }
  TRY(const ProofExtra extra, decode_extra(*proof.extra));
  TRY(auto verified, verify_checkpoint(proof.checkpoint, policy));

  Verdict verdict;
  verdict.origin = std::move(verified.checkpoint.origin);
  verdict.size = verified.checkpoint.size;
  verdict.root = verified.checkpoint.root;
  verdict.cosigned_by = std::move(verified.cosigned_by);
  verdict.id = proof.index;
  verdict.checked.emplace_back("checkpoint signature");
  if (policy.quorum() != "none") verdict.checked.emplace_back("witnesses");

  TRY_VOID(verify_inclusion(proof.index, verdict.size, leaf_hash(extra.entry), proof.path,
                            verdict.root));
  verdict.checked.emplace_back("inclusion");
  auto earlier = add_earlier(extra, policy, verdict);
  if (!earlier.ok()) return std::move(earlier).error().within("the earlier checkpoint");
  TRY_VOID(ProofChecker(extra, expected, verdict).run());
  return verdict;
}

}  // namespace

Result<Verdict> verify_proof(std::string_view text, const Policy& policy,
                             const Expectations& expected) {
  TRY(const ProofFile proof, parse_proof_file(text));
  return verify_parsed(proof, policy, expected);
}

Result<OrderVerdict> verify_order_proof(std::string_view text, const Policy& policy,
                                        const Expectations& first, const Expectations& second) {
  TRY(const OrderProofFile file, parse_order_proof_file(text));
  auto earlier = parse_proof_file(file.first);
  if (!earlier.ok()) return std::move(earlier).error().within("the first proof");
  auto later = parse_proof_file(file.second);
  if (!later.ok()) return std::move(later).error().within("the second proof");
  if (earlier->checkpoint != later->checkpoint) {
    return tampered("the two proofs of an order proof stand under different checkpoints");
  }
  if (earlier->index >= later->index) {
    return tampered("the first proof of an order proof is of entry " +
                    std::to_string(earlier->index.value) + ", which does not come before entry " +
                    std::to_string(later->index.value));
  }
  auto first_verdict = verify_parsed(*earlier, policy, first);
  if (!first_verdict.ok()) return std::move(first_verdict).error().within("the first proof");
  auto second_verdict = verify_parsed(*later, policy, second);
  if (!second_verdict.ok()) return std::move(second_verdict).error().within("the second proof");

  OrderVerdict verdict{std::move(*first_verdict), std::move(*second_verdict), false};
  if (verdict.first.entry && verdict.second.entry) {
    const Time first_time = verdict.first.entry->sequenced_at;
    const Time second_time = verdict.second.entry->sequenced_at;
    if (first_time > second_time) {
      return tampered("the ledger says that the later entry was recorded at an earlier time",
                      "The operator broke a rule of the log: times never decrease along it.");
    }
    verdict.same_batch = first_time == second_time;
  }
  return verdict;
}

}  // namespace pgtally
