#include "pgtally/note.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "format/sign_checkpoint.h"
#include "format/signing_key.h"
#include "pgtally/checkpoint.h"
#include "support/format_vectors.h"

namespace pgtally {
namespace {

// The example of Go's golang.org/x/mod/sumdb/note.
constexpr const char* kGoPrivate =
    "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
constexpr const char* kGoVkey =
    "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
constexpr const char* kGoNote =
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6"
    "RyyBwJnAM=\n";

// The examples of C2SP signed-note and tlog-cosignature.
constexpr const char* kPoem =
    "Ognuno sta solo sul cuor della terra\n"
    "trafitto da un raggio di sole:\n"
    "\n"
    "ed è subito sera.\n"
    "\n"
    "— quasimodo.example/salvatore "
    "NnugSzTjtVAewIS+Z/iJhUPeFDkO/"
    "5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n";
constexpr const char* kSofa =
    "example.com/behind-the-sofa\n"
    "20852163\n"
    "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    "\n"
    "— example.com/behind-the-sofa "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    "— witness.example.com/w1 "
    "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/"
    "zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+"
    "qnA==\n";

TEST(Note, by_the_key_of_the_go_package_verifies_and_is_signed_alike) {
  const auto key = SigningKey::parse(kGoPrivate);
  ASSERT_TRUE(key.ok()) << key.error().message;
  EXPECT_EQ(key->text(), kGoPrivate);
  EXPECT_EQ(key->verifier().text(), kGoVkey);
  const auto vkey = VerifierKey::parse(kGoVkey);
  ASSERT_TRUE(vkey.ok());
  EXPECT_EQ(*vkey, key->verifier());

  auto note = parse_note(kGoNote);
  ASSERT_TRUE(note.ok());
  ASSERT_EQ(note->signatures.size(), 1U);
  EXPECT_TRUE(note->signatures[0].is_by(*vkey));
  EXPECT_TRUE(vkey->verify(note->text, note->signatures[0].signature));
  EXPECT_FALSE(vkey->verify(note->text + "\n", note->signatures[0].signature));

  SignedNote ours{note->text, {*key->sign(note->text)}};
  EXPECT_EQ(*serialize(ours), kGoNote);
}

TEST(Note, of_the_c2sp_texts_is_read_and_written_unchanged) {
  for (const std::string text : {kPoem, kSofa}) {
    const auto note = parse_note(text);
    ASSERT_TRUE(note.ok()) << note.error().message;
    EXPECT_EQ(*serialize(*note), text);
  }
  EXPECT_TRUE(parse_note(kPoem)->text.ends_with("\n\ned è subito sera.\n"));
  const auto sofa = parse_checkpoint(parse_note(kSofa)->text);
  ASSERT_TRUE(sofa.ok());
  EXPECT_EQ(sofa->origin, "example.com/behind-the-sofa");
  EXPECT_EQ(sofa->size, TreeSize{20852163});
  EXPECT_EQ(parse_note(kSofa)->signatures[1].key_id, 0x8d66cf3fU);
}

TEST(Note, keys_and_signatures_are_those_of_the_independent_vectors) {
  int logs = 0;
  int witnesses = 0;
  for (const auto& vector : test::format_vectors("notes.txt")) {
    if (!vector.has("seed")) continue;
    const std::string name = vector.word("name");
    const Ed25519Seed seed = vector.hash("seed").bytes;
    if (vector.has("private")) {
      ++logs;
      const auto key = SigningKey::from_seed(name, seed);
      ASSERT_TRUE(key.ok());
      EXPECT_EQ(key->text(), vector.word("private"));
      EXPECT_EQ(key->verifier().text(), vector.word("vkey"));
      EXPECT_EQ(*sign_checkpoint(*key, TreeSize{vector.number("size")}, vector.hash("root")),
                vector.text("note"));
    } else {
      ++witnesses;
      const std::string text = vector.text("text");
      const auto cosignature = cosign(name, seed, text, vector.number("time"));
      ASSERT_TRUE(cosignature.ok());
      const SignedNote note{text, {*cosignature}};
      EXPECT_EQ(*serialize(note), text + "\n" + vector.text("line"));
      const auto witness = VerifierKey::parse(vector.word("vkey"));
      ASSERT_TRUE(witness.ok());
      EXPECT_EQ(verify_cosignature(*witness, text, cosignature->signature), vector.number("time"));
    }
  }
  EXPECT_EQ(logs, 2);
  EXPECT_EQ(witnesses, 3);
}

TEST(Note, that_is_malformed_is_refused) {
  const std::string good = kGoNote;
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    return text.replace(text.find(from), from.size(), to);
  };
  const std::string line = good.substr(good.find("—"));
  for (const std::string& text : {std::string(),
                                  std::string("\n"),
                                  std::string("\n\n"),
                                  std::string("text\n"),
                                  std::string("text\n\n"),
                                  std::string("text\n\nno dash\n"),
                                  good.substr(0, good.size() - 1),
                                  good + "\n",
                                  good + " ",
                                  replaced("— ", "- "),
                                  replaced("— ", "—"),
                                  replaced("— ", "—  "),
                                  replaced("PeterNeumann", ""),
                                  replaced("PeterNeumann", "Peter+Neumann"),
                                  replaced("PeterNeumann", "Peter\u00a0Neumann"),
                                  replaced("PeterNeumann", "Peter\u2003"),
                                  replaced("x08go", "x08g"),
                                  replaced("nAM=", "nAN="),
                                  replaced("nAM=", "nAM= "),
                                  replaced("you", "you\t"),
                                  replaced("you", "you\r"),
                                  replaced("you", "\xff"),
                                  std::string("text\n\n— a AAAAAA==\n"),
                                  line}) {
    const auto note = parse_note(text);
    EXPECT_FALSE(note.ok()) << text;
  }
}

TEST(Note, has_at_most_a_hundred_signatures_each_of_bounded_length) {
  const auto lines = [](std::size_t count, std::size_t bytes) {
    SignedNote note{"text\n", {}};
    for (std::size_t i = 0; i < count; ++i) note.signatures.push_back({"a", 1, Bytes(bytes, 7)});
    return note;
  };
  EXPECT_TRUE(serialize(lines(kMaxNoteSignatures, 64)).ok());
  EXPECT_FALSE(serialize(lines(kMaxNoteSignatures + 1, 64)).ok());
  EXPECT_TRUE(serialize(lines(1, 4096)).ok());
  EXPECT_FALSE(serialize(lines(1, kMaxSignatureLineSize)).ok());
  EXPECT_FALSE(serialize(lines(1, 0)).ok());
  EXPECT_FALSE(serialize(lines(0, 0)).ok());
  EXPECT_FALSE(parse_note(std::string(kMaxNoteSize, 'a') + "\n\n— a AAAAAAA=\n").ok());
}

TEST(VerifierKey, that_lost_or_changed_any_character_is_refused) {
  const std::string good = kGoVkey;
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const char c : {'x', '+', ' ', '0', '\n'}) {
      std::string changed = good;
      if (changed[at] == c) continue;
      changed[at] = c;
      EXPECT_FALSE(VerifierKey::parse(changed).ok()) << changed;
    }
    EXPECT_FALSE(VerifierKey::parse(good.substr(0, at)).ok());
  }
  EXPECT_FALSE(VerifierKey::create("a", 2, Bytes(32)).ok());
  EXPECT_FALSE(VerifierKey::create("a", kNoteEd25519, Bytes(31)).ok());
  EXPECT_FALSE(VerifierKey::create("a b", kNoteEd25519, Bytes(32)).ok());
  EXPECT_TRUE(VerifierKey::create("a", kCosignatureMlDsa44, Bytes(1312)).ok());
}

TEST(SigningKey, that_lost_or_changed_any_character_is_refused_without_being_repeated) {
  const std::string good = kGoPrivate;
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string changed = good;
    changed[at] = changed[at] == 'x' ? 'y' : 'x';
    const auto key = SigningKey::parse(changed);
    ASSERT_FALSE(key.ok()) << changed;
    EXPECT_EQ(key.error().message.find("YEKFALVFGyNhPJEM"), std::string::npos);
    EXPECT_FALSE(SigningKey::parse(good.substr(0, at)).ok());
  }
  EXPECT_FALSE(SigningKey::parse(kGoVkey).ok());
}

TEST(Checkpoint, of_size_zero_is_never_signed) {
  const auto key = SigningKey::parse(kGoPrivate);
  EXPECT_FALSE(sign_checkpoint(*key, TreeSize{0}, Hash{}).ok());
  EXPECT_TRUE(parse_checkpoint("a\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n").ok());
}

TEST(Checkpoint, keeps_the_extension_lines_of_other_logs) {
  const std::string text = "a b\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\nmore\nand more\n";
  const auto checkpoint = parse_checkpoint(text);
  ASSERT_TRUE(checkpoint.ok());
  EXPECT_EQ(checkpoint->extensions.size(), 2U);
  EXPECT_EQ(*text_of(*checkpoint), text);
}

TEST(Checkpoint, that_is_malformed_is_refused) {
  const std::string root = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
  for (const std::string& text :
       {std::string(), std::string("a\n"), std::string("a\n1\n"), "\n1\n" + root, "a\n\n" + root,
        "a\n01\n" + root, "a\n-1\n" + root, "a\n 1\n" + root, "a\n18446744073709551616\n" + root,
        std::string("a\n1\n47DEQpj8HBSa\n"), "a\n1\n" + root + "\n", "a\n1\n" + root + "x",
        "a\n1\n" + root.substr(0, root.size() - 1)}) {
    EXPECT_FALSE(parse_checkpoint(text).ok()) << text;
  }
  EXPECT_FALSE(text_of(Checkpoint{"a\nb", TreeSize{1}, Hash{}, {}}).ok());
  EXPECT_FALSE(text_of(Checkpoint{"", TreeSize{1}, Hash{}, {}}).ok());
  EXPECT_FALSE(text_of(Checkpoint{"a", TreeSize{1}, Hash{}, {""}}).ok());
}

TEST(Cosignature, holds_for_one_text_one_time_and_one_witness_only) {
  const Ed25519Seed seed{1};
  const std::string text = parse_note(kSofa)->text;
  const Bytes signature = cosign("w", seed, text, 1700000000)->signature;
  const auto witness = *VerifierKey::create("w", kCosignatureEd25519, *ed25519_public_key(seed));
  EXPECT_EQ(verify_cosignature(witness, text, signature), 1700000000U);
  EXPECT_FALSE(verify_cosignature(witness, text + "x\n", signature));
  for (std::size_t at = 0; at < signature.size(); ++at) {
    Bytes changed = signature;
    changed[at] = static_cast<std::uint8_t>(changed[at] ^ 1);
    EXPECT_FALSE(verify_cosignature(witness, text, changed)) << at;
    EXPECT_FALSE(verify_cosignature(witness, text, ByteView(signature).first(at)));
  }
  const auto log = *VerifierKey::create("w", kNoteEd25519, *ed25519_public_key(seed));
  EXPECT_FALSE(verify_cosignature(log, text, signature));
  EXPECT_FALSE(cosign("w", seed, text, std::uint64_t{1} << 63).ok());
}

}  // namespace
}  // namespace pgtally
