// Compares the worked examples of docs/formats.md with what the code gives.

#include <gtest/gtest.h>

#include "crypto/sha256.h"
#include "format/audit_bundle.h"
#include "format/blinding.h"
#include "format/log_end.h"
#include "format/row_hasher.h"
#include "format/sign_checkpoint.h"
#include "pgtally/content.h"
#include "pgtally/definition.h"
#include "pgtally/entry.h"
#include "pgtally/key.h"
#include "pgtally/merkle.h"
#include "pgtally/proof_file.h"
#include "support/format_vectors.h"

namespace pgtally {
namespace {

// The lines of the fenced block with this name.
std::string example(const std::string& name) {
  static const std::string text =
      test::read_file(std::string(PGTALLY_VECTORS) + "/../../docs/formats.md");
  for (const char* kind : {"hex ", "json ", "text "}) {
    const std::string start = std::string("\n```") + kind + name + "\n";
    const std::size_t at = text.find(start);
    if (at == std::string::npos) continue;
    const std::size_t begin = at + start.size();
    return text.substr(begin, text.find("```\n", begin) - begin);
  }
  ADD_FAILURE() << "docs/formats.md has no example " << name;
  return {};
}

// Hexadecimal digits without white space and comments.
std::string hex_example(const std::string& name) {
  std::string digits;
  bool comment = false;
  for (const char c : example(name)) {
    if (c == '#') comment = true;
    if (c == '\n') comment = false;
    if (!comment && c != ' ' && c != '\n') digits += c;
  }
  return digits;
}

std::string line_example(const std::string& name) {
  std::string line = example(name);
  if (line.ends_with('\n')) line.pop_back();
  return line;
}

std::string key_hex(std::vector<std::string> columns) {
  return to_hex(*encode_key(columns));
}

BlindingSecret payment_secret() {
  return sha256("secret of payment").bytes;
}

Bytes row_bytes() {
  const RowColumnView columns[] = {{"id", "42"},
                                   {"payer", "ACME"},
                                   {"amount", "1200.00"},
                                   {"created_at", "2026-11-18 11:06:39.972+00"},
                                   {"note", std::nullopt}};
  return *encode_row(columns);
}

Ed25519Seed seed_of(const std::string& name) {
  return sha256("pgtally test vector: " + name).bytes;
}

TEST(FormatsDocument, shows_keys_as_they_are) {
  EXPECT_EQ(hex_example("key"), key_hex({"42"}));
  EXPECT_EQ(hex_example("key-of-three"), key_hex({"bash", "5.2.15-2+b7", "amd64"}));
  EXPECT_EQ(hex_example("key-hashed"), key_hex({std::string(1023, 'a')}));
}

TEST(FormatsDocument, shows_rows_and_blinding_as_they_are) {
  const Hash h = sha256(row_bytes());
  const Hash salt = salt_of(payment_secret(), LeafIndex{3});
  EXPECT_EQ(hex_example("row"), to_hex(row_bytes()));
  EXPECT_EQ(hex_example("row-hash"), to_hex(h.view()));
  EXPECT_EQ(hex_example("secret"), to_hex(payment_secret()));
  EXPECT_EQ(hex_example("salt"), to_hex(salt.view()));
  EXPECT_EQ(hex_example("blinded"), to_hex(blinded(salt, h).view()));
}

TEST(FormatsDocument, shows_an_entry_as_it_is) {
  Entry entry;
  entry.ordinal = 1;
  entry.sequenced_at = Time{1795000000250000};
  entry.source_time = Time{1794999999972000};
  entry.source = "payment";
  entry.key = *encode_key(std::vector<std::string>{"42"});
  entry.source_position = "42";
  entry.content_hash = blinded(salt_of(payment_secret(), LeafIndex{3}), sha256(row_bytes()));
  const Bytes bytes = *encode(entry);
  EXPECT_EQ(hex_example("entry"), to_hex(bytes));
  EXPECT_EQ(hex_example("leaf-hash"), to_hex(leaf_hash(bytes).view()));
}

TEST(FormatsDocument, shows_documents_as_they_are) {
  const Document document(Document::Array{Document("\t\"\x1f/ü"), Document()});
  EXPECT_EQ(line_example("document"), *document.text());

  const std::string name = "ledger.example/payments";
  const auto key = *SigningKey::from_seed(name, seed_of(name));
  EXPECT_EQ(line_example("ledger-definition"),
            *encode(LedgerDefinition{name, key.verifier().text(), sha256("nonce")}));

  SourceDefinition definition;
  definition.source = "payment";
  definition.relation = "public.payment";
  definition.mode = "poll";
  definition.key = {"id"};
  definition.columns = {{"id", "bigint", -1},
                        {"payer", "text", -1},
                        {"amount", "numeric", 786438},
                        {"created_at", "timestamp with time zone", -1},
                        {"note", "text", -1}};
  definition.time = "created_at";
  definition.server_version = "15.20";
  EXPECT_EQ(line_example("source-definition"), *encode(definition));
}

TEST(FormatsDocument, shows_keys_checkpoint_and_cosignature_as_they_are) {
  const std::string name = "ledger.example/payments";
  const auto key = *SigningKey::from_seed(name, seed_of(name));
  EXPECT_EQ(line_example("private-key"), key.text());
  EXPECT_EQ(line_example("vkey"), key.verifier().text());
  const std::string note = *sign_checkpoint(key, TreeSize{1}, sha256("root"));
  EXPECT_EQ(example("checkpoint"), note);

  const std::string witness = "w2.example/witness";
  const std::string text = parse_note(note)->text;
  const NoteSignature cosignature = *cosign(witness, seed_of(witness), text, 1795003600);
  EXPECT_EQ(text + "\n" + example("cosignature"), *serialize(SignedNote{text, {cosignature}}));
}

TEST(FormatsDocument, shows_the_end_of_a_log_as_it_is) {
  const std::string name = "ledger.example/payments";
  const auto key = *SigningKey::from_seed(name, seed_of(name));
  const LogEnd end{key.name(),
                   TreeSize{303},
                   sha256("root"),
                   Time{1795003600123456},
                   "ledger.example/payments-2",
                   "restored from a backup"};
  EXPECT_EQ(example("log-end"), *sign_log_end(key, end));
}

TEST(FormatsDocument, shows_the_extra_data_of_a_proof_as_it_is) {
  ProofExtra extra;
  extra.entry = {9};
  extra.salt.emplace();
  for (std::uint8_t i = 0; i < Hash::kSize; ++i) extra.salt->bytes[i] = i;
  extra.define = DefineRecord{LeafIndex{1}, {1, 5}, {sha256("")}};
  EXPECT_EQ(hex_example("extra"), to_hex(*encode_extra(extra)));
}

TEST(FormatsDocument, shows_a_bundle_as_it_is) {
  std::string out;
  BundleEncoder encoder([&](ByteView bytes) {
    out += as_text(bytes);
    return Result<void>();
  });
  ASSERT_TRUE(encoder.about({Time{1795005600000001}}).ok());
  BundleSource payment{.name = "payment", .salts = true};
  payment.loaded_at = Time{1795000000250000};
  ASSERT_TRUE(encoder.source(payment).ok());
  ASSERT_TRUE(encoder.checkpoint(Time{1795000001000000}, example("checkpoint")).ok());
  ASSERT_TRUE(encoder.entry(Bytes{9}).ok());
  ASSERT_TRUE(encoder.document(line_example("document")).ok());
  ASSERT_TRUE(encoder.salt(LeafIndex{0}, salt_of(payment_secret(), LeafIndex{3})).ok());
  ASSERT_TRUE(encoder.finish().ok());
  EXPECT_EQ(hex_example("bundle"), to_hex(as_bytes(out)));
}

}  // namespace
}  // namespace pgtally
