#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/encoding.h"
#include "database/http/served_log.h"
#include "format/entry_bundle.h"
#include "ledger/entry_reader.h"
#include "ledger/tile_store.h"
#include "pgtally/merkle.h"

namespace pgtally {
namespace {

using test::body_of;
using test::header_of;
using test::must;
using Served = test::ServedLog<test::TestDatabase>;
using testing::HasSubstr;

std::string bytes_of(const std::vector<Hash>& hashes) {
  std::string bytes;
  for (const Hash& hash : hashes) bytes += as_text(hash.view());
  return bytes;
}

TEST(ServedTiles, are_those_of_the_signed_tree_at_every_level_and_width) {
  Served log(700);
  auto connection = test::connect(log.conninfo());
  const Ledger ledger = must(Ledger::open(connection, "pgtally"));
  DatabaseTiles tiles(ledger, log.size());
  for (int level = 0; level < 2; ++level) {
    for (std::uint64_t index = 0; index < tiles_at_level(level, log.size()); ++index) {
      const std::uint32_t most = tile_width({level, index}, log.size());
      for (std::uint32_t width = 1; width <= most; width += width < 4 ? 1 : 31) {
        const TileRequest request{{level, index}, width};
        const auto response = log.get("/" + tile_path(request));
        ASSERT_EQ(response.status, 200U) << tile_path(request);
        EXPECT_EQ(body_of(response), bytes_of(must(tiles.read(std::span(&request, 1)))[0]));
        EXPECT_EQ(header_of(response, "Content-Type"), "application/octet-stream");
        EXPECT_THAT(header_of(response, "Cache-Control"), HasSubstr("immutable"));
        EXPECT_FALSE(response.etag.empty());
      }
    }
  }
}

TEST(ServedBundles, hold_the_entries_whose_hashes_are_in_the_tile) {
  Served log(700);
  std::uint64_t id = 0;
  for (std::uint64_t index = 0; index * 256 < log.size().value; ++index) {
    const std::uint32_t width = tile_width({0, index}, log.size());
    const auto response = log.get("/" + bundle_path(index, width));
    ASSERT_EQ(response.status, 200U);
    EXPECT_TRUE(response.compressible);
    const std::string body = body_of(response);
    const auto entries = must(parse_bundle(as_bytes(body), width));
    const std::string tile = body_of(log.get("/" + tile_path({{0, index}, width})));
    for (std::size_t i = 0; i < entries.size(); ++i, ++id) {
      ASSERT_EQ(as_text(leaf_hash(entries[i]).view()), tile.substr(32 * i, 32)) << id;
    }
  }
  EXPECT_EQ(id, log.size().value);
}

TEST(ServedTiles, that_are_not_there_are_exactly_404) {
  Served log(600);
  const auto width = std::to_string(log.size().value % 256 + 1);
  for (const std::string path : {"/tile/0/003",
                                 "/tile/0/002",
                                 "/tile/1/000",
                                 "/tile/7/000.p/1",
                                 "/tile/8/000.p/1",
                                 "/tile/63/000.p/1",
                                 "/tile/64/000",
                                 "/tile/-1/000",
                                 "/tile/0/000.p/0",
                                 "/tile/0/000.p/256",
                                 "/tile/0/0",
                                 "/tile/0/x000/000",
                                 "/tile/0/x999/x999/x999/x999/x999/x999/999",
                                 "/tile/",
                                 "/tile/entries/003",
                                 "/tile/entries/000.p/0",
                                 "/tile/entries/",
                                 "/tile/0/000/",
                                 "/tile/0/%30%30%30",
                                 "/tile/entries/x18446744073709551616/000"}) {
    EXPECT_EQ(log.get(path).status, 404U) << path;
  }
  EXPECT_EQ(log.get("/tile/0/002.p/" + width).status, 404U);
  EXPECT_EQ(log.get("/tile/entries/002.p/" + width).status, 404U);
  EXPECT_THAT(header_of(log.get("/tile/0/003"), "Cache-Control"), HasSubstr("no-store"));
}

TEST(ServedTiles, end_with_the_newest_signed_checkpoint) {
  Served log(100);
  const std::uint64_t size = log.size().value;
  const std::string more = std::to_string(size + 1);
  log.grow_unsigned(200);
  log.context().watch.wake();
  ASSERT_GT(std::stoul(log.psql("SELECT max(size) FROM pgtally.tree_head")), size);
  for (int round = 0; round < 2; ++round) {  // from memory, and after a restart
    EXPECT_EQ(log.get("/tile/0/000.p/" + more).status, 404U);
    EXPECT_EQ(log.get("/tile/0/000").status, 404U);
    EXPECT_EQ(log.get("/tile/entries/000.p/" + more).status, 404U);
    EXPECT_EQ(log.get("/tile/0/000.p/" + std::to_string(size)).status, 200U);
    EXPECT_EQ(log.get("/api/v1/entries/" + std::to_string(size)).status, 404U);
    EXPECT_EQ(log.get("/api/v1/proof/inclusion?id=" + std::to_string(size)).status, 404U);
    EXPECT_EQ(log.get("/api/v1/proof/consistency?from=1&to=" + more).status, 404U);
    log.restart();
  }
  log.grow(1);
  EXPECT_EQ(log.get("/tile/0/000").status, 200U);
}

TEST(ServedCheckpoint, is_the_newest_and_short_lived) {
  Served log(10);
  const auto first = log.get("/checkpoint");
  EXPECT_EQ(body_of(first), log.psql("SELECT note FROM pgtally.checkpoint ORDER BY size DESC LIMIT "
                                     "1"));
  EXPECT_EQ(header_of(first, "Content-Type"), "text/plain; charset=utf-8");
  EXPECT_THAT(header_of(first, "Cache-Control"), testing::Not(HasSubstr("immutable")));
  log.grow(1);
  EXPECT_NE(body_of(log.get("/checkpoint")), body_of(first));
  EXPECT_NE(log.get("/checkpoint").etag, first.etag);
}

// A line as a witness's would look; who reads it verifies it.
std::string add_cosignature(Served& log) {
  const std::string line = "\xe2\x80\x94 w.example/w " + to_base64(Bytes(76, 1));
  log.psql("INSERT INTO pgtally.cosignature (size, key_name, key_id, line, signed_at) VALUES (" +
           std::to_string(log.size().value) + ", 'w.example/w', '\\x01010101', '" + line +
           "', now())");
  return line;
}

TEST(ServedCheckpoint, gets_the_cosignatures_that_come_later_and_so_do_proofs_under_it) {
  Served log(10);
  const auto before = log.get("/checkpoint");
  const std::string line = add_cosignature(log);
  for (int i = 0; i < 400 && log.get("/checkpoint").etag == before.etag; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_EQ(body_of(log.get("/checkpoint")), body_of(before) + line + "\n");
  EXPECT_THAT(body_of(log.get("/api/v1/proof/inclusion?id=3")), HasSubstr(line));
}

TEST(ServedCheckpoint, waits_for_its_witnesses_as_long_as_it_is_told_to) {
  http::LogLimits limits;
  limits.patience = std::chrono::minutes(5);
  Served log(0, limits);
  log.ledger().append(5);
  const std::string size = std::to_string(must(log.ledger().run_once()).head.size.value);
  log.restart();
  EXPECT_EQ(log.get("/checkpoint").status, 404U);
  EXPECT_EQ(log.get("/api/v1/entries/2").status, 404U);
  log.psql("INSERT INTO pgtally.witnessed (size) VALUES (" + size + ")");
  log.await(TreeSize{std::stoull(size)});
  EXPECT_EQ(log.get("/api/v1/entries/2").status, 200U);
}

TEST(ServedCheckpoint, of_an_empty_log_is_404) {
  Served log;
  log.restart();
  EXPECT_EQ(log.get("/checkpoint").status, 404U);
  EXPECT_EQ(log.get("/tile/0/000").status, 404U);
}

TEST(ServedTiles, that_were_changed_in_the_database_are_not_served) {
  Served log(700);
  log.tamper("tile",
             "hashes = set_byte(hashes, 40, get_byte(hashes, 40) # 1) "
             "WHERE level = 0 AND index = 1");
  EXPECT_EQ(log.get("/tile/0/000").status, 200U);
  EXPECT_EQ(log.get("/tile/0/001").status, 500U);
  EXPECT_EQ(log.get("/tile/entries/001").status, 500U);
  EXPECT_EQ(log.get("/api/v1/proof/inclusion?id=300").status, 500U);
}

TEST(ServedBundles, with_an_entry_that_was_changed_are_not_served) {
  Served log(700);
  log.tamper("processed_log", "content_hash = sha256('x') WHERE id = 300");
  EXPECT_EQ(log.get("/tile/0/001").status, 200U);
  EXPECT_EQ(log.get("/tile/entries/001").status, 500U);
  EXPECT_EQ(log.get("/tile/entries/000").status, 200U);
  EXPECT_EQ(log.get("/api/v1/entries/300").status, 500U);
}

TEST(ServedCheckpoint, is_not_a_new_one_whose_entries_were_changed) {
  Served log(100);
  const std::string before = body_of(log.get("/checkpoint"));
  log.ledger().append(1);
  must(log.ledger().run_once());
  log.tamper("processed_log", "content_hash = sha256('x') WHERE id = 50");
  log.restart();  // nothing in memory: the changed entry is at the right edge
  EXPECT_EQ(log.get("/checkpoint").status, 503U);
  log.tamper("checkpoint", "note = replace(note, 'test.', 'tast.')");
  log.restart();
  EXPECT_EQ(log.get("/checkpoint").status, 503U);
}

TEST(ServedDocuments, are_what_the_logs_entries_name) {
  Served log(3);
  const std::string hash =
      log.psql("SELECT encode(content_hash, 'hex') FROM pgtally.processed_log WHERE id = 0");
  const auto response = log.get("/document/" + hash);
  EXPECT_EQ(response.status, 200U);
  EXPECT_THAT(body_of(response), HasSubstr(test::kOrigin));
  EXPECT_THAT(header_of(response, "Cache-Control"), HasSubstr("immutable"));
  EXPECT_EQ(log.get("/document/" + std::string(64, 'a')).status, 404U);
  EXPECT_EQ(log.get("/document/").status, 404U);
  EXPECT_EQ(log.get("/document/" + hash + "0").status, 404U);
}

TEST(ServedLog, with_little_memory_answers_all_the_same) {
  http::LogLimits limits;
  limits.cache_bytes = 20'000;
  Served log(1200, limits);
  for (int round = 0; round < 3; ++round) {
    for (const char* path : {"/tile/0/000", "/tile/0/001", "/tile/entries/002", "/tile/0/003",
                             "/tile/entries/000", "/api/v1/proof/inclusion?id=700"}) {
      EXPECT_EQ(log.get(path).status, 200U) << path;
    }
  }
  EXPECT_LE(log.context().tree.counts().bytes, limits.cache_bytes);
  EXPECT_GT(log.context().tree.counts().evicted, 0U);
}

TEST(ServedLog, goes_on_with_what_is_in_memory_while_the_database_is_away) {
  test::ServedLog<test::TestCluster> log(600);
  for (const char* path :
       {"/tile/0/000", "/tile/entries/000", "/api/v1/status", "/api/v1/proof/inclusion?id=100"}) {
    ASSERT_EQ(log.get(path).status, 200U) << path;
  }
  log.database().stop_immediately();
  for (const char* path :
       {"/checkpoint", "/tile/0/000", "/tile/entries/000", "/tile/0/002.p/7",
        "/api/v1/proof/inclusion?id=100", "/api/v1/status", "/readyz", "/healthz"}) {
    EXPECT_EQ(log.get(path).status, 200U) << path;
  }
  const auto missing = log.get("/tile/entries/001");
  EXPECT_EQ(missing.status, 503U);
  EXPECT_FALSE(header_of(missing, "Retry-After").empty());
  log.database().start();
  for (int i = 0; i < 200 && log.get("/tile/entries/001").status != 200U; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  EXPECT_EQ(log.get("/tile/entries/001").status, 200U);
  log.grow(5);
  EXPECT_EQ(log.get("/readyz").status, 200U);
}

}  // namespace
}  // namespace pgtally
