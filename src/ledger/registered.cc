#include "ledger/registered.h"

#include <fmt/format.h>

#include <algorithm>

#include "postgres/conninfo.h"

namespace pgtally {
namespace {

std::string joined(const std::vector<std::string>& names) {
  return names.empty() ? "nothing" : fmt::format("{}", fmt::join(names, ", "));
}

std::vector<std::string> sorted(std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  return names;
}

std::string shown(const std::string& conninfo) {
  return conninfo.empty() ? "the ledger's" : pg::without_password(conninfo);
}

class Comparison {
 public:
  void compare(const char* what, const std::string& is, const std::string& wanted) {
    if (is != wanted) lines_.push_back(fmt::format("{} is {}, not {}", what, is, wanted));
  }
  void compare(const char* what, bool is, bool wanted) {
    if (is != wanted) lines_.push_back(fmt::format("{} is {}, not {}", what, is, wanted));
  }
  [[nodiscard]] std::vector<std::string> lines() && { return std::move(lines_); }

 private:
  std::vector<std::string> lines_;
};

std::vector<std::string> covered(const SourceDefinition& definition) {
  std::vector<std::string> names;
  for (const ColumnDefinition& column : definition.columns) names.push_back(column.name);
  return names;
}

}  // namespace

Result<std::vector<RegisteredSource>> read_registered(const Ledger& ledger) {
  TRY(const auto rows, ledger.query(R"sql(
    SELECT s.name, s.mode, s.state, coalesce(e.conninfo, ''), s.track_changes,
           s.existing = 'skip', s.keep_data, coalesce(s.writer::text, ''), d.document
      FROM pgtally.source AS s JOIN pgtally.definition AS d ON d.source_id = s.source_id
      LEFT JOIN pgtally.endpoint AS e ON e.endpoint_id = s.endpoint_id
     WHERE s.source_id > 1
       AND d.number = (SELECT max(n.number) FROM pgtally.definition AS n
                        WHERE n.source_id = s.source_id)
     ORDER BY s.source_id)sql"));
  std::vector<RegisteredSource> sources;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    RegisteredSource source;
    TRY(source.name, rows.get<std::string>(r, 0));
    TRY(source.mode, rows.get<std::string>(r, 1));
    TRY(source.state, rows.get<std::string>(r, 2));
    TRY(source.database, rows.get<std::string>(r, 3));
    TRY(source.track_changes, rows.get<bool>(r, 4));
    TRY(source.skip_existing, rows.get<bool>(r, 5));
    TRY(source.keep_data, rows.get<bool>(r, 6));
    TRY(source.writer, rows.get<std::string>(r, 7));
    TRY(const auto document, rows.get<ByteView>(r, 8));
    TRY(source.definition, decode_source_definition(as_text(document)));
    sources.push_back(std::move(source));
  }
  return sources;
}

std::vector<std::string> differences(const RegisteredSource& source, const SourceRequest& request,
                                     const std::string& relation) {
  Comparison all;
  const SourceDefinition& definition = source.definition;
  all.compare("append", source.mode == "append", request.append);
  if (request.append != (source.mode == "append")) return std::move(all).lines();
  all.compare("blind", definition.blind, request.blind);
  if (request.append) {
    all.compare("keep_data", source.keep_data, request.keep_data);
    if (!request.writer.empty()) all.compare("writer", source.writer, request.writer);
    return std::move(all).lines();
  }
  if (source.database.empty() != request.database.empty() ||
      !pg::leads_to(request.database, source.database)) {
    all.compare("database", shown(source.database), shown(request.database));
  }
  all.compare("table", definition.relation, relation);
  if (!request.mode.empty()) all.compare("mode", source.mode, request.mode);
  if (!request.key.empty()) all.compare("key", joined(definition.key), joined(request.key));
  all.compare("time", definition.time.value_or("nothing"),
              request.time.empty() ? "nothing" : request.time);
  all.compare("hash_column", definition.hash_column.value_or("nothing"),
              request.hash_column.empty() ? "nothing" : request.hash_column);
  if (!request.columns.empty()) {
    all.compare("columns", joined(sorted(covered(definition))), joined(sorted(request.columns)));
  } else {
    all.compare("exclude", joined(sorted(definition.excluded)), joined(sorted(request.exclude)));
  }
  if (request.track_changes) all.compare("track_changes", source.track_changes, true);
  all.compare("existing", std::string(source.skip_existing ? "skip" : "record"),
              std::string(request.skip_existing ? "skip" : "record"));
  return std::move(all).lines();
}

}  // namespace pgtally
