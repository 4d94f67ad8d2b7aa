// The log of a ledger, tampered with in every place, and what an audit says of it.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "audit/audit.h"
#include "client/publisher.h"
#include "format/sign_checkpoint.h"
#include "ledger/cosignatures.h"
#include "ledger/sequencer.h"
#include "ledger/tree_head.h"
#include "merkle/proof.h"
#include "service/ledger_log.h"
#include "support/test_ledger.h"

namespace pgtally {
namespace {

using test::error_of;
using test::must;
using test::TestSchema;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Entry 0 defines the ledger, 1 its staging, 2 and 3 the sources payment and event. Rows come in three
// batches, each signed: up to entry 600, up to 1000 and up to 1100; so the last 76 are in no full tile.
class LogAudit : public testing::Test {
 protected:
  LogAudit() : connection(schema.connect()), ledger(must(Ledger::open(connection, "pgtally"))) {
    schema.create_xid_table("public.payment", "note text,");
    schema.create_xid_table("public.event", "at timestamptz DEFAULT now(),");
    schema.add_source("payment", "public.payment", {"id"});
    schema.add_source("event", "public.event", {"id"},
                      [](SourceRequest& request) { request.time = "at"; });
    schema.sweep("payment");
    schema.sweep("event");
    insert(300);
    insert_to(596);
    sign();
    insert_to(996);
    outside = sign();
    insert_to(1096);
    sign();
  }

  // Half of them payments, half events.
  void insert(int rows) {
    const int to = rows_ + rows;
    schema.psql(fmt::format(
        "INSERT INTO payment (id, note) SELECT g, 'note ' || g FROM generate_series({0}, {1}) g "
        "WHERE g % 2 = 0; INSERT INTO event (id) SELECT g FROM generate_series({0}, {1}) g "
        "WHERE g % 2 = 1",
        rows_ + 1, to));
    rows_ = to;
    schema.drain();
  }
  void insert_to(int rows) { insert(rows - rows_); }
  std::string sign() {
    (void)must(sequencer.take_next(ledger, Road::kFast));
    const TreeHead head = must(read_tree_head(ledger));
    const std::string note = must(sign_checkpoint(schema.key(), head.size, head.root));
    must(store_checkpoint(ledger, head.size, head.root, note));
    return note;
  }
  // Does as only a superuser can.
  void tamper(const std::string& sql) {
    schema.psql(
        "ALTER TABLE pgtally.processed_log DISABLE TRIGGER ALL; "
        "ALTER TABLE pgtally.tile DISABLE TRIGGER ALL; "
        "ALTER TABLE pgtally.checkpoint DISABLE TRIGGER ALL; " +
        sql +
        "; ALTER TABLE pgtally.processed_log ENABLE ALWAYS TRIGGER continue_log; "
        "ALTER TABLE pgtally.processed_log ENABLE ALWAYS TRIGGER refuse_change; "
        "ALTER TABLE pgtally.tile ENABLE ALWAYS TRIGGER refuse_change; "
        "ALTER TABLE pgtally.tile ENABLE ALWAYS TRIGGER only_grow; "
        "ALTER TABLE pgtally.checkpoint ENABLE ALWAYS TRIGGER refuse_change; "
        "ALTER TABLE pgtally.checkpoint ENABLE ALWAYS TRIGGER only_thin");
  }
  // Makes tiles and head anew from the entries as they are now, as one who has all rights would.
  void sign_anew(std::initializer_list<std::uint64_t> sizes);
  void rebuild_tiles() {
    tamper(
        "TRUNCATE pgtally.tile; UPDATE pgtally.tree_head SET size = 0, root = sha256(''), "
        "frontier = ''");
    Sequencer fresh{10000, nullptr};
    (void)must(fresh.take_next(ledger, Road::kFast));
  }

  AuditReport audit(const AuditOptions& options = {}) {
    return must(audit_ledger(ledger, options));
  }
  // Trusts the log, where the witness has cosigned.
  Policy witnessed_policy() const {
    return must(Policy::parse("log " + ledger.vkey() + "\nwitness w1 " +
                              must(witness.witness_verifier()).text() + "\nquorum w1\n"));
  }
  // "log payment 4 [id]", with "[id-to]" for a range.
  std::vector<std::string> findings(const AuditOptions& options = {}) {
    std::vector<std::string> found;
    const AuditReport report = audit(options);
    for (const Finding& finding : report.findings.listed()) {
      std::string text(name_of(finding.kind));
      if (!finding.source.empty()) text += " " + finding.source;
      for (const std::string& key : finding.key) text += " " + key;
      if (finding.to_id) {
        text += fmt::format(" [{}-{}]", finding.id->value, finding.to_id->value - 1);
      } else if (finding.id) {
        text += fmt::format(" [{}]", finding.id->value);
      }
      found.push_back(std::move(text));
    }
    return found;
  }
  // Of the first finding.
  Finding first(const AuditOptions& options = {}) { return audit(options).findings.listed().at(0); }

  // The entry of a payment or event.
  std::string entry_of(int key) {
    return schema.psql(
        "SELECT id FROM pgtally.processed_log WHERE source_id IN (2, 3) AND "
        "operation = 1 AND convert_from(substr(key, 3), 'UTF8') = '" +
        std::to_string(key) + "'");
  }

  TestSchema schema;
  pg::Connection connection;
  Ledger ledger;
  Sequencer sequencer{10000, nullptr};
  SigningKey witness = must(SigningKey::from_seed("w1.example", {4, 5, 6}));
  std::string outside;
  int rows_ = 0;
};

TEST_F(LogAudit, finds_nothing_where_nothing_was_done) {
  const AuditReport report = audit();
  EXPECT_TRUE(report.ok());
  EXPECT_EQ(report.entries_checked, 1100U);
  EXPECT_EQ(report.checkpoints_checked, 3U);
  EXPECT_FALSE(report.remembered);
  EXPECT_THAT(report.remarks.at(0), HasSubstr("consistent with itself"));
  EXPECT_EQ(report.root, must(read_tree_head(ledger)).root);
}

TEST_F(LogAudit, names_an_entry_whose_content_was_changed_below_a_full_tile) {
  const std::string id = entry_of(200);
  tamper("UPDATE pgtally.processed_log SET content_hash = sha256('x') WHERE id = " + id);
  EXPECT_THAT(findings(), ElementsAre("log payment 200 [" + id + "]"));
  const Finding finding = first();
  ASSERT_TRUE(finding.covered_by);
  EXPECT_EQ(finding.covered_by->size, TreeSize{600});
}

TEST_F(LogAudit, names_the_row_whose_entry_got_another_key_or_source) {
  const std::string id = entry_of(200);
  tamper("UPDATE pgtally.processed_log SET key = '\\x000131' || '32'::bytea WHERE id = " + id);
  EXPECT_THAT(findings(), testing::SizeIs(1));
  tamper("UPDATE pgtally.processed_log SET key = '\\x0003' || '200'::bytea WHERE id = " + id);
  EXPECT_THAT(findings(), IsEmpty());
  tamper("UPDATE pgtally.processed_log SET source_id = 3 WHERE id = " + id);
  EXPECT_THAT(findings(), testing::SizeIs(1));
}

TEST_F(LogAudit, names_the_row_whose_entry_is_missing) {
  const std::string id = entry_of(200);
  tamper("DELETE FROM pgtally.processed_log WHERE id = " + id);
  EXPECT_THAT(findings(), ElementsAre("log payment 200 [" + id + "]"));
}

TEST_F(LogAudit, names_an_entry_that_cannot_be_one) {
  for (const std::string change : {"source_id = 99", "operation = 9", "content_hash = '\\x00'",
                                   "key = ''", "definition = -1", "sequenced_at = 'infinity'"}) {
    const std::string id = entry_of(200);
    schema.psql("CREATE TABLE kept AS SELECT * FROM pgtally.processed_log WHERE id = " + id);
    tamper("UPDATE pgtally.processed_log SET " + change + " WHERE id = " + id);
    EXPECT_THAT(findings(), ElementsAre("log payment 200 [" + id + "]")) << change;
    tamper("DELETE FROM pgtally.processed_log WHERE id = " + id +
           "; INSERT INTO pgtally.processed_log SELECT * FROM kept; DROP TABLE kept");
    ASSERT_THAT(findings(), IsEmpty());
  }
}

TEST_F(LogAudit, names_one_entry_in_the_last_tile_by_what_its_neighbours_say) {
  for (const std::string change : {"ordinal = ordinal + 7", "ordinal = 0", "definition = 5",
                                   "sequenced_at = sequenced_at + interval '1 s'",
                                   "sequenced_at = sequenced_at - interval '1 day'"}) {
    const std::string id = entry_of(1050);
    schema.psql("CREATE TABLE kept AS SELECT * FROM pgtally.processed_log WHERE id = " + id);
    tamper("UPDATE pgtally.processed_log SET " + change + " WHERE id = " + id);
    EXPECT_THAT(findings(), ElementsAre("log payment 1050 [" + id + "]")) << change;
    tamper("DELETE FROM pgtally.processed_log WHERE id = " + id +
           "; INSERT INTO pgtally.processed_log SELECT * FROM kept; DROP TABLE kept");
    ASSERT_THAT(findings(), IsEmpty());
  }
}

TEST_F(LogAudit, names_an_entry_in_the_last_tile_by_its_row) {
  const std::string id = entry_of(1050);
  tamper("UPDATE pgtally.processed_log SET content_hash = sha256('x') WHERE id = " + id);
  EXPECT_THAT(findings(), ElementsAre("log payment 1050 [" + id + "]"));
}

TEST_F(LogAudit, says_which_range_was_changed_where_neither_tile_nor_row_tells_more) {
  tamper("UPDATE pgtally.processed_log SET source_position = 'x' WHERE id = " + entry_of(1050));
  const auto found = findings();
  ASSERT_THAT(found, testing::SizeIs(1));
  const Finding finding = first();
  ASSERT_TRUE(finding.to_id);
  EXPECT_GE(finding.id->value, 1000U);
  EXPECT_LE(finding.to_id->value, 1100U);
}

TEST_F(LogAudit, bisects_by_kept_checkpoints_where_the_tiles_were_made_anew) {
  tamper("UPDATE pgtally.processed_log SET source_position = 'x' WHERE id = 700");
  rebuild_tiles();
  EXPECT_THAT(findings(), ElementsAre("log [600-999]"));
}

TEST_F(LogAudit, finds_entries_that_were_cut_off_at_the_end) {
  tamper("DELETE FROM pgtally.processed_log WHERE id >= 1090");
  EXPECT_THAT(findings(), ElementsAre("log [1090-1099]"));

  // Of two checkpoints that say the same, the one from outside is named.
  tamper(
      "DELETE FROM pgtally.processed_log WHERE id >= 990; "
      "DELETE FROM pgtally.checkpoint WHERE size > 1000");
  EXPECT_THAT(audit({.outside = {{"outside.checkpoint", outside}}}).findings.listed(),
              testing::Contains(testing::Field(
                  &Finding::recorded,
                  "1000 entries when the checkpoint in outside.checkpoint was signed")));
}

TEST_F(LogAudit, puts_down_to_tiles_what_was_done_to_tiles) {
  tamper(
      "UPDATE pgtally.tile SET hashes = set_byte(hashes, 70, 1 # get_byte(hashes, 70)) "
      "WHERE level = 0 AND index = 1");
  EXPECT_THAT(findings(), ElementsAre("log"));
  EXPECT_THAT(first().recorded, HasSubstr("tile/0/001 at place 2"));
}

TEST_F(LogAudit, acquits_an_entry_whose_tiles_were_changed_consistently) {
  tamper(
      "UPDATE pgtally.tile SET hashes = set_byte(hashes, 70, 1 # get_byte(hashes, 70)) "
      "WHERE level = 0 AND index = 1");
  // The level above as if it were made of that.
  auto tiles = must(ledger.query("SELECT hashes FROM pgtally.tile WHERE level = 0 AND index = 1"));
  const Bytes bytes = must(tiles.get<Bytes>(0, 0));
  Frontier frontier;
  for (std::size_t at = 0; at < bytes.size(); at += Hash::kSize) {
    Hash hash;
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), Hash::kSize, hash.bytes.begin());
    frontier.append(hash);
  }
  tamper("UPDATE pgtally.tile SET hashes = overlay(hashes PLACING " +
         bytea_literal(frontier.root().view()) + " FROM 33 FOR 32) WHERE level = 1 AND index = 0");
  EXPECT_THAT(findings(), ElementsAre("log"));
  EXPECT_THAT(first().recorded, HasSubstr("tile/0/001 at place 2"));
}

TEST_F(LogAudit, finds_tiles_that_are_gone) {
  tamper("TRUNCATE pgtally.tile");
  EXPECT_THAT(findings(), ElementsAre("log"));
  EXPECT_THAT(first().actual, HasSubstr("missing"));
}

TEST_F(LogAudit, names_the_checkpoint_that_was_changed) {
  tamper("UPDATE pgtally.checkpoint SET root = sha256('x') WHERE size = 1000");
  EXPECT_THAT(findings(), ElementsAre("log"));
  EXPECT_THAT(first().recorded, HasSubstr("the checkpoint of size 1000"));
  tamper("UPDATE pgtally.checkpoint SET note = replace(note, '1000', '1001') WHERE size = 1000");
  EXPECT_THAT(findings(), ElementsAre("log"));
  tamper("DELETE FROM pgtally.checkpoint WHERE size = 1000");
  EXPECT_THAT(findings(), IsEmpty());
}

TEST_F(LogAudit, finds_heads_that_were_changed) {
  schema.psql("UPDATE pgtally.tree_head SET root = sha256('x')");
  EXPECT_THAT(findings(), ElementsAre("log"));
  EXPECT_THAT(first().recorded, HasSubstr("tree head"));
}

TEST_F(LogAudit, finds_a_log_head_that_was_changed) {
  schema.psql(
      "UPDATE pgtally.log_head SET next_ordinals[3] = 7 WHERE head_id = "
      "(SELECT max(head_id) FROM pgtally.log_head)");
  EXPECT_THAT(findings(), ElementsAre("log"));
  EXPECT_THAT(first().actual, HasSubstr("next ordinal of payment is 7"));
}

TEST_F(LogAudit, finds_a_registry_that_is_not_what_the_log_defines) {
  schema.psql("UPDATE pgtally.source SET name = 'wages' WHERE name = 'payment'");
  EXPECT_THAT(findings(), ElementsAre("log payment"));
  EXPECT_THAT(first().actual, HasSubstr("wages"));
}

TEST_F(LogAudit, finds_a_definition_document_that_was_changed) {
  schema.psql(
      "UPDATE pgtally.definition SET document = convert_to(replace(convert_from(document, "
      "'UTF8'), '\"note\"', '\"nota\"'), 'UTF8') WHERE source_id = 2");
  EXPECT_THAT(findings(), ElementsAre("log payment"));
}

TEST_F(LogAudit, finds_late_rows_but_not_those_of_the_first_load) {
  // What was there when the source was added may have been recorded for an hour after.
  schema.psql("UPDATE pgtally.sweep SET finished_at = now() - interval '2 h'");
  schema.psql(
      "INSERT INTO event (id, at) VALUES (5001, now() - interval '2 h'), "
      "(5003, now() + interval '2 h'), (5005, now() - interval '1 min'), "
      "(5007, 'infinity'), (5009, NULL)");
  schema.drain();
  schema.create_xid_table("public.old", "at timestamptz,");
  schema.psql("INSERT INTO old (id, at) VALUES (1, now() - interval '1 year')");
  schema.add_source("old", "public.old", {"id"},
                    [](SourceRequest& request) { request.time = "at"; });
  schema.sweep("old");
  sign();
  EXPECT_THAT(findings(), ElementsAre("late event 5001 [1100]", "late event 5003 [1101]"));
  EXPECT_THAT(findings({.late_after = std::chrono::hours(3)}), IsEmpty());
}

TEST_F(LogAudit, holds_the_log_against_a_checkpoint_from_outside) {
  const AuditOptions options{.outside = {{"outside.checkpoint", outside}}};
  const AuditReport report = audit(options);
  EXPECT_TRUE(report.ok());
  EXPECT_EQ(report.remembered, TreeSize{1000});
  EXPECT_THAT(report.remarks.at(0), HasSubstr("outside.checkpoint"));
  EXPECT_EQ(error_of(audit_ledger(ledger, {.outside = {{"x", "no note"}}})).code,
            ErrorCode::kReject);
}

// Entries, rows, tiles, heads and signatures all fit each other afterwards.
TEST_F(LogAudit, catches_a_whole_rewritten_ledger_only_by_what_is_outside) {
  const test::TestDirectory directory;
  LedgerLog published(ledger);
  Publisher publisher(directory.path().string(),
                      must(Policy::trust(must(VerifierKey::parse(ledger.vkey())))));
  (void)must(publisher.publish(published));

  const std::string id = entry_of(700);
  tamper("UPDATE pgtally.processed_log SET source_position = 'x' WHERE id = " + id +
         "; TRUNCATE pgtally.checkpoint");
  rebuild_tiles();
  sign();
  EXPECT_THAT(findings(), IsEmpty());

  const AuditOptions with_checkpoint{.outside = {{"outside.checkpoint", outside}}};
  EXPECT_THAT(findings(with_checkpoint), ElementsAre("log [0-999]"));
  const AuditOptions with_copy{.published = directory.path().string()};
  EXPECT_THAT(findings(with_copy), ElementsAre("log payment 700 [" + id + "]"));
  EXPECT_THAT(first(with_copy).actual, HasSubstr("position \"x\""));
}

TEST_F(LogAudit, says_so_where_a_checkpoint_from_outside_is_larger_than_the_log) {
  const std::string note =
      must(sign_checkpoint(schema.key(), TreeSize{2000}, must(read_tree_head(ledger)).root));
  const AuditOptions options{.outside = {{"outside.checkpoint", note}}};
  EXPECT_THAT(findings(options), ElementsAre("log [1100-1999]"));
  EXPECT_THAT(first(options).recorded, HasSubstr("2000 entries"));
}

TEST_F(LogAudit, finds_what_was_done_to_anything_beside_the_entries) {
  const std::vector<std::pair<std::string, std::string>> edits{
      {"TRUNCATE pgtally.tree_head", "log"},
      {"TRUNCATE pgtally.log_head", "log"},
      {"UPDATE pgtally.log_head SET sequenced_at = sequenced_at + interval '1 day'", "log"},
      {"UPDATE pgtally.checkpoint SET signed_at = signed_at - interval '1 day' WHERE size = 1000",
       "log"},
      {"UPDATE pgtally.source SET state = 'removed' WHERE name = 'payment'", "log payment"},
      {"UPDATE pgtally.source SET mode = 'poll' WHERE name = 'payment'", "log payment"},
      {"DELETE FROM pgtally.definition WHERE source_id = 2", "log payment"},
      {"UPDATE pgtally.processed_log SET data = 'x' WHERE id = 2", "log payment [2]"},
      {"INSERT INTO pgtally.processed_log SELECT -5, source_id, definition, ordinal, operation, "
       "key, source_position, source_time, content_hash, data, sequenced_at FROM "
       "pgtally.processed_log WHERE id = 700",
       "log"}};
  for (const auto& [sql, expected] : edits) {
    for (const char* table :
         {"tree_head", "log_head", "checkpoint", "definition", "processed_log"}) {
      schema.psql(fmt::format("CREATE TABLE kept_{0} AS TABLE pgtally.{0}", table));
    }
    schema.psql("CREATE TABLE kept_source AS TABLE pgtally.source");
    tamper(sql);
    EXPECT_THAT(findings(), ElementsAre(expected)) << sql;
    tamper(
        "UPDATE pgtally.source AS s SET state = k.state, mode = k.mode FROM kept_source AS k "
        "WHERE k.source_id = s.source_id; DROP TABLE kept_source");
    for (const char* table :
         {"tree_head", "log_head", "checkpoint", "definition", "processed_log"}) {
      tamper(
          fmt::format("DELETE FROM pgtally.{0}; INSERT INTO pgtally.{0} OVERRIDING SYSTEM VALUE "
                      "SELECT * FROM kept_{0}; DROP TABLE kept_{0}",
                      table));
    }
    ASSERT_THAT(findings(), IsEmpty()) << sql;
  }
}

TEST_F(LogAudit, names_the_very_last_entry) {
  insert(1);
  sign();
  tamper("UPDATE pgtally.processed_log SET source_position = 'x' WHERE id = 1100");
  EXPECT_THAT(findings(), ElementsAre("log event 1097 [1100]"));
}

TEST_F(LogAudit, accuses_a_define_entry_once_and_not_all_that_it_defines) {
  tamper("UPDATE pgtally.processed_log SET content_hash = sha256('x') WHERE id = 2");
  EXPECT_THAT(findings(), ElementsAre("log payment [2]"));
  tamper("DELETE FROM pgtally.processed_log WHERE id = 2");
  EXPECT_THAT(findings(), ElementsAre("log payment [2]"));
}

// Signs the tree of today, at these sizes and no other.
void LogAudit::sign_anew(std::initializer_list<std::uint64_t> sizes) {
  LedgerLog log(ledger);
  LogTiles tiles(log, TreeSize{1100});
  for (const std::uint64_t size : sizes) {
    const Hash root = must(root_at(tiles, TreeSize{size}));
    must(store_checkpoint(ledger, TreeSize{size}, root,
                          must(sign_checkpoint(schema.key(), TreeSize{size}, root))));
  }
}

// A kept checkpoint that was signed anew for the rewritten log says nothing of where it begins to
// differ from the one that somebody remembers.
TEST_F(LogAudit, does_not_narrow_what_is_remembered_by_what_was_signed_anew) {
  tamper(
      "UPDATE pgtally.processed_log SET source_position = 'x' WHERE id = 300; "
      "TRUNCATE pgtally.checkpoint");
  rebuild_tiles();
  sign_anew({500, 1100});
  EXPECT_THAT(findings(), IsEmpty());
  EXPECT_THAT(findings({.outside = {{"outside.checkpoint", outside}}}), ElementsAre("log [0-999]"));
}

TEST_F(LogAudit, holds_times_of_recording_against_those_of_witnesses) {
  AuditOptions options;
  options.policy = witnessed_policy();
  const auto recorded = must(must(ledger.query("SELECT sequenced_at FROM pgtally.processed_log "
                                               "WHERE id = 999"))
                                 .get<Time>(0, 0));
  const auto cosigned = [&](std::int64_t seconds_later) {
    const auto time = static_cast<std::uint64_t>(recorded.microseconds / 1'000'000 + seconds_later);
    SignedNote note = must(parse_note(outside));
    note.signatures.push_back(must(witness.cosign(note.text, time)));
    options.outside = {{"outside.checkpoint", must(serialize(note))}};
    return findings(options);
  };
  EXPECT_THAT(cosigned(5), IsEmpty());  // though no kept one is cosigned
  EXPECT_THAT(cosigned(-30), IsEmpty());
  EXPECT_THAT(cosigned(-120), ElementsAre(testing::EndsWith("[999]")));
  EXPECT_THAT(cosigned(3 * 3600), ElementsAre(testing::EndsWith("[1000]")));
  options.outside = {{"outside.checkpoint", outside}};
  EXPECT_EQ(error_of(audit_ledger(ledger, options)).code, ErrorCode::kReject);
}

// Whoever has the database and the log's key can make everything anew but a cosignature.
TEST_F(LogAudit, catches_a_log_that_was_written_anew_by_what_witnesses_have_cosigned) {
  AuditOptions options;
  options.policy = witnessed_policy();
  const SignedNote note = must(parse_note(outside));
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto seconds =
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(now).count());
  must(
      store_cosignature(ledger, TreeSize{1000}, must(witness.cosign(note.text, seconds)), seconds));
  const AuditReport report = audit(options);
  EXPECT_TRUE(report.ok());
  EXPECT_EQ(report.remembered, TreeSize{1000});
  EXPECT_THAT(report.remarks.at(0),
              HasSubstr("witnesses have cosigned (size 1000 by w1.example at "));
  EXPECT_THAT(report.remarks.at(0), HasSubstr("up to entry 999"));

  tamper(
      "UPDATE pgtally.processed_log SET source_position = 'x' WHERE id = 300; "
      "DELETE FROM pgtally.checkpoint WHERE size <> 1000");
  rebuild_tiles();
  sign_anew({500, 1100});
  EXPECT_THAT(findings(options), ElementsAre("log [0-999]"));
  EXPECT_THAT(first(options).recorded, HasSubstr("(witnessed)"));
  EXPECT_THAT(findings(), ElementsAre("log [500-999]"));  // by the key alone

  tamper("DELETE FROM pgtally.checkpoint WHERE size = 1000");
  EXPECT_THAT(findings(), IsEmpty());
  EXPECT_THAT(findings(options), ElementsAre("log"));
  EXPECT_THAT(first(options).actual, HasSubstr("of the 2 checkpoints that are kept, none"));
}

TEST_F(LogAudit, finds_a_checkpoint_that_claims_to_be_later_than_the_next) {
  tamper(
      "UPDATE pgtally.checkpoint SET signed_at = signed_at + interval '3 years' WHERE size = 1000");
  EXPECT_THAT(findings(), ElementsAre("log"));
  EXPECT_THAT(first().recorded, HasSubstr("the checkpoint of size 1000, before that of size 1100"));
}

TEST_F(LogAudit, compares_what_is_left_with_a_published_copy_that_is_longer) {
  const test::TestDirectory directory;
  LedgerLog published(ledger);
  Publisher publisher(directory.path().string(),
                      must(Policy::trust(must(VerifierKey::parse(ledger.vkey())))));
  (void)must(publisher.publish(published));
  tamper(
      "UPDATE pgtally.processed_log SET source_position = 'x' WHERE id = 300; "
      "DELETE FROM pgtally.processed_log WHERE id >= 1090; "
      "TRUNCATE pgtally.checkpoint, pgtally.tile");
  const std::vector<std::string> found = findings({.published = directory.path().string()});
  EXPECT_THAT(found, testing::Contains("log [1090-1099]"));
  EXPECT_THAT(found, testing::Contains(testing::MatchesRegex("log (payment|event) .*\\[300\\]")));
}

TEST_F(LogAudit, refuses_a_source_that_there_is_not) {
  const Error error = error_of(audit_ledger(ledger, {.sources = {"nothing"}}));
  EXPECT_EQ(error.code, ErrorCode::kReject);
  EXPECT_THAT(error.hint, HasSubstr("payment"));
}

TEST_F(LogAudit, is_not_kept_busy_by_one_row_with_a_huge_id) {
  tamper(
      "INSERT INTO pgtally.processed_log SELECT 1::bigint << 60, source_id, definition, 100000, "
      "operation, key, source_position, source_time, content_hash, data, sequenced_at FROM "
      "pgtally.processed_log WHERE id = 700");
  EXPECT_THAT(findings(), ElementsAre("log [1152921504606846976]"));
}

}  // namespace
}  // namespace pgtally
