// Both sides of tlog-witness over HTTP: the client of a log, and the witness.

#include <gtest/gtest.h>

#include "base/encoding.h"
#include "client/witness_client.h"
#include "crypto/sha256.h"
#include "http/server.h"
#include "support/signed_log.h"
#include "support/temporary_directory.h"
#include "witness/handler.h"

namespace pgtally::witness {
namespace {

using std::chrono::milliseconds;
using test::SignedLog;

constexpr std::uint64_t kNow = 1'795'003'601;
constexpr milliseconds kTimeout{5000};

class Protocol : public testing::Test {
 protected:
  SignedLog log{test::test_key("log.example/a", 1), 300};
  SignedLog fork{test::test_key("log.example/a", 1), 300, 5};
  test::TemporaryDirectory directory;
  SigningKey key = test::test_key("w.example", 9);
  std::unique_ptr<Handler> handler;
  std::unique_ptr<http::Server> server;

  void SetUp() override { start(key); }

  void start(const SigningKey& signing) {
    handler = std::make_unique<Handler>(
        Witness::create(signing, {log.vkey()}, *State::open(directory.path() + "/state"), [] {
          return kNow;
        }).value());
    serve(*handler);
  }
  void serve(http::Handler& what) {
    http::ServerOptions options;
    options.listen = "127.0.0.1:0";
    options.limits.drain = milliseconds(100);
    server = std::move(http::Server::start(options, what).value());
  }
  WitnessClient client() {
    return WitnessClient::create(HttpClient(), {"w", *key.witness_verifier(), server->url() + "/"})
        .value();
  }
  static WitnessClient::Prove prover(SignedLog& of) {
    return [&of](TreeSize from, TreeSize to) -> Result<std::vector<Hash>> {
      return of.proof(from.value, to.value);
    };
  }
};

TEST_F(Protocol, a_log_gets_each_of_its_checkpoints_cosigned) {
  WitnessClient witness = client();
  for (const std::uint64_t size : {1U, 1U, 20U, 300U}) {
    const auto cosigned = witness.cosign(log.note_at(size), prover(log), kTimeout);
    ASSERT_TRUE(cosigned.ok()) << cosigned.error().message;
    EXPECT_EQ(cosigned->timestamp, kNow);
    EXPECT_TRUE(cosigned->signature.is_by(*key.witness_verifier()));
  }
}

TEST_F(Protocol, a_log_that_forgot_how_far_it_was_goes_on_from_what_the_witness_says) {
  WitnessClient before = client();
  ASSERT_TRUE(before.cosign(log.note_at(100), prover(log), kTimeout).ok());
  std::vector<std::uint64_t> asked_from;
  WitnessClient after = client();
  const auto cosigned = after.cosign(
      log.note_at(300),
      [&](TreeSize from, TreeSize to) -> Result<std::vector<Hash>> {
        asked_from.push_back(from.value);
        return log.proof(from.value, to.value);
      },
      kTimeout);
  EXPECT_TRUE(cosigned.ok());
  EXPECT_EQ(asked_from, (std::vector<std::uint64_t>{0, 100}));
  // A wrong memory is mended in the same way.
  after.assume(TreeSize{7});
  EXPECT_TRUE(after.cosign(log.note_at(300), prover(log), kTimeout).ok());
  // A checkpoint that is older than what was cosigned is left alone.
  EXPECT_EQ(before.cosign(log.note_at(200), prover(log), kTimeout).error().code, ErrorCode::kRetry);
}

TEST_F(Protocol, a_fork_is_refused_and_said_to_be_one) {
  WitnessClient witness = client();
  ASSERT_TRUE(witness.cosign(log.note_at(100), prover(log), kTimeout).ok());
  for (const std::uint64_t size : {100U, 300U}) {
    const auto refused = witness.cosign(fork.note_at(size), prover(fork), kTimeout);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, ErrorCode::kTampered) << refused.error().message;
  }
  EXPECT_TRUE(witness.cosign(log.note_at(300), prover(log), kTimeout).ok());
}

TEST_F(Protocol, a_log_that_the_witness_does_not_know_needs_its_operator) {
  SignedLog stranger(test::test_key("log.example/c", 3), 5);
  SignedLog other_key(test::test_key("log.example/a", 3), 5);
  for (SignedLog* unknown : {&stranger, &other_key}) {
    const auto refused = client().cosign(unknown->note_at(5), prover(*unknown), kTimeout);
    EXPECT_EQ(refused.error().code, ErrorCode::kOperator) << refused.error().message;
  }
}

TEST_F(Protocol, the_last_checkpoint_is_shown_to_monitors) {
  const auto cosigned = client().cosign(log.note_at(100), prover(log), kTimeout);
  HttpClient http;
  const std::string path = "/" + to_hex(sha256(std::string_view("log.example/a")).view());
  const auto shown = http.send({.url = server->url() + path + "/checkpoint"});
  EXPECT_EQ(shown->status, 200U);
  EXPECT_EQ(shown->header("content-type"), "text/plain; charset=utf-8");
  EXPECT_EQ(parse_note(shown->body)->signatures.back(), cosigned->signature);
  for (const char* wrong : {"/", "/add", "/checkpoint", "/add-checkpoint/"}) {
    EXPECT_EQ(http.send({.url = server->url() + wrong})->status, 404U) << wrong;
  }
  EXPECT_EQ(http.send({.url = server->url() + path + "/"})->status, 404U);
  EXPECT_EQ(http.send({.url = server->url() + "/add-checkpoint"})->status, 405U);
  EXPECT_EQ(http.send({.method = "POST", .url = server->url() + path + "/checkpoint"})->status,
            405U);
}

// A witness that answers whatever a test wants.
class Liar : public http::Handler {
 public:
  void handle(http::Request request, http::Answer answer) override {
    requests.push_back(std::move(request.body));
    if (silent) {
      kept = answer;
    } else {
      answer(response);
    }
  }
  http::Response response;
  bool silent = false;
  http::Answer kept;
  std::vector<std::string> requests;
};

class Lies : public Protocol {
 protected:
  Liar liar;
  void SetUp() override { serve(liar); }
  ~Lies() override { server.reset(); }

  Error told(unsigned status, const std::string& type, const std::string& body) {
    liar.requests.clear();
    liar.response = http::respond(status, type, body);
    const auto result = client().cosign(log.note_at(100), prover(log), kTimeout);
    EXPECT_FALSE(result.ok()) << body;
    return result.ok() ? Error{} : result.error();
  }
};

TEST_F(Lies, about_the_size_do_not_keep_the_client_busy) {
  const std::string type = "text/x.tlog.size";
  EXPECT_EQ(told(409, type, "0\n").code, ErrorCode::kRetry) << "what was sent";
  EXPECT_EQ(told(409, type, "101\n").code, ErrorCode::kRetry) << "beyond the checkpoint";
  EXPECT_EQ(told(409, type, "").code, ErrorCode::kRetry);
  EXPECT_EQ(told(409, type, "-1\n").code, ErrorCode::kRetry);
  EXPECT_EQ(liar.requests.size(), 1U);
  EXPECT_EQ(told(409, type, "7\n").code, ErrorCode::kRetry) << "the same for ever";
  EXPECT_LE(liar.requests.size(), static_cast<std::size_t>(WitnessClient::kMaxTries));
}

TEST_F(Lies, are_no_cosignatures) {
  const std::string text = parse_note(log.note_at(100))->text;
  const auto lines = [&](const NoteSignature& signature) {
    return serialize(SignedNote{text, {signature}})->substr(text.size() + 1);
  };
  const std::string plain = "text/plain; charset=utf-8";
  EXPECT_EQ(told(200, plain, "").code, ErrorCode::kRetry);
  EXPECT_EQ(told(200, plain, "<html>").code, ErrorCode::kRetry);
  EXPECT_EQ(told(200, plain, lines(*log.key().sign(text))).code, ErrorCode::kRetry)
      << "not its key";
  const std::string other_text = parse_note(log.note_at(99))->text;
  EXPECT_EQ(told(200, plain, lines(*key.cosign(other_text, kNow))).code, ErrorCode::kTampered);
  EXPECT_EQ(told(200, plain, std::string(100'000, 'x')).code, ErrorCode::kReject) << "too long";
  // Beside lines of others, its own counts.
  liar.response =
      http::respond(200, plain, lines(*log.key().sign(text)) + lines(*key.cosign(text, kNow)));
  EXPECT_TRUE(client().cosign(log.note_at(100), prover(log), kTimeout).ok());
}

TEST_F(Lies, and_silence_end_with_the_timeout) {
  liar.silent = true;
  const auto began = std::chrono::steady_clock::now();
  const auto result = client().cosign(log.note_at(100), prover(log), milliseconds(200));
  EXPECT_EQ(result.error().code, ErrorCode::kRetry);
  EXPECT_LT(std::chrono::steady_clock::now() - began, milliseconds(2000));
}

TEST(WitnessClient, needs_a_witness_that_can_be_asked_and_counts) {
  const SigningKey key = test::test_key("w.example", 9);
  EXPECT_FALSE(WitnessClient::create(HttpClient(), {"w", *key.witness_verifier(), ""}).ok());
  EXPECT_FALSE(WitnessClient::create(HttpClient(), {"w", key.verifier(), "http://w.example"}).ok());
  EXPECT_TRUE(
      WitnessClient::create(HttpClient(), {"w", *key.witness_verifier(), "http://w.example"}).ok());
}

}  // namespace
}  // namespace pgtally::witness
