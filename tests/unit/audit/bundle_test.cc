// Writing a log into a bundle, and reading it from there as an audit does.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "audit/bundle_log.h"
#include "audit/bundle_writer.h"
#include "format/sign_checkpoint.h"
#include "merkle/frontier.h"
#include "pgtally/entry.h"
#include "pgtally/key.h"
#include "pgtally/merkle.h"
#include "support/format_vectors.h"
#include "support/memory_audited_log.h"
#include "support/memory_bundle.h"
#include "support/signed_log.h"
#include "support/temporary_directory.h"

namespace pgtally {
namespace {

using testing::HasSubstr;

Hash salt_for(std::uint64_t id) {
  return sha256("salt " + std::to_string(id));
}

// Sources a and b in turns; every tenth entry defines something anew.
class WholeLog : public test::MemoryAuditedLog {
 public:
  explicit WholeLog(std::uint64_t size) {
    for (std::uint64_t i = 0; i < size; ++i) {
      Entry entry;
      entry.ordinal = i / 2;
      entry.sequenced_at = Time{static_cast<std::int64_t>(1'000'000 + i)};
      entry.source = i % 2 == 0 ? "a" : "b";
      if (i % 10 == 0) {
        const std::string text = "\"document " + std::to_string(i) + "\"";
        documents[sha256(text)] = text;
        entry.operation = Operation::kDefine;
        entry.content_hash = sha256(text);
      } else {
        entry.key = *encode_key(std::vector<std::string>{std::to_string(i)});
        entry.operation = i % 10 == 7 ? Operation::kDelete : Operation::kInsert;
        if (i % 20 != 7) entry.content_hash = sha256(std::to_string(i));
      }
      const Bytes bytes = *encode(entry);
      entries.emplace_back(as_text(bytes));
    }
  }
  void sign(std::uint64_t at) {
    std::vector<Hash> leaves;
    for (std::uint64_t i = 0; i < at; ++i) leaves.push_back(leaf_hash(as_bytes(entries[i])));
    Frontier tree;
    for (const Hash& leaf : leaves) tree.append(leaf);
    checkpoints.push_back({*sign_checkpoint(key, TreeSize{at}, tree.root()),
                           Time{static_cast<std::int64_t>(2'000'000 + at)}});
  }

  bool has_salts(std::string_view source) override { return source == "b"; }
  Result<void> salts(std::string_view, std::span<const LeafIndex> ids,
                     std::span<Hash> salts) override {
    for (std::size_t i = 0; i < ids.size(); ++i) salts[i] = salt_for(ids[i].value);
    return {};
  }

  SigningKey key = test::test_key("test.example/log", 1);
};

class Bundles : public testing::Test {
 protected:
  BundleRequest request() const {
    BundleRequest request;
    request.about.made_at = Time{1'795'000'000'000'000};
    request.sources = {BundleSource{.name = "a"}, BundleSource{.name = "b", .salts = true}};
    return request;
  }
  std::string path() const { return directory_.path() + "/ledger.bundle"; }
  Result<BundleReport> write(AuditedLog& log) const { return write_bundle(log, request(), path()); }
  std::vector<std::string> left_over() const {
    std::vector<std::string> names;
    for (const auto& file : std::filesystem::directory_iterator(directory_.path())) {
      names.push_back(file.path().filename());
    }
    return names;
  }

  test::TemporaryDirectory directory_;
};

TEST_F(Bundles, give_back_the_log_that_was_written) {
  WholeLog log(1000);
  log.sign(3);
  log.sign(990);
  const auto report = write(log);
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(report->size, TreeSize{990});
  EXPECT_EQ(report->checkpoints, 2U);
  EXPECT_EQ(report->documents, 99U);
  EXPECT_EQ(report->bytes, std::filesystem::file_size(path()));

  const auto bundle = *BundleLog::open(path());
  EXPECT_EQ(bundle->size(), TreeSize{990});
  EXPECT_EQ(bundle->entries_of("a"), 495U);
  EXPECT_EQ(bundle->entries_of("c"), 0U);
  EXPECT_EQ(bundle->source("a")->name, "a");
  EXPECT_EQ(bundle->source("c"), nullptr);
  std::vector<std::pair<std::string, Time>> checkpoints;
  ASSERT_TRUE(bundle
                  ->read_checkpoints([&](const AuditedCheckpoint& kept) {
                    checkpoints.emplace_back(kept.note, kept.signed_at);
                    return Result<void>();
                  })
                  .ok());
  EXPECT_EQ(checkpoints, log.checkpoints);
  for (const auto& [hash, text] : log.documents) {
    const auto document = bundle->document(hash);
    EXPECT_EQ(document.ok(), text != "\"document 990\"") << text;
    if (document.ok()) {
      EXPECT_EQ(*document, text);
    }
  }
}

TEST_F(Bundles, give_entries_in_any_order_of_ranges) {
  WholeLog log(1000);
  log.sign(1000);
  ASSERT_TRUE(write(log).ok());
  const auto bundle = *BundleLog::open(path());
  for (const auto& [from, to] : std::vector<std::pair<std::uint64_t, std::uint64_t>>{
           {0, 1000}, {0, 1}, {255, 257}, {256, 512}, {999, 1000}, {3, 4}, {4, 900}, {900, 901}}) {
    std::uint64_t expected = from;
    ASSERT_TRUE(bundle
                    ->read_each(LeafIndex{from}, LeafIndex{to},
                                [&](LeafIndex id, ByteView entry) {
                                  EXPECT_EQ(id.value, expected);
                                  EXPECT_EQ(as_text(entry), log.entries[id.value]);
                                  ++expected;
                                  return Result<void>();
                                })
                    .ok());
    EXPECT_EQ(expected, to);
  }
}

TEST_F(Bundles, have_the_salts_of_the_sources_that_they_say_and_of_no_other) {
  WholeLog log(20'000);
  log.sign(20'000);
  ASSERT_TRUE(write(log).ok());
  const auto bundle = *BundleLog::open(path());
  EXPECT_FALSE(bundle->has_salts("a"));
  EXPECT_TRUE(bundle->has_salts("b"));
  for (const bool forward : {true, false}) {
    for (std::uint64_t i = 0; i < 20'000; i += forward ? 1 : 977) {
      const std::uint64_t id = forward ? i : 19'999 - i;
      const LeafIndex asked{id};
      Hash salt;
      const auto given = bundle->salts("b", std::span(&asked, 1), std::span(&salt, 1));
      // Of b are the odd ones; those with the last digits 07, 27, … deleted a row that nobody knew.
      ASSERT_EQ(given.ok(), id % 2 == 1 && id % 20 != 7) << id;
      if (given.ok()) {
        ASSERT_EQ(salt, salt_for(id));
      } else {
        ASSERT_EQ(given.error().code, ErrorCode::kTampered);
      }
    }
  }
}

TEST_F(Bundles, are_not_made_of_a_log_that_is_not_what_was_signed) {
  WholeLog log(300);
  EXPECT_THAT(write(log).error().message, HasSubstr("nothing was signed yet"));
  log.sign(300);
  log.entries[7][40] ^= 1;
  EXPECT_THAT(write(log).error().message, HasSubstr("not those that the newest checkpoint"));
  log.entries[7].clear();
  EXPECT_THAT(write(log).error().message, HasSubstr("entry 7 is missing"));

  WholeLog short_of_documents(300);
  short_of_documents.sign(300);
  short_of_documents.documents.clear();
  EXPECT_THAT(write(short_of_documents).error().message, HasSubstr("is missing"));

  WholeLog cut_off(300);
  cut_off.sign(300);
  cut_off.entries.resize(200);
  EXPECT_THAT(write(cut_off).error().message, HasSubstr("a stored checkpoint"));
  EXPECT_THAT(left_over(), testing::IsEmpty());
}

TEST_F(Bundles, leave_what_was_there_until_they_are_whole_and_are_for_nobody_else_to_read) {
  std::ofstream(path()) << "the one before";
  WholeLog log(10);
  EXPECT_FALSE(write(log).ok());
  EXPECT_EQ(test::read_file(path()), "the one before");
  log.sign(10);
  ASSERT_TRUE(write(log).ok());
  EXPECT_EQ(left_over(), std::vector<std::string>{"ledger.bundle"});
  EXPECT_EQ(std::filesystem::status(path()).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  EXPECT_EQ(write_bundle(log, request(), directory_.path() + "/no/such/place").error().code,
            ErrorCode::kOperator);
}

TEST_F(Bundles, drop_signatures_that_a_note_has_no_room_for) {
  WholeLog log(10);
  log.sign(10);
  std::string& note = log.checkpoints[0].first;
  const std::string line = note.substr(note.find("\n\n") + 2);
  for (std::size_t i = 1; i < kMaxNoteSignatures + 5; ++i) note += line;
  ASSERT_TRUE(write(log).ok());
  const auto bundle = *BundleLog::open(path());
  std::size_t signatures = 0;
  ASSERT_TRUE(bundle
                  ->read_checkpoints([&](const AuditedCheckpoint& kept) -> Result<void> {
                    TRY(const auto parsed, parse_note(kept.note));
                    signatures = parsed.signatures.size();
                    return {};
                  })
                  .ok());
  EXPECT_EQ(signatures, kMaxNoteSignatures);
}

TEST(BundleLog, of_entries_that_name_too_many_sources_is_refused) {
  test::BundleParts parts;
  const auto add = [&](std::size_t sources) {
    parts.entries.clear();
    for (std::size_t s = 0; s < sources; ++s) {
      Entry entry;
      entry.sequenced_at = Time{1};
      entry.source = "s" + std::to_string(s);
      entry.key = {0, 1, '1'};
      entry.content_hash = sha256("x");
      const Bytes bytes = *encode(entry);
      parts.entries.emplace_back(as_text(bytes));
    }
    parts.checkpoints = {{Time{1}, test::note_of_size(sources)}};
    return BundleLog::open(std::make_unique<test::MemorySource>(*parts.encode()));
  };
  EXPECT_TRUE(add(kMaxBundleSources).ok());
  EXPECT_THAT(add(kMaxBundleSources + 1).error().message, HasSubstr("more than 10000 sources"));
}

TEST(BundleLog, says_what_is_wrong_with_a_file_that_cannot_be_read) {
  EXPECT_EQ(BundleLog::open("/no/such/file").error().code, ErrorCode::kOperator);
  EXPECT_THAT(BundleLog::open("/tmp").error().message, HasSubstr("/tmp is no file"));
  const test::TemporaryDirectory directory;
  std::ofstream(directory.path() + "/x") << "x";
  const Error error = BundleLog::open(directory.path() + "/x").error();
  EXPECT_EQ(error.code, ErrorCode::kReject);
  EXPECT_THAT(error.message, HasSubstr("/x: the bundle is cut off"));
}

}  // namespace
}  // namespace pgtally
