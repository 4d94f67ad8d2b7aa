// The report as a page. tests/vectors/audit/report.html is one that was looked at in a browser; with
// PGTALLY_GOLDEN=write it is written anew.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "audit/html_report.h"
#include "audit/html_text.h"
#include "audit/html_timeline.h"
#include "crypto/sha256.h"
#include "support/format_vectors.h"

namespace pgtally {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::int64_t kStart = 1'795'000'000'000'000;
constexpr std::int64_t kHour = 3'600'000'000;

AuditReport clean() {
  AuditReport report;
  report.origin = "bank.example/payments";
  report.vkey = "bank.example/payments+aec0c37d+AV5SV2IpOUsX9jlUuOjDR3O3fmtbA3hUugd9sHM1cJJN";
  report.size = TreeSize{12'345};
  report.root = sha256("root");
  report.begun = Time{kStart + 11 * kHour};
  report.ended = Time{kStart + 11 * kHour + 2'000'000};
  report.first_entry = Time{kStart};
  report.last_entry = Time{kStart + 10 * kHour};
  report.entries_checked = 12'345;
  report.rows_checked = 12'001;
  report.checkpoints_checked = 3;
  report.remembered = TreeSize{12'000};
  report.timeline = {
      {TreeSize{1}, Time{kStart}, {}},
      {TreeSize{5'000}, Time{kStart + 5 * kHour}, {{"w1.example/witness", 1'795'018'001}}},
      {TreeSize{12'345}, Time{kStart + 10 * kHour}, {}}};
  SourceReport payment;
  payment.name = "payment";
  payment.mode = "logical";
  payment.relation = "public.payment";
  payment.entries = 12'344;
  payment.rows = 12'001;
  payment.rows_checked = payment.content_checked = true;
  payment.not_covered = {"note"};
  report.sources = {payment};
  report.remarks = {"What was changed before it was recorded does not show."};
  return report;
}

AuditReport tampered_with() {
  AuditReport report = clean();
  report.remembered.reset();
  SourceReport login;
  login.name = "login";
  login.mode = "trigger";
  login.relation = "public.login";
  login.place = "db2.example:5432/web";
  login.why_not = "table public.login is not in this database";
  report.sources.push_back(login);
  report.sources[0].undecided = 3;
  report.sources[0].undecided_keys = {{"9001"}};
  report.sources[0].undecided_because = "a newer bundle decides";
  const auto add = [&](FindingKind kind, std::optional<std::uint64_t> id, std::string key) {
    Finding finding;
    finding.kind = kind;
    finding.source = kind == FindingKind::kLog ? "" : "payment";
    if (!key.empty()) finding.key = {std::move(key)};
    finding.recorded = "hash 1b09";
    finding.actual = "hash 77aa";
    if (id) {
      finding.id = LeafIndex{*id};
      finding.recorded_at = Time{kStart + static_cast<std::int64_t>(*id) * kHour / 1'000};
      finding.covered_by = CoveredBy{TreeSize{5'000}, Time{kStart + 5 * kHour}};
    }
    report.findings.add(std::move(finding));
  };
  add(FindingKind::kChanged, 802, "777");
  add(FindingKind::kChanged, 803, "778");
  add(FindingKind::kMissing, 9'117, "13000");
  add(FindingKind::kUnrecorded, {}, "13001");
  add(FindingKind::kLate, 4'000, "5");
  add(FindingKind::kDuplicate, 4'100, "6");
  add(FindingKind::kNarrowed, 6'000, "");
  add(FindingKind::kLog, 256, "");
  return report;
}

// Without what it looks like.
std::string body_of(std::string page) {
  const std::size_t begin = page.find("<style>") + 7;
  return page.erase(begin, page.find("</style>") - begin);
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at) ++found;
  return found;
}

TEST(HtmlReport, is_the_page_that_was_looked_at) {
  const std::string path = std::string(PGTALLY_VECTORS) + "/audit/report.html";
  const std::string page = body_of(html_of(tampered_with()));
  if (const char* golden = std::getenv("PGTALLY_GOLDEN"); golden != nullptr) {
    std::ofstream(path) << page;
  }
  EXPECT_EQ(page, test::read_file(path));
}

TEST(HtmlReport, begins_with_the_verdict) {
  const auto verdict = [](const AuditReport& report) {
    const std::string page = html_of(report);
    const std::size_t begin = page.find("<h1>") + 4;
    return page.substr(begin, page.find("</h1>") - begin);
  };
  AuditReport report = clean();
  EXPECT_EQ(verdict(report), "Every row is what was recorded");
  report.sources.push_back({});
  EXPECT_EQ(verdict(report), "Every row that was checked is what was recorded");
  report.sources.clear();
  EXPECT_EQ(verdict(report), "The log agrees with what was signed");
  report = clean();
  report.sources[0].undecided = 1;
  EXPECT_EQ(verdict(report), "Nothing wrong was found, and 1 row could not be decided");
  Finding finding;
  finding.kind = FindingKind::kLate;
  report.findings.add(finding);
  EXPECT_EQ(verdict(report), "1 thing has to be explained");
  finding.kind = FindingKind::kMissing;
  report.findings.add(finding);
  EXPECT_EQ(verdict(report), "1 row is not what was recorded");
  report.findings.add(finding);
  EXPECT_EQ(verdict(report), "2 rows are not what was recorded");
  finding.kind = FindingKind::kLog;
  report.findings.add(finding);
  EXPECT_EQ(verdict(report), "The log is not what was signed");
}

TEST(HtmlReport, says_when_nothing_from_outside_was_compared) {
  AuditReport report = clean();
  EXPECT_THAT(html_of(report), Not(HasSubstr("Nothing from outside")));
  report.remembered.reset();
  EXPECT_THAT(html_of(report), HasSubstr("Nothing from outside was compared"));
}

TEST(HtmlReport, lets_nothing_out_of_where_it_stands) {
  const std::string hostile = "<script>alert(1)</script>\"'&\x01\xff\xE2\x80\xAE";
  AuditReport report = tampered_with();
  const std::size_t scripts = count(html_of(report), "<script");
  report.origin = report.vkey = hostile;
  report.remarks = {hostile};
  report.timeline[0].cosigned_by = {{hostile, 1}};
  SourceReport& source = report.sources[0];
  source.name = source.mode = source.relation = source.place = source.why_not = hostile;
  source.not_covered = {hostile};
  source.undecided_keys = {{hostile, hostile}};
  source.undecided_because = hostile;
  report.sources[1].why_not = hostile;
  Finding finding;
  finding.source = finding.recorded = finding.actual = hostile;
  finding.key = {hostile, hostile};
  report.findings.add(finding);
  const std::string page = html_of(report);
  EXPECT_EQ(scripts, 0U);
  EXPECT_EQ(count(page, "<script"), 0U);
  EXPECT_EQ(count(page, "\x01"), 0U);
  EXPECT_EQ(count(page, "\xff"), 0U);
  EXPECT_EQ(count(page, "\xE2\x80\xAE"), 0U);
  EXPECT_GE(
      count(page, "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;\\u{1}\\xff\\u{202e}"),
      13U);
}

TEST(HtmlReport, needs_nothing_but_itself) {
  const std::string page = html_of(tampered_with());
  for (const char* reference : {"http:", "https:", "src=", "href=", "url(", "@import", "//"}) {
    EXPECT_EQ(count(page, reference), 0U) << reference;
  }
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
}

TEST(HtmlReport, closes_every_element_that_it_opens) {
  const std::string page = html_of(tampered_with());
  for (const char* name : {"main",   "section", "div",    "dl",         "dt",  "dd", "p",
                           "ul",     "li",      "table",  "tr",         "td",  "th", "article",
                           "header", "span",    "figure", "figcaption", "svg", "g",  "text",
                           "tspan",  "title",   "h2",     "h3",         "bdi", "b",  "pre"}) {
    const std::string open(name);
    EXPECT_EQ(count(page, "<" + open + ">") + count(page, "<" + open + " "),
              count(page, "</" + open + ">"))
        << name;
  }
}

TEST(HtmlReport, of_more_findings_than_are_listed_says_how_many_are_not) {
  AuditReport report = clean();
  for (std::size_t i = 0; i < Findings::kMostListed + 234; ++i) {
    Finding finding;
    finding.kind = FindingKind::kMissing;
    finding.source = "payment";
    report.findings.add(finding);
  }
  const std::string page = html_of(report);
  EXPECT_THAT(page, HasSubstr("1,234 rows are not what was recorded"));
  EXPECT_EQ(count(page, "<article"), Findings::kMostListed);
  EXPECT_THAT(page, HasSubstr("234 like these are not listed"));
}

TEST(HtmlReport, of_a_log_without_entries_has_no_picture) {
  AuditReport report = clean();
  report.first_entry = report.last_entry = Time{};
  EXPECT_THAT(html_of(report), Not(HasSubstr("<figure>")));
}

TEST(HtmlTimeline, puts_what_is_in_one_place_under_one_mark) {
  AuditReport report = clean();
  for (int i = 0; i < 1'000; ++i) {
    Finding finding;
    finding.kind = FindingKind::kChanged;
    finding.recorded_at = Time{kStart + kHour + i};
    report.findings.add(finding);
  }
  const std::string picture = html::timeline(report);
  EXPECT_THAT(picture, HasSubstr("1,000 changed, recorded 2026-11-18"));
  EXPECT_EQ(count(picture, "class=\"m\""), 1U);
}

TEST(HtmlTimeline, of_a_single_moment_stands_in_the_middle) {
  AuditReport report = clean();
  report.last_entry = report.first_entry;
  EXPECT_THAT(html::timeline(report), HasSubstr("x1=\"50.00%\""));
}

TEST(HtmlTimeline, keeps_what_lies_outside_of_the_log_at_its_ends) {
  AuditReport report = clean();
  Finding finding;
  for (const std::int64_t at : {INT64_MIN + 2, INT64_MAX - 1}) {
    finding.recorded_at = Time{at};
    report.findings.add(finding);
  }
  const std::string picture = html::timeline(report);
  EXPECT_EQ(count(picture, "<svg x=\"1.50%\""), 1U);
  EXPECT_EQ(count(picture, "<svg x=\"98.50%\""), 1U);
}

TEST(HtmlText, shows_what_cannot_be_seen) {
  EXPECT_EQ(html::escaped("a<b>&\"c'"), "a&lt;b&gt;&amp;&quot;c&#39;");
  EXPECT_EQ(html::escaped("\xC3\xBC \xE6\xBC\xA2 \xF0\x9F\x98\x80"),
            "\xC3\xBC \xE6\xBC\xA2 \xF0\x9F\x98\x80");
  EXPECT_EQ(html::escaped(std::string("\0\n\x7f\xC2\x85", 5)), "\\u{0}\\u{a}\\u{7f}\\u{85}");
  EXPECT_EQ(html::escaped("\xE2\x80\x8B\xE2\x81\xA6\xEF\xBB\xBF"), "\\u{200b}\\u{2066}\\u{feff}");
  EXPECT_EQ(html::escaped("\x80\xC3\xE2\x80\xED\xA0\x80\xF4\x90\x80\x80"),
            "\\x80\\xc3\\xe2\\x80\\xed\\xa0\\x80\\xf4\\x90\\x80\\x80");
}

TEST(HtmlText, groups_digits) {
  EXPECT_EQ(html::grouped(0), "0");
  EXPECT_EQ(html::grouped(999), "999");
  EXPECT_EQ(html::grouped(1'000), "1,000");
  EXPECT_EQ(html::grouped(UINT64_MAX), "18,446,744,073,709,551,615");
  EXPECT_EQ(html::to_the_second(Time{kStart}), "2026-11-18 11:06:40 UTC");
  EXPECT_EQ(html::to_the_second(Time{Time::kInfinity}), "infinity");
}

}  // namespace
}  // namespace pgtally
