// Where the rows are when the log is a bundle: in a database of which nothing but the tables is seen.
//
// The rows are of another moment than the bundle, and how capture goes on is not known. So
//   - a row without an entry may be newer than the bundle, and is undecided; but it accuses if it is
//     certainly older (xmin), or if it is said that nothing was written since the bundle was made;
//   - of a source that tracks changes, the same holds for every difference;
//   - of one that does not, a recorded row that is changed or gone accuses at once.
// What the bundle says of its sources can be a lie; then it leaves rows undecided that could have been
// decided, or accuses whoever made the bundle.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "audit/bundle_log.h"
#include "audit/row_places.h"
#include "pgtally/result.h"
#include "postgres/connection.h"

namespace pgtally {

class BundlePlaces : public RowPlaces {
 public:
  // To be called within the transaction whose snapshot the rows are read in. `named`: sources that were
  // asked for by name; of others, tables that are not there, or may not be read, are passed over.
  // `as_of_bundle`: nothing was written since the bundle was made. Log, connection and its side sessions
  // outlive it.
  [[nodiscard]] static Result<std::unique_ptr<BundlePlaces>> open(const BundleLog& log,
                                                                  pg::Connection& connection,
                                                                  SideSessions& sides,
                                                                  std::vector<std::string> named,
                                                                  bool as_of_bundle);

  [[nodiscard]] std::uint64_t entries_of(std::string_view source) override;
  [[nodiscard]] Result<void> read_staged(const TakeStaged& take) override;
  [[nodiscard]] Result<RowPlace> open(const LoggedSource& source) override;
  [[nodiscard]] Result<Later> look_again(const LoggedSource& source, const KeyHasher& hasher,
                                         std::span<const Unrecorded> unrecorded) override;
  [[nodiscard]] Result<Appended> read_appended(const LoggedSource& source, const TakeAppended& take,
                                               const TakeKept& take_kept) override;

 private:
  BundlePlaces(const BundleLog& log, pg::Connection& connection, SideSessions& sides)
      : log_(&log), db_(&connection), sides_(&sides) {}
  [[nodiscard]] bool is_named(const std::string& source) const;
  [[nodiscard]] std::string is_elsewhere(const std::string& source) const;
  [[nodiscard]] Result<std::string> why_not(const LoggedSource& source) const;
  [[nodiscard]] std::optional<std::uint64_t> complete_below(const std::string& source) const;
  [[nodiscard]] Result<void> find_older(const LoggedSource& source, std::uint64_t below,
                                        const KeyHasher& hasher, std::span<const Unrecorded> asked,
                                        Later& later) const;

  const BundleLog* log_;
  pg::Connection* db_;
  SideSessions* sides_;
  std::vector<std::string> named_;
  bool as_of_bundle_ = false;
  std::string database_;
  std::string server_;  // which history of which cluster this is
  std::string newer_;   // why a row may be nobody's fault
};

}  // namespace pgtally
