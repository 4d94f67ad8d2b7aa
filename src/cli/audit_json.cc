#include "cli/audit_json.h"

#include "base/encoding.h"
#include "cli/verdict_json.h"

namespace pgtally::cli {
namespace {

json::value text_or_null(const std::string& text) {
  return text.empty() ? json::value() : json::value(text);
}

json::object json_source(const SourceReport& source) {
  json::array undecided_keys;
  for (const auto& key : source.undecided_keys) undecided_keys.push_back(json_strings(key));
  return {{"name", source.name},
          {"mode", source.mode},
          {"relation", text_or_null(source.relation)},
          {"place", text_or_null(source.place)},
          {"entries", source.entries},
          {"rows", source.rows},
          {"rows_checked", source.rows_checked},
          {"content_checked", source.content_checked},
          {"why_not", text_or_null(source.why_not)},
          {"not_covered", json_strings(source.not_covered)},
          {"undecided", source.undecided},
          {"undecided_keys", std::move(undecided_keys)},
          {"undecided_because", text_or_null(source.undecided_because)}};
}

json::object json_finding(const Finding& finding) {
  json::value covered;
  if (finding.covered_by) {
    covered = {{"size", finding.covered_by->size.value},
               {"time", json_time(finding.covered_by->at)}};
  }
  return {{"kind", name_of(finding.kind)},
          {"source", text_or_null(finding.source)},
          {"key", finding.key.empty() ? json::value() : json::value(json_strings(finding.key))},
          {"id", finding.id ? json::value(finding.id->value) : nullptr},
          {"to_id", finding.to_id ? json::value(finding.to_id->value) : nullptr},
          {"recorded", text_or_null(finding.recorded)},
          {"actual", text_or_null(finding.actual)},
          {"recorded_at", finding.recorded_at ? json_time(*finding.recorded_at) : nullptr},
          {"covered_by", std::move(covered)}};
}

}  // namespace

json::object json_audit(const AuditReport& report) {
  json::array sources;
  std::uint64_t undecided = 0;
  for (const SourceReport& source : report.sources) {
    sources.push_back(json_source(source));
    undecided += source.undecided;
  }
  json::array findings;
  for (const Finding& finding : report.findings.listed()) findings.push_back(json_finding(finding));
  json::array counts;
  for (const auto& [of, number] : report.findings.counts()) {
    counts.push_back(
        {{"source", text_or_null(of.first)}, {"kind", name_of(of.second)}, {"findings", number}});
  }
  json::value witnessed;
  if (report.witnessed) {
    json::object& object = witnessed.emplace_object();
    object["size"] = report.witnessed->size.value;
    add_witnesses(object, report.witnessed->cosigned_by);
  }
  return {{"ok", report.ok()},
          {"origin", report.origin},
          {"vkey", report.vkey},
          {"size", report.size.value},
          {"root", to_base64(report.root.view())},
          {"begun", json_time(report.begun)},
          {"ended", json_time(report.ended)},
          {"entries_checked", report.entries_checked},
          {"rows_checked", report.rows_checked},
          {"checkpoints_checked", report.checkpoints_checked},
          {"remembered", report.remembered ? json::value(report.remembered->value) : nullptr},
          {"witnessed", std::move(witnessed)},
          {"sources", std::move(sources)},
          {"counts", std::move(counts)},
          {"findings", std::move(findings)},
          {"undecided", undecided},
          {"remarks", json_strings(report.remarks)}};
}

}  // namespace pgtally::cli
