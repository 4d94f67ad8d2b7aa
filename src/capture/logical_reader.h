// The reader of one replication slot: all changes of its sources' tables, in the order of commits.
//
// Each step stages committed changes together with how far the stream has come, and confirms that to
// the slot afterwards. So the server sends again whatever is not staged, and what is sent twice is
// told by its place (commit LSN, number within the transaction). The rows that a table has when it
// becomes a source, or when changes were missed, are brought in by loads (logical_load.h); the
// stream waits for them at the place that their snapshot shows.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "capture/change_stream.h"
#include "capture/logical_changes.h"
#include "capture/logical_load.h"
#include "capture/logical_setup.h"
#include "capture/logical_store.h"
#include "ledger/reader.h"
#include "postgres/replication.h"

namespace pgtally {

class LogicalReader : public Reader {
 public:
  explicit LogicalReader(const Stream& stream);

  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] const std::string& conninfo() const override { return conninfo_; }
  [[nodiscard]] std::span<const std::int32_t> sources() const override { return source_ids_; }
  [[nodiscard]] Result<ReaderStep> step(const Ledger& ledger,
                                        std::chrono::milliseconds wait) override;

 private:
  using Clock = std::chrono::steady_clock;

  [[nodiscard]] Result<ReaderStep> try_step(const Ledger& ledger, std::chrono::milliseconds wait);
  [[nodiscard]] Result<void> read_registry(const Ledger& ledger);
  void disconnect();

  // False if somebody else streams from the slot.
  [[nodiscard]] Result<bool> connect(const Ledger& ledger, ReaderStep& report);
  // A new slot, and everything that was missed between the old one and it by comparing the tables.
  [[nodiscard]] Result<void> resynchronise(const Ledger& ledger, const std::string& why,
                                           ReaderStep& report);
  // No source needs the slot any more.
  [[nodiscard]] Result<void> retire(const Ledger& ledger);

  // Every few seconds: tables that are not as they were. `found` is the one to follow, if there is any.
  struct Suspect {
    std::int32_t source_id = 0;
    std::optional<std::uint32_t> found;
    std::string why;
    bool operator==(const Suspect&) const = default;
  };
  [[nodiscard]] Result<void> look_around(const Ledger& ledger, ReaderStep& report);
  [[nodiscard]] Result<std::vector<Suspect>> find_suspects(const Ledger& ledger);
  [[nodiscard]] bool has_come_there() const;
  // Those that still are what they were suspected of: published again and compared, or broken.
  [[nodiscard]] Result<void> tidy_tables(const Ledger& ledger, const std::vector<Suspect>& before,
                                         ReaderStep& report);
  [[nodiscard]] Result<void> unpublish_leftovers(const Ledger& ledger);
  // Broken sources that may be tried again.
  [[nodiscard]] Result<void> mend(const Ledger& ledger);
  [[nodiscard]] Result<void> admit(const Ledger& ledger, StreamSource& source);
  [[nodiscard]] Result<void> write_anew(const Ledger& ledger, const StreamSource& source,
                                        const std::string& trouble, const Result<void>& admitted);
  // By name, as its newest definition has it.
  [[nodiscard]] Result<std::string> relation_of(const Ledger& ledger, const StreamSource& source);
  // Whether the server gives no sign of life.
  [[nodiscard]] bool is_silent() const;

  // Whether it did something towards the loads that are to be done.
  [[nodiscard]] Result<bool> load(const Ledger& ledger, ReaderStep& report);
  [[nodiscard]] Result<void> take_over_loads(const Ledger& ledger);
  [[nodiscard]] Result<void> take_snapshot(const Ledger& ledger);
  [[nodiscard]] std::optional<pg::Lsn> barrier() const;

  // Changes until the batch is full, nothing more is there, or a barrier is reached.
  [[nodiscard]] Result<void> read_changes(const Ledger& ledger, Clock::time_point deadline,
                                          ChangeBatch& batch);
  // The next message. False where none is worth waiting for.
  [[nodiscard]] Result<bool> receive(Clock::time_point deadline, const ChangeBatch& batch);
  // False where the change has to wait: for a load, or for a source that is being added.
  [[nodiscard]] Result<bool> take_change(const Ledger& ledger, ChangeBatch& batch);
  [[nodiscard]] Result<void> store(const Ledger& ledger, ChangeBatch& batch);
  [[nodiscard]] Result<void> store_idle(const Ledger& ledger);
  [[nodiscard]] Result<void> confirm();
  [[nodiscard]] Result<void> note_lag(const Ledger& ledger, bool full);

  std::int32_t stream_id_;
  std::string name_;
  std::string conninfo_;
  std::vector<std::int32_t> source_ids_;

  Stream stream_;
  std::vector<StreamSource> sources_;
  std::optional<StreamProgress> progress_;

  std::optional<pg::Connection> database_;
  std::optional<pg::Replication> replication_;
  std::unique_ptr<ChangeStream> changes_;
  ChangeEncoder encoder_;
  bool takes_transactions_in_progress_ = true;
  bool message_in_work_ = false;
  bool waits_for_others_ = false;  // in this step: for a load or an adding of another process
  Clock::duration waited_{0};      // in this step, for something to come
  bool has_napped_ = false;        // in this step, so that the server could go on sending
  bool came_since_nap_ = true;
  bool server_is_done_ = false;      // with all that was committed; it said so last
  bool change_waits_ = false;        // the last change of changes_ was not taken yet
  std::set<std::uint32_t> nobodys_;  // tables that are published and no source's; for one step
  pg::Lsn staged_;                   // all that commits before is in the batch or in the ledger
  std::uint64_t staged_changes_ = 0;
  pg::Lsn target_;  // what was committed when the reader connected lies before
  Clock::time_point idle_stored_at_;
  bool was_behind_ = true;  // until it is known

  // Where the server was when the tables were looked at last, and which of them were not in order.
  struct Expected {
    pg::Lsn place;
    Clock::time_point asked;
    std::vector<Suspect> suspects;
  };
  std::optional<Expected> expected_;
  Clock::time_point next_look_{};
  Clock::time_point heard_at_{};  // the server, last
  Clock::time_point moved_at_{};  // staged_, last, as far as was looked
  pg::Lsn was_staged_;
  std::map<std::int32_t, std::pair<std::uint32_t, std::string>> relations_;  // for relation_of()
  std::set<std::int32_t> said_to_be_mended_;  // by a notice, and not loaded since

  std::optional<LoadLock> lock_;
  std::optional<LoadSnapshot> snapshot_;
  std::unique_ptr<TableLoad> loading_;
  Clock::time_point next_snapshot_{};
};

}  // namespace pgtally
