#include "pgtally/policy.h"
#include "require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto policy = pgtally::Policy::parse(pgtally::as_text({data, size}));
  if (!policy.ok()) return 0;
  std::set<std::string> all;
  for (const auto& witness : policy->witnesses()) all.insert(witness.name);
  // A quorum that all witnesses together do not meet would be one that nobody can.
  require(policy->is_met_by(all));
  require(policy->is_met_by({}) == (policy->quorum() == "none"));
  return 0;
}
