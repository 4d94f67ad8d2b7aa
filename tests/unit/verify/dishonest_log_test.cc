// What an operator could sign, but must not get past a verifier: the tree and the signatures are
// right, and what stands in the entries contradicts itself.

#include <gtest/gtest.h>

#include <functional>

#include "crypto/sha256.h"
#include "format/sign_checkpoint.h"
#include "pgtally/key.h"
#include "pgtally/merkle.h"
#include "pgtally/proof_file.h"
#include "pgtally/verify.h"

namespace pgtally {
namespace {

const SigningKey& log_key() {
  static const SigningKey key = *SigningKey::from_seed("log.example", Ed25519Seed{1});
  return key;
}

// A log of two entries, a definition and a row under it, and all that a proof of the row holds.
struct Forgery {
  SourceDefinition definition;
  std::optional<std::string> other_document;  // disclosed instead of the one that was recorded
  Entry define;
  std::vector<RowColumnView> row{{"id", "42"}, {"payer", "ACME"}};
  Entry entry;
  bool row_first = false;

  Forgery() {
    definition.source = "payment";
    definition.relation = "public.payment";
    definition.mode = "poll";
    definition.key = {"id"};
    definition.columns = {{"id", "bigint", -1}, {"payer", "text", -1}};
    definition.blind = false;
    define.operation = Operation::kDefine;
    define.sequenced_at = Time{1000};
    define.source = "payment";
    entry.ordinal = 1;
    entry.sequenced_at = Time{1000};
    entry.source = "payment";
    entry.key = *encode_key(std::vector<std::string>{"42"});
  }

  [[nodiscard]] std::string proof() {
    const std::string document = *encode(definition);
    define.content_hash = sha256(document);
    ProofExtra extra;
    extra.row = *encode_row(row);
    entry.content_hash = sha256(*extra.row);
    extra.entry = *encode(entry);
    extra.definition = other_document.value_or(document);
    const Hash leaf = leaf_hash(extra.entry);
    extra.define = DefineRecord{LeafIndex{row_first ? 1U : 0U}, *encode(define), {leaf}};
    const Hash define_leaf = leaf_hash(extra.define->entry);
    const Hash root = row_first ? node_hash(leaf, define_leaf) : node_hash(define_leaf, leaf);
    ProofFile file;
    file.extra = *encode_extra(extra);
    file.index = LeafIndex{row_first ? 0U : 1U};
    file.path = {define_leaf};
    file.checkpoint = *sign_checkpoint(log_key(), TreeSize{2}, root);
    return *serialize(file);
  }
};

Result<Verdict> verified(const std::function<void(Forgery&)>& forge) {
  Forgery forgery;
  forge(forgery);
  return verify_proof(forgery.proof(), *Policy::trust(log_key().verifier()));
}

void expect_tampered(const std::function<void(Forgery&)>& forge, const std::string& because) {
  const auto verdict = verified(forge);
  ASSERT_FALSE(verdict.ok()) << because;
  EXPECT_EQ(verdict.error().code, ErrorCode::kTampered) << verdict.error().message;
  EXPECT_NE(verdict.error().message.find(because), std::string::npos) << verdict.error().message;
}

TEST(DishonestLog, is_not_suspected_when_all_agrees) {
  const auto verdict = verified([](Forgery&) {});
  ASSERT_TRUE(verdict.ok()) << verdict.error().message;
  EXPECT_EQ(verdict->row.size(), 2U);
}

TEST(DishonestLog, cannot_lend_a_row_the_definition_of_another_source_or_number) {
  expect_tampered([](Forgery& f) { f.define.source = "login"; }, "is not the one of");
  expect_tampered([](Forgery& f) { f.define.definition = 1; }, "is not the one of");
  expect_tampered([](Forgery& f) { f.entry.definition = 1; }, "is not the one of");
  expect_tampered([](Forgery& f) { f.define.operation = Operation::kNotice; }, "is not the one of");
  expect_tampered([](Forgery& f) { f.definition.source = "login"; }, "is not definition 0");
  expect_tampered([](Forgery& f) { f.definition.number = 1; }, "is not definition 0");
}

TEST(DishonestLog, cannot_define_afterwards_what_a_row_meant) {
  expect_tampered([](Forgery& f) { f.row_first = true; }, "does not come before");
  expect_tampered([](Forgery& f) { f.define.ordinal = 1; }, "does not come before");
  expect_tampered([](Forgery& f) { f.define.sequenced_at = Time{1001}; }, "does not come before");
}

TEST(DishonestLog, cannot_show_another_document_than_was_recorded) {
  expect_tampered(
      [](Forgery& f) {
        SourceDefinition other = f.definition;
        other.server_version = "16";
        f.other_document = *encode(other);
      },
      "the log recorded");
}

TEST(DishonestLog, cannot_show_a_row_that_its_definition_or_key_contradicts) {
  expect_tampered([](Forgery& f) { f.row.push_back({"amount", "1"}); }, "does not know");
  expect_tampered([](Forgery& f) { f.row[0].value = "43"; }, "another key");
  expect_tampered([](Forgery& f) { f.row[0].value.reset(); }, "no value for its key column");
}

TEST(DishonestLog, whose_hash_does_not_cover_the_key_is_said_not_to_prove_it) {
  const auto verdict = verified([](Forgery& f) {
    f.definition.columns.erase(f.definition.columns.begin());
    f.row.erase(f.row.begin());
  });
  ASSERT_TRUE(verdict.ok()) << verdict.error().message;
  ASSERT_EQ(verdict->not_checked.size(), 1U);
  EXPECT_NE(verdict->not_checked[0].find("\"id\""), std::string::npos);
}

TEST(DishonestLog, cannot_put_rows_under_its_own_source) {
  expect_tampered(
      [](Forgery& f) { f.entry.source = f.define.source = f.definition.source = "pgtally"; },
      "takes none");
}

// A log of one entry that discloses its document.
Result<Verdict> verify_single(const Entry& entry, const std::string& document,
                              const std::string& note_by_root = {}) {
  ProofExtra extra;
  extra.entry = *encode(entry);
  extra.definition = document;
  ProofFile file;
  file.extra = *encode_extra(extra);
  file.checkpoint = note_by_root.empty()
                        ? *sign_checkpoint(log_key(), TreeSize{1}, leaf_hash(extra.entry))
                        : note_by_root;
  return verify_proof(*serialize(file), *Policy::trust(log_key().verifier()));
}

Entry first_entry(const std::string& document) {
  Entry entry;
  entry.operation = Operation::kDefine;
  entry.sequenced_at = Time{1};
  entry.source = "pgtally";
  entry.content_hash = sha256(document);
  return entry;
}

TEST(DishonestLog, cannot_pass_itself_off_as_another_ledger) {
  for (const std::string origin : {"log.example", "bank.example"}) {
    const std::string document = *encode(LedgerDefinition{origin, "vkey", Hash{}});
    EXPECT_EQ(verify_single(first_entry(document), document).ok(), origin == "log.example");
  }
}

TEST(DishonestLog, cannot_sign_under_an_origin_that_is_not_its_keys_name) {
  const std::string document = *encode(LedgerDefinition{"bank.example", "vkey", Hash{}});
  const Entry entry = first_entry(document);
  const std::string text =
      *text_of(Checkpoint{"bank.example", TreeSize{1}, leaf_hash(*encode(entry)), {}});
  const std::string note = *serialize(SignedNote{text, {*log_key().sign(text)}});
  const auto verdict = verify_single(entry, document, note);
  ASSERT_FALSE(verdict.ok());
  EXPECT_EQ(verdict.error().code, ErrorCode::kTampered);
}

TEST(DishonestLog, cannot_let_time_run_backwards_in_an_order_proof) {
  for (const std::int64_t second_time : {999, 1000, 1001}) {
    Entry first = first_entry("{}");
    first.sequenced_at = Time{1000};
    Entry second = first;
    second.operation = Operation::kNotice;
    second.sequenced_at = Time{second_time};
    const Entry* entries[] = {&first, &second};
    const Hash leaves[] = {leaf_hash(*encode(first)), leaf_hash(*encode(second))};
    std::string texts[2];
    for (std::size_t i = 0; i < 2; ++i) {
      ProofExtra extra;
      extra.entry = *encode(*entries[i]);
      const ProofFile file{
          *encode_extra(extra),
          LeafIndex{i},
          {leaves[1 - i]},
          *sign_checkpoint(log_key(), TreeSize{2}, node_hash(leaves[0], leaves[1]))};
      texts[i] = *serialize(file);
    }
    const auto verdict = verify_order_proof(*serialize(OrderProofFile{texts[0], texts[1]}),
                                            *Policy::trust(log_key().verifier()));
    EXPECT_EQ(verdict.ok(), second_time >= 1000) << second_time;
    if (verdict.ok()) {
      EXPECT_EQ(verdict->same_batch, second_time == 1000);
    }
  }
}

TEST(DishonestLog, gets_no_checkpoint_past_a_wrong_signature_by_a_key_that_is_known) {
  const std::string note = *sign_checkpoint(log_key(), TreeSize{1}, sha256("root"));
  const Ed25519Seed seed{2};
  const auto witness =
      *VerifierKey::create("w.example", kCosignatureEd25519, *ed25519_public_key(seed));
  const auto policy = *Policy::parse("log " + log_key().verifier().text() + "\nwitness w " +
                                     witness.text() + "\nquorum none\n");
  auto parsed = *parse_note(note);
  parsed.signatures.push_back(*cosign("w.example", seed, parsed.text, 7));
  EXPECT_TRUE(verify_checkpoint(*serialize(parsed), policy).ok());
  for (std::size_t line : {0U, 1U}) {
    auto changed = parsed;
    changed.signatures[line].signature.back() ^= 1;
    const auto verified_note = verify_checkpoint(*serialize(changed), policy);
    ASSERT_FALSE(verified_note.ok()) << line;
    EXPECT_EQ(verified_note.error().code, ErrorCode::kTampered);
  }
  auto twice = parsed;
  twice.signatures.push_back(*cosign("w.example", seed, parsed.text, 5));
  EXPECT_EQ(verify_checkpoint(*serialize(twice), policy)->cosigned_by,
            (std::vector<Cosigned>{{"w.example", 5}}));
}

}  // namespace
}  // namespace pgtally
