#include "pgtally/definition.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/encoding.h"
#include "pgtally/entry.h"

namespace pgtally {
namespace {

constexpr std::string_view kVersion = "1";

constexpr std::pair<ContentKind, std::string_view> kContentNames[] = {
    {ContentKind::kRow, "row/v1"}, {ContentKind::kColumn, "column"}, {ContentKind::kData, "data"}};
constexpr std::pair<TypeDefinition::Kind, std::string_view> kTypeKindNames[] = {
    {TypeDefinition::Kind::kEnum, "enum"},
    {TypeDefinition::Kind::kDomain, "domain"},
    {TypeDefinition::Kind::kComposite, "composite"}};

template <typename Names, typename Value>
std::string name_in(const Names& names, Value value) {
  for (const auto& [candidate, name] : names) {
    if (candidate == value) return std::string(name);
  }
  return {};
}

Document to_document(const std::string& text) {
  return Document(text);
}

Document to_document(const std::optional<std::string>& text) {
  return text ? Document(*text) : Document();
}

Document to_document(const ColumnDefinition& column) {
  return Document(Document::Object{{"name", Document(column.name)},
                                   {"type", Document(column.type)},
                                   {"typmod", Document(std::to_string(column.typmod))}});
}

Document to_document(const RenamedColumn& renamed) {
  return Document(Document::Object{{"from", Document(renamed.from)}, {"to", Document(renamed.to)}});
}

Document to_document(const TypeDefinition& type);

template <typename T>
Document to_document(const std::vector<T>& values) {
  Document::Array elements;
  for (const T& value : values) elements.push_back(to_document(value));
  return Document(std::move(elements));
}

Document to_document(const TypeDefinition& type) {
  return Document(Document::Object{{"columns", to_document(type.columns)},
                                   {"kind", Document(name_in(kTypeKindNames, type.kind))},
                                   {"labels", to_document(type.labels)},
                                   {"name", Document(type.name)}});
}

// Takes an object's members one after the other, by name; knows at the end whether any is left.
class Members {
 public:
  static Result<Members> of(const Document& document, std::string what) {
    const Document::Object* members = document.as_object();
    if (members == nullptr) return reject(what + " is not an object");
    return Members(*members, std::move(what));
  }

  Result<const Document*> take(std::string_view name) {
    const auto found = std::find_if(members_->begin(), members_->end(),
                                    [&](const auto& member) { return member.first == name; });
    if (found == members_->end()) return reject(what_ + " has no member " + quoted(name));
    ++taken_;
    return &found->second;
  }
  Result<std::string> string(std::string_view name) {
    TRY(const Document* value, take(name));
    if (const std::string* text = value->as_string()) return *text;
    return wrong(name, "a string");
  }
  Result<std::optional<std::string>> optional_string(std::string_view name) {
    TRY(const Document* value, take(name));
    if (value->is_null()) return std::optional<std::string>();
    if (const std::string* text = value->as_string()) return std::optional<std::string>(*text);
    return wrong(name, "a string or null");
  }
  Result<bool> boolean(std::string_view name) {
    TRY(const Document* value, take(name));
    if (const bool* truth = value->as_bool()) return *truth;
    return wrong(name, "true or false");
  }
  template <typename T>
  Result<T> number(std::string_view name) {
    TRY(const std::string text, string(name));
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || std::to_string(value) != text) {
      return wrong(name, "a decimal number in range, as a string");
    }
    return value;
  }
  template <typename Names>
  auto one_of(const Names& names, std::string_view name) -> Result<decltype(names[0].first)> {
    TRY(const std::string text, string(name));
    for (const auto& [value, candidate] : names) {
      if (candidate == text) return value;
    }
    return wrong(name, "a known word");
  }
  // `read` makes one element of a Document.
  template <typename T, typename Reader>
  Result<std::vector<T>> array(std::string_view name, Reader read) {
    TRY(const Document* value, take(name));
    const Document::Array* elements = value->as_array();
    if (elements == nullptr) return wrong(name, "an array");
    std::vector<T> out;
    for (const Document& element : *elements) {
      TRY(auto read_element, read(element));
      out.push_back(std::move(read_element));
    }
    return out;
  }

  Result<void> finish() const {
    if (taken_ == members_->size()) return {};
    return reject(what_ + " has members that are not known");
  }

 private:
  Members(const Document::Object& members, std::string what)
      : members_(&members), what_(std::move(what)) {}

  [[nodiscard]] Error wrong(std::string_view name, std::string_view expected) const {
    return reject("member " + quoted(name) + " of " + what_ + " is not " + std::string(expected));
  }

  const Document::Object* members_;
  std::string what_;
  std::size_t taken_ = 0;
};

Result<std::string> read_string(const Document& document) {
  if (const std::string* text = document.as_string()) return *text;
  return reject("an element of a definition's list is not a string");
}

Result<ColumnDefinition> read_column(const Document& document) {
  TRY(auto in, Members::of(document, "a column of a definition"));
  ColumnDefinition column;
  TRY(column.name, in.string("name"));
  TRY(column.type, in.string("type"));
  TRY(column.typmod, in.number<std::int32_t>("typmod"));
  TRY_VOID(in.finish());
  return column;
}

Result<RenamedColumn> read_renamed(const Document& document) {
  TRY(auto in, Members::of(document, "a renaming in a definition"));
  RenamedColumn renamed;
  TRY(renamed.from, in.string("from"));
  TRY(renamed.to, in.string("to"));
  TRY_VOID(in.finish());
  return renamed;
}

Result<TypeDefinition> read_type(const Document& document) {
  TRY(auto in, Members::of(document, "a type of a definition"));
  TypeDefinition type;
  TRY(type.columns, in.array<ColumnDefinition>("columns", read_column));
  TRY(type.kind, in.one_of(kTypeKindNames, "kind"));
  TRY(type.labels, in.array<std::string>("labels", read_string));
  TRY(type.name, in.string("name"));
  TRY_VOID(in.finish());
  return type;
}

Result<void> check_version(Members& in) {
  TRY(const std::string version, in.string("v"));
  if (version == kVersion) return {};
  return reject("a definition of version " + quoted(version) + " cannot be read",
                "A newer pgtally may know it.");
}

Result<void> check(const SourceDefinition& definition) {
  if (!is_source_name(definition.source)) {
    return reject("a definition is of a source named " + quoted(definition.source));
  }
  if (definition.key.empty()) {
    return reject("definition " + std::to_string(definition.number) + " of " + definition.source +
                  " has no key");
  }
  if (definition.hash_column.has_value() != (definition.content == ContentKind::kColumn)) {
    return reject("definition " + std::to_string(definition.number) + " of " + definition.source +
                  " names a hash column if and only if its content is \"column\"");
  }
  return {};
}

}  // namespace

Result<std::string> encode(const LedgerDefinition& definition) {
  return Document(Document::Object{{"nonce", Document(to_hex(definition.nonce.view()))},
                                   {"origin", Document(definition.origin)},
                                   {"v", Document(std::string(kVersion))},
                                   {"vkey", Document(definition.vkey)}})
      .text();
}

Result<std::string> encode(const SourceDefinition& definition) {
  TRY_VOID(check(definition));
  return Document(Document::Object{
                      {"blind", Document(definition.blind)},
                      {"columns", to_document(definition.columns)},
                      {"content", Document(name_in(kContentNames, definition.content))},
                      {"excluded", to_document(definition.excluded)},
                      {"hash_column", to_document(definition.hash_column)},
                      {"key", to_document(definition.key)},
                      {"mode", Document(definition.mode)},
                      {"number", Document(std::to_string(definition.number))},
                      {"relation", Document(definition.relation)},
                      {"renamed", to_document(definition.renamed)},
                      {"server_version", Document(definition.server_version)},
                      {"source", Document(definition.source)},
                      {"time", to_document(definition.time)},
                      {"types", to_document(definition.types)},
                      {"v", Document(std::string(kVersion))},
                  })
      .text();
}

Result<LedgerDefinition> decode_ledger_definition(std::string_view text) {
  TRY(const Document document, Document::parse(text));
  TRY(auto in, Members::of(document, "a ledger's definition"));
  TRY_VOID(check_version(in));
  LedgerDefinition definition;
  TRY(definition.origin, in.string("origin"));
  TRY(definition.vkey, in.string("vkey"));
  TRY(const std::string nonce, in.string("nonce"));
  TRY_VOID(in.finish());
  auto hash = hash_from_hex(nonce);
  if (!hash.ok() || to_hex(hash->view()) != nonce) {
    return reject("the nonce of a ledger is not 64 lower-case hexadecimal digits");
  }
  definition.nonce = *hash;
  return definition;
}

Result<SourceDefinition> decode_source_definition(std::string_view text) {
  TRY(const Document document, Document::parse(text));
  TRY(auto in, Members::of(document, "a source's definition"));
  TRY_VOID(check_version(in));
  SourceDefinition definition;
  TRY(definition.source, in.string("source"));
  TRY(definition.number, in.number<std::uint32_t>("number"));
  TRY(definition.relation, in.string("relation"));
  TRY(definition.mode, in.string("mode"));
  TRY(definition.key, in.array<std::string>("key", read_string));
  TRY(definition.columns, in.array<ColumnDefinition>("columns", read_column));
  TRY(definition.excluded, in.array<std::string>("excluded", read_string));
  TRY(definition.content, in.one_of(kContentNames, "content"));
  TRY(definition.hash_column, in.optional_string("hash_column"));
  TRY(definition.blind, in.boolean("blind"));
  TRY(definition.time, in.optional_string("time"));
  TRY(definition.renamed, in.array<RenamedColumn>("renamed", read_renamed));
  TRY(definition.server_version, in.string("server_version"));
  TRY(definition.types, in.array<TypeDefinition>("types", read_type));
  TRY_VOID(in.finish());
  TRY_VOID(check(definition));
  return definition;
}

}  // namespace pgtally
