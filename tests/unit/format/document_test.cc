#include "pgtally/document.h"

#include <gtest/gtest.h>

#include "crypto/sha256.h"
#include "pgtally/definition.h"
#include "support/format_vectors.h"

namespace pgtally {
namespace {

TEST(Document, reads_and_writes_the_independent_vectors) {
  const auto vectors = test::format_vectors("documents.txt");
  ASSERT_GT(vectors.size(), 12U);
  for (const auto& vector : vectors) {
    const std::string text = vector.text("document");
    const auto document = Document::parse(text);
    ASSERT_TRUE(document.ok()) << text << document.error().message;
    EXPECT_EQ(*document->text(), text);
    EXPECT_EQ(sha256(text), vector.hash("hash"));
  }
}

TEST(Document, refuses_every_second_way_of_writing_the_same) {
  for (const char* text : {"",
                           " null",
                           "null ",
                           "nul",
                           "1",
                           "-1",
                           "[1]",
                           "[ ]",
                           "[null,]",
                           "[,]",
                           "[",
                           "]",
                           "{",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{\"a\":null,}",
                           "{\"b\":null,\"a\":null}",
                           "{\"a\":null,\"a\":null}",
                           "{\"A\":null}",
                           "{\"a1\":null}",
                           "{\"\":null}",
                           "{a:null}",
                           "\"",
                           "\"a",
                           "\"\\/\"",
                           "\"\\u0041\"",
                           "\"\\u000a\"",
                           "\"\\u0022\"",
                           "\"\\u001F\"",
                           "\"\\u00\"",
                           "\"\\u\"",
                           "\"\\x\"",
                           "\"\\",
                           "\"\n\"",
                           "\"\xff\"",
                           "\"\\ud83d\\ude00\"",
                           "null null",
                           "nulltrue",
                           "True",
                           "\"a\"\"b\"",
                           "{\"a\":null \"b\":null}",
                           "\xef\xbb\xbfnull"}) {
    const auto document = Document::parse(text);
    EXPECT_FALSE(document.ok()) << text;
    if (!document.ok()) {
      EXPECT_EQ(document.error().code, ErrorCode::kReject);
    }
  }
}

TEST(Document, says_at_which_byte_it_is_wrong) {
  const auto document = Document::parse("{\"a\":[true,7]}");
  ASSERT_FALSE(document.ok());
  EXPECT_NE(document.error().message.find("byte 11"), std::string::npos)
      << document.error().message;
}

TEST(Document, sorts_members_and_refuses_doubled_ones_when_written) {
  const Document sorted(Document::Object{{"b", Document("2")}, {"a", Document("1")}});
  EXPECT_EQ(*sorted.text(), R"({"a":"1","b":"2"})");
  EXPECT_FALSE(Document(Document::Object{{"a", Document()}, {"a", Document()}}).text().ok());
  EXPECT_FALSE(Document(Document::Object{{"a-b", Document()}}).text().ok());
  EXPECT_FALSE(Document(std::string("\xff")).text().ok());
}

TEST(Document, is_bounded_in_depth_and_size) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(Document::parse(nested(kMaxDocumentDepth)).ok());
  EXPECT_FALSE(Document::parse(nested(kMaxDocumentDepth + 1)).ok());
  EXPECT_FALSE(Document::parse(std::string(kMaxDocumentSize, '[')).ok());
  const std::string largest = '"' + std::string(kMaxDocumentSize - 2, 'a') + '"';
  EXPECT_TRUE(Document::parse(largest).ok());
  EXPECT_FALSE(Document::parse(largest + ' ').ok());
  EXPECT_FALSE(Document(std::string(kMaxDocumentSize, 'a')).text().ok());
}

TEST(Definition, of_the_independent_vectors_survives_reading_and_writing) {
  int sources = 0;
  int ledgers = 0;
  for (const auto& vector : test::format_vectors("documents.txt")) {
    if (!vector.has("kind")) continue;
    const std::string text = vector.text("document");
    if (vector.word("kind") == "source") {
      const auto definition = decode_source_definition(text);
      ASSERT_TRUE(definition.ok()) << definition.error().message;
      EXPECT_EQ(*encode(*definition), text);
      ++sources;
    } else if (vector.word("kind") == "ledger") {
      const auto definition = decode_ledger_definition(text);
      ASSERT_TRUE(definition.ok()) << definition.error().message;
      EXPECT_EQ(*encode(*definition), text);
      EXPECT_FALSE(decode_source_definition(text).ok());
      ++ledgers;
    }
  }
  EXPECT_EQ(sources, 6);
  EXPECT_EQ(ledgers, 1);
}

SourceDefinition sample() {
  SourceDefinition definition;
  definition.source = "payment";
  definition.relation = "public.payment";
  definition.mode = "poll";
  definition.key = {"id"};
  definition.columns = {{"id", "bigint", -1}};
  definition.server_version = "15.20";
  return definition;
}

TEST(Definition, with_a_member_missing_added_or_of_another_type_is_refused) {
  const std::string text = *encode(sample());
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string changed = text;
    const std::size_t at = changed.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return changed.replace(at, from.size(), to);
  };
  ASSERT_TRUE(decode_source_definition(text).ok());
  for (const auto& changed :
       {replaced("\"mode\":\"poll\",", ""), replaced("\"mode\"", "\"mode\":\"x\",\"modes\""),
        replaced("\"blind\":true", "\"blind\":\"true\""),
        replaced("\"number\":\"0\"", "\"number\":\"00\""),
        replaced("\"number\":\"0\"", "\"number\":\"4294967296\""),
        replaced("\"typmod\":\"-1\"", "\"typmod\":\"-0\""), replaced("row/v1", "row/v2"),
        replaced("\"v\":\"1\"", "\"v\":\"2\""), replaced("[\"id\"]", "[]"),
        replaced("[\"id\"]", "[null]"), replaced("\"hash_column\":null", "\"hash_column\":\"h\""),
        replaced("\"source\":\"payment\"", "\"source\":\"Payment\"")}) {
    EXPECT_FALSE(decode_source_definition(changed).ok()) << changed;
  }
  EXPECT_FALSE(decode_source_definition("[]").ok());
  EXPECT_FALSE(decode_ledger_definition("{}").ok());
}

TEST(Definition, names_a_hash_column_if_and_only_if_its_content_is_one) {
  SourceDefinition definition = sample();
  definition.content = ContentKind::kColumn;
  EXPECT_FALSE(encode(definition).ok());
  definition.hash_column = "digest";
  EXPECT_TRUE(encode(definition).ok());
  definition.content = ContentKind::kData;
  EXPECT_FALSE(encode(definition).ok());
}

}  // namespace
}  // namespace pgtally
