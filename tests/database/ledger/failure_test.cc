// A source's trouble is its own: it is set aside, the others go on, and it comes back by itself.
#include <gtest/gtest.h>

#include "ledger/sequencer.h"
#include "ledger/status.h"
#include "support/test_ledger.h"

namespace pgtally {
namespace {

using test::must;
using test::TestSchema;
using Texts = std::vector<std::string>;

class Failing : public testing::Test {
 protected:
  Failing() {
    ledger.psql("CREATE TABLE p (id bigint PRIMARY KEY, v text)");
    ledger.psql("CREATE TABLE q (id bigint PRIMARY KEY, v text)");
    ledger.create_xid_table("x", "v text,");
    ledger.add_source("p", "public.p", {"id"});
    ledger.add_source("q", "public.q", {"id"});
    ledger.add_source("x", "public.x", {"id"});
    ledger.sweep("x");
    insert_everywhere("1");
    ledger.drain();
  }
  void insert_everywhere(const std::string& id) const {
    for (const std::string table : {"p", "q", "x"}) {
      ledger.psql("INSERT INTO " + table + " (id, v) VALUES (" + id + ", 'v')");
    }
  }
  // As if its time had come.
  void let_it_be_tried_again() const {
    ledger.psql("UPDATE pgtally.failure SET retry_at = now() - interval '1 s'");
  }
  [[nodiscard]] std::string failing() const {
    return ledger.psql(
        "SELECT coalesce(string_agg(s.name || ' ' || f.sqlstate, ', ' ORDER BY s.name), '') "
        "FROM pgtally.failure AS f JOIN pgtally.source AS s USING (source_id)");
  }
  // By the fast road, which the service takes.
  [[nodiscard]] std::uint64_t take_fast() const {
    auto connection = ledger.connect();
    const Ledger open = must(Ledger::open(connection, ledger.schema()));
    Sequencer sequencer(1000, nullptr);
    return must(sequencer.take_next(open, Road::kFast)).rows;
  }

  TestSchema ledger;
};

TEST_F(Failing, a_dropped_table_holds_up_no_other_source) {
  insert_everywhere("2");
  ledger.psql("DROP TABLE p");
  EXPECT_EQ(ledger.drain(), 2);
  EXPECT_EQ(failing(), "p 42P01");
  EXPECT_EQ(ledger.keys_of("q"), (Texts{"1", "2"}));
  EXPECT_EQ(ledger.keys_of("x"), (Texts{"1", "2"}));
}

TEST_F(Failing, is_set_aside_by_the_services_road_as_well) {
  insert_everywhere("2");
  ledger.psql("ALTER TABLE p DROP COLUMN v");
  EXPECT_EQ(take_fast(), 2U);
  EXPECT_EQ(failing(), "p 42703");
  EXPECT_EQ(ledger.gaps(), "");
}

TEST_F(Failing, a_locked_table_holds_up_no_other_source) {
  insert_everywhere("2");
  auto locker = ledger.connect();
  must(locker.execute("BEGIN; LOCK TABLE p"));
  EXPECT_EQ(ledger.drain(), 2);
  EXPECT_EQ(failing(), "p 55P03");
  EXPECT_EQ(ledger.psql("SELECT message FROM pgtally.failure"),
            "its table is locked by another transaction");
  EXPECT_EQ(ledger.psql("SELECT count(*) FROM pgtally.waiting() WHERE waiting_rows > 0"), "0");
  let_it_be_tried_again();
  ledger.psql("INSERT INTO q VALUES (3)");
  EXPECT_EQ(take_fast(), 1U);
  EXPECT_EQ(failing(), "p 55P03");
  must(locker.execute("ROLLBACK; BEGIN; LOCK TABLE q"));
  let_it_be_tried_again();
  ledger.psql("INSERT INTO x (id, v) VALUES (3, 'v')");
  EXPECT_EQ(take_fast(), 2U);
  EXPECT_EQ(failing(), "q 55P03");
  must(locker.execute("ROLLBACK"));
}

TEST_F(Failing, loses_nothing_and_comes_back_by_itself_when_the_cause_is_gone) {
  insert_everywhere("2");
  ledger.psql("ALTER TABLE p RENAME TO elsewhere");
  ledger.psql("ALTER TABLE x RENAME COLUMN v TO w");
  EXPECT_EQ(ledger.drain(), 1);
  EXPECT_EQ(failing(), "p 42P01, x 42703");
  ledger.psql("INSERT INTO elsewhere VALUES (3, 'v')");
  ledger.psql("INSERT INTO x (id, w) VALUES (3, 'v')");
  ledger.drain();

  ledger.psql("ALTER TABLE elsewhere RENAME TO p");
  ledger.psql("ALTER TABLE x RENAME COLUMN w TO v");
  let_it_be_tried_again();
  ledger.drain();
  EXPECT_EQ(failing(), "");
  ledger.sweep("x");
  EXPECT_EQ(ledger.keys_of("p"), (Texts{"1", "2", "3"}));
  EXPECT_EQ(ledger.keys_of("x"), (Texts{"1", "2", "3"}));
  EXPECT_EQ(ledger.gaps(), "");
}

TEST_F(Failing, a_source_of_mode_xid_misses_none_of_the_rounds_that_went_by_without_it) {
  ledger.psql("ALTER TABLE x RENAME TO away");
  ledger.psql("INSERT INTO away (id, v) VALUES (2, 'v')");
  ledger.psql("INSERT INTO q (id) VALUES (2)");
  ledger.drain();
  auto open = ledger.connect();
  must(open.execute("BEGIN; INSERT INTO away (id, v) VALUES (3, 'v')"));
  ledger.psql("INSERT INTO q (id) VALUES (3)");
  ledger.drain();
  ledger.psql("INSERT INTO away (id, v) VALUES (4, 'v')");
  // Not by renaming the table, which would wait for the open transaction.
  ledger.psql("CREATE VIEW x AS SELECT * FROM away");
  let_it_be_tried_again();
  ledger.drain();
  EXPECT_EQ(failing(), "");
  must(open.execute("COMMIT"));
  ledger.drain();
  ledger.sweep("x");
  EXPECT_EQ(ledger.keys_of("x").size(), 4U);
  EXPECT_EQ(ledger.gaps(), "");
}

TEST_F(Failing, a_row_that_cannot_be_recorded_stops_its_source_until_it_is_corrected) {
  ledger.psql("CREATE TABLE h (id bigint PRIMARY KEY, hash bytea NOT NULL)");
  ledger.add_source("h", "public.h", {"id"},
                    [](SourceRequest& request) { request.hash_column = "hash"; });
  ledger.psql("INSERT INTO h VALUES (1, sha256('a')), (2, 'short'), (3, sha256('c'))");
  insert_everywhere("2");
  EXPECT_EQ(ledger.drain(), 3);
  EXPECT_EQ(failing(), "h TLO03");
  ledger.psql("UPDATE h SET hash = sha256('b') WHERE id = 2");
  let_it_be_tried_again();
  ledger.drain();
  EXPECT_EQ(ledger.keys_of("h"), (Texts{"1", "2", "3"}));
}

TEST_F(Failing, is_tried_less_and_less_often) {
  ledger.psql("DROP TABLE p");
  ledger.drain();
  for (int attempt = 2; attempt <= 9; ++attempt) {
    let_it_be_tried_again();
    ledger.drain();
    EXPECT_EQ(ledger.psql("SELECT attempts FROM pgtally.failure"), std::to_string(attempt));
  }
  EXPECT_EQ(ledger.psql("SELECT retry_at > now() + interval '50 s' AND retry_at <= now() + "
                        "interval '61 s' FROM pgtally.failure"),
            "t");
}

TEST_F(Failing, is_shown_with_its_error_and_how_long_it_has_lasted) {
  ledger.psql("DROP TABLE p");
  ledger.drain();
  auto connection = ledger.connect();
  const Ledger open = must(Ledger::open(connection, ledger.schema()));
  const LedgerStatus status = must(read_status(open));
  const auto& source = status.sources.at(1);
  EXPECT_EQ(source.info.name, "p");
  EXPECT_EQ(source.info.state, "failing");
  ASSERT_TRUE(source.info.failure);
  EXPECT_EQ(source.info.failure->message, "relation \"public.p\" does not exist");
  EXPECT_GT(source.lag_seconds, 0);
  EXPECT_EQ(status.sources.at(2).info.state, "active");
}

}  // namespace
}  // namespace pgtally
