#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <future>

#include "base/encoding.h"
#include "database/http/served_log.h"
#include "ledger/token.h"
#include "pgtally/proof_file.h"

namespace pgtally {
namespace {

using test::body_of;
using test::error_of;
using test::header_of;
using test::json_of;
using test::must;
using Served = test::ServedLog<test::TestDatabase>;
using testing::HasSubstr;

template <typename Log>
std::string token(Log& log, const TokenRequest& request) {
  auto connection = test::connect(log.conninfo());
  return must(create_token(must(Ledger::open(connection, "pgtally")), request));
}
http::Headers bearing(const std::string& token) {
  return {{"authorization", "Bearer " + token}};
}
http::Headers with(http::Headers headers, const std::string& name, const std::string& value) {
  headers.emplace_back(name, value);
  return headers;
}

std::string rows_of(Served& log) {
  return log.psql("SELECT count(*) FROM pgtally.append_only_log");
}

TEST(Write, without_a_token_that_allows_it_is_refused) {
  Served log(1);
  const std::string rows = rows_of(log);
  const std::string reader = token(log, {"reader", {"salts", "rows"}, {}, {}});
  const std::string shop = token(log, {"shop", {"append"}, {}, {}});
  const std::string gone = token(log, {"gone", {"append"}, {}, -1});
  for (const char* path : {"/api/v1/entries", "/add"}) {
    EXPECT_EQ(log.post(path, {}, "x").status, 401U);
    EXPECT_EQ(header_of(log.post(path, {}, "x"), "WWW-Authenticate"), "Bearer");
    EXPECT_EQ(log.post(path, bearing("pgt_" + std::string(64, '0')), "x").status, 401U);
    EXPECT_EQ(log.post(path, bearing(shop + "0"), "x").status, 401U);
    EXPECT_EQ(log.post(path, {{"authorization", "Basic " + shop}}, "x").status, 401U);
    EXPECT_EQ(log.post(path, bearing(gone), "x").status, 401U);
    EXPECT_EQ(log.post(path, bearing(reader), "x").status, 403U);
  }
  auto connection = test::connect(log.conninfo());
  const Ledger ledger = must(Ledger::open(connection, "pgtally"));
  must(revoke_token(ledger, "shop"));
  EXPECT_EQ(log.post("/api/v1/entries", bearing(shop), "x").status, 401U);
  EXPECT_EQ(rows_of(log), rows);
}

TEST(Write, stages_a_row_of_any_bytes_at_once) {
  Served log(1);
  const auto headers = bearing(token(log, {"shop", {"append"}, {}, {}}));
  const std::string data("\0\xff{\"a\"\n", 7);
  const auto response = log.post("/api/v1/entries", headers, data);
  ASSERT_EQ(response.status, 202U) << body_of(response);
  const auto key = std::string(json_of(response).at("key").as_array().at(0).as_string());
  EXPECT_EQ(log.psql("SELECT encode(data, 'hex') FROM pgtally.append_only_log WHERE id = " + key),
            to_hex(as_bytes(data)));
  const auto json = with(headers, "content-type", "application/json");
  EXPECT_EQ(log.post("/api/v1/entries", json, R"({"data":"a b"})").status, 202U);
  EXPECT_EQ(log.post("/api/v1/entries", json, R"({"data_base64":"AAE="})").status, 202U);
  EXPECT_EQ(log.psql("SELECT string_agg(encode(data, 'hex'), ' ' ORDER BY id) FROM "
                     "pgtally.append_only_log WHERE id > " +
                     key),
            "612062 0001");
}

TEST(Write, wakes_the_loop_once_the_row_is_committed) {
  Served log(1);
  const auto is_woken = [&] {
    pollfd waiting{log.waker().descriptor(), POLLIN, 0};
    return ::poll(&waiting, 1, 0) == 1;
  };
  const auto headers = bearing(token(log, {"shop", {"append"}, {}, {}}));
  EXPECT_EQ(log.post("/api/v1/entries?source=none", headers, "x").status, 400U);
  EXPECT_FALSE(is_woken());
  EXPECT_EQ(log.post("/api/v1/entries", headers, "x").status, 202U);
  EXPECT_TRUE(is_woken());
}

TEST(Write, of_what_makes_no_sense_is_refused) {
  Served log(1);
  const auto headers = bearing(token(log, {"shop", {"append"}, {}, {}}));
  const auto json = with(headers, "content-type", "application/json");
  EXPECT_EQ(log.post("/api/v1/entries", headers, "").status, 400U);
  EXPECT_EQ(log.post("/add", headers, "").status, 400U);
  EXPECT_EQ(log.post("/add?source=append_only_log", headers, "x").status, 400U);
  EXPECT_EQ(log.post("/api/v1/entries?wait=2", headers, "x").status, 400U);
  EXPECT_EQ(log.post("/api/v1/entries?source=none", headers, "x").status, 400U);
  EXPECT_EQ(log.post("/api/v1/entries?source=pgtally", headers, "x").status, 400U);
  for (const char* body : {"", "{", "[]", "1", R"({"data":1})", R"({"source":"append_only_log"})",
                           R"({"data":"a","more":"b"})", R"({"data":"a","data_base64":"AAE="})",
                           R"({"data_base64":"A"})"}) {
    EXPECT_EQ(log.post("/api/v1/entries", json, body).status, 400U) << body;
  }
}

TEST(Write, with_a_token_for_one_source_reaches_no_other) {
  Served log(1);
  {
    auto connection = test::connect(log.conninfo());
    const Ledger ledger = must(Ledger::open(connection, "pgtally"));
    SourceRequest request;
    request.name = "event";
    request.append = true;
    must(add_source(ledger, must(plan_source(ledger, capture_modes(), request))));
  }
  const auto headers = bearing(token(log, {"shop", {"append"}, {"event"}, {}}));
  EXPECT_EQ(log.post("/api/v1/entries?source=event", headers, "x").status, 202U);
  EXPECT_EQ(log.post("/api/v1/entries", headers, "x").status, 403U);
  EXPECT_EQ(log.post("/add", headers, "x").status, 403U);
}

// Many at once, among them some that cannot be: each gets its own answer.
TEST(Write, of_many_at_once_loses_none_and_doubles_none) {
  Served log(1);
  const std::string before = rows_of(log);
  const auto headers = bearing(token(log, {"shop", {"append"}, {}, {}}));
  std::vector<std::future<unsigned>> answers;
  for (int thread = 0; thread < 8; ++thread) {
    answers.push_back(std::async(std::launch::async, [&log, &headers, thread] {
      unsigned accepted = 0;
      for (int i = 0; i < 50; ++i) {
        const bool wrong = (i + thread) % 10 == 0;
        const auto status =
            log.post(wrong ? "/api/v1/entries?source=none" : "/api/v1/entries", headers, "x")
                .status;
        EXPECT_EQ(status, wrong ? 400U : 202U);
        if (status == 202U) ++accepted;
      }
      return accepted;
    }));
  }
  std::uint64_t accepted = 0;
  for (auto& answer : answers) accepted += answer.get();
  EXPECT_EQ(std::stoull(rows_of(log)) - std::stoull(before), accepted);
}

TEST(Write, that_waits_is_answered_with_the_proof_once_it_is_signed) {
  Served log(1);
  const auto headers = bearing(token(log, {"shop", {"append", "salts"}, {}, {}}));
  auto waiting = std::async(std::launch::async, [&] {
    return log.post("/api/v1/entries?wait=1", with(headers, "accept", "text/plain"), "hello");
  });
  auto added = std::async(std::launch::async, [&] { return log.post("/add", headers, "bare"); });
  for (int i = 0; i < 400 && log.psql("SELECT count(*) FROM pgtally.append_only_log WHERE data IN "
                                      "('hello', 'bare')") != "2";
       ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_EQ(waiting.wait_for(std::chrono::milliseconds(300)), std::future_status::timeout);
  log.grow(1);
  const auto response = waiting.get();
  ASSERT_EQ(response.status, 201U) << body_of(response);
  const Policy policy =
      must(Policy::trust(must(VerifierKey::parse(log.context().revealed.head()->vkey))));
  Expectations expected;
  expected.row = Bytes{'h', 'e', 'l', 'l', 'o'};
  const Verdict verdict = must(verify_proof(body_of(response), policy, expected));
  EXPECT_EQ(header_of(response, "Location"), "/api/v1/entries/" + std::to_string(verdict.id.value));
  const auto id = added.get();
  EXPECT_EQ(id.status, 200U);
  EXPECT_EQ(log.get("/api/v1/entries/" + body_of(id)).status, 200U);
  EXPECT_NE(body_of(id), std::to_string(verdict.id.value));
}

TEST(Write, is_held_back_while_too_much_waits) {
  Served log(1);
  const auto headers = bearing(token(log, {"shop", {"append"}, {}, {}}));
  log.ledger().append(static_cast<int>(http::LogAppender::kMostWaiting) + 1);
  const auto response = log.post("/api/v1/entries", headers, "x");
  EXPECT_EQ(response.status, 429U);
  EXPECT_FALSE(header_of(response, "Retry-After").empty());
}

TEST(Write, while_the_database_is_away_is_told_to_come_back) {
  test::ServedLog<test::TestCluster> log(1);
  const auto headers = bearing(token(log, {"shop", {"append"}, {}, {}}));
  EXPECT_EQ(log.post("/api/v1/entries", headers, "x").status, 202U);
  log.database().stop_immediately();
  const auto response = log.post("/api/v1/entries", headers, "x");
  EXPECT_EQ(response.status, 503U);
  EXPECT_FALSE(header_of(response, "Retry-After").empty());
  log.database().start();
}

TEST(Salts, are_shown_to_who_may_see_them_and_to_nobody_else) {
  Served log(3);
  const std::string path = "/api/v1/proof/inclusion?id=2";
  const auto salt_in = [](const http::Response& response) {
    const auto file = must(parse_proof_file(body_of(response)));
    return must(decode_extra(*file.extra)).salt.has_value();
  };
  EXPECT_FALSE(salt_in(log.get(path)));
  EXPECT_FALSE(salt_in(log.get(path, bearing(token(log, {"a", {"append"}, {}, {}})))));
  const auto shown = log.get(path, bearing(token(log, {"b", {"salts"}, {}, {}})));
  EXPECT_TRUE(salt_in(shown));
  EXPECT_EQ(header_of(shown, "Cache-Control"), "no-store");
  EXPECT_FALSE(salt_in(log.get(path)));  // nothing of it was kept
  EXPECT_EQ(log.get(path, bearing("pgt_none")).status, 401U);
}

TEST(Rows, are_shown_to_who_may_see_them_and_to_nobody_else) {
  Served log(3);
  const std::string path = "/api/v1/proof/inclusion?id=2&row=1";
  EXPECT_EQ(log.get(path).status, 401U);
  EXPECT_EQ(log.get(path, bearing(token(log, {"a", {"append", "salts"}, {}, {}}))).status, 403U);
  const auto headers = bearing(token(log, {"b", {"rows"}, {}, {}}));
  const auto shown = log.get(path, headers);
  ASSERT_EQ(shown.status, 200U) << body_of(shown);
  EXPECT_EQ(header_of(shown, "Cache-Control"), "no-store");
  const auto file = must(parse_proof_file(body_of(shown)));
  EXPECT_TRUE(must(decode_extra(*file.extra)).row.has_value());
  EXPECT_EQ(log.get(path + "&size=" + std::to_string(log.size().value), headers).status, 400U);
}

TEST(Tokens, are_kept_as_hashes_and_their_names_given_out_once) {
  Served log(1);
  const std::string text = token(log, {"shop", {"append"}, {"append_only_log"}, 60});
  EXPECT_EQ(log.psql("SELECT count(*) FROM pgtally.token AS t WHERE strpos(t::text, '" +
                     text.substr(4, 16) + "') > 0"),
            "0");
  auto connection = test::connect(log.conninfo());
  const Ledger ledger = must(Ledger::open(connection, "pgtally"));
  EXPECT_EQ(error_of(create_token(ledger, {"shop", {"append"}, {}, {}})).code, ErrorCode::kReject);
  EXPECT_EQ(error_of(create_token(ledger, {"a", {"fly"}, {}, {}})).code, ErrorCode::kReject);
  EXPECT_EQ(error_of(create_token(ledger, {"a", {}, {}, {}})).code, ErrorCode::kReject);
  EXPECT_EQ(error_of(create_token(ledger, {"a", {"append"}, {"none"}, {}})).code,
            ErrorCode::kReject);
  const auto tokens = must(list_tokens(ledger));
  ASSERT_EQ(tokens.size(), 1U);
  EXPECT_TRUE(tokens[0].allows("append", "append_only_log"));
  EXPECT_FALSE(tokens[0].allows("append", "other"));
  EXPECT_FALSE(tokens[0].allows("rows", "append_only_log"));
  EXPECT_TRUE(tokens[0].expires_at.has_value());
  EXPECT_FALSE(revoke_token(ledger, "none").ok());
}

TEST(Metrics, show_what_dashboards_look_for_also_without_a_database) {
  test::ServedLog<test::TestCluster> log(5);
  (void)log.get("/checkpoint");
  (void)log.get("/tile/0/999");
  for (int round = 0; round < 2; ++round) {
    const auto response = log.get("/metrics");
    ASSERT_EQ(response.status, 200U);
    for (const char* line :
         {"pgtally_source_lag_seconds{source=\"append_only_log\"}",
          "pgtally_checkpoint_age_seconds", "pgtally_checkpoint_size 7", "pgtally_cache_hits_total",
          "pgtally_http_requests_total{code=\"200\",route=\"/checkpoint\"} 1",
          "pgtally_http_requests_total{code=\"404\",route=\"/tile/{path}\"} 1"}) {
      EXPECT_THAT(body_of(response), HasSubstr(line));
    }
    EXPECT_THAT(body_of(response), HasSubstr("pgtally_database_up " + std::to_string(1 - round)));
    if (round == 0) {
      log.database().stop_immediately();
      (void)log.get("/api/v1/entries?source=append_only_log&key=1");
    }
  }
  log.database().start();
}

}  // namespace
}  // namespace pgtally
