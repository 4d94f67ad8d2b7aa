#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "crypto/sha256.h"
#include "pgtally/proof_file.h"
#include "pgtally/verify.h"
#include "support/format_vectors.h"

namespace pgtally {
namespace {

std::string proof_named(const std::string& name) {
  return test::format_vector_file("proofs/" + name + ".tlog-proof");
}

Policy the_policy() {
  return *Policy::parse(test::format_vector_file("policy.txt"));
}

Policy the_log_alone() {
  std::string vkey = test::format_vector_file("log.vkey");
  vkey.pop_back();
  return *Policy::trust(*VerifierKey::parse(vkey));
}

bool lists(const std::vector<std::string>& list, const std::string& what) {
  return std::find(list.begin(), list.end(), what) != list.end();
}

// The proof file with its extra data changed.
std::string with_extra(const std::string& name, const std::function<void(ProofExtra&)>& change) {
  ProofFile file = *parse_proof_file(proof_named(name));
  ProofExtra extra = *decode_extra(*file.extra);
  change(extra);
  file.extra = *encode_extra(extra);
  return *serialize(file);
}

ErrorCode code_of(const std::string& text, const Expectations& expected = {}) {
  const auto verdict = verify_proof(text, the_policy(), expected);
  EXPECT_FALSE(verdict.ok());
  return verdict.ok() ? ErrorCode::kRetry : verdict.error().code;
}

void expect_same_claims(const Verdict& a, const Verdict& b, std::size_t where) {
  EXPECT_EQ(a.origin, b.origin) << where;
  EXPECT_EQ(a.size, b.size) << where;
  EXPECT_EQ(a.root, b.root) << where;
  EXPECT_EQ(a.cosigned_by, b.cosigned_by) << where;
  EXPECT_EQ(a.id, b.id) << where;
  EXPECT_EQ(a.entry, b.entry) << where;
  EXPECT_EQ(a.key, b.key) << where;
  EXPECT_EQ(a.content, b.content) << where;
  EXPECT_EQ(a.definition, b.definition) << where;
  EXPECT_EQ(a.row, b.row) << where;
  EXPECT_EQ(a.data, b.data) << where;
  EXPECT_EQ(a.checked, b.checked) << where;
}

TEST(Verify, finds_in_the_independent_proofs_what_their_generator_put_there) {
  const auto policy = the_policy();
  const auto vectors = test::format_vectors("proofs.txt");
  ASSERT_GT(vectors.size(), 18U);
  for (const auto& vector : vectors) {
    const std::string name = vector.word("file");
    const auto verdict = verify_proof(proof_named(name), policy);
    ASSERT_TRUE(verdict.ok()) << name << ": " << verdict.error().message;
    EXPECT_EQ(verdict->origin, "ledger.example/payments");
    EXPECT_EQ(verdict->id.value, vector.number("id"));
    EXPECT_EQ(verdict->size.value, vector.number("size"));
    EXPECT_EQ(verdict->root, vector.hash("root"));
    EXPECT_EQ(verdict->cosigned_by, (std::vector<Cosigned>{{"w1.example/witness", 1795003601},
                                                           {"w2.example/witness", 1795003602}}));
    EXPECT_TRUE(lists(verdict->checked, "checkpoint signature"));
    EXPECT_TRUE(lists(verdict->checked, "witnesses"));
    EXPECT_TRUE(lists(verdict->checked, "inclusion"));
    if (!vector.has("operation")) continue;
    ASSERT_TRUE(verdict->entry);
    EXPECT_EQ(static_cast<std::uint64_t>(verdict->entry->operation), vector.number("operation"));
    EXPECT_EQ(verdict->entry->ordinal, vector.number("ordinal"));
    EXPECT_EQ(verdict->entry->source, vector.word("source"));
    EXPECT_EQ(verdict->entry->sequenced_at.microseconds, vector.signed_number("sequenced_at"));
    EXPECT_EQ(verdict->entry->source_time.microseconds, vector.signed_number("source_time"));
    EXPECT_EQ(verdict->entry->content_hash, vector.hash("content_hash"));
    EXPECT_EQ(verdict->key, vector.texts("key_column"));
    EXPECT_EQ(lists(verdict->checked, "row"), vector.has("h")) << name;
    if (vector.has("h")) {
      EXPECT_EQ(verdict->content, vector.hash("h"));
    }
    std::vector<RowColumn> row;
    for (const auto& [field, value] : vector.fields) {
      if (field != "row") continue;
      const std::size_t space = value.find(' ');
      row.push_back({test::text_of_hex(value.substr(0, space)),
                     space == std::string::npos ? "" : test::text_of_hex(value.substr(space + 1))});
    }
    EXPECT_EQ(verdict->row, row) << name;
  }
}

TEST(Verify, says_what_it_checked_and_what_it_could_not) {
  const auto policy = the_log_alone();
  const auto all = *verify_proof(proof_named("payment_42"), policy);
  EXPECT_EQ(all.checked, (std::vector<std::string>{"checkpoint signature", "inclusion",
                                                   "definition", "salt", "row", "row key"}));
  EXPECT_TRUE(all.not_checked.empty());
  EXPECT_TRUE(all.cosigned_by.empty());

  const auto bare = *verify_proof(proof_named("payment_42_bare"), policy);
  EXPECT_EQ(bare.checked, (std::vector<std::string>{"checkpoint signature", "inclusion"}));
  EXPECT_TRUE(bare.not_checked.empty());

  const auto salt = *verify_proof(proof_named("payment_42_salt"), policy);
  EXPECT_EQ(salt.checked, bare.checked);
  ASSERT_EQ(salt.not_checked.size(), 1U);
  EXPECT_NE(salt.not_checked[0].find("salt"), std::string::npos);

  const auto asserted = *verify_proof(proof_named("invoice_hash"), policy);
  EXPECT_EQ(asserted.not_checked.size(), 2U);  // the salt, and what the application's hash is of

  const auto define = *verify_proof(proof_named("define_payment_1"), policy);
  EXPECT_TRUE(lists(define.checked, "document"));
  EXPECT_EQ(define.definition->number, 1U);

  const auto data = *verify_proof(proof_named("upload_1"), policy);
  EXPECT_EQ(data.data, (Bytes{'a', 'n', 'y', ' ', 'b', 'y', 't', 'e', 's', ':', ' ', 0, 0xff}));

  const auto opaque = *verify_proof(proof_named("version_9"), policy);
  EXPECT_EQ(opaque.entry_version, 9);
  EXPECT_FALSE(opaque.entry);
  EXPECT_EQ(opaque.not_checked.size(), 1U);
}

TEST(Verify, of_a_file_with_any_byte_changed_says_no_or_claims_the_same) {
  const auto policy = the_policy();
  const std::string text = proof_named("payment_42");
  const auto original = *verify_proof(text, policy);
  const std::size_t stranger = text.find("— stranger");
  const std::size_t stranger_end = text.find('\n', stranger);
  for (std::size_t at = 0; at < text.size(); ++at) {
    for (const int bit : {1, 32}) {
      if (bit == 32 && at % 8 != 0) continue;  // enough to meet upper and lower case
      std::string changed = text;
      changed[at] = static_cast<char>(changed[at] ^ bit);
      const auto verdict = verify_proof(changed, policy);
      if (!verdict.ok()) {
        EXPECT_FALSE(verdict.error().message.empty());
        continue;
      }
      EXPECT_TRUE(at > stranger && at < stranger_end) << at;
      expect_same_claims(*verdict, original, at);
    }
  }
}

TEST(Verify, of_a_file_that_is_cut_anywhere_says_no) {
  const auto policy = the_policy();
  const std::string text = proof_named("payment_42");
  for (std::size_t length = 0; length < text.size(); ++length) {
    EXPECT_FALSE(verify_proof(text.substr(0, length), policy).ok()) << length;
  }
}

TEST(Verify, of_a_proof_of_one_entry_never_holds_for_another) {
  const auto policy = the_policy();
  const auto vectors = test::format_vectors("proofs.txt");
  std::vector<ProofFile> files;
  for (const auto& vector : vectors)
    files.push_back(*parse_proof_file(proof_named(vector.word("file"))));
  for (const ProofFile& proof : files) {
    for (const ProofFile& other : files) {
      if (proof.index == other.index) continue;
      ProofFile mixed = proof;
      mixed.extra = other.extra;  // another entry at this place
      EXPECT_FALSE(verify_proof(*serialize(mixed), policy).ok());
      mixed = proof;
      mixed.index = other.index;  // this entry at another place
      EXPECT_FALSE(verify_proof(*serialize(mixed), policy).ok());
      mixed.path = other.path;
      EXPECT_FALSE(verify_proof(*serialize(mixed), policy).ok());
    }
  }
}

TEST(Verify, refuses_records_that_belong_to_another_entry) {
  const auto policy = the_policy();
  const char* names[] = {"payment_42",   "payment_42_update", "payment_43",           "payment_44",
                         "package_bash", "upload_1",          "order_line_hashed_key"};
  for (const char* name : names) {
    for (const char* other_name : names) {
      if (name == other_name) continue;
      const ProofExtra other = *decode_extra(*parse_proof_file(proof_named(other_name))->extra);
      EXPECT_EQ(code_of(with_extra(name, [&](ProofExtra& e) { e.row = other.row; })),
                ErrorCode::kTampered);
      if (other.salt) {
        EXPECT_FALSE(
            verify_proof(with_extra(name, [&](ProofExtra& e) { e.salt = other.salt; }), policy)
                .ok());
      }
      if (other.define == decode_extra(*parse_proof_file(proof_named(name))->extra)->define)
        continue;
      EXPECT_EQ(code_of(with_extra(name, [&](ProofExtra& e) { e.definition = other.definition; })),
                ErrorCode::kTampered);
      EXPECT_EQ(code_of(with_extra(name, [&](ProofExtra& e) { e.define = other.define; })),
                ErrorCode::kTampered);
      EXPECT_EQ(code_of(with_extra(name,
                                   [&](ProofExtra& e) {
                                     e.define = other.define;
                                     e.definition = other.definition;
                                   })),
                ErrorCode::kTampered);
    }
  }
}

TEST(Verify, never_passes_over_what_it_cannot_check) {
  const std::string row = "payment_42";
  EXPECT_EQ(code_of(with_extra(row, [](ProofExtra& e) { e.salt.reset(); })), ErrorCode::kReject);
  EXPECT_EQ(code_of(with_extra(row, [](ProofExtra& e) { e.define.reset(); })), ErrorCode::kReject);
  EXPECT_EQ(code_of(with_extra(row, [](ProofExtra& e) { e.definition.reset(); })),
            ErrorCode::kReject);
  EXPECT_EQ(code_of(with_extra(row, [](ProofExtra& e) { e.definition.reset(), e.define.reset(); })),
            ErrorCode::kReject);
  EXPECT_EQ(code_of(with_extra("package_bash", [](ProofExtra& e) { e.salt = Hash{}; })),
            ErrorCode::kReject);
  EXPECT_EQ(code_of(with_extra("notice", [](ProofExtra& e) { e.row = Bytes{1}; })),
            ErrorCode::kReject);
  EXPECT_EQ(code_of(with_extra("notice", [](ProofExtra& e) { e.definition = "{}"; })),
            ErrorCode::kTampered);
  EXPECT_EQ(code_of(with_extra("define_payment_0", [](ProofExtra& e) { e.definition = "{}"; })),
            ErrorCode::kTampered);
  EXPECT_EQ(code_of(with_extra("payment_42_delete", [](ProofExtra& e) { e.salt = Hash{}; })),
            ErrorCode::kTampered);
  ProofFile without = *parse_proof_file(proof_named(row));
  without.extra.reset();
  EXPECT_EQ(code_of(*serialize(without)), ErrorCode::kReject);

  const auto unknown = with_extra("package_bash", [](ProofExtra&) {});
  ProofFile file = *parse_proof_file(unknown);
  file.extra->insert(file.extra->end(), {0x12, 0x34, 0, 0, 1, 0xaa});
  const auto verdict = verify_proof(*serialize(file), the_policy());
  ASSERT_TRUE(verdict.ok());
  ASSERT_EQ(verdict->not_checked.size(), 1U);
  EXPECT_NE(verdict->not_checked[0].find("4660"), std::string::npos);
}

TEST(Verify, refuses_a_definition_whose_path_is_not_its_own) {
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(
        code_of(with_extra("payment_42", [&](ProofExtra& e) { e.define->path[i].bytes[0] ^= 1; })),
        ErrorCode::kTampered);
  }
  EXPECT_FALSE(
      verify_proof(with_extra("payment_42", [](ProofExtra& e) { e.define->index = LeafIndex{2}; }),
                   the_policy())
          .ok());
  EXPECT_FALSE(
      verify_proof(with_extra("payment_42", [](ProofExtra& e) { e.define->index = LeafIndex{99}; }),
                   the_policy())
          .ok());
}

Expectations key(std::vector<ExpectedKeyColumn> columns) {
  Expectations expected;
  expected.key = std::move(columns);
  return expected;
}

TEST(Verify, holds_the_entry_against_the_source_and_key_that_are_expected) {
  const auto policy = the_policy();
  const auto check = [&](const std::string& name, const Expectations& expected) {
    return verify_proof(proof_named(name), policy, expected);
  };
  Expectations source;
  source.source = "payment";
  EXPECT_TRUE(lists(check("payment_42", source)->checked, "source"));
  EXPECT_EQ(check("package_bash", source).error().code, ErrorCode::kTampered);

  EXPECT_TRUE(lists(check("payment_42_bare", key({{"", "42"}}))->checked, "key"));
  EXPECT_EQ(check("payment_42_bare", key({{"", "43"}})).error().code, ErrorCode::kTampered);
  EXPECT_EQ(check("payment_42_bare", key({{"", "42"}, {"", ""}})).error().code,
            ErrorCode::kTampered);
  EXPECT_EQ(check("payment_42_bare", key({{"id", "42"}})).error().code, ErrorCode::kReject);
  EXPECT_FALSE(check("payment_42_bare", key({})).ok());
  EXPECT_EQ(check("notice", key({{"", "42"}})).error().code, ErrorCode::kTampered);

  const std::string version = "5.2.15-2+b7";
  EXPECT_TRUE(check("package_bash", key({{"", "bash"}, {"", version}, {"", "amd64"}})).ok());
  EXPECT_TRUE(check("package_bash",
                    key({{"architecture", "amd64"}, {"name", "bash"}, {"version", version}}))
                  .ok());
  EXPECT_FALSE(check("package_bash", key({{"", version}, {"", "bash"}, {"", "amd64"}})).ok());
  EXPECT_FALSE(check("package_bash", key({{"name", "bash"}, {"version", version}})).ok());
  EXPECT_FALSE(
      check("package_bash", key({{"name", "bash"}, {"name", "bash"}, {"version", version}})).ok());
  EXPECT_FALSE(
      check("package_bash", key({{"name", "bash"}, {"version", version}, {"sha", "amd64"}})).ok());

  std::string long_text;
  for (int i = 0; i < 600; ++i) long_text += "ü";
  const auto hashed =
      check("order_line_hashed_key", key({{"", long_text}, {"", std::string(1100, 'x')}}));
  ASSERT_TRUE(hashed.ok());
  EXPECT_TRUE(hashed->key_is_hashed);
  EXPECT_FALSE(
      check("order_line_hashed_key", key({{"", long_text}, {"", std::string(1101, 'x')}})).ok());
  EXPECT_FALSE(check("version_9", source).ok());
  EXPECT_FALSE(check("version_9", key({{"", "1"}})).ok());
}

TEST(Verify, holds_the_entry_against_the_row_or_hash_that_is_expected) {
  const auto policy = the_policy();
  const Bytes row = *decode_extra(*parse_proof_file(proof_named("payment_42"))->extra)->row;
  Expectations expected;
  expected.row = row;
  EXPECT_TRUE(lists(verify_proof(proof_named("payment_42"), policy, expected)->checked, "row"));
  EXPECT_TRUE(
      lists(verify_proof(proof_named("payment_42_salt"), policy, expected)->checked, "row"));
  EXPECT_EQ(code_of(proof_named("payment_42_bare"), expected), ErrorCode::kTampered);
  EXPECT_EQ(code_of(proof_named("payment_42_delete"), expected), ErrorCode::kTampered);
  EXPECT_EQ(code_of(proof_named("notice"), expected), ErrorCode::kTampered);
  EXPECT_EQ(code_of(proof_named("version_9"), expected), ErrorCode::kReject);
  expected.row->back() ^= 1;
  EXPECT_EQ(code_of(proof_named("payment_42"), expected), ErrorCode::kTampered);
  EXPECT_EQ(code_of(proof_named("payment_42_salt"), expected), ErrorCode::kTampered);

  Expectations hash;
  hash.content_hash = sha256(row);
  EXPECT_TRUE(lists(verify_proof(proof_named("payment_42_salt"), policy, hash)->checked, "salt"));
  EXPECT_EQ(code_of(proof_named("payment_42_bare"), hash), ErrorCode::kTampered);
  hash.content_hash = verify_proof(proof_named("payment_42_bare"), policy)->entry->content_hash;
  EXPECT_TRUE(
      lists(verify_proof(proof_named("payment_42_bare"), policy, hash)->checked, "content hash"));
  hash.content_hash = Hash{};
  EXPECT_TRUE(verify_proof(proof_named("package_truncate"), policy, hash).ok());
  EXPECT_EQ(code_of(proof_named("payment_42"), hash), ErrorCode::kTampered);
  hash.content_hash = sha256(row);
  for (const char* name : {"package_truncate", "payment_42_delete", "define_payment_0", "notice"}) {
    EXPECT_EQ(code_of(proof_named(name), hash), ErrorCode::kTampered);
  }
  hash.content_hash = sha256("an invoice");
  EXPECT_EQ(verify_proof(proof_named("invoice_hash"), policy, hash)->content, hash.content_hash);
}

TEST(Verify, trusts_only_the_logs_and_the_quorum_of_its_policy) {
  const std::string text = proof_named("payment_42");
  const std::string given = test::format_vector_file("policy.txt");
  const auto error_with = [&](const std::string& from, const std::string& to) {
    std::string policy = given;
    policy.replace(policy.find(from), from.size(), to);
    const auto verdict = verify_proof(text, *Policy::parse(policy));
    EXPECT_FALSE(verdict.ok());
    return verdict.ok() ? ErrorCode::kRetry : verdict.error().code;
  };
  EXPECT_EQ(error_with("quorum quorum-group", "quorum W3"), ErrorCode::kTampered);
  EXPECT_EQ(error_with("others 1 W2 W3", "others all W2 W3"), ErrorCode::kTampered);
  const std::string log_line = given.substr(
      given.find("log "), given.find("log ", given.find("log ") + 4) - given.find("log "));
  EXPECT_EQ(error_with(log_line, ""), ErrorCode::kTampered);  // leaves the other log
  EXPECT_EQ(verify_proof(text, *Policy::parse("quorum none\n")).error().code, ErrorCode::kReject);
}

}  // namespace
}  // namespace pgtally
