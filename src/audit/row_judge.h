// Which of the differences between one source's rows and its entries accuse somebody.
//
// Three things can speak against it: the entry itself is known to be bad (Suspects); the row may be on
// its way (RowPlace, Later); or the row was never to be recorded. What remains is a finding, and what
// cannot be decided is counted as that, with the reason.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "audit/audited_log.h"
#include "audit/comparison.h"
#include "audit/log_check.h"
#include "audit/report.h"
#include "audit/row_places.h"
#include "audit/table_fit.h"
#include "pgtally/result.h"

namespace pgtally {

class RowJudge {
 public:
  static constexpr std::size_t kMostAsked = 10'000;
  static constexpr std::size_t kMostUndecidedKeys = 20;

  // `fit`: null for a source without a table. All that is given has to live longer.
  RowJudge(const LoggedSource& source, const RowPlace& place, const TableFit* fit, LogOutcome& log,
           SourceReport& report);

  // Whether a difference may be a finding if nothing that came later explains it.
  [[nodiscard]] bool may_accuse(const Difference& difference) const;
  // Such a row without an entry. The first kMostAsked of them are given to RowPlaces::look_again().
  [[nodiscard]] bool is_asked_for(const Difference& difference) const;

  // `later`: what is known by now of sources whose rows are of another moment than the log.
  [[nodiscard]] Result<void> judge(const Difference& difference, const Later* later);

  // A finding that is about no single row.
  void accuse(FindingKind kind, std::string recorded, std::string actual);
  // Rows that may be on their way, and which is not known.
  void leave_undecided(std::uint64_t rows, const std::string& because);

  // Gives the findings the keys of their entries, and hands them over.
  [[nodiscard]] Result<void> finish(AuditedLog& log);

  // What the log itself says of changes that were not recorded, from that entry on; empty if nothing.
  [[nodiscard]] std::string notices_since(LeafIndex id) const;

 private:
  struct Held {
    Finding finding;
    Bytes key;  // of the row; empty: that of the entry
    bool is_undecided = false;
    bool may_be_lost = false;  // an entry that is lost would explain it
  };

  [[nodiscard]] bool is_explained(const Difference& difference, const Later& later) const;
  // Why it cannot be decided; empty if it can.
  [[nodiscard]] std::string undecided(const Difference& difference, const Later* later);
  [[nodiscard]] bool is_about_gone_columns(const Difference& difference);
  void hold(const Difference& difference, Finding finding);
  void hold_undecided(const Difference& difference, const std::string& because);

  const LoggedSource* source_;
  const RowPlace* place_;
  const TableFit* fit_;
  LogOutcome* log_;
  SourceReport* report_;
  std::vector<Held> held_;
  std::map<FindingKind, std::size_t> listed_;
  std::map<FindingKind, std::uint64_t> unlisted_;
  std::uint64_t asked_ = 0;
  std::map<std::string, std::uint64_t>
      gone_;  // rows whose content a column that is gone was part of
};

// "hash 3f2a91c0d4e5b6a7…"
[[nodiscard]] std::string hash_for_people(const Hash& hash);

// The key columns' texts; of a key that is known by its hash alone, "sha256:…".
[[nodiscard]] std::vector<std::string> key_for_people(ByteView key);

}  // namespace pgtally
