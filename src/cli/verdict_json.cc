#include "cli/verdict_json.h"

#include <utility>

#include "base/encoding.h"
#include "format/times.h"

namespace pgtally::cli {
namespace {

json::object begin(const Verdict& verdict) {
  return {{"ok", true},
          {"checked", json_strings(verdict.checked)},
          {"not_checked", json_strings(verdict.not_checked)},
          {"origin", verdict.origin},
          {"size", verdict.size.value},
          {"root", to_base64(verdict.root.view())}};
}

void add_entry(json::object& object, const Verdict& verdict) {
  const Entry& entry = *verdict.entry;
  object["ordinal"] = entry.ordinal;
  object["source"] = entry.source;
  object["definition"] = entry.definition;
  object["key"] = json_strings(verdict.key);
  object["key_is_hashed"] = verdict.key_is_hashed;
  object["operation"] = name_of(entry.operation);
  object["sequenced_at"] = json_time(entry.sequenced_at);
  object["source_time"] = json_time(entry.source_time);
  object["content_hash"] = to_hex(entry.content_hash.view());
}

void add_content(json::object& object, const Verdict& verdict) {
  if (verdict.content) object["content"] = to_hex(verdict.content->view());
  if (!verdict.row.empty()) {
    json::object& row = object["row"].emplace_object();
    for (const RowColumn& column : verdict.row) row[column.name] = column.value;
  }
  if (verdict.data) object["data"] = to_hex(*verdict.data);
}

// `at`: null where only the file is known.
json::object cover_of(const Verdict& verdict, Time at) {
  json::object object{{"size", first_cover(verdict).value}, {"at", json_time(at)}};
  if (const auto seen = first_witnessed(verdict)) {
    json::object& witnessed = object["witnessed"].emplace_object();
    witnessed["size"] = seen->size.value;
    add_witnesses(witnessed, seen->cosigned_by);
  }
  return object;
}

}  // namespace

void add_witnesses(json::object& object, const std::vector<Cosigned>& cosigned_by) {
  json::array names;
  json::array times;
  for (const Cosigned& one : cosigned_by) {
    names.emplace_back(one.witness);
    times.push_back(json_time(time_of_seconds(one.timestamp)));
  }
  object["cosigned_by"] = std::move(names);
  object["cosigned_at"] = std::move(times);
}

json::object json_of(const Verdict& verdict) {
  json::object object = begin(verdict);
  object["id"] = verdict.id.value;
  object["entry_version"] = verdict.entry_version;
  if (verdict.entry) add_entry(object, verdict);
  add_content(object, verdict);
  add_witnesses(object, verdict.cosigned_by);
  return object;
}

json::object json_of(const OrderVerdict& verdict, const CoverTimes* times) {
  json::object object = begin(verdict.first);
  add_witnesses(object, verdict.first.cosigned_by);
  json::object first = json_of(verdict.first);
  json::object second = json_of(verdict.second);
  first["covered_by"] = cover_of(verdict.first, times != nullptr ? times->first : Time{});
  second["covered_by"] = cover_of(verdict.second, times != nullptr ? times->second : Time{});
  object["first"] = std::move(first);
  object["second"] = std::move(second);
  object["same_batch"] = verdict.same_batch;
  const OrderStatements statements = statements_of(verdict);
  object["proves"] = json_strings(statements.proves);
  object["does_not_prove"] = json_strings(statements.does_not_prove);
  return object;
}

json::object json_of(const LogEnd& end) {
  return {{"ok", true},
          {"checked", json::array{"statement signature"}},
          {"origin", end.origin},
          {"ended", true},
          {"size", end.size.value},
          {"root", to_base64(end.root.view())},
          {"stated_at", json_time(end.at)},
          {"successor", end.successor},
          {"reason", end.reason}};
}

}  // namespace pgtally::cli
