#include "cli/source_view.h"

#include <algorithm>

#include "cli/terminal/numbers.h"

namespace pgtally::cli {

json::object json_source(const SourceStatus& source) {
  const SourceInfo& info = source.info;
  json::value failure = nullptr;
  if (info.failure) {
    failure = {{"message", info.failure->message},
               {"hint", info.failure->hint},
               {"since", json_time(info.failure->since)},
               {"attempts", info.failure->attempts}};
  }
  return {{"name", info.name},           {"mode", info.mode},
          {"state", info.state},         {"entries", info.entries},
          {"lag_rows", source.lag_rows}, {"lag_seconds", source.lag_seconds},
          {"late_rows", info.late_rows}, {"open_holes", info.open_holes},
          {"last_key", info.last_key},   {"failure", std::move(failure)}};
}

std::string behind(const SourceStatus& source) {
  return short_span(std::chrono::microseconds(
      static_cast<std::int64_t>(std::min(source.lag_seconds, 1e9) * 1e6)));
}

void show_failures(Output& out, const std::vector<SourceStatus>& sources) {
  for (const SourceStatus& source : sources) {
    if (!source.info.failure) continue;
    out.line("");
    out.line("  " + source.info.name + " fails since " + behind(source) +
             ", and is tried again: " + source.info.failure->message);
    if (!source.info.failure->hint.empty()) out.line("    " + source.info.failure->hint);
  }
}

}  // namespace pgtally::cli
