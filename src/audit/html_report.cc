#include "audit/html_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "audit/html_style.h"
#include "audit/html_text.h"
#include "audit/html_timeline.h"
#include "base/encoding.h"
#include "format/times.h"

namespace pgtally {
namespace {

using html::counted;
using html::escaped;
using html::grouped;
using html::to_the_second;

constexpr std::array kRowKinds{FindingKind::kChanged, FindingKind::kMissing,
                               FindingKind::kUnrecorded, FindingKind::kDuplicate};
constexpr std::array kAllKinds{
    FindingKind::kLog,       FindingKind::kChanged, FindingKind::kMissing, FindingKind::kUnrecorded,
    FindingKind::kDuplicate, FindingKind::kLate,    FindingKind::kNarrowed};

std::uint64_t undecided_rows(const AuditReport& report) {
  std::uint64_t rows = 0;
  for (const SourceReport& source : report.sources) rows += source.undecided;
  return rows;
}

std::uint64_t sources_checked(const AuditReport& report) {
  return static_cast<std::uint64_t>(
      std::ranges::count(report.sources, true, &SourceReport::rows_checked));
}

// What a reader takes with him who reads nothing else.
std::string headline(const AuditReport& report) {
  const Findings& findings = report.findings;
  if (findings.count(FindingKind::kLog) > 0) return "The log is not what was signed";
  std::uint64_t rows = 0;
  for (const FindingKind kind : kRowKinds) rows += findings.count(kind);
  if (rows > 0) {
    return counted(rows, "row is not what was recorded", "rows are not what was recorded");
  }
  if (!findings.empty()) {
    return counted(findings.count(), "thing has to be explained", "things have to be explained");
  }
  if (const std::uint64_t open = undecided_rows(report); open > 0) {
    return "Nothing wrong was found, and " +
           counted(open, "row could not be decided", "rows could not be decided");
  }
  const std::uint64_t checked = sources_checked(report);
  if (checked == 0) return "The log agrees with what was signed";
  return checked == report.sources.size() ? "Every row is what was recorded"
                                          : "Every row that was checked is what was recorded";
}

std::string verdict(const AuditReport& report) {
  const bool open = report.ok() && undecided_rows(report) > 0;
  const std::uint64_t tables = sources_checked(report);
  std::string text = fmt::format(
      "{} of the log {} held against {}", counted(report.entries_checked, "entry", "entries"),
      report.entries_checked == 1 ? "was" : "were",
      counted(report.checkpoints_checked, "signed checkpoint", "signed checkpoints"));
  if (tables > 0) {
    text +=
        fmt::format(", and {} of {} against the log", counted(report.rows_checked, "row", "rows"),
                    counted(tables, "table", "tables"));
  }
  std::string limit;
  if (!report.remembered) {
    limit =
        R"(<p class="limit">Nothing from outside was compared: this shows that the ledger agrees )"
        "with itself, not that nobody has rewritten all of it.</p>";
  }
  return fmt::format("<section class=\"verdict {}\"><h1>{}</h1><p>{}.</p>{}</section>\n",
                     !report.ok() ? "bad"
                     : open       ? "open"
                                  : "good",
                     headline(report), text, limit);
}

std::string tile(std::string_view value, std::string_view name) {
  return fmt::format("<div><b>{}</b><span>{}</span></div>", value, name);
}

std::string counts(const AuditReport& report) {
  std::string out = "<section class=\"counts\" aria-label=\"Counts\">";
  out +=
      tile(grouped(report.findings.count()), report.findings.count() == 1 ? "finding" : "findings");
  out += tile(grouped(undecided_rows(report)), "undecided");
  out += tile(grouped(report.rows_checked), "rows compared");
  out += tile(grouped(report.entries_checked), "entries of the log");
  out += tile(grouped(report.checkpoints_checked), "checkpoints");
  out += "</section>\n";
  if (report.findings.empty()) return out;
  out += "<p class=\"kinds\">";
  for (const FindingKind kind : kAllKinds) {
    if (const std::uint64_t count = report.findings.count(kind); count > 0) {
      out += fmt::format("<span>{}<b>{}</b> {}</span>", html::mark_of(kind), grouped(count),
                         name_of(kind));
    }
  }
  return out + "</p>\n";
}

std::string fact(std::string_view name, const std::string& value) {
  return fmt::format("<dt>{}</dt><dd>{}</dd>", name, value);
}

// Each witness of the policy with the last time that it vouched for.
std::string witnesses(const AuditReport& report) {
  std::map<std::string, std::pair<std::uint64_t, TreeSize>> last;
  for (const CheckpointMark& mark : report.timeline) {
    for (const Cosigned& cosigned : mark.cosigned_by) {
      auto& newest = last[cosigned.witness];
      if (cosigned.timestamp >= newest.first) newest = {cosigned.timestamp, mark.size};
    }
  }
  std::string out;
  for (const auto& [name, newest] : last) {
    out += fmt::format("{}{}: last {}, size {}", out.empty() ? "" : "<br>", escaped(name),
                       to_the_second(time_of_seconds(newest.first)), grouped(newest.second.value));
  }
  return out;
}

std::string facts(const AuditReport& report) {
  std::string out = "<h2>What was audited</h2>\n<dl class=\"facts\">";
  out += fact("Ledger", "<b>" + escaped(report.origin) + "</b>");
  out += fact("Verifier key", "<code>" + escaped(report.vkey) + "</code>");
  out += fact("Log", counted(report.size.value, "entry", "entries"));
  out += fact("Recorded",
              to_the_second(report.first_entry) + " to " + to_the_second(report.last_entry));
  out += fact("Root", "<code>" + to_base64(report.root.view()) + "</code>");
  const bool by_witnesses = report.witnessed && report.witnessed->size == report.remembered;
  out += fact("From outside", report.remembered
                                  ? (by_witnesses ? "a witnessed checkpoint over the first "
                                                  : "a checkpoint over the first ") +
                                        counted(report.remembered->value, "entry", "entries")
                                  : "nothing was given");
  const std::string witnessed = witnesses(report);
  out += fact("Witnesses", witnessed.empty() ? "none that is trusted has cosigned" : witnessed);
  out += fact("Audited", to_the_second(report.begun) + " to " + to_the_second(report.ended));
  return out + "</dl>\n";
}

std::string joined(const std::vector<std::string>& parts, std::string_view separator) {
  std::string out;
  for (const std::string& part : parts) {
    if (!out.empty()) out += separator;
    out += "<bdi>" + escaped(part) + "</bdi>";
  }
  return out;
}

std::string compared(const SourceReport& source) {
  if (!source.rows_checked) {
    return "<span class=\"warn\">not compared</span><span class=\"note\">" +
           escaped(source.why_not) + "</span>";
  }
  if (source.content_checked) return "keys and contents";
  return "<span class=\"warn\">keys only</span><span class=\"note\">" + escaped(source.why_not) +
         "</span>";
}

std::string source_row(const AuditReport& report, const SourceReport& source) {
  std::uint64_t found = 0;
  for (const auto& [of, count] : report.findings.counts())
    found += of.first == source.name ? count : 0;
  std::string result = !source.rows_checked ? "–" : found == 0 ? "as recorded" : "";
  if (found > 0) {
    result = "<b>" + counted(found, "finding", "findings") + "</b>";
  }
  if (source.undecided > 0) {
    result +=
        fmt::format("<span class=\"note warn\">{} undecided</span>", grouped(source.undecided));
  }
  std::string where = escaped(source.relation);
  if (!source.place.empty()) where += " in " + escaped(source.place);
  return fmt::format(
      "<tr><td><b>{}</b><span class=\"note\">{}, {}</span></td>"
      "<td class=\"num\" data-t=\"Entries\">{}</td><td class=\"num\" data-t=\"Rows\">{}</td>"
      "<td data-t=\"Compared\">{}</td><td data-t=\"Not covered\">{}</td>"
      "<td class=\"result\" data-t=\"Result\">{}</td></tr>\n",
      escaped(source.name), where, escaped(source.mode), grouped(source.entries),
      source.rows_checked ? grouped(source.rows) : "–", compared(source),
      source.not_covered.empty() ? "–" : joined(source.not_covered, ", "), result);
}

std::string sources(const AuditReport& report) {
  if (report.sources.empty()) return {};
  std::string out =
      "<h2>Tables</h2>\n<table><thead><tr><th>Source</th><th class=\"num\">Entries</th>"
      "<th class=\"num\">Rows</th><th>Compared</th><th>Not covered</th><th>Result</th></tr></thead>"
      "<tbody>\n";
  for (const SourceReport& source : report.sources) out += source_row(report, source);
  return out + "</tbody></table>\n";
}

std::string place_of(const Finding& finding) {
  if (!finding.id) return {};
  if (finding.to_id && finding.to_id->value > finding.id->value + 1) {
    return fmt::format("entries {} to {}", grouped(finding.id->value),
                       grouped(finding.to_id->value - 1));
  }
  return "entry " + grouped(finding.id->value);
}

std::string article(const Finding& finding) {
  std::string what(name_of(finding.kind));
  if (!finding.source.empty()) what += " – " + escaped(finding.source);
  if (!finding.key.empty()) what += " " + joined(finding.key, " · ");
  std::string out = fmt::format(
      "<article class=\"finding\"><header><span class=\"what\">{}{}</span>"
      "<span class=\"where\">{}</span></header><dl>",
      html::mark_of(finding.kind), what, place_of(finding));
  if (!finding.recorded.empty()) out += fact("Recorded", escaped(finding.recorded));
  if (!finding.actual.empty()) out += fact("Now", escaped(finding.actual));
  if (finding.recorded_at) out += fact("Recorded at", to_the_second(*finding.recorded_at));
  if (finding.covered_by) {
    out += fact("Signed since", fmt::format("{}, by the checkpoint of size {}",
                                            to_the_second(finding.covered_by->at),
                                            grouped(finding.covered_by->size.value)));
  }
  return out + "</dl></article>\n";
}

std::string findings(const AuditReport& report) {
  if (report.findings.empty()) return {};
  std::string out = "<h2>Findings</h2>\n";
  for (const FindingKind kind : kAllKinds) {
    const std::uint64_t count = report.findings.count(kind);
    if (count == 0) continue;
    out += fmt::format("<h3>{}{}: {}</h3>\n<p class=\"soft\">{}</p>\n", html::mark_of(kind),
                       name_of(kind), grouped(count), html::meaning_of(kind));
    std::uint64_t listed = 0;
    for (const Finding& finding : report.findings.listed()) {
      if (finding.kind != kind) continue;
      out += article(finding);
      ++listed;
    }
    if (listed < count) {
      out += fmt::format("<p class=\"soft\">{} like these are not listed.</p>\n",
                         grouped(count - listed));
    }
  }
  return out;
}

std::string undecided(const AuditReport& report) {
  if (undecided_rows(report) == 0) return {};
  std::string out =
      "<h2>Undecided</h2>\n<p>These rows differ from the log and may only be on their way into it. "
      "Nobody is accused of them.</p>\n";
  for (const SourceReport& source : report.sources) {
    if (source.undecided == 0) continue;
    out += fmt::format("<h3>{}: {}</h3>\n", escaped(source.name),
                       counted(source.undecided, "row", "rows"));
    if (!source.undecided_because.empty()) {
      out += "<p class=\"soft\">" + escaped(source.undecided_because) + "</p>\n";
    }
    if (source.undecided_keys.empty()) continue;
    out += "<ul>";
    for (const auto& key : source.undecided_keys) out += "<li>" + joined(key, " · ") + "</li>";
    if (source.undecided > source.undecided_keys.size()) {
      out += "<li class=\"soft\">and " + grouped(source.undecided - source.undecided_keys.size()) +
             " more</li>";
    }
    out += "</ul>\n";
  }
  return out;
}

// A word of a shell command.
std::string shell_word(std::string_view text) {
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + "'";
}

std::string meaning(const AuditReport& report) {
  std::string out = "<h2>What this shows, and what it does not</h2>\n<ul>";
  out +=
      "<li>Shown: which of the rows that are in the tables now are not the rows that the log "
      "recorded, and which entries of the log are not those that its key has signed.</li>"
      "<li>Not shown: what became of a row before it was recorded; whether what was recorded was "
      "true; columns that nothing covers.</li>"
      "<li>Times are the operator’s clock, but for those of witnesses.</li>";
  for (const std::string& remark : report.remarks) out += "<li>" + escaped(remark) + "</li>";
  out +=
      "</ul>\n<h2>To repeat it</h2>\n<p>With access to the ledger, and a checkpoint that was kept "
      "elsewhere:</p>\n";
  const std::string key = escaped(shell_word(report.vkey));
  out += "<pre>pgtally audit --checkpoint FILE --vkey " + key + "</pre>\n";
  out += "<p>Without: with a bundle from the operator, and read access to the tables alone:</p>\n";
  return out + "<pre>pgtally audit --bundle FILE --database URI --vkey " + key + "</pre>\n";
}

}  // namespace

std::string html_of(const AuditReport& report) {
  std::string out = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n";
  // Nothing on the page runs or loads, whatever stands in it.
  out +=
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'\">\n<meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\">\n";
  out += fmt::format("<title>{}: {}</title>\n<style>{}</style></head>\n<body><main>\n",
                     escaped(report.origin), headline(report), html::kStyle);
  out += fmt::format("<p class=\"kicker\">Audit of <b>{}</b> on {}</p>\n", escaped(report.origin),
                     to_the_second(report.begun));
  out += verdict(report) + counts(report) + facts(report);
  if (const std::string picture = html::timeline(report); !picture.empty()) {
    out += "<h2>When</h2>\n" + picture;
  }
  out += sources(report) + findings(report) + undecided(report) + meaning(report);
  return out + "</main></body></html>\n";
}

}  // namespace pgtally
