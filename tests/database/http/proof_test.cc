#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/encoding.h"
#include "database/http/served_log.h"
#include "pgtally/merkle.h"
#include "pgtally/proof_file.h"

namespace pgtally {
namespace {

using test::body_of;
using test::header_of;
using test::json_of;
using test::must;
using Served = test::ServedLog<test::TestDatabase>;
using testing::HasSubstr;

const http::Headers kJson{{"accept", "application/json"}};

Policy policy_of(Served& log) {
  return must(Policy::trust(must(VerifierKey::parse(log.context().revealed.head()->vkey))));
}

TEST(ServedInclusion, verifies_as_a_stranger_would_for_every_entry) {
  Served log(600);
  const Policy policy = policy_of(log);
  for (std::uint64_t id = 0; id < log.size().value; id += id < 260 ? 1 : 17) {
    const auto response = log.get("/api/v1/proof/inclusion?id=" + std::to_string(id));
    ASSERT_EQ(response.status, 200U) << id;
    const Verdict verdict = must(verify_proof(body_of(response), policy));
    EXPECT_EQ(verdict.id.value, id);
    EXPECT_EQ(verdict.size, log.size());
  }
}

TEST(ServedInclusion, as_json_holds_the_same_proof) {
  Served log(600);
  const auto response = log.get("/api/v1/proof/inclusion?id=300", kJson);
  EXPECT_EQ(header_of(response, "Content-Type"), "application/json");
  EXPECT_EQ(header_of(response, "Vary"), "Accept");
  const auto json = json_of(response).as_object();
  std::vector<Hash> path;
  for (const auto& hash : json.at("proof").as_array()) {
    path.push_back(must(hash_from_base64(std::string_view(hash.as_string()))));
  }
  const Bytes entry = must(from_base64(std::string_view(json.at("entry").as_string())));
  EXPECT_TRUE(verify_inclusion(LeafIndex{300}, log.size(), leaf_hash(entry), path,
                               log.context().revealed.head()->root)
                  .ok());
  EXPECT_EQ(json.at("id").as_int64(), 300);
  EXPECT_EQ(std::string_view(json.at("checkpoint").as_string()), body_of(log.get("/checkpoint")));
}

TEST(ServedInclusion, is_to_be_had_by_key_and_for_an_earlier_checkpoint) {
  Served log(50);
  const TreeSize earlier = log.size();
  log.grow(300);
  const auto by_key = log.get("/api/v1/proof/inclusion?source=append_only_log&key=20");
  ASSERT_EQ(by_key.status, 200U);
  const Verdict verdict = must(verify_proof(body_of(by_key), policy_of(log)));
  EXPECT_THAT(verdict.key, testing::ElementsAre("20"));
  EXPECT_EQ(verdict.size, log.size());
  const std::string old = "/api/v1/proof/inclusion?id=7&size=" + std::to_string(earlier.value);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(must(verify_proof(body_of(log.get(old)), policy_of(log))).size, earlier);
  }
}

TEST(ServedInclusion, of_what_is_not_there_is_404_and_of_what_makes_no_sense_400) {
  Served log(50);
  const std::string size = std::to_string(log.size().value);
  const std::vector<std::string> missing{"id=" + size,
                                         "id=18446744073709551615",
                                         "id=3&size=17",
                                         "id=30&size=20",
                                         "id=3&size=999999",
                                         "source=none&key=1",
                                         "source=append_only_log&key=9999"};
  for (const std::string& query : missing) {
    EXPECT_EQ(log.get("/api/v1/proof/inclusion?" + query).status, 404U) << query;
  }
  for (const char* query :
       {"", "id=", "id=-1", "id=1x", "id=18446744073709551616", "id=1&id=2", "id=1&bogus=1",
        "id=1&source=append_only_log", "source=append_only_log", "key=1", "id=1&size=x",
        "source=append_only_log&key=a&key=b", "id=%zz", "id=%00"}) {
    EXPECT_EQ(log.get(std::string("/api/v1/proof/inclusion?") + query).status, 400U) << query;
  }
}

TEST(ServedInclusion, never_holds_a_salt_or_a_row) {
  Served log(20);
  const auto file = must(parse_proof_file(body_of(log.get("/api/v1/proof/inclusion?id=5"))));
  const ProofExtra extra = must(decode_extra(*file.extra));
  EXPECT_FALSE(extra.salt.has_value());
  EXPECT_FALSE(extra.row.has_value());
  const auto json = json_of(log.get("/api/v1/proof/inclusion?id=5", kJson)).as_object();
  EXPECT_FALSE(json.contains("salt"));
  EXPECT_FALSE(json.contains("row"));
}

TEST(ServedOrder, says_which_of_two_came_first_whichever_is_named_first) {
  Served log(300);
  for (const char* query : {"first=3&second=280", "first=280&second=3"}) {
    const auto response = log.get(std::string("/api/v1/proof/order?") + query);
    ASSERT_EQ(response.status, 200U);
    const OrderVerdict verdict = must(verify_order_proof(body_of(response), policy_of(log)));
    EXPECT_EQ(verdict.first.id.value, 3U);
    EXPECT_EQ(verdict.second.id.value, 280U);
  }
  EXPECT_EQ(log.get("/api/v1/proof/order?first=3&second=3").status, 400U);
  EXPECT_EQ(log.get("/api/v1/proof/order?first=3").status, 400U);
  EXPECT_EQ(log.get("/api/v1/proof/order?first=3&second=999").status, 404U);
}

TEST(ServedConsistency, verifies_between_any_two_sizes) {
  Served log(600);
  for (const std::uint64_t from : {0U, 1U, 5U, 256U, 511U, 600U}) {
    for (const std::uint64_t to : {600U, 601U}) {
      const auto response = log.get("/api/v1/proof/consistency?from=" + std::to_string(from) +
                                    "&to=" + std::to_string(to));
      ASSERT_EQ(response.status, 200U);
      const auto json = json_of(response).as_object();
      std::vector<Hash> path;
      for (const auto& hash : json.at("proof").as_array()) {
        path.push_back(must(hash_from_base64(std::string_view(hash.as_string()))));
      }
      const auto root = [&](const char* name) {
        return must(hash_from_base64(std::string_view(json.at(name).as_string())));
      };
      EXPECT_TRUE(verify_consistency({from}, {to}, root("root1"), root("root2"), path).ok());
    }
  }
  EXPECT_EQ(log.get("/api/v1/proof/consistency?from=5&to=4").status, 400U);
  EXPECT_EQ(log.get("/api/v1/proof/consistency?to=4").status, 400U);
  EXPECT_EQ(log.get("/api/v1/proof/consistency?from=1&to=9999").status, 404U);
}

}  // namespace
}  // namespace pgtally
