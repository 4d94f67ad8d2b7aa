// Policy: which logs are trusted, and which witnesses must have cosigned.
//
// At most kMaxPolicyItems logs, witnesses and groups each. Witness keys of type 0x06 are read, but
// what they sign never counts.
//
// Spec: C2SP tlog-policy.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "pgtally/note.h"
#include "pgtally/result.h"

namespace pgtally {

inline constexpr std::size_t kMaxPolicySize = std::size_t{1} << 20;
inline constexpr std::size_t kMaxPolicyItems = 256;

struct PolicyLog {
  VerifierKey key;  // its name is the log's origin
  std::string url;  // empty if not given
};

struct PolicyWitness {
  std::string name;  // within the policy; signature lines go by the key's name
  VerifierKey key;
  std::string url;
};

struct PolicyGroup {
  std::string name;
  std::size_t threshold = 1;  // 1..members.size()
  std::vector<std::string> members;
};

class Policy {
 public:
  // Says in which line what is wrong.
  [[nodiscard]] static Result<Policy> parse(std::string_view text);

  // One log, no witnesses: what a bare vkey means. Refuses a key of a type other than 0x01.
  [[nodiscard]] static Result<Policy> trust(VerifierKey log);

  [[nodiscard]] const std::vector<PolicyLog>& logs() const noexcept { return logs_; }
  [[nodiscard]] const std::vector<PolicyWitness>& witnesses() const noexcept { return witnesses_; }
  [[nodiscard]] const std::vector<PolicyGroup>& groups() const noexcept { return groups_; }
  // The name of a witness or group, or "none".
  [[nodiscard]] const std::string& quorum() const noexcept { return quorum_; }

  // Whether cosignatures by these witnesses (by their names within the policy) are enough.
  [[nodiscard]] bool is_met_by(const std::set<std::string>& witnesses) const;
  // The same logs and witnesses, of whom none has to have cosigned.
  [[nodiscard]] Policy without_quorum() const {
    Policy policy = *this;
    policy.quorum_ = "none";
    return policy;
  }

 private:
  friend class PolicyParser;
  Policy() = default;

  std::vector<PolicyLog> logs_;
  std::vector<PolicyWitness> witnesses_;
  std::vector<PolicyGroup> groups_;  // each one's members are defined before it
  std::string quorum_ = "none";
};

}  // namespace pgtally
