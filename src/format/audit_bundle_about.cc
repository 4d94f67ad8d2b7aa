// What a bundle says about itself and its sources, as documents.

#include "base/encoding.h"
#include "format/audit_bundle_layout.h"
#include "format/row_encoder.h"
#include "format/times.h"
#include "pgtally/document.h"
#include "pgtally/entry.h"

namespace pgtally::audit_bundle {
namespace {

constexpr std::string_view kVersion = "1";

Document text_or_null(const std::string& text) {
  return text.empty() ? Document() : Document(text);
}

// Members by name; what is missing or of another kind comes out as what no encoder writes, and the
// comparison with what it would have written finds it.
class Members {
 public:
  explicit Members(const Document& document) : object_(document.as_object()) {}

  [[nodiscard]] const Document* find(std::string_view name) const {
    if (object_ == nullptr) return nullptr;
    for (const auto& [member, value] : *object_) {
      if (member == name) return &value;
    }
    return nullptr;
  }
  [[nodiscard]] std::string text(std::string_view name) const {
    const Document* value = find(name);
    const std::string* text = value == nullptr ? nullptr : value->as_string();
    return text == nullptr ? std::string() : *text;
  }
  [[nodiscard]] bool truth(std::string_view name) const {
    const Document* value = find(name);
    const bool* truth = value == nullptr ? nullptr : value->as_bool();
    return truth != nullptr && *truth;
  }

 private:
  const Document::Object* object_;
};

// Only what time_as_rfc3339() writes of a finite time in the years 0001 to 9999.
Result<Time> parse_rfc3339(std::string_view text) {
  constexpr std::size_t kLength = std::string_view("2026-11-22T14:03:27.118204Z").size();
  if (text.size() == kLength && text[10] == 'T' && text.back() == 'Z') {
    std::string output(text);
    output[10] = ' ';
    output.replace(kLength - 1, 1, "+00");
    const auto time = parse_time_text(output);
    if (time.ok() && time_as_rfc3339(*time) == text) return *time;
  }
  return reject("a bundle has " + quoted(text) + " for a time");
}

Error not_about(std::string_view what, std::string_view text) {
  return reject("what the bundle says about " + std::string(what) +
                " is not of the form that this program knows: " + quoted(text));
}

}  // namespace

std::string_view name_of(std::uint8_t section) {
  constexpr std::string_view kNames[] = {"header",    "about", "checkpoints", "entries",
                                         "documents", "salts", "checksum"};
  return kNames[section];
}

Result<std::string> encode(const BundleAbout& about) {
  return Document(Document::Object{{"made_at", Document(time_as_rfc3339(about.made_at))},
                                   {"v", Document(std::string(kVersion))}})
      .text();
}

Result<std::string> encode(const BundleSource& source) {
  if (!is_source_name(source.name)) return reject("no source is named " + quoted(source.name));
  TRY(auto text,
      Document(Document::Object{
                   {"complete_below", source.complete_below
                                          ? Document(std::to_string(*source.complete_below))
                                          : Document()},
                   {"loaded_at",
                    source.loaded_at ? Document(time_as_rfc3339(*source.loaded_at)) : Document()},
                   {"name", Document(source.name)},
                   {"place", text_or_null(source.place)},
                   {"salts", Document(source.salts)},
                   {"server", text_or_null(source.server)},
                   {"skips_existing", Document(source.skips_existing)},
                   {"tracks_changes", Document(source.tracks_changes)}})
          .text());
  if (text.size() > kMaxBundleAbout) {
    return reject("what there is to say about source " + source.name + " takes " +
                  std::to_string(text.size()) + " bytes, and a bundle has room for " +
                  std::to_string(kMaxBundleAbout));
  }
  return text;
}

Result<BundleAbout> decode_about(std::string_view text) {
  TRY(const Document document, Document::parse(text));
  BundleAbout about;
  TRY(about.made_at, parse_rfc3339(Members(document).text("made_at")));
  TRY(const std::string again, encode(about));
  if (again != text) return not_about("itself", text);
  return about;
}

Result<BundleSource> decode_source(std::string_view text) {
  TRY(const Document document, Document::parse(text));
  const Members members(document);
  BundleSource source;
  source.name = members.text("name");
  source.place = members.text("place");
  source.salts = members.truth("salts");
  source.server = members.text("server");
  source.skips_existing = members.truth("skips_existing");
  source.tracks_changes = members.truth("tracks_changes");
  if (const std::string loaded_at = members.text("loaded_at"); !loaded_at.empty()) {
    TRY(source.loaded_at, parse_rfc3339(loaded_at));
  }
  if (const std::string below = members.text("complete_below"); !below.empty()) {
    TRY(source.complete_below, parse_decimal(below));
  }
  TRY(const std::string again, encode(source));
  if (again != text) return not_about("a source", text);
  return source;
}

}  // namespace pgtally::audit_bundle
