#include "cli/source_view.h"

#include <algorithm>

#include "cli/terminal/numbers.h"

namespace pgtally::cli {

json::object json_source_in_full(const SourceStatus& source) {
  const SourceInfo& info = source.info;
  json::value failure = nullptr;
  if (info.failure) {
    failure = {{"message", info.failure->message},
               {"hint", info.failure->hint},
               {"since", json_time(info.failure->since)},
               {"attempts", info.failure->attempts}};
  }
  json::object object = json_source(source);
  object["last_key"] = info.last_key;
  object["failure"] = std::move(failure);
  return object;
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
