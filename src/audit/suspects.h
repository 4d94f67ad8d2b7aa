// What the log pass suspects, so that one act of tampering is one finding.
//
// The log pass may know that an entry is bad, or only that one of a range is. The row pass asks here
// before it accuses a row, and says when a row shows which entry of a range it is.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "pgtally/entry.h"
#include "pgtally/types.h"

namespace pgtally {

enum class Doubt {
  kNone,   // the entry is what was recorded, as far as the log can say
  kBad,    // it is not, and that is reported: say nothing more about its row
  kRange,  // one of several is not: a row that contradicts it is reported as kLog, with pin()
};

class Suspects {
 public:
  // ---- asked by the row pass, once the log pass has ended

  [[nodiscard]] Doubt doubt(LeafIndex id) const;

  // A row contradicts this entry, whose doubt() is kRange: the finding of the range is dropped in favour
  // of the one that the caller adds (kLog with source, key, id, recorded, actual).
  void pin(LeafIndex id);

  // A row has no entry, or is not as its last one says. If an entry of its source is missing or
  // unreadable, or bad so that it may have been this row's, that is its explanation: gives the entry,
  // whose finding gets this key, and the row is not to be accused. Each entry explains one row; a range
  // explains some that have no entry at all. `encoded` as encode_key() gives it.
  [[nodiscard]] std::optional<LeafIndex> claim_lost(const std::string& source,
                                                    const std::vector<std::string>& key,
                                                    ByteView encoded, bool has_no_entry);

  // ---- told by the log pass

  struct Lost {
    LeafIndex id;
    std::string source;        // empty: any
    std::optional<Hash> leaf;  // as it was recorded, where a tile still says so
    std::optional<Entry> now;  // what stands there; nothing if it cannot be read
  };
  void add_bad(LeafIndex id) { bad_.insert(id); }
  void add_lost(Lost lost);
  void add_range(LeafIndex from, LeafIndex to);

  // ---- for the driver

  [[nodiscard]] bool is_pinned(LeafIndex from, LeafIndex to) const;
  // Rows that have claimed an entry, or the range that begins there.
  struct Claim {
    std::string source;
    std::vector<std::string> key;
  };
  [[nodiscard]] const std::multimap<LeafIndex, Claim>& claimed() const { return claimed_; }

 private:
  struct Range {
    LeafIndex from;
    LeafIndex to;
    bool pinned = false;
    int claims = 0;
  };

  std::set<LeafIndex> bad_;
  std::vector<Range> ranges_;
  std::vector<Lost> lost_;
  std::multimap<LeafIndex, Claim> claimed_;
};

}  // namespace pgtally
