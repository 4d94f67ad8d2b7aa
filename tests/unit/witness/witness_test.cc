#include "witness/witness.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "base/encoding.h"
#include "crypto/sha256.h"
#include "pgtally/policy.h"
#include "pgtally/verify.h"
#include "support/signed_log.h"
#include "support/temporary_directory.h"

namespace pgtally::witness {
namespace {

using test::SignedLog;

constexpr std::uint64_t kNow = 1'795'003'601;

class WitnessTest : public testing::Test {
 protected:
  SigningKey key = test::test_key("w.example/witness", 9);
  SignedLog log{test::test_key("log.example/a", 1), 300};
  SignedLog fork{test::test_key("log.example/a", 1), 300, 5};
  SignedLog other{test::test_key("log.example/b", 2), 50};
  test::TemporaryDirectory directory;
  std::string file = directory.path() + "/state";

  // As after a restart: all that it knows is in the file.
  Witness open() {
    return std::move(Witness::create(key, {log.vkey(), other.vkey()}, *State::open(file), [] {
                       return kNow;
                     }).value());
  }
  static Answer ask(Witness& witness, SignedLog& of, std::uint64_t from, std::uint64_t to) {
    return witness.add_checkpoint(serialize(of.request(from, to)));
  }
};

TEST_F(WitnessTest, cosigns_the_first_checkpoint_and_each_that_extends_the_last) {
  Witness witness = open();
  const auto policy = Policy::parse("log " + log.vkey().text() + "\nwitness w " +
                                    witness.verifier().text() + "\nquorum w\n");
  std::uint64_t from = 0;
  for (const std::uint64_t to : {1U, 7U, 7U, 256U, 300U}) {
    const Answer answer = ask(witness, log, from, to);
    ASSERT_EQ(answer.status, 200U) << answer.body;
    EXPECT_EQ(answer.content_type, "text/plain; charset=utf-8");
    const auto verified = verify_checkpoint(log.note_at(to) + answer.body, *policy);
    ASSERT_TRUE(verified.ok()) << verified.error().message;
    EXPECT_EQ(verified->cosigned_by, (std::vector<pgtally::Cosigned>{{"w.example/witness", kNow}}));
    from = to;
  }
}

TEST_F(WitnessTest, names_the_size_that_it_cosigned_last_to_who_thinks_it_is_another) {
  Witness witness = open();
  Answer answer = ask(witness, log, 3, 10);
  EXPECT_EQ(answer.status, 409U);
  EXPECT_EQ(answer.content_type, "text/x.tlog.size");
  EXPECT_EQ(answer.body, "0\n");
  ASSERT_EQ(ask(witness, log, 0, 10).status, 200U);
  for (const std::uint64_t from : {0U, 9U, 11U}) {
    answer = ask(witness, log, from, 20);
    EXPECT_EQ(answer.status, 409U) << from;
    EXPECT_EQ(answer.content_type, "text/x.tlog.size");
    EXPECT_EQ(answer.body, "10\n");
  }
  EXPECT_EQ(ask(witness, log, 10, 20).status, 200U) << "a refusal changes nothing";
}

TEST_F(WitnessTest, never_cosigns_a_fork) {
  {
    Witness before = open();
    ASSERT_EQ(ask(before, log, 0, 10).status, 200U);
  }
  Witness witness = open();
  const Answer same_size = ask(witness, fork, 10, 10);
  EXPECT_EQ(same_size.status, 409U);
  EXPECT_NE(same_size.content_type, "text/x.tlog.size") << "a client would ask again for ever";
  EXPECT_EQ(ask(witness, fork, 10, 20).status, 422U);
  EXPECT_EQ(ask(witness, fork, 0, 20).status, 409U);
  EXPECT_EQ(ask(witness, fork, 4, 20).status, 409U);
  // A smaller tree after a larger one.
  EXPECT_EQ(ask(witness, log, 0, 9).status, 409U);
  EXPECT_EQ(ask(witness, log, 9, 9).status, 409U);
  EXPECT_EQ(ask(witness, log, 10, 20).status, 200U);
}

TEST_F(WitnessTest, refuses_a_proof_with_anything_wrong_about_it) {
  Witness witness = open();
  AddCheckpoint request = log.request(0, 10);
  request.proof.push_back(Hash{});
  EXPECT_EQ(witness.add_checkpoint(serialize(request)).status, 422U) << "of size 0, it is empty";
  ASSERT_EQ(ask(witness, log, 0, 10).status, 200U);
  const AddCheckpoint good = log.request(10, 300);
  for (std::size_t i = 0; i < good.proof.size(); ++i) {
    AddCheckpoint changed = good;
    changed.proof[i].bytes[31] ^= 1;
    EXPECT_EQ(witness.add_checkpoint(serialize(changed)).status, 422U) << i;
    changed = good;
    changed.proof.erase(changed.proof.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_EQ(witness.add_checkpoint(serialize(changed)).status, 422U) << i;
  }
  request = log.request(10, 10);
  request.proof.push_back(Hash{});
  EXPECT_EQ(witness.add_checkpoint(serialize(request)).status, 422U) << "of equal sizes, too";
  EXPECT_EQ(witness.add_checkpoint(serialize(good)).status, 200U);
}

TEST_F(WitnessTest, knows_only_its_logs_and_only_their_keys) {
  Witness witness = open();
  SignedLog stranger(test::test_key("log.example/c", 3), 5);
  EXPECT_EQ(ask(witness, stranger, 0, 5).status, 404U);
  SignedLog impostor(test::test_key("log.example/a", 3), 5);
  EXPECT_EQ(ask(witness, impostor, 0, 5).status, 403U);
  AddCheckpoint forged = log.request(0, 5);
  forged.checkpoint[forged.checkpoint.size() - 10] ^= 1;
  EXPECT_EQ(witness.add_checkpoint(serialize(forged)).status, 403U);
  // The signature of a log that it knows, under the name of another.
  const std::string text = parse_note(log.note_at(5))->text;
  const SignedNote by_other{text, {*other.key().sign(text)}};
  EXPECT_EQ(witness.add_checkpoint("old 0\n\n" + *serialize(by_other)).status, 403U);
}

TEST_F(WitnessTest, keeps_each_log_apart) {
  Witness witness = open();
  ASSERT_EQ(ask(witness, log, 0, 300).status, 200U);
  ASSERT_EQ(ask(witness, other, 0, 20).status, 200U);
  EXPECT_EQ(ask(witness, other, 20, 50).status, 200U);
  EXPECT_EQ(ask(witness, log, 50, 300).body, "300\n");
}

TEST_F(WitnessTest, refuses_what_is_no_request) {
  Witness witness = open();
  const std::string good = serialize(log.request(0, 10));
  for (std::size_t size = 0; size + 1 < good.size(); ++size) {
    const unsigned status = witness.add_checkpoint(good.substr(0, size)).status;
    EXPECT_TRUE(status == 400 || status == 403) << size << ": " << status;
  }
  AddCheckpoint backwards = log.request(0, 10);
  backwards.old_size = TreeSize{11};
  EXPECT_EQ(witness.add_checkpoint(serialize(backwards)).status, 400U);
  EXPECT_EQ(witness.add_checkpoint(good + std::string(kMaxRequestSize, 'x')).status, 400U);
  EXPECT_EQ(witness.add_checkpoint(good).status, 200U);
}

TEST_F(WitnessTest, shows_the_last_checkpoint_with_the_lines_of_log_and_witness_only) {
  Witness witness = open();
  const std::string hash = to_hex(sha256(log.vkey().name()).view());
  EXPECT_EQ(witness.latest_checkpoint(hash).status, 404U) << "nothing was cosigned yet";
  SignedNote note = *parse_note(log.note_at(10));
  note.signatures.push_back(*other.key().sign(note.text));
  const Answer cosigned = witness.add_checkpoint("old 0\n\n" + *serialize(note));
  ASSERT_EQ(cosigned.status, 200U);
  const Answer latest = witness.latest_checkpoint(hash);
  EXPECT_EQ(latest.status, 200U);
  EXPECT_EQ(latest.body, log.note_at(10) + cosigned.body);
  EXPECT_EQ(witness.latest_checkpoint("log.example/a").status, 404U);
  EXPECT_EQ(witness.latest_checkpoint(std::string(64, '0')).status, 404U);
}

TEST_F(WitnessTest, will_not_begin_with_keys_that_cannot_be_right) {
  const auto with = [&](const SigningKey& signing, const std::vector<VerifierKey>& logs) {
    return Witness::create(signing, logs, *State::open(file), [] { return kNow; }).ok();
  };
  EXPECT_FALSE(with(key, {}));
  EXPECT_FALSE(with(key, {*key.witness_verifier()})) << "not a log's";
  EXPECT_FALSE(with(log.key(), {log.vkey()})) << "its own";
  EXPECT_TRUE(with(key, {log.vkey(), test::test_key("log.example/a", 7).verifier()}));
}

TEST_F(WitnessTest, gives_no_cosignature_that_it_could_not_store) {
  Witness witness = open();
  ASSERT_EQ(ask(witness, log, 0, 10).status, 200U);
  // Somebody holds the lock of the file for longer than the witness waits.
  auto holder = State::open(file);
  Answer answer;
  const auto held = holder->update("log.example/a", [&](const std::optional<Remembered>& latest) {
    answer = ask(witness, log, 10, 20);
    return *latest;
  });
  ASSERT_TRUE(held.ok());
  EXPECT_EQ(answer.status, 503U);
  EXPECT_TRUE(answer.trouble.has_value());
  EXPECT_EQ(answer.body.find("w.example"), std::string::npos);
  EXPECT_EQ(ask(witness, log, 10, 20).status, 200U);
}

TEST_F(WitnessTest, trusts_no_state_that_it_did_not_write) {
  {
    Witness witness = open();
    ASSERT_EQ(ask(witness, log, 0, 10).status, 200U);
  }
  struct stat mode{};
  ASSERT_EQ(::stat(file.c_str(), &mode), 0);
  EXPECT_EQ(mode.st_mode & 0777, 0600U);

  // A smaller size beside the same note: what somebody would write who wants a fork cosigned.
  ASSERT_TRUE(State::open(file)
                  ->update("log.example/a",
                           [](const std::optional<Remembered>& latest) {
                             return Remembered{TreeSize{5}, latest->root, latest->note};
                           })
                  .ok());
  Witness witness = open();
  const Answer answer = ask(witness, fork, 5, 20);
  EXPECT_EQ(answer.status, 500U);
  EXPECT_EQ(answer.trouble->code, ErrorCode::kTampered);

  std::ofstream(directory.path() + "/text") << std::string(4096, 'x');
  EXPECT_FALSE(State::open(directory.path() + "/text").ok());
  EXPECT_FALSE(State::open(directory.path()).ok());
  EXPECT_FALSE(State::open(directory.path() + "/nowhere/state").ok());
}

}  // namespace
}  // namespace pgtally::witness
