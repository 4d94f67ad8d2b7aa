#include "service/json.h"

#include "format/times.h"

namespace pgtally {

json::value json_time(Time time) {
  if (time.microseconds == Time::kNone) return nullptr;
  return json::value(time_as_rfc3339(time));
}

json::array json_strings(const std::vector<std::string>& strings) {
  json::array array;
  for (const std::string& string : strings) array.emplace_back(string);
  return array;
}

json::object json_source(const SourceStatus& source) {
  const SourceInfo& info = source.info;
  return {{"name", info.name},
          {"mode", info.mode},
          {"state", info.state},
          {"entries", info.entries},
          {"lag_rows", source.lag_rows},
          {"lag_seconds", source.lag_seconds},
          {"lag_is_counted", source.lag_is_counted},
          {"late_rows", info.late_rows},
          {"open_holes", info.open_holes}};
}

json::value json_witnessed(const std::optional<StoredCheckpoint>& witnessed, TreeSize newest) {
  if (!witnessed) return nullptr;
  return {{"size", witnessed->size.value},
          {"signed_at", json_time(witnessed->signed_at)},
          {"newest", witnessed->size >= newest}};
}

}  // namespace pgtally
