#include "cli/audit_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <vector>

#include "cli/terminal/numbers.h"
#include "cli/terminal/text.h"
#include "format/times.h"

namespace pgtally::cli {
namespace {

constexpr std::size_t kMostNameWidth = 60;
constexpr std::size_t kKindWidth = 14;
constexpr std::array kKinds = {
    FindingKind::kChanged,   FindingKind::kMissing, FindingKind::kUnrecorded, FindingKind::kLog,
    FindingKind::kDuplicate, FindingKind::kLate,    FindingKind::kNarrowed};

// Words on lines of at most `width` columns, the first after `label`.
std::string wrapped(const std::string& label, const std::string& text, std::size_t width) {
  const std::size_t margin = display_width(label);
  std::string lines = label;
  std::size_t used = margin;
  std::size_t at = 0;
  while (at < text.size()) {
    std::size_t end = text.find(' ', at);
    if (end == std::string::npos) end = text.size();
    const std::string word = text.substr(at, end - at);
    const std::size_t wide = display_width(word);
    if (used > margin && used + 1 + wide > width) {
      lines += "\n" + std::string(margin, ' ');
      used = margin;
    }
    if (used > margin) {
      lines += ' ';
      ++used;
    }
    lines += word;
    used += wide;
    at = end + 1;
  }
  return lines + "\n";
}

std::string counts_of(const AuditReport& report, const std::string* source) {
  std::string text;
  for (const FindingKind kind : kKinds) {
    std::uint64_t number = 0;
    for (const auto& [of, count] : report.findings.counts()) {
      if (of.second == kind && (source == nullptr || of.first == *source)) number += count;
    }
    if (number == 0) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", with_thousands(number), name_of(kind));
  }
  return text;
}

// "debian_package bash amd64", "entry 802", "entries 10 to 19".
std::string name_of_row(const Finding& finding) {
  std::string name;
  if (!finding.key.empty()) {
    name = finding.source;
    for (const std::string& value : finding.key) {
      const bool plain = !value.empty() && value.find_first_of(" \"'") == std::string::npos;
      name += plain ? " " + printable(value) : " '" + printable(value) + "'";
    }
  } else if (finding.id && finding.to_id) {
    name = fmt::format("entries {} to {}", with_thousands(finding.id->value),
                       with_thousands(finding.to_id->value - 1));
  } else if (finding.id) {
    name = "entry " + with_thousands(finding.id->value);
  } else {
    name = finding.source.empty() ? "the log" : finding.source;
  }
  return cut(name, kMostNameWidth);
}

std::string text_of(const Finding& finding, const Stream& stream) {
  const std::string margin(kKindWidth, ' ');
  const std::size_t width = stream.width();
  std::string text =
      "  " +
      stream.styled(pad_right(std::string(name_of(finding.kind)), kKindWidth - 2), Emphasis::kBad) +
      name_of_row(finding);
  if (!finding.key.empty() && finding.id) {
    text += "  (entry " + with_thousands(finding.id->value) + ")";
  }
  text += "\n";
  if (!finding.recorded.empty()) {
    text += wrapped(margin + "recorded  ", printable(finding.recorded), width);
  }
  if (!finding.actual.empty()) {
    text += wrapped(margin + "now       ", printable(finding.actual), width);
  }
  std::string when;
  if (finding.recorded_at) when = time_for_people(*finding.recorded_at);
  if (finding.covered_by) {
    when += fmt::format("{}under signature since {} (size {})", when.empty() ? "" : ", ",
                        time_for_people(finding.covered_by->at),
                        with_thousands(finding.covered_by->size.value));
  }
  if (!when.empty()) text += wrapped(margin + "when      ", when, width);
  return text;
}

std::string state_of(const AuditReport& report, const SourceReport& source, const Stream& stream) {
  const std::string found = counts_of(report, &source.name);
  std::string state;
  if (!found.empty()) {
    state = stream.styled(found, Emphasis::kBad);
  } else if (!source.rows_checked) {
    state = "not compared";
  } else {
    state = source.content_checked ? "as recorded" : "keys as recorded, contents not compared";
  }
  if (source.undecided > 0) {
    state += fmt::format(", {} undecided", with_thousands(source.undecided));
  }
  return state;
}

std::string sources_of(const AuditReport& report, const Stream& stream) {
  std::size_t names = 3;
  std::size_t numbers = with_thousands(report.entries_checked).size();
  for (const SourceReport& source : report.sources) {
    names = std::max(names, display_width(source.name));
    numbers = std::max(numbers, with_thousands(source.rows).size());
  }
  const auto line = [&](const std::string& name, std::uint64_t number, const char* what,
                        const std::string& state) {
    return "  " + pad_right(name, names) + "  " + pad_left(with_thousands(number), numbers) + " " +
           pad_right(what, 7) + "  " + state + "\n";
  };
  const std::string none;
  const std::string found = counts_of(report, &none);
  std::string fits =
      "fit the tree and " + counted(report.checkpoints_checked, "checkpoint", "checkpoints");
  if (report.remembered) {
    const bool by_witnesses = report.witnessed && report.witnessed->size == *report.remembered;
    fits += fmt::format(", one of size {} {}", with_thousands(report.remembered->value),
                        by_witnesses ? "that is witnessed" : "from outside");
  }
  std::string text = line("log", report.entries_checked, "entries",
                          found.empty() ? fits : stream.styled(found, Emphasis::kBad));
  const std::string margin(names + 4, ' ');
  for (const SourceReport& source : report.sources) {
    text += line(source.name, source.rows, "rows", state_of(report, source, stream));
    if (!source.place.empty()) {
      text += wrapped(margin + "at ", printable(source.place), stream.width());
    }
    if (!source.why_not.empty()) {
      text += wrapped(margin + "because ", printable(source.why_not), stream.width());
    }
    if (!source.not_covered.empty()) {
      std::string columns;
      for (const std::string& column : source.not_covered) {
        columns += (columns.empty() ? "" : ", ") + printable(column);
      }
      text += wrapped(margin + "not covered: ", columns, stream.width());
    }
    if (source.undecided > 0) {
      text += wrapped(margin + "undecided: ", printable(source.undecided_because), stream.width());
    }
  }
  return text;
}

std::string findings_of(const AuditReport& report, const Stream& stream, bool all) {
  std::vector<const Finding*> sorted;
  for (const Finding& finding : report.findings.listed()) sorted.push_back(&finding);
  std::ranges::stable_sort(sorted, {}, [](const Finding* finding) {
    return std::pair(std::string_view(finding->source),
                     std::ranges::find(kKinds, finding->kind) - kKinds.begin());
  });
  std::map<std::pair<std::string, FindingKind>, std::size_t> shown;
  std::string text;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const Finding& finding = *sorted[i];
    const std::pair of(finding.source, finding.kind);
    std::size_t& number = shown[of];
    if (all || number < kMostShown) {
      text += text_of(finding, stream);
      ++number;
    }
    const bool is_last = i + 1 == sorted.size() || sorted[i + 1]->source != finding.source ||
                         sorted[i + 1]->kind != finding.kind;
    const std::uint64_t more = report.findings.counts().at(of) - number;
    if (is_last && more > 0) {
      text += fmt::format("  {}and {} more{}\n",
                          pad_right(std::string(name_of(finding.kind)), kKindWidth - 2),
                          with_thousands(more), all ? "" : " (--all shows the first thousand)");
    }
  }
  return text;
}

}  // namespace

std::string verdict_of(const AuditReport& report) {
  if (!report.ok()) {
    return counted(report.findings.count(), "finding", "findings") + ": " +
           counts_of(report, nullptr);
  }
  const std::string read = counted(report.entries_checked, "entry", "entries") + " and " +
                           counted(report.rows_checked, "row", "rows");
  std::uint64_t undecided = 0;
  std::uint64_t not_compared = 0;
  for (const SourceReport& source : report.sources) {
    undecided += source.undecided;
    not_compared += source.content_checked ? 0U : 1U;
  }
  if (undecided == 0 && not_compared == 0) {
    return "all is well: " + read + " are as they were recorded";
  }
  std::string but;
  if (undecided > 0) but = counted(undecided, "row is", "rows are") + " undecided";
  if (not_compared > 0) {
    but += (but.empty() ? "" : ", ") + std::string("the contents of ") +
           counted(not_compared, "source", "sources") + " were not compared";
  }
  return "nothing was found in " + read + "; " + but;
}

std::string text_of(const AuditReport& report, const Stream& stream, bool all) {
  std::string text =
      stream.styled(verdict_of(report), report.ok() ? Emphasis::kGood : Emphasis::kBad) + "\n\n" +
      printable(report.origin) + "\n" + sources_of(report, stream);
  if (!report.ok()) text += "\n" + findings_of(report, stream, all);
  text += "\n";
  for (const std::string& remark : report.remarks) {
    text += wrapped("- ", printable(remark), stream.width());
  }
  return text;
}

}  // namespace pgtally::cli
