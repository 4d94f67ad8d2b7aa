#include "audit/html_timeline.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <vector>

#include "audit/html_text.h"

namespace pgtally::html {
namespace {

// Findings nearer to each other than this part of the line share a mark.
constexpr int kPlaces = 160;
constexpr int kLaneHeight = 38;
constexpr int kCheckpointHeight = 44;

struct KindStyle {
  FindingKind kind;
  std::string_view shape;  // around the origin, some 12 pixels wide
  std::string_view meaning;
};

// Shapes differ, so that they can be told apart without colours.
constexpr std::array<KindStyle, 7> kStyles{{
    {FindingKind::kChanged, R"(<circle r="5.5" fill="#c01048"/>)",
     "The row is there, and its content is not what was recorded last."},
    {FindingKind::kMissing,
     R"(<path d="M-4.5-4.5 4.5 4.5M-4.5 4.5 4.5-4.5" stroke="#912018" stroke-width="3"/>)",
     "The row was recorded, its deletion was not, and it is not there any more."},
    {FindingKind::kUnrecorded, R"(<path d="M0-6 6 5H-6Z" fill="#b54708"/>)",
     "The row is there, was never recorded, and nothing was still going to record it."},
    {FindingKind::kLate, R"(<path d="M0-6 6 0 0 6-6 0Z" fill="#5925dc"/>)",
     "Recorded long before or after the time that it claims, or out of its source's order."},
    {FindingKind::kDuplicate,
     R"(<path d="M-5.5-5.5h7v7h-7zM-1.5-1.5h7v7h-7z" fill="#fff" stroke="#c11574" )"
     R"(stroke-width="2"/>)",
     "One key stands more than once, in the log or in the table."},
    {FindingKind::kNarrowed, R"(<path d="M-6-5H6L0 6Z" fill="#026aa2"/>)",
     "From here on less of the table is covered than before."},
    {FindingKind::kLog, R"(<path d="M-5.5-5.5h11v11h-11z" fill="#101828"/>)",
     "The log itself is not what was signed, or contradicts itself."},
}};

const KindStyle& style_of(FindingKind kind) {
  return *std::ranges::find(kStyles, kind, &KindStyle::kind);
}

bool is_finite(Time time) {
  return time.microseconds > Time::kMinusInfinity && time.microseconds < Time::kInfinity;
}

// From the first to the last recorded entry, in per cent, a little away from the edges.
class Axis {
 public:
  Axis(Time first, Time last) : first_(first), last_(last) {}

  [[nodiscard]] double part(Time time) const {
    if (last_ <= first_) return 0.5;
    const auto span = static_cast<double>(last_.microseconds - first_.microseconds);
    const auto since =
        static_cast<double>(time.microseconds) - static_cast<double>(first_.microseconds);
    return std::clamp(since / span, 0.0, 1.0);
  }
  [[nodiscard]] static std::string percent(double part) {
    return fmt::format("{:.2f}%", 1.5 + 97 * part);
  }
  [[nodiscard]] Time middle() const {
    return Time{first_.microseconds + (last_.microseconds - first_.microseconds) / 2};
  }

 private:
  Time first_;
  Time last_;
};

std::string checkpoint_lane(const AuditReport& report, const Axis& axis) {
  std::string ticks;
  bool any_witnessed = false;
  // Witnessed ones last, so that they lie on top.
  for (const bool witnessed : {false, true}) {
    for (const CheckpointMark& mark : report.timeline) {
      if (mark.cosigned_by.empty() == witnessed || !is_finite(mark.at)) continue;
      any_witnessed = any_witnessed || witnessed;
      const std::string x = Axis::percent(axis.part(mark.at));
      std::string who;
      for (const Cosigned& cosigned : mark.cosigned_by) who += ", cosigned by " + cosigned.witness;
      ticks += fmt::format(
          R"(<g class="{}"><title>size {}, signed {}{}</title><line x1="{}" x2="{}" y1="{}" y2="40"/></g>)",
          witnessed ? "wit" : "sig", grouped(mark.size.value), to_the_second(mark.at), escaped(who),
          x, x, witnessed ? 22 : 28);
    }
  }
  return fmt::format(
      R"(<text x="1.5%" y="14">checkpoints <tspan class="sig" dx="10">▎signed</tspan>{}</text>{})",
      any_witnessed ? R"( <tspan class="wit" dx="8">▎cosigned by witnesses</tspan>)" : "", ticks);
}

struct Marked {
  std::uint64_t count = 0;
  Time first;
};

std::string finding_lane(FindingKind kind, std::uint64_t count, const std::map<int, Marked>& places,
                         const Axis& axis, int top) {
  std::string out = fmt::format(R"(<text x="1.5%" y="{}">{} <tspan class="n">{}</tspan></text>)"
                                R"(<line class="rail" x1="1.5%" x2="98.5%" y1="{}" y2="{}"/>)",
                                top + 12, name_of(kind), grouped(count), top + 25, top + 25);
  for (const auto& [place, marked] : places) {
    out += fmt::format(R"(<svg x="{}" y="{}" class="m"><title>{}, recorded {}{}</title>{}</svg>)",
                       Axis::percent(axis.part(marked.first)), top + 25,
                       marked.count == 1 ? std::string(name_of(kind))
                                         : grouped(marked.count) + " " + std::string(name_of(kind)),
                       to_the_second(marked.first), marked.count == 1 ? "" : " and after",
                       style_of(kind).shape);
  }
  return out;
}

}  // namespace

std::string_view meaning_of(FindingKind kind) {
  return style_of(kind).meaning;
}

std::string mark_of(FindingKind kind) {
  return fmt::format(R"(<svg class="k" viewBox="-7 -7 14 14" aria-hidden="true">{}</svg>)",
                     style_of(kind).shape);
}

std::string timeline(const AuditReport& report) {
  if (!is_finite(report.first_entry) || !is_finite(report.last_entry)) return {};
  const Axis axis(report.first_entry, report.last_entry);

  std::map<FindingKind, std::map<int, Marked>> lanes;
  std::uint64_t without_time = 0;
  for (const Finding& finding : report.findings.listed()) {
    if (!finding.recorded_at || !is_finite(*finding.recorded_at)) {
      ++without_time;
      continue;
    }
    Marked& marked =
        lanes[finding.kind][static_cast<int>(axis.part(*finding.recorded_at) * kPlaces)];
    if (marked.count == 0 || *finding.recorded_at < marked.first) {
      marked.first = *finding.recorded_at;
    }
    ++marked.count;
  }

  std::string picture = checkpoint_lane(report, axis);
  int top = kCheckpointHeight;
  for (const KindStyle& style : kStyles) {
    const auto lane = lanes.find(style.kind);
    if (lane == lanes.end()) continue;
    std::uint64_t count = 0;
    for (const auto& [place, marked] : lane->second) count += marked.count;
    picture += finding_lane(style.kind, count, lane->second, axis, top);
    top += kLaneHeight;
  }

  std::string out = fmt::format(
      R"(<figure><svg class="time" height="{}" role="img" aria-label="Checkpoints and findings )"
      R"(along the time of recording">{}</svg><div class="axis"><span>{}</span><span>{}</span>)"
      R"(<span>{}</span></div>)",
      top + 4, picture, to_the_second(report.first_entry), to_the_second(axis.middle()),
      to_the_second(report.last_entry));
  out +=
      "<figcaption>From the first entry of the log to the last, by the time of recording, which "
      "is the operator's clock.";
  if (!report.findings.empty()) {
    out += " Each mark stands where the entry that a finding contradicts was recorded.";
  }
  if (without_time > 0) {
    out += fmt::format(" {} no recording time and {} not in the picture.",
                       counted(without_time, "finding has", "findings have"),
                       without_time == 1 ? "is" : "are");
  }
  return out + "</figcaption></figure>\n";
}

}  // namespace pgtally::html
