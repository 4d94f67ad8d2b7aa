#include "cli/source_view.h"

#include <algorithm>

#include "cli/terminal/numbers.h"

namespace pgtally::cli {

namespace {

std::string span(double seconds) {
  return short_span(
      std::chrono::microseconds(static_cast<std::int64_t>(std::min(seconds, 1e9) * 1e6)));
}

}  // namespace

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

std::string waiting(const SourceStatus& source) {
  return source.lag_is_counted ? with_thousands(source.lag_rows) : "-";
}

std::string behind(const SourceStatus& source) {
  return span(source.lag_seconds);
}

void show_failures(Output& out, const std::vector<SourceStatus>& sources) {
  for (const SourceStatus& source : sources) {
    if (!source.info.failure) continue;
    out.line("");
    out.line("  " + source.info.name + " fails since " + span(source.failing_seconds) +
             ", and is tried again: " + source.info.failure->message);
    if (!source.info.failure->hint.empty()) out.line("    " + source.info.failure->hint);
  }
}

}  // namespace pgtally::cli
