// What holds for all entries, keys, rows, documents, notes and proof files: they are read back as
// they were written, and bytes that are accepted are the only ones for their value.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>

#include "crypto/sha256.h"
#include "format/row_hasher.h"
#include "pgtally/checkpoint.h"
#include "pgtally/content.h"
#include "pgtally/document.h"
#include "pgtally/entry.h"
#include "pgtally/key.h"
#include "pgtally/proof_file.h"

namespace pgtally {
namespace {

// Always UTF-8, often in need of escapes.
rc::Gen<std::string> text(int most = 40) {
  return rc::gen::exec([most] {
    std::string joined;
    for (int count = *rc::gen::inRange(0, most); count > 0; --count) {
      joined +=
          *rc::gen::element<std::string>("a", "Z", "0", " ", "\"", "\\", "\n", std::string(1, '\0'),
                                         "\x1f", "\x7f", "/", "ü", "€", "😀");
    }
    return joined;
  });
}

rc::Gen<Hash> some_hash() {
  return rc::gen::map(rc::gen::arbitrary<std::uint32_t>(),
                      [](std::uint32_t seed) { return sha256(std::to_string(seed)); });
}

Entry some_entry() {
  Entry entry;
  entry.operation = static_cast<Operation>(*rc::gen::inRange(1, 7));
  entry.definition = *rc::gen::arbitrary<std::uint32_t>();
  entry.ordinal = *rc::gen::arbitrary<std::uint64_t>();
  entry.sequenced_at = Time{*rc::gen::inRange<std::int64_t>(0, INT64_MAX)};
  entry.source_time =
      Time{*rc::gen::oneOf(rc::gen::arbitrary<std::int64_t>(),
                           rc::gen::element(Time::kNone, Time::kMinusInfinity, Time::kInfinity))};
  entry.source =
      "s" + *rc::gen::resize(
                62, rc::gen::container<std::string>(rc::gen::elementOf(std::string("az09._-"))));
  if (has_key(entry.operation)) {
    entry.key =
        *encode_key(*rc::gen::nonEmpty(rc::gen::container<std::vector<std::string>>(text())));
  }
  entry.source_position = *text();
  if (entry.operation != Operation::kTruncate) entry.content_hash = *some_hash();
  return entry;
}

RC_GTEST_PROP(FormatProperty, every_entry_is_read_back_and_fits, ()) {
  const Entry entry = some_entry();
  const auto bytes = encode(entry);
  RC_ASSERT(bytes.ok());
  RC_ASSERT(bytes->size() <= kMaxEntrySize);
  RC_ASSERT(*decode_entry(*bytes) == entry);
}

RC_GTEST_PROP(FormatProperty, changed_bytes_of_an_entry_are_refused_or_the_only_ones_of_another,
              ()) {
  const Entry entry = some_entry();
  Bytes bytes = *encode(entry);
  const auto changes = *rc::gen::inRange(1, 4);
  for (int i = 0; i < changes; ++i) {
    bytes[*rc::gen::inRange<std::size_t>(0, bytes.size())] = *rc::gen::arbitrary<std::uint8_t>();
  }
  const auto decoded = decode_entry(bytes);
  if (decoded.ok()) RC_ASSERT(*encode(*decoded) == bytes);
}

RC_GTEST_PROP(FormatProperty, different_keys_are_different_bytes, ()) {
  const auto one = *rc::gen::nonEmpty(rc::gen::container<std::vector<std::string>>(text(4)));
  const auto other = *rc::gen::nonEmpty(rc::gen::container<std::vector<std::string>>(text(4)));
  RC_ASSERT((one == other) == (*encode_key(one) == *encode_key(other)));
  RC_ASSERT(decode_key(*encode_key(one))->columns == one);
}

RC_GTEST_PROP(FormatProperty, every_row_is_read_back_and_hashed_alike_by_both_ways, ()) {
  std::map<std::string, std::string> row;
  for (const auto& name : *rc::gen::container<std::vector<std::string>>(text(20))) {
    if (!name.empty()) row[name] = *text();
  }
  std::vector<RowColumnView> views;
  std::vector<std::string> names;
  std::vector<std::optional<std::string_view>> values;
  for (const auto& [name, value] : row) {
    const bool null = *rc::gen::arbitrary<bool>();
    views.push_back({name, null ? std::nullopt : std::optional<std::string_view>(value)});
  }
  std::reverse(views.begin(), views.end());
  for (const auto& view : views) {
    names.emplace_back(view.name);
    values.push_back(view.value);
  }
  const Bytes bytes = *encode_row(views);
  RC_ASSERT(*RowHasher::create(names)->hash(values) == sha256(bytes));
  const auto decoded = *decode_row(bytes);
  for (const auto& column : decoded) RC_ASSERT(row.at(column.name) == column.value);
  RC_ASSERT(
      static_cast<std::ptrdiff_t>(decoded.size()) ==
      std::count_if(values.begin(), values.end(), [](const auto& v) { return v.has_value(); }));
}

Document some_document(int depth) {
  switch (*rc::gen::inRange(0, depth > 4 ? 4 : 6)) {
    case 0:
      return Document();
    case 1:
      return Document(*rc::gen::arbitrary<bool>());
    case 2:
    case 3:
      return Document(*text());
    case 4: {
      Document::Array elements;
      for (int i = *rc::gen::inRange(0, 4); i > 0; --i)
        elements.push_back(some_document(depth + 1));
      return Document(std::move(elements));
    }
    default: {
      Document::Object members;
      std::string name;
      for (int i = *rc::gen::inRange(0, 4); i > 0; --i) {
        name += *rc::gen::elementOf(std::string("abz_"));
        members.emplace_back(name, some_document(depth + 1));
      }
      return Document(std::move(members));
    }
  }
}

RC_GTEST_PROP(FormatProperty, every_document_is_read_back_from_its_only_text, ()) {
  const Document document = some_document(0);
  std::string text = *document.text();
  RC_ASSERT(*Document::parse(text) == document);
  text[*rc::gen::inRange<std::size_t>(0, text.size())] = *rc::gen::arbitrary<char>();
  const auto changed = Document::parse(text);
  if (changed.ok()) RC_ASSERT(*changed->text() == text);
}

std::string some_note() {
  SignedNote note;
  note.text = *text_of(
      Checkpoint{"origin", TreeSize{*rc::gen::arbitrary<std::uint64_t>()}, *some_hash(), {}});
  for (int i = *rc::gen::inRange(1, 5); i > 0; --i) {
    note.signatures.push_back({"key", *rc::gen::arbitrary<std::uint32_t>(),
                               *rc::gen::nonEmpty(rc::gen::arbitrary<Bytes>())});
  }
  return *serialize(note);
}

RC_GTEST_PROP(FormatProperty, every_proof_file_is_read_back_and_has_one_text, ()) {
  ProofExtra extra;
  extra.entry = *rc::gen::nonEmpty(rc::gen::arbitrary<Bytes>());
  if (*rc::gen::arbitrary<bool>()) extra.salt = *some_hash();
  if (*rc::gen::arbitrary<bool>()) extra.definition = *text();
  if (*rc::gen::arbitrary<bool>()) extra.row = *rc::gen::arbitrary<Bytes>();
  if (*rc::gen::arbitrary<bool>()) {
    extra.define = DefineRecord{LeafIndex{*rc::gen::arbitrary<std::uint64_t>()},
                                *rc::gen::nonEmpty(rc::gen::arbitrary<Bytes>()),
                                *rc::gen::container<std::vector<Hash>>(3, some_hash())};
  }
  for (int i = *rc::gen::inRange(0, 9); i > 0; --i) {
    extra.earlier.push_back({some_note(), *rc::gen::container<std::vector<Hash>>(
                                              *rc::gen::inRange<std::size_t>(0, 65), some_hash())});
  }
  RC_ASSERT(*decode_extra(*encode_extra(extra)) == extra);

  ProofFile proof;
  if (*rc::gen::arbitrary<bool>()) proof.extra = *encode_extra(extra);
  proof.index = LeafIndex{*rc::gen::arbitrary<std::uint64_t>()};
  proof.path =
      *rc::gen::container<std::vector<Hash>>(*rc::gen::inRange<std::size_t>(0, 65), some_hash());
  proof.checkpoint = some_note();
  std::string text = *serialize(proof);
  RC_ASSERT(*parse_proof_file(text) == proof);
  text[*rc::gen::inRange<std::size_t>(0, text.size())] = *rc::gen::arbitrary<char>();
  const auto changed = parse_proof_file(text);
  if (changed.ok()) RC_ASSERT(*serialize(*changed) == text);
}

}  // namespace
}  // namespace pgtally
