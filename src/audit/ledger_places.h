// Where the rows of a ledger's sources are, by its registry, and what it knows of its capture.
//
// Tables of its own database are read in the snapshot that the ledger's connection is in, which shows log,
// staging, progress and rows at one moment; so what differs is decided at once. Not so for rows of
// other databases, and for those of mode logical: they may be ahead of what their stream has brought.
// For these the ledger is looked at again, over a session of its own, once the stream has passed the
// moment at which they were read.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "audit/row_places.h"
#include "audit/staged_reader.h"
#include "ledger/ledger.h"
#include "pgtally/result.h"
#include "pgtally/types.h"
#include "postgres/connection.h"

namespace pgtally {

class LedgerPlaces : public RowPlaces {
 public:
  // To be called within the transaction that is the audit's snapshot; `size` is the log's there. `wait`:
  // how long captures are waited for, in all. kOperator unless this is the ledger's owner.
  [[nodiscard]] static Result<std::unique_ptr<LedgerPlaces>> open(const Ledger& ledger,
                                                                  TreeSize size,
                                                                  std::chrono::milliseconds wait,
                                                                  SideSessions* sides = nullptr);

  [[nodiscard]] std::uint64_t entries_of(std::string_view source) override;
  [[nodiscard]] Result<void> read_staged(const TakeStaged& take) override;
  [[nodiscard]] Result<RowPlace> open(const LoggedSource& source) override;
  [[nodiscard]] Result<Later> look_again(const LoggedSource& source, const KeyHasher& hasher,
                                         std::span<const Unrecorded> unrecorded) override;
  [[nodiscard]] Result<Appended> read_appended(const LoggedSource& source, const TakeAppended& take,
                                               const TakeKept& take_kept) override;

 private:
  struct Source {
    std::int32_t id = 0;
    std::string mode;
    std::string state;
    bool has_feed = false;
    bool sweeps_only = false;
    bool tracks_changes = false;
    bool skips_existing = false;
    bool keeps_data = false;
    bool is_remote = false;
    std::string place;
    std::string failure;  // empty: none
    Time failing_since;
    std::uint64_t missed = 0;  // transactions whose rows a trigger could not record
    bool swept_once = false;
    bool sweeping = false;
    Time swept;                    // when the last sweep that has ended began
    std::string skipped_baseline;  // of mode xid
    std::string skipped_self;
    std::optional<std::int64_t> skipped_high;
    std::int32_t stream = 0;  // of mode logical
    std::string load;         // empty: none
    bool broken = false;
    std::uint64_t entries = 0;
  };

  LedgerPlaces(const Ledger& ledger, TreeSize size, std::chrono::milliseconds wait,
               SideSessions* sides)
      : ledger_(&ledger), size_(size), left_(wait), sides_(sides) {}
  [[nodiscard]] Result<void> load();
  [[nodiscard]] Result<void> connect(const Source& source, RowPlace& place);
  [[nodiscard]] Result<void> renamed_since(const Source& source, const LoggedSource& logged,
                                           RowPlace& place) const;
  static void excuse(const Source& source, RowPlace& place);

  struct Session;  // the one over which the ledger is looked at again
  [[nodiscard]] Result<Session*> session();
  [[nodiscard]] Result<Later> follow_stream(const Source& source, const std::string& name,
                                            const KeyHasher& hasher);
  [[nodiscard]] Result<bool> is_read(const Source& source) const;
  [[nodiscard]] Result<Later> changes_since(const Ledger& ledger, const Source& source,
                                            const std::string& name, const KeyHasher& hasher) const;
  [[nodiscard]] Result<Later> follow_reader(const Source& source,
                                            std::span<const Unrecorded> unrecorded);

  const Ledger* ledger_;
  TreeSize size_;
  std::chrono::milliseconds left_;
  SideSessions* sides_;  // may be null
  bool at_home_ = true;
  std::map<std::string, Source, std::less<>> sources_;
  std::map<std::string, std::string> unreadable_;  // whose feeds failed, and why
  std::unique_ptr<pg::Connection> elsewhere_;      // of the source that was opened last
  SideSessions sides_elsewhere_;
  std::string read_at_;  // its server's LSN when its rows were read
  std::shared_ptr<Session> session_;
};

}  // namespace pgtally
