// The steps of the cycle, for whoever wants to watch them happen (the crash tests do).
#pragma once

namespace pgtally {

enum class Step {
  kLocked,         // this session is the sequencer
  kRowsRead,       // pending() has answered
  kEntriesCopied,  // entries are in the transaction
  kTreeWritten,    // tiles and head are, too
  kCommitSent,     // COMMIT is on its way, its outcome not known
  kCommitted,      // acknowledged, cleanly
  kGuardAdvanced,  // the guard holds the head, durably
  kSigned,         // the signature exists, in memory
  kStored,         // the checkpoint is in the database
};
inline constexpr int kSteps = 9;

class StepObserver {
 public:
  virtual ~StepObserver() = default;
  virtual void reached(Step step) = 0;
};

}  // namespace pgtally
