// Who sequences while the writers write: three at a time, and what each of them is.
#pragma once

#include <memory>
#include <string>

#include "support/test_database.h"

namespace pgtally::torture {

enum class Through {
  kSql,    // three plain SQL clients call process_next_batch() in a loop
  kRun,    // three processes of `pgtally run` share key and guard, and sign
  kApart,  // three that share nothing, of which one signs, beside a plain SQL client
};

class Sequencers {
 public:
  virtual ~Sequencers() = default;
  // Throws if one of them ended before it was asked to, or ends with an error.
  virtual void stop() = 0;
};

[[nodiscard]] std::unique_ptr<Sequencers> start_sequencers(Through through,
                                                           const std::string& conninfo,
                                                           const test::TestDirectory& directory);

}  // namespace pgtally::torture
