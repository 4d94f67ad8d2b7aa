#include "client/log_client.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/durable_file.h"
#include "client/directory_log.h"
#include "client/publisher.h"
#include "crypto/sha256.h"
#include "support/memory_log.h"
#include "support/scripted_server.h"
#include "support/temporary_directory.h"

namespace pgtally {
namespace {

namespace fs = std::filesystem;

// A log of 600 entries, published and served.
class LogClientTest : public testing::Test {
 protected:
  LogClientTest() : log_(test::test_key("log.example", 1)), server_(test::serving(path())) {
    log_.grow_to(600);
    const Policy policy = *Policy::trust(test::test_key("log.example", 1).verifier());
    EXPECT_TRUE(Publisher(path(), policy).publish(log_).ok());
  }

  [[nodiscard]] std::string path() const { return directory_.path() + "/log"; }
  [[nodiscard]] LogClient client() const { return *LogClient::create(HttpClient(), server_.url()); }
  void put(const std::string& file, const std::string& content) const {
    ASSERT_TRUE(replace_file(path() + "/" + file, content).ok());
  }

  test::TemporaryDirectory directory_;
  test::MemoryLog log_;
  test::ScriptedServer server_;
};

TEST_F(LogClientTest, reads_checkpoint_tiles_and_bundles) {
  LogClient client = this->client();
  EXPECT_EQ(*client.checkpoint(), log_.note_at(600));
  const std::vector<TileId> ids{{0, 1}, {0, 2}, {1, 0}};
  EXPECT_EQ(*client.tiles(ids, TreeSize{600}), *log_.tiles(ids, TreeSize{600}));
  EXPECT_EQ(*client.bundles(1, 2, TreeSize{600}), *log_.bundles(1, 2, TreeSize{600}));
}

TEST_F(LogClientTest, needs_no_slash_at_the_end_of_the_url_and_minds_none) {
  LogClient client = *LogClient::create(HttpClient(), server_.url() + "//");
  EXPECT_EQ(*client.checkpoint(), log_.note_at(600));
  EXPECT_EQ(server_.requests().front(), "GET /checkpoint HTTP/1.1");
}

TEST_F(LogClientTest, reads_documents_as_they_are_and_says_which_is_not_there) {
  const Hash hash = sha256(std::string_view("a definition"));
  LogClient client = this->client();
  DirectoryLog directory(path());
  for (PublishedLog* log : std::vector<PublishedLog*>{&client, &directory}) {
    fs::remove_all(path() + "/document");
    const auto missing = log->document(hash);
    ASSERT_FALSE(missing.ok());
    EXPECT_EQ(missing.error().code, ErrorCode::kReject);
    EXPECT_NE(missing.error().message.find(document_path(hash)), std::string::npos);
    fs::create_directory(path() + "/document");
    put(document_path(hash), "a definition");
    EXPECT_EQ(*log->document(hash), "a definition");
  }
}

TEST_F(LogClientTest, takes_the_full_tile_where_the_partial_one_is_gone) {
  LogClient client = this->client();
  // Of a tree of 300 entries tile 1 is partial; it was never published so, but the full one is there.
  const std::vector<TileId> ids{{0, 1}};
  EXPECT_EQ(*client.tiles(ids, TreeSize{300}), *log_.tiles(ids, TreeSize{300}));
  const auto bundles = client.bundles(1, 1, TreeSize{300});
  ASSERT_TRUE(bundles.ok());
  EXPECT_EQ(parse_bundle(as_bytes(bundles->front()), 44)->size(), 44U);
  const auto requests = server_.requests();
  EXPECT_EQ(requests[0], "GET /tile/0/001.p/44 HTTP/1.1");
  EXPECT_EQ(requests[1], "GET /tile/0/001 HTTP/1.1");
}

TEST_F(LogClientTest, says_what_is_not_there) {
  fs::remove(path() + "/tile/0/001");
  const auto tiles = client().tiles(std::vector<TileId>{{0, 1}}, TreeSize{600});
  ASSERT_FALSE(tiles.ok());
  EXPECT_EQ(tiles.error().code, ErrorCode::kReject);
  EXPECT_NE(tiles.error().message.find("/tile/0/001 answers with status 404"), std::string::npos);
}

TEST_F(LogClientTest, refuses_tiles_of_a_wrong_size_and_answers_that_are_too_large) {
  for (const std::size_t size : {0U, 31U, 8191U, 8193U}) {
    put("tile/0/001", std::string(size, 'x'));
    const auto tiles = client().tiles(std::vector<TileId>{{0, 1}}, TreeSize{600});
    ASSERT_FALSE(tiles.ok()) << size;
    EXPECT_EQ(tiles.error().code, ErrorCode::kTampered) << size;
  }
  put("tile/entries/000", std::string(kMaxBundleSize + 1, 'x'));
  EXPECT_EQ(client().bundles(0, 1, TreeSize{600}).error().code, ErrorCode::kTampered);
  put("checkpoint", std::string(kMaxNoteSize + 1, 'x'));
  EXPECT_EQ(client().checkpoint().error().code, ErrorCode::kTampered);
}

TEST(LogClient, refuses_what_is_no_url_of_a_log) {
  for (const char* url : {"", "log.example", "file:///srv/log", "http://a.example/?x=1"}) {
    const auto client = LogClient::create(HttpClient(), url);
    ASSERT_FALSE(client.ok()) << url;
    EXPECT_EQ(client.error().code, ErrorCode::kReject);
  }
}

}  // namespace
}  // namespace pgtally
