#include <algorithm>
#include <set>

#include "base/encoding.h"
#include "pgtally/policy.h"

namespace pgtally {
namespace {

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  std::size_t at = 0;
  while (at < line.size()) {
    if (is_blank(line[at])) {
      ++at;
      continue;
    }
    const std::size_t start = at;
    while (at < line.size() && !is_blank(line[at])) ++at;
    words.push_back(line.substr(start, at - start));
  }
  return words;
}

bool has_forbidden_octet(std::string_view line) {
  return std::any_of(line.begin(), line.end(), [](char c) {
    const auto octet = static_cast<std::uint8_t>(c);
    return (octet < 0x20 && c != '\t') || octet == 0x7f;
  });
}

template <typename Items>
bool holds_public_key(const Items& items, const VerifierKey& key) {
  return std::any_of(items.begin(), items.end(), [&](const auto& item) {
    return std::ranges::equal(item.key.public_key(), key.public_key());
  });
}

}  // namespace

// Reads line by line; the names that were defined so far decide what the next line may refer to.
class PolicyParser {
 public:
  Result<void> line(std::string_view text) {
    if (has_forbidden_octet(text)) return reject("a control character other than tab");
    const auto words = words_of(text);
    if (words.empty() || words[0].starts_with('#')) return {};
    if (words[0] == "log") return log(words);
    if (words[0] == "witness") return witness(words);
    if (words[0] == "group") return group(words);
    if (words[0] == "quorum") return quorum(words);
    return reject("unknown keyword " + quoted(words[0]),
                  "Lines begin with log, witness, group, quorum or #.");
  }

  Result<Policy> finish() {
    if (!has_quorum_) {
      return reject("a policy has no quorum line",
                    "Add `quorum none` if no witness needs to have cosigned.");
    }
    return std::move(policy_);
  }

 private:
  using Words = std::vector<std::string_view>;

  Result<void> log(const Words& words) {
    if (words.size() < 2 || words.size() > 3) return reject("expected: log <vkey> [<url>]");
    if (policy_.logs_.size() == kMaxPolicyItems) return reject("too many logs");
    TRY(auto key, VerifierKey::parse(words[1]));
    if (key.type() != kNoteEd25519) {
      return reject("the key of " + quoted(key.name()) + " is not one that a log signs with",
                    "Logs have keys of type 1 (Ed25519).");
    }
    if (holds_public_key(policy_.logs_, key))
      return reject("a second log with the same public key");
    policy_.logs_.push_back({std::move(key), url(words, 2)});
    return {};
  }

  Result<void> witness(const Words& words) {
    if (words.size() < 3 || words.size() > 4) {
      return reject("expected: witness <name> <vkey> [<url>]");
    }
    if (policy_.witnesses_.size() == kMaxPolicyItems) return reject("too many witnesses");
    TRY(auto key, VerifierKey::parse(words[2]));
    if (key.type() != kCosignatureEd25519 && key.type() != kCosignatureMlDsa44) {
      return reject("the key of " + quoted(key.name()) + " is not one that a witness signs with",
                    "Witnesses have keys of type 4 (Ed25519 cosignature).");
    }
    if (holds_public_key(policy_.witnesses_, key)) {
      return reject("a second witness with the same public key");
    }
    TRY_VOID(define(words[1]));
    policy_.witnesses_.push_back({std::string(words[1]), std::move(key), url(words, 3)});
    return {};
  }

  Result<void> group(const Words& words) {
    if (words.size() < 4) return reject("expected: group <name> all|any|<k> <name>...");
    if (policy_.groups_.size() == kMaxPolicyItems) return reject("too many groups");
    PolicyGroup group{std::string(words[1]), 1, {words.begin() + 3, words.end()}};
    for (const std::string& member : group.members) {
      if (!names_.contains(member))
        return reject("no witness or group before is " + quoted(member));
      if (!members_.insert(member).second) {
        return reject(quoted(member) + " is a member of a group already");
      }
    }
    TRY(group.threshold, threshold(words[2], group.members.size()));
    TRY_VOID(define(words[1]));
    policy_.groups_.push_back(std::move(group));
    return {};
  }

  static Result<std::size_t> threshold(std::string_view word, std::size_t members) {
    if (word == "any") return std::size_t{1};
    if (word == "all") return members;
    TRY(const std::uint64_t count, parse_decimal(word));
    if (count < 1 || count > members) {
      return reject("a threshold of " + std::to_string(count) + " for " + std::to_string(members) +
                    " members");
    }
    return static_cast<std::size_t>(count);
  }

  Result<void> quorum(const Words& words) {
    if (words.size() != 2) return reject("expected: quorum <name>");
    if (has_quorum_) return reject("a second quorum line");
    if (words[1] != "none" && !names_.contains(std::string(words[1]))) {
      return reject("no witness or group before is " + quoted(words[1]));
    }
    policy_.quorum_ = words[1];
    has_quorum_ = true;
    return {};
  }

  Result<void> define(std::string_view name) {
    if (name == "none") return reject("the name none has a meaning of its own");
    if (!names_.insert(std::string(name)).second) return reject("a second " + quoted(name));
    return {};
  }

  static std::string url(const Words& words, std::size_t at) {
    return at < words.size() ? std::string(words[at]) : std::string();
  }

  Policy policy_;
  std::set<std::string> names_;    // of witnesses and groups
  std::set<std::string> members_;  // of any group
  bool has_quorum_ = false;
};

Result<Policy> Policy::parse(std::string_view text) {
  if (text.size() > kMaxPolicySize) return reject("a policy is longer than 1 MiB");
  PolicyParser parser;
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t end = text.find('\n');
    auto read = parser.line(text.substr(0, end));
    if (!read.ok()) {
      return std::move(read).error().within("line " + std::to_string(number) + " of the policy");
    }
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return parser.finish();
}

}  // namespace pgtally
