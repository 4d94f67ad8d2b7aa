// What entries say of each other: numbers within their source, times, definitions; and of the times that
// they claim.
//
// An entry that was tampered with may only show by what its neighbours say. It is one finding, of the
// entry that does not fit, and not one for each neighbour.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "audit/audited_log.h"
#include "audit/pause_notice.h"
#include "audit/report.h"
#include "audit/time_order.h"
#include "pgtally/definition.h"
#include "pgtally/entry.h"
#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

// What the log says of one source. Only what its define entries and their documents say, never the
// registry.
struct LoggedSource {
  std::string name;
  // By number; those whose documents are there and are what the define entry says.
  std::map<std::uint32_t, SourceDefinition> definitions;
  Time added;                 // when its first definition was recorded
  std::uint64_t entries = 0;  // definitions among them
  std::vector<Pause> pauses;  // by notices; ascending
  // Notices that changes from before them were not recorded; ascending.
  std::vector<LeafIndex> missed;
};

class EntryOrder {
 public:
  EntryOrder(AuditedLog& log, std::chrono::microseconds late_after)
      : log_(&log), late_after_(late_after.count()) {}

  // Every entry in the order of the log: one that is as it was recorded, for all that is known, …
  void take(LeafIndex id, const EntryView& entry);
  // … or one that cannot be read, or is known to be another than was recorded.
  void take_unknown(LeafIndex id);
  // The same, where it can at least be read as it is now.
  void take_bad(LeafIndex id, const EntryView& now);

  // After each range, while nothing is being read: looks documents up.
  [[nodiscard]] Result<void> settle();
  // After the last entry. `suspects`: where the tree does not fit, and it fits elsewhere.
  [[nodiscard]] Result<void> finish(const std::optional<TimeOrder::Range>& suspects = {});

  // Since the last call. Those of kind kLog are of entries that do not fit their neighbours.
  [[nodiscard]] std::vector<Finding> take_findings();

  // Of rows: without "pgtally".
  [[nodiscard]] std::map<std::string, LoggedSource> sources() const;
  // The ordinal that the next entry of each source would have.
  [[nodiscard]] std::map<std::string, std::uint64_t> next_ordinals() const;
  [[nodiscard]] const std::optional<LedgerDefinition>& ledger() const { return ledger_; }
  [[nodiscard]] Time first() const { return times_.first(); }
  [[nodiscard]] Time last() const { return times_.last(); }
  // Of which source an unknown entry was, where a gap in its ordinals shows that.
  [[nodiscard]] const std::map<LeafIndex, std::string>& lost_from() const { return lost_from_; }

 private:
  struct Step {
    LeafIndex id;
    Entry entry;
  };

  [[nodiscard]] static Step step(LeafIndex id, const EntryView& entry);

  struct State {
    LoggedSource logged;
    std::uint64_t next_ordinal = 0;
    std::int64_t newest_definition = -1;
    std::optional<Step> jump;  // its ordinal is beyond the next; what follows shows why
    // How far a claimed time may be off because of its column's type, by definition.
    std::map<std::uint32_t, std::pair<std::int64_t, std::int64_t>> slack;
    std::optional<Time> first_load_ended;
    std::vector<PastSweep> sweeps;
    bool in_order = false;            // rows come in the order of their keys
    std::optional<Time> fresh_since;  // when the first row was recorded that was not there before
    std::optional<std::int64_t> highest;         // key, where keys are integers that come in order
    std::optional<std::int64_t> highest_before;  // the same before the batch that is read
    Time batch;
  };
  struct Gap {
    std::string source;
    std::uint64_t ordinal = 0;  // that no entry has
    LeafIndex before;           // it should stand before this entry
  };
  struct Misfit {
    std::string source;
    std::uint64_t ordinal = 0;
    std::uint64_t expected = 0;
  };
  struct Defined {
    LeafIndex id;
    std::string source;
    std::uint32_t number = 0;
    Hash hash;
    Time at;
    Operation operation = Operation::kDefine;
  };

  State& state_of(std::string_view source);
  void check_ordinal(LeafIndex id, const EntryView& entry, State& state);
  void add_gap(std::string_view source, std::uint64_t from, std::uint64_t to, LeafIndex before);
  void misfit(LeafIndex id, const EntryView& entry, std::uint64_t expected);
  void begin_source(const EntryView& entry, State& state);
  void check_definition(LeafIndex id, const EntryView& entry, State& state);
  void check_claim(LeafIndex id, const EntryView& entry, State& state);
  void judge_claim(LeafIndex id, const EntryView& entry, const State& state);
  bool check_sweeps(LeafIndex id, const EntryView& entry, State& state);
  void accuse(LeafIndex id, const EntryView& entry, std::string recorded, std::string actual);
  [[nodiscard]] Result<void> accuse_time(const TimeOrder::Misfit& misfit);
  [[nodiscard]] Result<void> define(const Defined& defined);
  void take_notice(LeafIndex id, std::string_view text);
  void compare_definitions(const Defined& defined, const SourceDefinition& before,
                           const SourceDefinition& now);
  void close_gaps();

  AuditedLog* log_;
  std::int64_t late_after_;
  std::map<std::string, State, std::less<>> states_;
  State* recent_ = nullptr;
  std::optional<LedgerDefinition> ledger_;
  TimeOrder times_;
  std::vector<LeafIndex> unknown_;
  std::vector<Gap> gaps_;
  std::vector<Misfit> misfits_;
  std::vector<Defined> defined_;
  std::vector<Step> claims_;  // of sources whose documents are to be looked up first
  std::set<LeafIndex> accused_;
  std::map<LeafIndex, std::string> lost_from_;
  std::vector<Finding> findings_;
};

// A finding of kind kLog about this entry: with its source, its key and its time.
[[nodiscard]] Finding finding_of(LeafIndex id, const EntryView& entry);
// "insert, content 1b09aa…, of 2026-…": what an entry holds, for people.
[[nodiscard]] std::string text_of(const EntryView& entry);
// The fields in which `now` differs from `then`, for people: "key bash, ordinal 5" and its counterpart.
[[nodiscard]] std::pair<std::string, std::string> differences(const Entry& then, const Entry& now);

}  // namespace pgtally
