// Several statements in one round trip.
//
// Statements are kept here until run(), which sends all of them and one sync. Outside a transaction
// they are one implicit transaction: the first error undoes all. Inside one, an error leaves it
// failed, as any error does. BEGIN and COMMIT do not belong in here, nor does COPY: that ends the
// session, and what of the rest was committed is not known.
#pragma once

#include <string>
#include <vector>

#include "pgtally/result.h"
#include "postgres/connection.h"

namespace pgtally::pg {

class Pipeline {
 public:
  void add(std::string sql, Params params = {});
  void add_prepared(std::string name, Params params = {});
  [[nodiscard]] std::size_t size() const { return steps_.size(); }

  // The rows of each statement in order (binary), or the first error, which says whose it is.
  // Empties the pipeline either way. Results of all statements are in memory at once.
  [[nodiscard]] Result<std::vector<Rows>> run(Connection& connection);

 private:
  struct Step {
    bool prepared;
    std::string text;  // SQL, or the name of a prepared statement
    Params params;
  };
  std::vector<Step> steps_;
};

}  // namespace pgtally::pg
