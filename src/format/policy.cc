#include "pgtally/policy.h"

#include <algorithm>

namespace pgtally {

Result<Policy> Policy::trust(VerifierKey log) {
  if (log.type() != kNoteEd25519) {
    return reject("the key of " + log.name() + " is not one that a log signs with (type 1)",
                  "Give the vkey of the ledger, not of a witness.");
  }
  Policy policy;
  policy.logs_.push_back({std::move(log), {}});
  return policy;
}

bool Policy::is_met_by(const std::set<std::string>& witnesses) const {
  if (quorum_ == "none") return true;
  std::set<std::string> met;
  for (const PolicyWitness& witness : witnesses_) {
    if (witnesses.contains(witness.name)) met.insert(witness.name);
  }
  // Members are defined before their group, so one pass in order settles all.
  for (const PolicyGroup& group : groups_) {
    const auto count =
        std::count_if(group.members.begin(), group.members.end(),
                      [&](const std::string& member) { return met.contains(member); });
    if (static_cast<std::size_t>(count) >= group.threshold) met.insert(group.name);
  }
  return met.contains(quorum_);
}

}  // namespace pgtally
