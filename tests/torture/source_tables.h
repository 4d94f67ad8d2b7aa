// The tables of all_modes: one for each way of capture, in two databases of one cluster.
//
// Each has the columns id bigint, version bigint, body text; those of mode xid also xid. A row is
// written as version 1, and each change adds one, so that (id, version) names a change. Each database
// also has a table `receipt` that is no source: every transaction leaves its name there, by which one
// finds out whether it was committed when nobody heard.
#pragma once

#include <string>
#include <vector>

#include "support/test_database.h"

namespace pgtally::torture {

enum class Place { kHome, kElsewhere };  // the ledger's own database, or another one

struct SourceTable {
  std::string name;  // of the source, and of the table in schema public
  std::string mode;
  Place place = Place::kHome;
  bool changes = false;  // rows are updated and deleted, too
  bool blind = true;

  [[nodiscard]] bool is_staging() const { return mode == "append"; }
};

// Those whose mode is in `modes` (empty: all). A mode elsewhere is called "remote-xid" and so on.
[[nodiscard]] std::vector<SourceTable> source_tables(const std::vector<std::string>& modes);

struct Databases {
  std::string home;
  std::string elsewhere;
  [[nodiscard]] const std::string& of(Place place) const {
    return place == Place::kHome ? home : elsewhere;
  }
};

// The ledger and both databases with their tables, each of which has some rows already.
[[nodiscard]] Databases make_databases(const test::TestCluster& cluster,
                                       const test::TestDirectory& directory,
                                       const std::vector<SourceTable>& tables);

// The body of the rows that are there from the beginning, by their id.
inline constexpr int kRowsBefore = 300;
[[nodiscard]] std::string body_before(const std::string& table, std::int64_t id);

// `pgtally source add` for all but staging, which is one from the beginning.
void add_sources(const Databases& databases, const test::TestDirectory& directory,
                 const std::vector<SourceTable>& tables);

}  // namespace pgtally::torture
