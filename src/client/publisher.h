// Publishes a log into a directory, in the layout of tlog-tiles, servable by any web server as it
// stands.
//
// Invariants
//   - the directory's checkpoint is replaced last: everything that lies under it is durable before;
//   - nothing is published that was not computed anew from the entries and shown to lie under the
//     checkpoint (client/entry_check.h);
//   - every document that an entry of the directory names is there, and hashes to its name;
//   - nothing is built upon before it was verified: the checkpoint that is there has to be this log's,
//     its tiles have to have its root, its documents have to be the log's, and the tree to publish
//     has to extend it;
//   - a tile, bundle or document that is there is never overwritten, and an older checkpoint never
//     put in the place of a newer one: kTampered.
//
// Partial tiles and bundles are removed once the full ones are durable, as tlog-tiles allows. A crash
// at any point leaves a directory that is right as it is, and the next call goes on. Publishers of
// several processes take turns. What is needed for this is in DIR/.pgtally, which nobody has to serve.
#pragma once

#include <functional>
#include <string>

#include "client/log_reader.h"
#include "pgtally/checkpoint.h"
#include "pgtally/policy.h"
#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

struct PublishReport {
  TreeSize before;          // what was published already
  TreeSize size;            // what is published now; 0 if nothing was signed yet
  std::uint64_t files = 0;  // tiles, bundles and documents that are new
};

class Publisher {
 public:
  using Cancelled = std::function<bool()>;

  // `key` is the log's.
  Publisher(std::string directory, Policy key)
      : directory_(std::move(directory)), key_(std::move(key)) {}

  // The checkpoint that the log shows and everything under it; nothing, if the directory is further
  // already and the log holds all that is in it. Makes the directory if it is not there.
  // `cancelled` is asked between two batches; once it says true, this ends with kRetry.
  [[nodiscard]] Result<PublishReport> publish(DocumentedLog& log, const Cancelled& cancelled = {});

 private:
  [[nodiscard]] Result<Checkpoint> published();
  [[nodiscard]] Result<void> check_holds(LogReader& log, const Checkpoint& before,
                                         const Checkpoint& now);
  [[nodiscard]] Result<void> check_extends(LogReader& log, const Checkpoint& before,
                                           const Checkpoint& now);
  [[nodiscard]] Result<std::uint64_t> add_missing(DocumentedLog& log, const Checkpoint& before,
                                                  const Checkpoint& now,
                                                  const Cancelled& cancelled);
  [[nodiscard]] Result<void> remove_partial(const Checkpoint& before, const Checkpoint& now) const;

  std::string directory_;
  Policy key_;
  TreeSize verified_;  // what the directory has at this size was verified, or written here
};

}  // namespace pgtally
