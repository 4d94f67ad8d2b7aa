// What entries say of each other, in logs in which one of them is not what it was.

#include "audit/entry_order.h"

#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "crypto/sha256.h"
#include "pgtally/key.h"
#include "support/memory_audited_log.h"

namespace pgtally {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

constexpr std::int64_t kSecond = 1'000'000;
constexpr std::int64_t kHour = 3600 * kSecond;
constexpr std::int64_t kStart = 1'795'000'000 * kSecond;

// A log that is made entry by entry: each has the id, the ordinal and the second that come next, unless
// the test says otherwise. Entry 0 defines the ledger, 1 the source "payment", 2 the source "login".
class EntryOrders : public testing::Test {
 protected:
  EntryOrders() {
    take_define(kLedgerSource, 0, *encode(LedgerDefinition{"test.example/log", "vkey", Hash{}}));
    take_define(definition("payment"));
    take_define(definition("login"));
  }

  static SourceDefinition definition(const std::string& source, std::uint32_t number = 0) {
    SourceDefinition definition;
    definition.source = source;
    definition.number = number;
    definition.relation = "public." + source;
    definition.mode = "poll";
    definition.key = {"id"};
    definition.columns = {
        {"id", "bigint"}, {"amount", "numeric"}, {"at", "timestamp with time zone"}};
    definition.time = "at";
    definition.server_version = "15.9";
    return definition;
  }
  // Of the next entry of the source; its key is the ordinal that it should have.
  Entry entry(std::string_view source, Operation operation = Operation::kInsert) {
    Entry entry;
    entry.operation = operation;
    entry.source = source;
    entry.ordinal = ordinals_[entry.source]++;
    entry.sequenced_at = Time{now};
    if (has_key(operation)) {
      entry.key = *encode_key(std::vector<std::string>{std::to_string(entry.ordinal)});
      entry.content_hash = sha256(std::to_string(entry.ordinal));
    }
    return entry;
  }
  LeafIndex next() {
    now += kSecond;
    return LeafIndex{id_++};
  }
  std::uint64_t take(const Entry& entry) {
    const LeafIndex id = next();
    order.take(id, entry);
    log.entries.resize(id.value + 1);
    log.entries.back() = as_text(*encode(entry));
    return id.value;
  }
  std::uint64_t take_rows(const std::string& source, int count) {
    std::uint64_t last = 0;
    for (int i = 0; i < count; ++i) last = take(entry(source));
    return last;
  }
  std::uint64_t take_define(std::string_view source, std::uint32_t number,
                            const std::string& text) {
    log.documents[sha256(text)] = text;
    Entry define = entry(source, Operation::kDefine);
    define.definition = number;
    define.content_hash = sha256(text);
    return take(define);
  }
  std::uint64_t take_define(const SourceDefinition& definition) {
    return take_define(definition.source, definition.number, *encode(definition));
  }
  // It was there, and cannot be read any more.
  std::uint64_t lose(const std::string& source) {
    (void)entry(source);
    const LeafIndex id = next();
    order.take_unknown(id);
    return id.value;
  }
  // It was there, and so were those behind it, whose ids are now one less.
  void remove(const std::string& source) { (void)entry(source); }

  // A row that claims to be of then.
  Entry row_of(const std::string& source, std::int64_t then) {
    Entry row = entry(source);
    row.source_time = Time{then};
    return row;
  }

  // "log payment 5 of 17": kind, source, key and id.
  std::vector<std::string> findings() {
    EXPECT_TRUE(order.finish().ok());
    all = order.take_findings();
    std::vector<std::string> texts;
    for (const Finding& finding : all) {
      texts.push_back(fmt::format("{} {} {} of {}", name_of(finding.kind), finding.source,
                                  fmt::join(finding.key, ","),
                                  finding.id ? std::to_string(finding.id->value) : "none"));
    }
    return texts;
  }

  test::MemoryAuditedLog log;
  EntryOrder order{log, std::chrono::hours(1)};
  std::int64_t now = kStart;
  std::vector<Finding> all;

 private:
  std::map<std::string, std::uint64_t> ordinals_;
  std::uint64_t id_ = 0;
};

using OrderOfOrdinals = EntryOrders;
using OrderOfTimes = EntryOrders;
using OrderOfDefinitions = EntryOrders;
using OrderOfClaims = EntryOrders;
using OrderOfSweeps = EntryOrders;

TEST_F(OrderOfOrdinals, that_fit_gives_nothing_but_what_the_log_says) {
  take_rows("payment", 3);
  take_rows("login", 2);
  take_rows("payment", 1);
  EXPECT_THAT(findings(), IsEmpty());
  EXPECT_THAT(order.next_ordinals(),
              UnorderedElementsAre(Pair("payment", 5), Pair("login", 3), Pair("pgtally", 1)));
  EXPECT_EQ(order.first(), Time{kStart});
  EXPECT_EQ(order.last(), Time{now - kSecond});
  EXPECT_EQ(order.ledger()->origin, "test.example/log");
  const auto sources = order.sources();
  ASSERT_THAT(sources,
              UnorderedElementsAre(Pair("payment", testing::_), Pair("login", testing::_)));
  EXPECT_EQ(sources.at("payment").entries, 5U);
  EXPECT_EQ(sources.at("payment").added, Time{kStart + kSecond});
  EXPECT_EQ(sources.at("payment").definitions.at(0), definition("payment"));
  EXPECT_THAT(order.lost_from(), IsEmpty());
}

TEST_F(OrderOfOrdinals, of_one_that_is_too_high_accuses_it_and_no_neighbour) {
  take_rows("payment", 3);
  Entry edited = entry("payment");
  edited.ordinal += 30;
  take(edited);
  take_rows("payment", 3);
  ASSERT_THAT(findings(), ElementsAre("log payment 4 of 6"));
  EXPECT_EQ(all[0].recorded, "ordinal 4 of payment comes here");
  EXPECT_EQ(all[0].actual, "the entry has ordinal 34");
  EXPECT_EQ(order.next_ordinals().at("payment"), 8U);
}

TEST_F(OrderOfOrdinals, of_one_that_is_one_too_high_accuses_it_and_no_neighbour) {
  take_rows("payment", 3);
  Entry edited = entry("payment");
  ++edited.ordinal;
  take(edited);
  take_rows("payment", 3);
  ASSERT_THAT(findings(), ElementsAre("log payment 4 of 6"));
}

TEST_F(OrderOfOrdinals, of_one_that_is_too_low_accuses_it_and_no_neighbour) {
  take_rows("payment", 3);
  Entry edited = entry("payment");
  edited.ordinal = 1;
  take(edited);
  take_rows("payment", 3);
  ASSERT_THAT(findings(), ElementsAre("log payment 4 of 6"));
}

TEST_F(OrderOfOrdinals, of_two_side_by_side_accuses_both_and_no_other) {
  take_rows("payment", 3);
  for (const std::uint64_t ordinal : {40U, 50U}) {
    Entry edited = entry("payment");
    edited.ordinal = ordinal;
    take(edited);
  }
  take_rows("payment", 3);
  ASSERT_THAT(findings(), ElementsAre("log payment 4 of 6", "log payment 5 of 7"));
}

TEST_F(OrderOfOrdinals, of_two_that_changed_places_accuses_neither_of_those_around_them) {
  take_rows("payment", 3);
  const Entry first = entry("payment");
  take(entry("payment"));
  take(first);
  take_rows("payment", 3);
  EXPECT_THAT(
      findings(),
      testing::AllOf(testing::Contains("log payment 5 of 6"),
                     testing::Each(testing::AnyOf("log payment 5 of 6", "log payment 4 of 7"))));
}

TEST_F(OrderOfOrdinals, says_before_which_entry_one_was_cut_out) {
  take_rows("payment", 3);
  remove("payment");
  take_rows("payment", 3);
  ASSERT_THAT(findings(), ElementsAre("log payment  of 6"));
  EXPECT_EQ(all[0].actual, "before this entry, ordinal 4 is missing");
}

TEST_F(OrderOfOrdinals, is_one_finding_for_one_place_however_many_were_cut_out) {
  take_rows("payment", 3);
  for (int i = 0; i < 7; ++i) remove("payment");
  take_rows("payment", 3);
  ASSERT_THAT(findings(), ElementsAre("log payment  of 6"));
}

TEST_F(OrderOfOrdinals, explains_an_entry_that_cannot_be_read_by_the_gap_that_it_left) {
  take_rows("payment", 3);
  take_rows("login", 3);
  const std::uint64_t login = lose("login");
  take_rows("payment", 3);
  const std::uint64_t payment = lose("payment");
  take_rows("login", 2);
  take_rows("payment", 2);
  EXPECT_THAT(findings(), IsEmpty());
  EXPECT_THAT(order.lost_from(), UnorderedElementsAre(Pair(LeafIndex{login}, "login"),
                                                      Pair(LeafIndex{payment}, "payment")));
}

TEST_F(OrderOfOrdinals, explains_no_more_gaps_than_there_are_entries_that_cannot_be_read) {
  take_rows("payment", 3);
  lose("payment");
  take_rows("payment", 3);
  remove("payment");
  const std::uint64_t last = take_rows("payment", 2);
  ASSERT_THAT(findings(), ElementsAre(fmt::format("log payment  of {}", last - 1)));
}

TEST_F(OrderOfOrdinals, explains_no_gap_by_an_entry_behind_it) {
  take_rows("payment", 3);
  remove("payment");
  const std::uint64_t before = take_rows("payment", 1);
  take_rows("payment", 2);
  order.take_unknown(next());  // of no source that shows
  ASSERT_THAT(findings(), ElementsAre(fmt::format("log payment  of {}", before)));
  EXPECT_THAT(order.lost_from(), IsEmpty());
}

TEST_F(OrderOfOrdinals, accuses_an_entry_that_was_moved_to_another_source_once) {
  take_rows("login", 5);
  take_rows("payment", 3);
  Entry moved = entry("payment");
  moved.source = "login";
  take(moved);
  take_rows("payment", 3);
  take_rows("login", 3);
  ASSERT_THAT(findings(), ElementsAre("log login 4 of 11"));
}

TEST_F(OrderOfOrdinals, judges_the_last_entry_of_a_source_too) {
  take_rows("payment", 3);
  Entry edited = entry("payment");
  edited.ordinal += 30;
  take(edited);
  ASSERT_THAT(findings(), ElementsAre("log payment 4 of 6"));
  EXPECT_EQ(order.next_ordinals().at("payment"), 5U);
}

TEST_F(OrderOfOrdinals, accuses_no_last_entry_if_one_before_it_cannot_be_read) {
  take_rows("payment", 3);
  const std::uint64_t lost = lose("payment");
  take_rows("payment", 1);
  EXPECT_THAT(findings(), IsEmpty());
  EXPECT_THAT(order.lost_from(), ElementsAre(Pair(LeafIndex{lost}, "payment")));
  EXPECT_EQ(order.next_ordinals().at("payment"), 6U);
}

TEST_F(OrderOfOrdinals, leaves_room_for_an_entry_that_is_known_to_be_bad) {
  take_rows("payment", 3);
  Entry bad = entry("payment");
  bad.ordinal = 77;
  bad.sequenced_at = Time{0};
  const LeafIndex id = next();
  order.take_bad(id, bad);
  take_rows("payment", 3);
  EXPECT_THAT(findings(), IsEmpty());
  EXPECT_THAT(order.lost_from(), ElementsAre(Pair(id, "payment")));
}

TEST_F(OrderOfTimes, of_one_that_is_too_late_accuses_it_and_not_those_behind_it) {
  take_rows("payment", 3);
  Entry edited = entry("payment");
  edited.sequenced_at.microseconds += 99 * kSecond;
  take(edited);
  take_rows("payment", 5);
  ASSERT_THAT(findings(), ElementsAre("log payment 4 of 6"));
  EXPECT_THAT(all[0].recorded, HasSubstr("never go back"));
  EXPECT_EQ(order.last(), Time{now - kSecond});
}

TEST_F(OrderOfTimes, of_one_that_is_too_early_accuses_it_and_not_those_before_it) {
  take_rows("payment", 3);
  Entry edited = entry("payment");
  edited.sequenced_at.microseconds -= 99 * kSecond;
  take(edited);
  take_rows("payment", 5);
  ASSERT_THAT(findings(), ElementsAre("log payment 4 of 6"));
}

TEST_F(OrderOfTimes, of_two_side_by_side_accuses_both_and_nobody_else) {
  take_rows("payment", 3);
  for (int i = 0; i < 2; ++i) {
    Entry edited = entry("payment");
    edited.sequenced_at.microseconds -= 99 * kSecond;
    take(edited);
  }
  ASSERT_THAT(findings(), ElementsAre("log payment 4 of 6", "log payment 5 of 7"));
}

TEST_F(OrderOfTimes, accuses_the_last_entry_if_it_goes_back) {
  take_rows("payment", 3);
  Entry edited = entry("payment");
  edited.sequenced_at.microseconds -= 99 * kSecond;
  take(edited);
  ASSERT_THAT(findings(), ElementsAre("log payment 4 of 6"));
}

TEST_F(OrderOfTimes, is_kept_by_a_batch_whose_entries_have_one_time) {
  for (int i = 0; i < 5; ++i) {
    Entry row = entry("payment");
    row.sequenced_at = Time{kStart + 20 * kSecond};
    take(row);
  }
  EXPECT_THAT(findings(), IsEmpty());
}

TEST_F(OrderOfTimes, and_of_ordinals_accuse_an_entry_once) {
  take_rows("payment", 3);
  Entry edited = entry("payment");
  edited.sequenced_at.microseconds -= 99 * kSecond;
  edited.ordinal += 30;
  take(edited);
  take_rows("payment", 5);
  ASSERT_THAT(findings(), ElementsAre("log payment 4 of 6"));
}

TEST_F(OrderOfDefinitions, that_are_used_before_they_are_recorded_is_told_once_for_each) {
  take_rows("payment", 2);
  for (const std::uint32_t number : {3U, 3U, 0U, 3U, 4U}) {
    Entry row = entry("payment");
    row.definition = number;
    take(row);
  }
  ASSERT_THAT(findings(), ElementsAre("log payment 3 of 5", "log payment 7 of 9"));
  EXPECT_EQ(all[0].recorded, "definition 0 is the newest");
}

TEST_F(OrderOfDefinitions, blames_no_row_for_a_definition_that_may_be_among_what_cannot_be_read) {
  lose("payment");
  Entry row = entry("payment");
  row.definition = 1;
  take(row);
  EXPECT_THAT(findings(), IsEmpty());
}

TEST_F(OrderOfDefinitions, knows_a_define_entry_that_is_bad_by_its_number) {
  Entry define = entry("payment", Operation::kDefine);
  define.definition = 1;
  order.take_bad(next(), define);
  take_define(definition("payment", 2));
  EXPECT_THAT(findings(), IsEmpty());
}

TEST_F(OrderOfDefinitions, have_numbers_without_a_gap) {
  const std::uint64_t id = take_define(definition("payment", 2));
  ASSERT_THAT(findings(), ElementsAre(fmt::format("log payment  of {}", id)));
  EXPECT_EQ(all[0].recorded, "definition 1 comes next");
}

TEST_F(OrderOfDefinitions, and_notices_and_rows_stand_where_they_belong) {
  take(entry("pgtally"));
  Entry notice = entry("payment", Operation::kNotice);
  log.documents[sha256("{}")] = "{}";
  notice.content_hash = sha256("{}");
  take(notice);
  notice.source = kLedgerSource;
  notice.ordinal = entry("pgtally", Operation::kNotice).ordinal;
  notice.sequenced_at = Time{now};
  take(notice);
  ASSERT_THAT(findings(), ElementsAre("log  1 of 3", "log payment  of 4"));
  EXPECT_EQ(all[0].recorded, "the ledger's own source takes no rows");
  EXPECT_EQ(all[1].recorded, "a source has no notices");
}

TEST_F(OrderOfDefinitions, need_the_document_that_the_entry_names) {
  const std::string text = *encode(definition("payment", 1));
  const std::uint64_t id = take_define(definition("payment", 1));
  log.documents.erase(sha256(text));
  ASSERT_THAT(findings(), ElementsAre(fmt::format("log payment  of {}", id)));
  EXPECT_THAT(all[0].recorded, HasSubstr("definition 1: a document with SHA-256 "));
  EXPECT_FALSE(order.sources().at("payment").definitions.contains(1));
}

TEST_F(OrderOfDefinitions, are_what_their_entries_say_they_are) {
  take_define("payment", 1, "no definition");
  take_define("payment", 2, *encode(definition("payment", 7)));
  take_define("payment", 3, *encode(definition("login", 3)));
  EXPECT_THAT(findings(),
              ElementsAre("log payment  of 3", "log payment  of 4", "log payment  of 5"));
  EXPECT_THAT(all[0].actual, HasSubstr("it is no definition: "));
  EXPECT_EQ(all[1].actual, "it is definition 7 of payment");
  EXPECT_EQ(all[2].actual, "it is definition 3 of login");
  EXPECT_EQ(order.sources().at("payment").definitions.size(), 1U);
}

TEST_F(OrderOfDefinitions, of_which_the_text_cannot_be_had_ends_the_audit) {
  class Broken : public test::MemoryAuditedLog {
    Result<std::string> document(const Hash&) override { return retry("the connection is lost"); }
  };
  Broken broken;
  EntryOrder elsewhere(broken, std::chrono::hours(1));
  elsewhere.take(LeafIndex{0}, entry("pgtally", Operation::kDefine));
  const auto settled = elsewhere.settle();
  ASSERT_FALSE(settled.ok());
  EXPECT_EQ(settled.error().code, ErrorCode::kRetry);
}

TEST_F(OrderOfDefinitions, that_cover_a_column_less_are_narrowed) {
  take_rows("payment", 3);
  SourceDefinition less = definition("payment", 1);
  std::erase_if(less.columns, [](const auto& column) { return column.name == "amount"; });
  less.excluded = {"amount"};
  const std::uint64_t id = take_define(less);
  ASSERT_THAT(findings(), ElementsAre(fmt::format("narrowed payment  of {}", id)));
  EXPECT_EQ(all[0].recorded, "definition 0 covered amount");
  EXPECT_EQ(all[0].actual, "definition 1 does not");
}

TEST_F(OrderOfDefinitions, that_take_the_applications_word_for_the_row_are_narrowed) {
  SourceDefinition asserted = definition("payment", 1);
  asserted.content = ContentKind::kColumn;
  asserted.hash_column = "amount";
  const std::uint64_t id = take_define(asserted);
  ASSERT_THAT(findings(), ElementsAre(fmt::format("narrowed payment  of {}", id)));
  EXPECT_EQ(all[0].actual, "definition 1 covers what the application asserts");
}

TEST_F(OrderOfDefinitions, that_rename_add_or_retype_columns_cover_no_less) {
  SourceDefinition more = definition("payment", 1);
  more.columns[1] = {"sum", "numeric", 655366};
  more.renamed = {{"amount", "sum"}};
  more.columns.push_back({"note", "text"});
  take_define(more);
  EXPECT_THAT(findings(), IsEmpty());
  EXPECT_EQ(order.sources().at("payment").definitions.size(), 2U);
}

TEST_F(OrderOfClaims, far_from_the_recording_are_late_before_it_and_after_it) {
  ASSERT_TRUE(order.settle().ok());
  now += 24 * kHour;
  take(row_of("payment", now - kHour));
  take(row_of("payment", now - kHour - 1));
  take(row_of("payment", now + kHour));
  take(row_of("payment", now + kHour + 1));
  take(row_of("payment", -1));
  ASSERT_THAT(findings(), ElementsAre("late payment 2 of 4", "late payment 4 of 6"));
}

TEST_F(OrderOfClaims, that_are_none_or_of_changes_are_no_claims) {
  now += 24 * kHour;
  for (const std::int64_t time : {Time::kNone, Time::kInfinity, Time::kMinusInfinity}) {
    take(row_of("payment", time));
  }
  for (const Operation operation : {Operation::kUpdate, Operation::kDelete}) {
    Entry change = row_of("payment", now - 20 * kHour);
    change.operation = operation;
    take(change);
  }
  Entry loaded = row_of("payment", now - 20 * kHour);
  loaded.source_position = "0/1A2B3C/s17";
  take(loaded);
  EXPECT_THAT(findings(), IsEmpty());
}

TEST_F(OrderOfClaims, are_given_what_the_type_of_the_column_leaves_open) {
  const auto of_type = [](const std::string& source, const std::string& type) {
    SourceDefinition with_type = definition(source);
    with_type.columns[2].type = type;
    return with_type;
  };
  take_define(of_type("day", "date"));
  take_define(of_type("local", "timestamp without time zone"));
  SourceDefinition not_covered = definition("hidden");
  not_covered.columns.pop_back();
  not_covered.excluded = {"at"};
  take_define(not_covered);
  now += 240 * kHour;
  // How far behind and ahead, the hour of --late-after included.
  const std::map<std::string, std::pair<int, int>> most{
      {"day", {39, 15}}, {"local", {15, 15}}, {"hidden", {39, 15}}};
  std::vector<std::string> expected;
  for (const auto& [source, hours] : most) {
    for (const std::int64_t time :
         {now - hours.first * kHour, now + kSecond + hours.second * kHour}) {
      take(row_of(source, time));
    }
    for (const std::int64_t time :
         {now - hours.first * kHour - 1, now + hours.second * kHour + 1 + kSecond}) {
      const Entry row = row_of(source, time);
      expected.push_back(fmt::format("late {} {} of {}", source, row.ordinal, take(row)));
    }
  }
  EXPECT_EQ(findings(), expected);
}

TEST_F(OrderOfClaims, from_before_a_source_was_added_are_not_late_until_its_first_load_has_ended) {
  log.first_loads["stock"] = Time{kStart + 10 * kHour};
  take_define(definition("stock"));
  const std::int64_t long_ago = kStart - 1000 * kHour;
  now = kStart + 11 * kHour;  // an hour of grace
  take(row_of("stock", long_ago));
  const Entry later = row_of("stock", long_ago);
  const Entry fresh = row_of("stock", kStart + kHour);
  ASSERT_THAT(findings(), IsEmpty());
  order.take(LeafIndex{100}, [&] {
    Entry entry = later;
    entry.sequenced_at = Time{kStart + 11 * kHour + 1};
    return entry;
  }());
  // Of a row that was not there before, nobody had to load anything.
  order.take(LeafIndex{101}, [&] {
    Entry entry = fresh;
    entry.sequenced_at = Time{kStart + 11 * kHour + 2};
    return entry;
  }());
  ASSERT_THAT(findings(), ElementsAre("late stock 2 of 100", "late stock 3 of 101"));
}

TEST_F(OrderOfClaims, from_before_a_source_was_added_are_never_late_if_nobody_knows_of_its_load) {
  now += 1000 * kHour;
  take(row_of("payment", kStart - kHour));
  EXPECT_THAT(findings(), IsEmpty());
}

TEST_F(OrderOfClaims, where_rows_come_in_the_order_of_keys_the_first_fresh_row_ends_the_load) {
  log.past_sweeps["stock"] = {};
  take_define(definition("stock"));
  now = kStart + 20 * kHour;
  take(row_of("stock", kStart - kHour));
  take(row_of("stock", now));  // was not there when the source was added
  now += kHour - 2 * kSecond;
  take(row_of("stock", kStart - kHour));
  now += 2 * kSecond;
  const std::uint64_t late = take(row_of("stock", kStart - kHour));
  ASSERT_THAT(findings(), ElementsAre(fmt::format("late stock 4 of {}", late)));
}

TEST_F(OrderOfSweeps, names_rows_below_earlier_keys_and_no_more_than_were_found) {
  log.past_sweeps["stock"] = {{Time{kStart + 100 * kSecond}, Time{kStart + 200 * kSecond}, 2}};
  take_define(definition("stock"));
  const auto take_key = [&](const std::string& key, std::int64_t at) {
    Entry row = entry("stock");
    row.key = *encode_key(std::vector<std::string>{key});
    row.sequenced_at = row.source_time = Time{at};
    return take(row);
  };
  take_key("1000", kStart + 50 * kSecond);
  take_key("900", kStart + 60 * kSecond);  // before the sweep: a hole that was filled in time
  take_key("1005", kStart + 150 * kSecond);
  take_key("1003", kStart + 150 * kSecond);  // in one batch, so not below an earlier one
  take_key("7", kStart + 150 * kSecond);     // in the same, but below those before
  take_key("8", kStart + 160 * kSecond);
  take_key("9", kStart + 170 * kSecond);  // the sweep has found two
  ASSERT_THAT(findings(), ElementsAre("late stock 7 of 8", "late stock 8 of 9"));
  EXPECT_EQ(all[0].actual, "a sweep found it out of its source's order");
  EXPECT_THAT(all[1].recorded, HasSubstr(", after key 1005"));
}

TEST_F(OrderOfSweeps, that_ended_long_ago_have_not_found_a_row) {
  log.past_sweeps["stock"] = {{Time{kStart}, Time{kStart + 10 * kSecond}, 5}};
  take_define(definition("stock"));
  const auto take_key = [&](const std::string& key) {
    Entry row = entry("stock");
    row.key = *encode_key(std::vector<std::string>{key});
    row.source_time = row.sequenced_at;
    return take(row);
  };
  take_key("1000");
  now = kStart + 10 * kSecond + kHour;
  take_key("7");
  now += 1;
  take_key("8");
  ASSERT_THAT(findings(), ElementsAre("late stock 7 of 5"));
}

TEST_F(OrderOfSweeps, tells_of_a_row_that_claims_to_be_old_as_well_once) {
  log.past_sweeps["stock"] = {{Time{kStart}, Time{kStart + 100 * kHour}, 5}};
  take_define(definition("stock"));
  now += 50 * kHour;
  take(row_of("stock", now));
  Entry old = row_of("stock", now - 40 * kHour);
  old.key = *encode_key(std::vector<std::string>{"0"});
  take(old);
  ASSERT_THAT(findings(), ElementsAre("late stock 0 of 5"));
  EXPECT_EQ(all[0].actual, "a sweep found it out of its source's order");
}

TEST_F(EntryOrders, hands_out_each_finding_once) {
  take_rows("payment", 3);
  Entry edited = entry("payment");
  edited.ordinal = 0;
  take(edited);
  EXPECT_EQ(order.take_findings().size(), 1U);
  EXPECT_EQ(order.take_findings().size(), 0U);
}

}  // namespace
}  // namespace pgtally
