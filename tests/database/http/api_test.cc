#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/encoding.h"
#include "database/http/served_log.h"
#include "ledger/cosignatures.h"
#include "pgtally/merkle.h"

namespace pgtally {
namespace {

using test::body_of;
using test::header_of;
using test::json_of;
using test::must;
using Served = test::ServedLog<test::TestDatabase>;
using testing::HasSubstr;
using testing::Not;

TEST(Api, status_is_that_of_the_newest_checkpoint) {
  Served log(10);
  const auto json = json_of(log.get("/api/v1/status")).as_object();
  const auto head = log.context().revealed.head();
  EXPECT_EQ(json.at("origin").as_string(), test::kOrigin);
  EXPECT_EQ(json.at("size").to_number<std::uint64_t>(), head->size.value);
  EXPECT_EQ(std::string_view(json.at("root").as_string()), to_base64(head->root.view()));
  EXPECT_EQ(json.at("checkpoint").at("size"), json.at("size"));
  EXPECT_THAT(std::string(json.at("checkpoint").at("signed_at").as_string()),
              testing::MatchesRegex(".{10}T.{8}[.][0-9]{6}Z"));
  const auto& source = json.at("sources").as_array().at(0).as_object();
  for (const char* name : {"name", "mode", "state", "entries", "lag_rows", "lag_seconds"}) {
    EXPECT_TRUE(source.contains(name)) << name;
  }
}

TEST(Api, status_says_which_checkpoint_is_witnessed) {
  Served log(10);
  EXPECT_TRUE(json_of(log.get("/api/v1/status")).at("witnessed").is_null());
  const auto size = log.size();
  {
    auto connection = test::connect(log.conninfo());
    must(mark_witnessed(must(Ledger::open(connection, "pgtally")), size));
  }
  log.restart();
  for (const bool newest : {true, false}) {
    const auto witnessed = json_of(log.get("/api/v1/status")).at("witnessed");
    EXPECT_EQ(witnessed.at("size").to_number<std::uint64_t>(), size.value);
    EXPECT_EQ(witnessed.at("newest").as_bool(), newest);
    EXPECT_TRUE(witnessed.at("signed_at").is_string());
    if (newest) log.grow(1);
  }
}

TEST(Api, says_of_a_source_where_its_definition_is) {
  Served log(10);
  const auto json = json_of(log.get("/api/v1/sources")).as_object();
  const auto& source = json.at("sources").as_array().at(0).as_object();
  EXPECT_EQ(source.at("name").as_string(), "append_only_log");
  EXPECT_EQ(log.get(std::string(source.at("document").as_string())).status, 200U);
  for (const char* secret : {"secret", "failure", "last_key"}) {
    EXPECT_FALSE(source.contains(secret)) << secret;
  }
}

TEST(Api, decodes_an_entry_whose_bytes_hash_to_its_leaf) {
  Served log(10);
  const auto response = log.get("/api/v1/entries/5");
  const auto json = json_of(response).as_object();
  EXPECT_EQ(json.at("id").as_int64(), 5);
  EXPECT_EQ(json.at("source").as_string(), "append_only_log");
  EXPECT_EQ(json.at("operation").as_string(), "insert");
  EXPECT_EQ(json.at("key").as_array().size(), 1U);
  const Bytes entry = must(from_base64(std::string_view(json.at("entry").as_string())));
  EXPECT_EQ(std::string_view(json.at("leaf_hash").as_string()), to_base64(leaf_hash(entry).view()));
  EXPECT_THAT(header_of(response, "Cache-Control"), HasSubstr("immutable"));
  for (const char* id : {"999", "-1", "05", "x", "", "5/", "18446744073709551616"}) {
    EXPECT_EQ(log.get(std::string("/api/v1/entries/") + id).status, 404U) << id;
  }
}

TEST(Api, lists_the_entries_of_a_row_newest_first) {
  Served log;
  log.psql("CREATE TABLE t (id bigint PRIMARY KEY, a text)");
  {
    auto connection = test::connect(log.conninfo());
    const Ledger ledger = must(Ledger::open(connection, "pgtally"));
    SourceRequest request;
    request.name = "t";
    request.table = "t";
    request.key = {"id"};
    request.mode = "trigger";
    request.track_changes = true;
    must(add_source(ledger, must(plan_source(ledger, capture_modes(), request))));
  }
  log.psql("INSERT INTO t VALUES (42, 'secret words')");
  log.psql("UPDATE t SET a = 'others'");
  log.grow(1);
  const auto response = log.get("/api/v1/entries?source=t&key=042");
  ASSERT_EQ(response.status, 200U) << body_of(response);
  const auto entries = json_of(response).at("entries").as_array();
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[0].at("operation").as_string(), "update");
  EXPECT_EQ(entries[1].at("operation").as_string(), "insert");
  EXPECT_THAT(body_of(response), Not(HasSubstr("secret words")));
  EXPECT_EQ(log.get("/api/v1/entries?source=t&key=id%3D42").status, 200U);
  EXPECT_EQ(log.get("/api/v1/entries?source=t&key=43").status, 404U);
  EXPECT_EQ(log.get("/api/v1/entries?source=t&key=x").status, 400U);
  EXPECT_EQ(log.get("/api/v1/entries?source=t").status, 400U);
  EXPECT_EQ(log.get("/api/v1/entries?source=u&key=1").status, 404U);
}

TEST(Api, refuses_other_methods_and_paths) {
  Served log(1);
  const auto refused = log.post("/checkpoint", {}, "");
  EXPECT_EQ(refused.status, 405U);
  EXPECT_EQ(header_of(refused, "Allow"), "GET, HEAD");
  for (const char* path : {"/", "/api/v1", "/api/v1/", "/checkpoint/", "/checkpoint2",
                           "/API/v1/status", "/../etc/passwd", "/api/v2/status"}) {
    const auto response = log.get(path);
    EXPECT_EQ(response.status, 404U) << path;
    EXPECT_EQ(header_of(response, "Content-Type"), "application/problem+json");
  }
}

TEST(Readiness, of_the_sequencer_follows_its_loop) {
  Served log(1);
  EXPECT_EQ(log.get("/healthz").status, 200U);
  EXPECT_EQ(log.get("/readyz").status, 200U);
  EXPECT_EQ(log.get("/readyz/sequencer").status, 503U);  // no cycle yet
  log.pulse().starts(true);
  log.pulse().completed(1, true);
  EXPECT_EQ(log.get("/readyz/sequencer").status, 200U);
  log.pulse().failed("password of somebody is wrong");
  const auto failed = log.get("/readyz/sequencer");
  EXPECT_EQ(failed.status, 503U);
  EXPECT_THAT(body_of(failed), Not(HasSubstr("password")));
  log.pulse().completed(0, false);
  EXPECT_EQ(log.get("/readyz/sequencer").status, 200U);
  log.pulse().starts(false);
  EXPECT_EQ(log.get("/readyz/sequencer").status, 503U);
}

class Listener final : public http::EventListener {
 public:
  void on_event(const http::SharedEvent& event) override {
    const std::lock_guard lock(mutex_);
    ids_.push_back(event->id);
  }
  std::vector<std::string> ids() {
    const std::lock_guard lock(mutex_);
    return ids_;
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> ids_;
};

TEST(Events, tell_of_each_checkpoint_that_is_revealed) {
  Served log(3);
  const auto response = log.get("/api/v1/events");
  ASSERT_TRUE(response.events);
  const auto listener = std::make_shared<Listener>();
  const auto newest = response.events->listen(listener);
  ASSERT_TRUE(newest);
  EXPECT_EQ(newest->id, std::to_string(log.size().value));
  EXPECT_THAT(newest->text, HasSubstr("event: checkpoint\n"));
  log.grow(2);
  for (int i = 0; i < 200 && listener->ids().empty(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_THAT(listener->ids(), testing::ElementsAre(std::to_string(log.size().value)));
}

}  // namespace
}  // namespace pgtally
