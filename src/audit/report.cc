#include "audit/report.h"

namespace pgtally {

std::string_view name_of(FindingKind kind) {
  switch (kind) {
    case FindingKind::kChanged:
      return "changed";
    case FindingKind::kMissing:
      return "missing";
    case FindingKind::kUnrecorded:
      return "unrecorded";
    case FindingKind::kLate:
      return "late";
    case FindingKind::kDuplicate:
      return "duplicate";
    case FindingKind::kNarrowed:
      return "narrowed";
    case FindingKind::kLog:
      return "log";
  }
  return "unknown";
}

void Findings::add(Finding finding) {
  const std::uint64_t before = counts_[{finding.source, finding.kind}]++;
  if (before < kMostListed) listed_.push_back(std::move(finding));
}

void Findings::count_more(const std::string& source, FindingKind kind, std::uint64_t findings) {
  counts_[{source, kind}] += findings;
}

std::uint64_t Findings::count() const {
  std::uint64_t all = 0;
  for (const auto& [of, number] : counts_) all += number;
  return all;
}

std::uint64_t Findings::count(FindingKind kind) const {
  std::uint64_t all = 0;
  for (const auto& [of, number] : counts_) all += of.second == kind ? number : 0;
  return all;
}

}  // namespace pgtally
