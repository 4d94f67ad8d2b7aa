// The checks of what stands in one proof, once its checkpoint is trusted and its entry included.
#pragma once

#include "pgtally/proof_file.h"
#include "pgtally/verify.h"

namespace pgtally {

// Adds to the verdict what was checked and what could not be. The verdict brings origin, size, root
// and id along; all three arguments must outlive the checker.
class ProofChecker {
 public:
  ProofChecker(const ProofExtra& extra, const Expectations& expected, Verdict& verdict)
      : extra_(extra), expected_(expected), verdict_(verdict) {}

  [[nodiscard]] Result<void> run();

 private:
  [[nodiscard]] Result<void> unknown_version();
  [[nodiscard]] Result<void> own_document();
  [[nodiscard]] Result<void> ledger_document();
  [[nodiscard]] Result<void> source_definition();
  [[nodiscard]] Result<Entry> define_entry() const;
  [[nodiscard]] Result<void> content();
  [[nodiscard]] Result<void> row(const Bytes& bytes);
  [[nodiscard]] Result<void> row_columns(const Bytes& bytes);
  [[nodiscard]] Result<void> row_key();
  [[nodiscard]] Result<void> content_is(const Hash& h, std::string_view what);
  [[nodiscard]] Result<void> expected_content_hash();
  [[nodiscard]] Result<void> expected_source_and_key();
  [[nodiscard]] Result<std::vector<std::string>> expected_key_in_order() const;

  [[nodiscard]] const Entry& entry() const { return *verdict_.entry; }
  void checked(std::string what) { verdict_.checked.push_back(std::move(what)); }
  void not_checked(std::string what) { verdict_.not_checked.push_back(std::move(what)); }

  const ProofExtra& extra_;
  const Expectations& expected_;
  Verdict& verdict_;
  bool salt_used_ = false;
};

}  // namespace pgtally
