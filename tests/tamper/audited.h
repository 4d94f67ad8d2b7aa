// What `pgtally audit --json` says of a database, and whether that is what was to be found.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tamper/kind.h"
#include "tamper/specimen.h"

namespace pgtally::tamper {

struct Found {
  std::string kind;
  std::string source;
  Key key = {};
  std::optional<std::uint64_t> id = {};
  std::uint64_t to_id = 0;  // behind the last
  std::string text;         // for people
};

struct Audited {
  bool ok = false;
  int exit_status = 0;
  std::vector<Found> findings;
  std::map<std::string, std::set<std::string>> not_covered;  // by source
  std::uint64_t undecided = 0;
};

struct AuditOf {
  bool outside = false;       // against the checkpoint that was kept elsewhere
  bool strict_times = false;  // after Specimen::age()
  // A service is running: waits until its stream is as far as the rows, which it says every 10 s.
  bool streamed = false;
};

// Throws, with what it printed, if it did not come to an end.
[[nodiscard]] Audited audit(const Specimen& specimen, const std::string& database,
                            const AuditOf& what = {});

// An expectation with the id that its entry has.
struct Sought {
  std::string kind_name;  // of the tampering
  Expected expected;
  std::optional<std::uint64_t> id;
};

// What is wrong: a line for each that was not found, and for each that is nobody's. Empty if all is well.
[[nodiscard]] std::vector<std::string> compare(const std::vector<Sought>& sought,
                                               const Audited& audited);

}  // namespace pgtally::tamper
