// shared_cluster up|down DIRECTORY: the ctest fixture around all tests that need PostgreSQL.
//
// `up` starts the cluster that they share in DIRECTORY/shared, and leaves its address in the file
// `conninfo` there. `down` stops it, and every other cluster that a killed test left in DIRECTORY,
// then removes DIRECTORY. `up` begins with `down`, for a run that was interrupted.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <tuple>

#include "postgres/private_cluster.h"
#include "support/test_database.h"

namespace fs = std::filesystem;
using pgtally::pg::PrivateCluster;
using pgtally::pg::Shutdown;

namespace {

void stop_cluster(const fs::path& directory) {
  if (!fs::exists(directory / "data")) return;
  // Takes the server over if it still runs. One that cannot be started needs no stopping.
  auto cluster = PrivateCluster::open(directory);
  if (cluster.ok()) std::ignore = cluster->stop(Shutdown::kImmediate);
}

void down(const fs::path& directory) {
  if (!fs::exists(directory)) return;
  for (const auto& entry : fs::directory_iterator(directory)) {
    stop_cluster(entry.path());
    stop_cluster(entry.path() / "cluster");
  }
  fs::remove_all(directory);
}

int up(const fs::path& directory) {
  down(directory);
  auto cluster = PrivateCluster::open(
      directory / "shared", {.fsync = false, .settings = pgtally::test::shared_cluster_settings()});
  if (!cluster.ok()) {
    std::cerr << cluster.error().message << '\n' << cluster.error().hint << '\n';
    return 1;
  }
  std::ofstream(directory / "shared" / "conninfo") << cluster->conninfo() << '\n';
  // Leaves without letting go, as a killed process would, so that the server runs on.
  std::_Exit(0);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string verb = argc == 3 ? argv[1] : "";
  if (verb == "up") return up(argv[2]);
  if (verb != "down") {
    std::cerr << "usage: shared_cluster up|down DIRECTORY\n";
    return 2;
  }
  down(argv[2]);
  return 0;
}
