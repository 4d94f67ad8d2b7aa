// The description of the API against what the server really answers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "database/http/served_log.h"
#include "ledger/cosignatures.h"
#include "ledger/token.h"

namespace pgtally {
namespace {

using test::body_of;
using test::header_of;
using test::must;
using Served = test::ServedLog<test::TestDatabase>;
namespace json = boost::json;

// What openapi.json uses of JSON Schema, and nothing else; more would be refused.
class Schemas {
 public:
  explicit Schemas(const json::value& document) : document_(document) {}

  // Empty, or where and why the value is not as the schema has it. A member that the schema does not
  // know is an error: the description has to be complete.
  [[nodiscard]] std::string check(const json::value& value, const json::object& schema,
                                  const std::string& at) const {
    if (const auto* ref = schema.if_contains("$ref")) {
      return check(value, named(std::string(ref->as_string())), at);
    }
    if (value.is_null() && schema.contains("nullable")) return {};
    if (const auto* all = schema.if_contains("allOf")) {
      return check(value, all->as_array().at(0).as_object(), at);
    }
    const std::string type(schema.at("type").as_string());
    if (!fits(value, type)) return at + " is no " + type;
    if (const auto* options = schema.if_contains("enum")) {
      const auto& list = options->as_array();
      if (std::ranges::find(list, value) == list.end()) return at + " is none of the enum";
    }
    if (type == "array") {
      for (const auto& item : value.as_array()) {
        const auto wrong = check(item, schema.at("items").as_object(), at + "[]");
        if (!wrong.empty()) return wrong;
      }
    }
    return type == "object" && schema.contains("properties")
               ? check_members(value.as_object(), schema, at)
               : "";
  }

 private:
  [[nodiscard]] const json::object& named(const std::string& ref) const {
    return document_.at("components").at("schemas").at(ref.substr(ref.rfind('/') + 1)).as_object();
  }
  static bool fits(const json::value& value, const std::string& type) {
    if (type == "string") return value.is_string();
    if (type == "integer") return value.is_int64() || value.is_uint64();
    if (type == "number") return value.is_number();
    if (type == "boolean") return value.is_bool();
    if (type == "array") return value.is_array();
    return type == "object" && value.is_object();
  }
  [[nodiscard]] std::string check_members(const json::object& value, const json::object& schema,
                                          const std::string& at) const {
    const auto& properties = schema.at("properties").as_object();
    for (const auto& name : schema.at("required").as_array()) {
      if (!value.contains(name.as_string())) return at + " lacks " + std::string(name.as_string());
    }
    for (const auto& [name, member] : value) {
      const auto* known = properties.if_contains(name);
      if (known == nullptr) return at + "." + std::string(name) + " is not described";
      const auto wrong = check(member, known->as_object(), at + "." + std::string(name));
      if (!wrong.empty()) return wrong;
    }
    return {};
  }

  const json::value& document_;
};

class OpenApi : public testing::Test {
 protected:
  // That this answer is one that the description has.
  void expect_described(const std::string& method, const std::string& path,
                        const http::Response& response) {
    const std::string place =
        method + " " + path + " gives " + std::to_string(response.status) + ": ";
    const auto& operation = document_.at("paths").at(path).at(method).as_object();
    const auto* described =
        operation.at("responses").as_object().if_contains(std::to_string(response.status));
    ASSERT_NE(described, nullptr) << place << "the status is not described";
    if (response.events) return;
    std::string type = header_of(response, "Content-Type");
    type = type.substr(0, type.find(';'));
    const auto* content = described->at("content").as_object().if_contains(type);
    ASSERT_NE(content, nullptr) << place << type << " is not described";
    seen_.insert(method + path + std::to_string(response.status));
    if (!type.ends_with("json")) return;
    EXPECT_EQ(Schemas(document_).check(json::parse(body_of(response)),
                                       content->at("schema").as_object(), "answer"),
              "")
        << place << body_of(response);
  }
  void get(const std::string& path, const std::string& target, const http::Headers& headers = {}) {
    expect_described("get", path, log_.get(target, headers));
  }
  void post(const std::string& path, const std::string& target, const http::Headers& headers,
            const std::string& body) {
    expect_described("post", path, log_.post(target, headers, body));
  }

  Served log_{300};
  json::value document_ = json::parse(body_of(log_.get("/api/v1/openapi.json")));
  std::set<std::string> seen_;
};

TEST_F(OpenApi, describes_every_route_and_no_other) {
  std::set<std::string> routes;
  for (const auto& [path, method] : http::route_names()) {
    std::string lower(method);
    std::ranges::transform(lower, lower.begin(), [](char c) { return c | 0x20; });
    routes.insert(lower + " " + std::string(path));
  }
  std::set<std::string> described;
  for (const auto& [path, operations] : document_.at("paths").as_object()) {
    for (const auto& [method, operation] : operations.as_object()) {
      described.insert(std::string(method) + " " + std::string(path));
    }
  }
  EXPECT_EQ(described, routes);
}

TEST_F(OpenApi, describes_what_is_answered) {
  const http::Headers json{{"accept", "application/json"}};
  get("/checkpoint", "/checkpoint");
  get("/tile/{path}", "/tile/0/000");
  get("/tile/{path}", "/tile/0/009");
  get("/document/{sha256}",
      "/document/" + log_.psql("SELECT encode(content_hash, 'hex') FROM pgtally.processed_log "
                               "WHERE id = 0"));
  get("/document/{sha256}", "/document/0");
  get("/api/v1/status", "/api/v1/status");
  {
    auto connection = test::connect(log_.conninfo());
    must(mark_witnessed(must(Ledger::open(connection, "pgtally")), log_.size()));
  }
  log_.restart();
  EXPECT_THAT(body_of(log_.get("/api/v1/status")), testing::HasSubstr("\"witnessed\":{"));
  get("/api/v1/status", "/api/v1/status");
  get("/api/v1/status", "/api/v1/status?x=1");
  get("/api/v1/sources", "/api/v1/sources");
  get("/api/v1/entries/{id}", "/api/v1/entries/0");
  get("/api/v1/entries/{id}", "/api/v1/entries/5");
  get("/api/v1/entries/{id}", "/api/v1/entries/5000");
  get("/api/v1/entries", "/api/v1/entries?source=append_only_log&key=5");
  get("/api/v1/entries", "/api/v1/entries?source=append_only_log&key=5000");
  get("/api/v1/entries", "/api/v1/entries");
  for (const http::Headers& headers : {http::Headers{}, json}) {
    get("/api/v1/proof/inclusion", "/api/v1/proof/inclusion?id=5", headers);
    get("/api/v1/proof/order", "/api/v1/proof/order?first=5&second=6", headers);
  }
  get("/api/v1/proof/inclusion", "/api/v1/proof/inclusion?id=5000");
  get("/api/v1/proof/inclusion", "/api/v1/proof/inclusion?id=x");
  get("/api/v1/proof/inclusion", "/api/v1/proof/inclusion?id=5&row=1");
  get("/api/v1/proof/order", "/api/v1/proof/order?first=5&second=5");
  get("/api/v1/proof/order", "/api/v1/proof/order?first=5&second=5000");
  get("/api/v1/proof/consistency", "/api/v1/proof/consistency?from=5");
  get("/api/v1/proof/consistency", "/api/v1/proof/consistency?from=5&to=5000");
  get("/api/v1/proof/consistency", "/api/v1/proof/consistency");
  get("/api/v1/events", "/api/v1/events");
  get("/api/v1/events", "/api/v1/events?x=1");
  get("/api/v1/openapi.json", "/api/v1/openapi.json");
  get("/metrics", "/metrics");
  get("/healthz", "/healthz");
  get("/readyz", "/readyz");
  get("/readyz/sequencer", "/readyz/sequencer");
  log_.pulse().starts(true);
  log_.pulse().completed(1, true);
  get("/readyz/sequencer", "/readyz/sequencer");
}

TEST_F(OpenApi, describes_what_writing_is_answered_with) {
  std::string token;
  std::string salts;
  {
    auto connection = test::connect(log_.conninfo());
    const Ledger ledger = must(Ledger::open(connection, "pgtally"));
    token = must(create_token(ledger, {"shop", {"append", "salts"}, {}, {}}));
    salts = must(create_token(ledger, {"other", {"salts"}, {}, {}}));
  }
  const http::Headers shop{{"authorization", "Bearer " + token}};
  const http::Headers other{{"authorization", "Bearer " + salts}, {"accept", "application/json"}};
  post("/api/v1/entries", "/api/v1/entries", shop, "x");
  post("/api/v1/entries", "/api/v1/entries", shop, "");
  post("/api/v1/entries", "/api/v1/entries", {}, "x");
  post("/api/v1/entries", "/api/v1/entries", other, "x");
  post("/add", "/add", {}, "x");
  post("/add", "/add", other, "x");
  get("/api/v1/proof/inclusion", "/api/v1/proof/inclusion?id=5", other);
  get("/api/v1/proof/inclusion", "/api/v1/proof/inclusion?id=5&row=1", other);
  auto waiting = std::async(std::launch::async,
                            [&] { return log_.post("/api/v1/entries?wait=1", shop, "waiting"); });
  auto added = std::async(std::launch::async, [&] { return log_.post("/add", shop, "added"); });
  while (log_.psql("SELECT count(*) FROM pgtally.append_only_log WHERE data IN ('waiting', "
                   "'added')") != "2") {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  log_.grow(1);
  expect_described("post", "/api/v1/entries", waiting.get());
  expect_described("post", "/add", added.get());
  EXPECT_TRUE(seen_.contains("post/api/v1/entries201"));
  EXPECT_TRUE(seen_.contains("post/add200"));
}

}  // namespace
}  // namespace pgtally
