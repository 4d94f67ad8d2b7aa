#include "cli/database.h"

#include <filesystem>
#include <utility>

namespace pgtally::cli {

Result<std::string> Database::conninfo() {
  if (!globals_.embedded) return globals_.database.value_or("");
  if (!cluster_) {
    if (!std::filesystem::exists(*globals_.embedded)) {
      output_.remark("making a private PostgreSQL in " + *globals_.embedded);
    }
    TRY(auto cluster, pg::PrivateCluster::open(*globals_.embedded));
    cluster_.emplace(std::move(cluster));
  }
  return cluster_->conninfo();
}

Result<pg::Connection*> Database::connect() {
  if (!connection_) {
    TRY(const std::string where, conninfo());
    auto connection = pg::Connection::open(where);
    if (!connection.ok()) {
      Error error = std::move(connection).error();
      if (error.code != ErrorCode::kRetry) {
        error.hint += (error.hint.empty() ? "" : "\n") +
                      std::string(
                          "Check --database, PGTALLY_DATABASE and the PG* variables, in this "
                          "order of precedence; --embedded DIR uses a private PostgreSQL "
                          "instead.");
      }
      return error;
    }
    connection_.emplace(std::move(*connection));
  }
  return &*connection_;
}

}  // namespace pgtally::cli
