#include "pgtally/proof_file.h"

#include <gtest/gtest.h>

#include "support/format_vectors.h"

namespace pgtally {
namespace {

constexpr const char* kHash = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
constexpr const char* kNote =
    "a\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— a AAAAAAA=\n";

std::string proof_text() {
  return std::string("c2sp.org/tlog-proof@v1\nextra AQ==\nindex 7\n") + kHash + kHash + "\n" +
         kNote;
}

TEST(ProofFile, is_read_and_written_unchanged) {
  const auto proof = parse_proof_file(proof_text());
  ASSERT_TRUE(proof.ok()) << proof.error().message;
  EXPECT_EQ(proof->extra, Bytes{1});
  EXPECT_EQ(proof->index, LeafIndex{7});
  EXPECT_EQ(proof->path.size(), 2U);
  EXPECT_EQ(proof->checkpoint, kNote);
  EXPECT_EQ(*serialize(*proof), proof_text());
}

TEST(ProofFile, needs_neither_extra_nor_path) {
  const std::string text = std::string("c2sp.org/tlog-proof@v1\nindex 0\n\n") + kNote;
  const auto proof = parse_proof_file(text);
  ASSERT_TRUE(proof.ok());
  EXPECT_FALSE(proof->extra);
  EXPECT_EQ(*serialize(*proof), text);
}

TEST(ProofFile, that_is_malformed_is_refused_and_says_in_which_line) {
  const auto replaced = [](const std::string& from, const std::string& to) {
    std::string text = proof_text();
    return text.replace(text.find(from), from.size(), to);
  };
  std::string too_long = "c2sp.org/tlog-proof@v1\nindex 7\n";
  for (std::size_t i = 0; i <= kMaxPathLength; ++i) too_long += kHash;
  too_long += std::string("\n") + kNote;
  for (const std::string& text :
       {replaced("@v1", "@v2"), replaced("@v1\n", "@v1\r\n"), replaced("extra ", "extra"),
        replaced("extra AQ==", "extra AQ="), replaced("extra AQ==\n", "extra AQ==\nextra AQ==\n"),
        replaced("index 7", "index 07"), replaced("index 7", "index -1"),
        replaced("index 7", "index"), replaced("index 7", "index 18446744073709551616"),
        replaced("index 7\n", ""), replaced("47DE", "47D"), replaced(kHash, " "),
        replaced("\n\na\n", "\n\n\na\n"), too_long, "\n" + proof_text(), proof_text() + "\n"}) {
    EXPECT_FALSE(parse_proof_file(text).ok()) << text;
  }
  EXPECT_NE(parse_proof_file(replaced("47DE", "47D")).error().message.find("line 4"),
            std::string::npos);
}

TEST(ProofFile, that_is_cut_anywhere_is_refused) {
  const std::string text = proof_text();
  for (std::size_t length = 0; length < text.size(); ++length) {
    EXPECT_FALSE(parse_proof_file(text.substr(0, length)).ok()) << length;
  }
}

ProofExtra full_extra() {
  ProofExtra extra;
  extra.entry = {1, 2, 3};
  extra.salt = Hash{};
  extra.definition = "{}";
  extra.row = Bytes{4, 5};
  extra.define = DefineRecord{LeafIndex{9}, {6}, {Hash{}, Hash{}}};
  extra.earlier = {{"a note", {}}, {"another", {Hash{}, Hash{}}}};
  return extra;
}

TEST(ProofExtra, is_read_back_whichever_records_it_holds) {
  for (int without = 0; without < 32; ++without) {
    ProofExtra extra = full_extra();
    if (without & 1) extra.salt.reset();
    if (without & 2) extra.definition.reset();
    if (without & 4) extra.row.reset();
    if (without & 8) extra.define.reset();
    if (without & 16) extra.earlier.clear();
    const auto bytes = encode_extra(extra);
    ASSERT_TRUE(bytes.ok());
    EXPECT_EQ(*decode_extra(*bytes), extra);
  }
}

TEST(ProofExtra, is_laid_out_as_the_document_of_formats_says) {
  ProofExtra extra;
  extra.entry = {0xaa};
  extra.row = Bytes{0xbb};
  extra.define = DefineRecord{LeafIndex{5}, {0xcc}, {}};
  extra.earlier = {{"n", {}}, {"m", {Hash{}}}};
  EXPECT_EQ(*encode_extra(extra), *from_hex("01"
                                            "0001aa"
                                            "0003"
                                            "000001bb"
                                            "0004"
                                            "00000b"
                                            "0000000000000005"
                                            "0001cc"
                                            "0005"
                                            "00002c"
                                            "0000016e"
                                            "0000"
                                            "0000016d"
                                            "0020" +
                                            std::string(64, '0')));
}

TEST(ProofExtra, names_records_of_unknown_type_and_goes_on) {
  const auto extra =
      decode_extra(*from_hex("01"
                             "0001aa"
                             "0000"
                             "000000"
                             "0003"
                             "000001bb"
                             "ffff"
                             "000001cc"));
  ASSERT_TRUE(extra.ok());
  EXPECT_EQ(extra->unknown, (std::vector<std::uint16_t>{0, 0xffff}));
  EXPECT_EQ(extra->row, Bytes{0xbb});
}

TEST(ProofExtra, that_is_malformed_is_refused) {
  for (const char* hex : {"", "00",
                          "02"
                          "0001aa",
                          "01",
                          "01"
                          "0000",
                          "01"
                          "0002aa",
                          "01"
                          "0001aa"
                          "00",
                          "01"
                          "0001aa"
                          "0003"
                          "000002bb",
                          "01"
                          "0001aa"
                          "0003"
                          "000001bb"
                          "0003"
                          "000001bb",
                          "01"
                          "0001aa"
                          "0003"
                          "000000"
                          "0002"
                          "000000",
                          "01"
                          "0001aa"
                          "0001"
                          "000001bb",
                          "01"
                          "0001aa"
                          "0002"
                          "000001ff",
                          "01"
                          "0001aa"
                          "0004"
                          "000000",
                          "01"
                          "0001aa"
                          "0004"
                          "00000a"
                          "0000000000000005"
                          "0000",
                          "01"
                          "0001aa"
                          "0004"
                          "00000c"
                          "0000000000000005"
                          "0001cc"
                          "00"}) {
    EXPECT_FALSE(decode_extra(*from_hex(hex)).ok()) << hex;
  }
  ProofExtra extra = full_extra();
  extra.entry.clear();
  EXPECT_FALSE(encode_extra(extra).ok());
  extra = full_extra();
  extra.row = Bytes(kMaxRecordSize + 1);
  EXPECT_FALSE(encode_extra(extra).ok());
}

TEST(OrderProofFile, is_read_and_written_unchanged) {
  const std::string text = *serialize(OrderProofFile{proof_text(), proof_text()});
  EXPECT_TRUE(text.starts_with(std::to_string(proof_text().size()) + "\nc2sp.org"));
  const auto proof = parse_order_proof_file(text);
  ASSERT_TRUE(proof.ok());
  EXPECT_EQ(proof->first, proof_text());
  EXPECT_EQ(proof->second, proof_text());
  EXPECT_TRUE(looks_like_order_proof(text));
  EXPECT_FALSE(looks_like_order_proof(proof_text()));
}

TEST(OrderProofFile, that_is_malformed_is_refused) {
  for (const char* text : {"", "1", "1\n", "1\na", "1\na1\n", "01\na1\nb", "1\na1\nbc", "2\na1\nb",
                           "-1\na1\nb", "99999999999999999999\n", "18446744073709551615\na1\nb",
                           "+1\na1\nb", " 1\na1\nb", "1 \na1\nb", "1\r\na1\nb"}) {
    EXPECT_FALSE(parse_order_proof_file(text).ok()) << text;
  }
  EXPECT_TRUE(parse_order_proof_file("1\na1\nb").ok());
}

}  // namespace
}  // namespace pgtally
