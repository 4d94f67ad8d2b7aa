// Which mode and key are chosen where nobody has said; with modes of the test's own, because the rule
// is about what the modes are called and what they lack, not about what they do.
#include "ledger/mode_choice.h"

#include <gtest/gtest.h>

#include "support/test_ledger.h"

namespace pgtally {
namespace {

using test::error_of;
using test::must;
using Texts = std::vector<std::string>;

class FakeMode : public CaptureMode {
 public:
  explicit FakeMode(std::string name) : name_(std::move(name)) {}
  std::string_view name() const override { return name_; }
  std::string_view why() const override { return "it suits"; }
  Texts missing(const TableShape&, const Texts&) const override { return lacks; }
  std::string_view own_column() const override { return ""; }
  bool finds_rows(const SourceText&) const override { return true; }
  std::string functions(const SourceText&) const override { return ""; }
  std::string begin(const SourceText&, bool) const override { return ""; }

  Texts lacks;

 private:
  std::string name_;
};

// A table that is inserted into, in a database where everything is possible; each test takes away
// what it is about.
class ModeChoiceTest : public ::testing::Test {
 protected:
  ModeChoiceTest() {
    xid_.lacks = {"ALTER TABLE t ADD COLUMN xid …"};
    table_.qualified = "public.t";
    table_.owner = "app";
    table_.may_alter = true;
    table_.columns = {column("id", "bigint"), column("code", "text")};
    table_.unique_keys = {{"id"}};
    table_.has_primary_key = true;
    table_.full_identity = true;
    server_.user = "app";
    server_.database = "shop";
    server_.wal_level = "logical";
    server_.slots = 10;
    server_.may_create = server_.may_replicate = true;
  }

  static TableColumn column(const std::string& name, const std::string& type) {
    TableColumn column;
    column.name = name;
    column.type = type;
    column.not_null = true;
    return column;
  }

  Result<ModeChoice> choose(const std::string& asked_for = "", bool track_changes = false) const {
    return choose_mode(modes_, {table_, server_, key_, remote_, track_changes, {"id", "code"}},
                       asked_for);
  }
  std::string mode() const { return std::string(must(choose()).mode->name()); }

  FakeMode xid_{"xid"};
  FakeMode poll_{"poll"};
  FakeMode logical_{"logical"};
  FakeMode trigger_{"trigger"};
  std::vector<const CaptureMode*> modes_{&xid_, &poll_, &logical_, &trigger_};
  TableShape table_;
  ServerFacts server_;
  Texts key_{"id"};
  bool remote_ = false;
};

TEST_F(ModeChoiceTest, takes_xid_wherever_the_table_has_what_it_needs) {
  xid_.lacks = {};
  table_.updates = 5;
  EXPECT_EQ(mode(), "xid");
}

TEST_F(ModeChoiceTest, polls_a_table_that_is_only_inserted_into_by_one_integer_key) {
  EXPECT_EQ(mode(), "poll");
  EXPECT_TRUE(must(choose()).warnings.empty());
  EXPECT_FALSE(must(choose()).track_changes);
}

TEST_F(ModeChoiceTest, streams_a_table_that_is_updated_or_has_no_integer_key_or_none_at_all) {
  table_.updates = 1;
  EXPECT_EQ(mode(), "logical");
  table_.updates = 0;
  table_.deletes = 1;
  EXPECT_EQ(mode(), "logical");
  EXPECT_TRUE(must(choose()).track_changes);
  table_.deletes = 0;
  key_ = {"code"};
  EXPECT_EQ(mode(), "logical");
  key_ = {"id", "code"};
  EXPECT_EQ(mode(), "logical");
  key_ = {};
  EXPECT_EQ(mode(), "logical");
}

TEST_F(ModeChoiceTest, does_not_stream_where_server_or_rights_do_not_allow_it) {
  table_.updates = 1;
  const ServerFacts good = server_;
  server_.wal_level = "replica";
  EXPECT_EQ(mode(), "trigger");
  server_ = good;
  server_.may_replicate = false;
  EXPECT_EQ(mode(), "trigger");
  server_ = good;
  server_.used_slots = 10;
  EXPECT_EQ(mode(), "trigger");
  server_ = good;
  server_.may_create = false;
  EXPECT_EQ(mode(), "trigger");
  server_ = good;
  EXPECT_EQ(mode(), "logical");
}

TEST_F(ModeChoiceTest,
       streams_changes_only_if_the_replica_identity_names_rows_and_brings_all_values) {
  table_.updates = 1;
  table_.full_identity = false;
  EXPECT_EQ(mode(), "trigger");
  table_.identity = {"id"};
  EXPECT_EQ(mode(), "logical");
  key_ = {"code"};
  EXPECT_EQ(mode(), "trigger");
  key_ = {"id"};
  table_.left_out = {"note"};  // not covered
  EXPECT_EQ(mode(), "logical");
  table_.left_out = {"code"};
  EXPECT_EQ(mode(), "trigger");
  EXPECT_NE(error_of(choose("logical", true)).hint.find("REPLICA IDENTITY FULL"),
            std::string::npos);
}

TEST_F(ModeChoiceTest, streams_inserts_alone_of_a_table_without_a_key) {
  key_ = {};
  table_.full_identity = false;
  EXPECT_EQ(mode(), "logical");
  EXPECT_FALSE(must(choose()).track_changes);
  EXPECT_EQ(error_of(choose("", true)).code, ErrorCode::kReject);
}

TEST_F(ModeChoiceTest, puts_a_trigger_on_a_table_only_to_track_changes_and_says_that_it_does) {
  server_.wal_level = "replica";
  table_.deletes = 1;
  const ModeChoice choice = must(choose());
  EXPECT_EQ(choice.mode, &trigger_);
  EXPECT_TRUE(choice.track_changes);
  EXPECT_NE(choice.why.find("changes are tracked"), std::string::npos);
  ASSERT_EQ(choice.warnings.size(), 1U);
  EXPECT_NE(choice.warnings[0].find("wal_level is replica"), std::string::npos);
  table_.deletes = 0;
  key_ = {"code"};
  EXPECT_EQ(mode(), "poll");
}

TEST_F(ModeChoiceTest, falls_back_to_polling_with_a_warning_that_names_what_stood_in_the_way) {
  table_.updates = 1;
  table_.may_alter = false;
  table_.owner = "boss";
  const ModeChoice choice = must(choose());
  EXPECT_EQ(choice.mode, &poll_);
  ASSERT_EQ(choice.warnings.size(), 1U);
  EXPECT_NE(choice.warnings[0].find("mode logical: user \"app\" does not own public.t"),
            std::string::npos)
      << choice.warnings[0];
  EXPECT_NE(choice.warnings[0].find("GRANT \"boss\" TO \"app\";"), std::string::npos);
}

TEST_F(ModeChoiceTest, never_takes_triggers_in_another_database) {
  server_.wal_level = "replica";
  table_.updates = 1;
  remote_ = true;
  EXPECT_EQ(mode(), "poll");
  EXPECT_EQ(error_of(choose("trigger")).code, ErrorCode::kReject);
}

TEST_F(ModeChoiceTest, refuses_a_table_without_a_key_where_it_cannot_stream_and_says_what_to_do) {
  key_ = {};
  server_.wal_level = "replica";
  const Error error = error_of(choose());
  EXPECT_EQ(error.code, ErrorCode::kReject);
  EXPECT_NE(error.hint.find("ALTER SYSTEM SET wal_level = 'logical'"), std::string::npos);
  EXPECT_NE(error.hint.find("ADD COLUMN id bigint"), std::string::npos);
  EXPECT_EQ(error_of(choose("poll")).code, ErrorCode::kReject);
}

TEST_F(ModeChoiceTest, passes_over_modes_that_this_program_does_not_have) {
  modes_ = {&xid_, &poll_};
  table_.updates = 1;
  EXPECT_EQ(mode(), "poll");
  EXPECT_EQ(error_of(choose("logical")).message, "there is no capture mode \"logical\"");
}

TEST_F(ModeChoiceTest, tracks_changes_only_in_modes_that_see_them) {
  EXPECT_EQ(must(choose("", true)).mode, &logical_);
  server_.wal_level = "replica";
  EXPECT_EQ(must(choose("", true)).mode, &trigger_);
  table_.may_alter = false;
  EXPECT_EQ(error_of(choose("", true)).code, ErrorCode::kReject);
  EXPECT_EQ(error_of(choose("poll", true)).code, ErrorCode::kReject);
}

TEST_F(ModeChoiceTest, refuses_a_mode_that_was_asked_for_with_the_sql_that_it_needs) {
  const Error error = error_of(choose("xid"));
  EXPECT_EQ(error.message, "mode xid needs more than there is: public.t has to be altered for it");
  EXPECT_EQ(error.hint, "ALTER TABLE t ADD COLUMN xid …");
}

TEST_F(ModeChoiceTest, takes_the_primary_key_and_otherwise_the_only_unique_one) {
  table_.unique_keys = {{"id"}, {"code"}};
  EXPECT_EQ(must(choose_key(table_)).columns, Texts{"id"});
  table_.has_primary_key = false;
  EXPECT_EQ(error_of(choose_key(table_)).code, ErrorCode::kReject);
  table_.columns[0].not_null = false;
  const KeyChoice choice = must(choose_key(table_));
  EXPECT_EQ(choice.columns, Texts{"code"});
  EXPECT_EQ(choice.why, "its only unique key");
}

TEST_F(ModeChoiceTest, says_why_no_unique_index_can_be_the_key) {
  table_.has_primary_key = false;
  table_.columns[0].not_null = false;
  table_.unfit_keys = {"t_code: it is partial"};
  const KeyChoice choice = must(choose_key(table_));
  EXPECT_TRUE(choice.columns.empty());
  EXPECT_EQ(choice.why,
            "no unique index of it can be the key: t_code: it is partial; (id): id may be null");
  table_.unique_keys = {};
  table_.unfit_keys = {};
  EXPECT_EQ(must(choose_key(table_)).why, "it has no unique index");
}

}  // namespace
}  // namespace pgtally
