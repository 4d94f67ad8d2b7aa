#include "audit/pause_notice.h"

#include <algorithm>

#include "pgtally/document.h"

namespace pgtally {

std::optional<PauseNotice> pause_of(std::string_view notice) {
  const auto document = Document::parse(notice);
  if (!document.ok() || document->as_object() == nullptr) return {};
  const auto member = [&](const char* name) {
    const auto& all = *document->as_object();
    const auto found = std::ranges::find(all, name, &Document::Member::first);
    return found == all.end() ? Document() : found->second;
  };
  PauseNotice pause;
  const Document event = member("event");
  if (event == Document("paused")) {
    pause.kind = PauseNotice::Kind::kBegins;
  } else if (event == Document("resumed")) {
    pause.kind = PauseNotice::Kind::kEnds;
  } else if (event == Document("resynchronised") || event == Document("missed")) {
    pause.kind = PauseNotice::Kind::kMissed;
  } else {
    return {};
  }
  const Document sources = member("sources");
  if (sources.as_array() == nullptr) return {};
  for (const Document& source : *sources.as_array()) {
    if (source.as_string() != nullptr) pause.sources.push_back(*source.as_string());
  }
  return pause;
}

}  // namespace pgtally
