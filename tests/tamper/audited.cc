#include "tamper/audited.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <boost/json.hpp>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "torture/child_process.h"
#include "torture/pgtally_program.h"

namespace pgtally::tamper {
namespace {

namespace json = boost::json;

std::string content_of(const std::string& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string text_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : "";
}
std::optional<std::uint64_t> number_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr || value->is_null()) return {};
  return value->to_number<std::uint64_t>();
}

Found found(const json::object& object) {
  Found finding{.kind = text_of(object, "kind"),
                .source = text_of(object, "source"),
                .text = json::serialize(object)};
  if (const json::value* key = object.if_contains("key"); key != nullptr && key->is_array()) {
    for (const json::value& column : key->get_array()) finding.key.emplace_back(column.as_string());
  }
  finding.id = number_of(object, "id");
  finding.to_id = number_of(object, "to_id").value_or(finding.id.value_or(0) + 1);
  return finding;
}

// "*" stands for any.
bool fits(const std::string& expected, const std::string& is) {
  return expected == "*" || expected == is;
}

bool is_met(const Sought& sought, const Found& finding) {
  const Expected& expected = sought.expected;
  if (!fits(expected.kind, finding.kind) || !fits(expected.source, finding.source)) return false;
  if (expected.key && *expected.key != finding.key) return false;
  return !sought.id || (finding.id && *finding.id <= *sought.id && *sought.id < finding.to_id);
}

}  // namespace

Audited audit(const Specimen& specimen, const std::string& database, const AuditOf& what) {
  const std::string out = specimen.directory().path() / "audit.json";
  std::vector<std::string> command{"/bin/sh", "-c", R"(exec "$@" >"$0" 2>"$0.err")", out};
  std::vector<std::string> arguments{"audit", "--json", "--wait", what.streamed ? "30s" : "2s"};
  if (what.strict_times) arguments.insert(arguments.end(), {"--late-after", Specimen::kAge});
  if (what.outside)
    arguments.insert(arguments.end(), {"--checkpoint", specimen.outside_checkpoint()});
  const auto program = torture::pgtally_command(specimen.conninfo(database), arguments);
  command.insert(command.end(), program.begin(), program.end());
  Audited audited;
  audited.exit_status = torture::ChildProcess(command, out + ".log").wait();
  const std::string text = content_of(out);
  boost::system::error_code broken;
  const json::value report = json::parse(text, broken);
  if (audited.exit_status > 1 || broken || !report.is_object()) {
    throw std::runtime_error(fmt::format("audit ended with exit status {}\n{}{}",
                                         audited.exit_status, text, content_of(out + ".err")));
  }
  const json::object& object = report.get_object();
  audited.ok = object.at("ok").as_bool();
  for (const json::value& each : object.at("findings").as_array()) {
    audited.findings.push_back(found(each.as_object()));
  }
  for (const json::value& each : object.at("sources").as_array()) {
    const json::object& source = each.as_object();
    audited.undecided += number_of(source, "undecided").value_or(0);
    auto& columns = audited.not_covered[text_of(source, "name")];
    for (const json::value& column : source.at("not_covered").as_array()) {
      columns.emplace(column.as_string());
    }
  }
  return audited;
}

std::vector<std::string> compare(const std::vector<Sought>& sought, const Audited& audited) {
  std::vector<std::string> wrong;
  std::vector<bool> accounted(audited.findings.size());
  for (const Sought& each : sought) {
    std::size_t met = 0;
    for (std::size_t i = 0; i < audited.findings.size(); ++i) {
      if (accounted[i] || !is_met(each, audited.findings[i])) continue;
      accounted[i] = true;
      ++met;
      if (!each.expected.many) break;
    }
    if (met > 0) continue;
    const Expected& e = each.expected;
    wrong.push_back(fmt::format("{}: not found: {} {} {}{}", each.kind_name, e.kind, e.source,
                                e.key.value_or(Key{}),
                                each.id ? fmt::format(" entry {}", *each.id) : ""));
  }
  std::size_t surplus = 0;
  for (std::size_t i = 0; i < audited.findings.size(); ++i) {
    if (!accounted[i] && ++surplus <= 5) wrong.push_back("nobody's: " + audited.findings[i].text);
  }
  if (surplus > 5) wrong.push_back(fmt::format("and {} more", surplus - 5));
  const bool clean = audited.findings.empty();
  if (audited.ok != clean || audited.exit_status != (clean ? 0 : 1)) {
    wrong.push_back(fmt::format("{} findings, but ok is {} and the exit status {}",
                                audited.findings.size(), audited.ok, audited.exit_status));
  }
  return wrong;
}

}  // namespace pgtally::tamper
