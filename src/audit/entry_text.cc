#include <fmt/format.h>

#include "audit/entry_order.h"
#include "base/encoding.h"
#include "format/times.h"
#include "pgtally/key.h"

namespace pgtally {
namespace {

std::vector<std::string> key_of(const EntryView& entry) {
  auto key = decode_key(entry.key);
  return key.ok() ? std::move(key->columns) : std::vector<std::string>();
}

std::string key_text(const EntryView& entry) {
  const auto key = key_of(entry);
  if (key.empty()) return entry.key.empty() ? "none" : to_hex(entry.key);
  return fmt::format("{}", fmt::join(key, " "));
}

}  // namespace

Finding finding_of(LeafIndex id, const EntryView& entry) {
  Finding finding;
  if (entry.source != kLedgerSource) finding.source = entry.source;
  finding.key = key_of(entry);
  finding.id = id;
  finding.recorded_at = entry.sequenced_at;
  return finding;
}

std::string text_of(const EntryView& entry) {
  std::string text(name_of(entry.operation));
  if (has_key(entry.operation))
    text += fmt::format(" of {} {}", entry.source, key_text(entry));
  else
    text += fmt::format(" of {}", entry.source);
  return text + ", content " + to_hex(entry.content_hash.view()) + ", recorded " +
         time_for_people(entry.sequenced_at);
}

std::pair<std::string, std::string> differences(const Entry& then, const Entry& now) {
  std::string before;
  std::string after;
  const auto compare = [&](const char* what, const std::string& old_text,
                           const std::string& new_text) {
    if (old_text == new_text) return;
    const char* comma = before.empty() ? "" : ", ";
    before += fmt::format("{}{} {}", comma, what, old_text);
    after += fmt::format("{}{} {}", comma, what, new_text);
  };
  compare("operation", std::string(name_of(then.operation)), std::string(name_of(now.operation)));
  compare("source", then.source, now.source);
  compare("definition", std::to_string(then.definition), std::to_string(now.definition));
  compare("ordinal", std::to_string(then.ordinal), std::to_string(now.ordinal));
  compare("key", key_text(then), key_text(now));
  compare("content", to_hex(then.content_hash.view()), to_hex(now.content_hash.view()));
  compare("position", quoted(then.source_position), quoted(now.source_position));
  compare("recorded", time_for_people(then.sequenced_at), time_for_people(now.sequenced_at));
  compare("claimed time", time_for_people(then.source_time), time_for_people(now.source_time));
  return {before, after};
}

}  // namespace pgtally
