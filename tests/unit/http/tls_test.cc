#include "http/tls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <fstream>

#include "certificate.h"
#include "test_server.h"

namespace pgtally::http::test {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;
using testing::HasSubstr;

class TlsClient {
 public:
  explicit TlsClient(std::uint16_t port, int highest_version = TLS1_3_VERSION) {
    SSL* const native = stream_.native_handle();
    SSL_set_security_level(native, 0);
    SSL_set_min_proto_version(native, TLS1_VERSION);
    SSL_set_max_proto_version(native, highest_version);
    stream_.next_layer().connect({asio::ip::make_address("127.0.0.1"), port});
    stream_.handshake(asio::ssl::stream_base::client, error_);
  }

  [[nodiscard]] bool is_connected() const { return !error_; }
  [[nodiscard]] std::string version() { return SSL_get_version(stream_.native_handle()); }
  [[nodiscard]] std::string common_name() {
    X509* const certificate = SSL_get1_peer_certificate(stream_.native_handle());
    std::array<char, 100> name{};
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name.data(), 99);
    X509_free(certificate);
    return name.data();
  }

  // All that comes until the server ends the connection.
  std::string exchange(const std::string& requests) {
    asio::write(stream_, asio::buffer(requests), error_);
    std::string received;
    asio::read(stream_, asio::dynamic_buffer(received), error_);
    return received;
  }
  // What comes up to `end`.
  std::string exchange(const std::string& request, const std::string& end) {
    asio::write(stream_, asio::buffer(request), error_);
    std::string received;
    asio::read_until(stream_, asio::dynamic_buffer(received), end, error_);
    return received;
  }
  [[nodiscard]] bool ended_in_order() const { return error_ == asio::error::eof; }

 private:
  asio::io_context io_;
  asio::ssl::context context_{asio::ssl::context::tls_client};
  asio::ssl::stream<asio::ip::tcp::socket> stream_{io_, context_};
  boost::system::error_code error_;
};

std::string get(const std::string& target, const std::string& fields = "") {
  return "GET " + target + " HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n";
}

TEST(Tls, carries_what_plain_connections_carry) {
  const CertificateFiles files("first.example");
  TestServer server({}, files.certificate(), files.key());
  EXPECT_TRUE(server->url().starts_with("https://127.0.0.1:"));
  TlsClient client(server->port());
  ASSERT_TRUE(client.is_connected());
  EXPECT_EQ(client.version(), "TLSv1.3");
  const auto received = client.exchange(get("/hello") + get("/later") + get("/big") +
                                        get("/hello", "Connection: close\r\n"));
  EXPECT_TRUE(client.ended_in_order());
  EXPECT_THAT(received.substr(0, 1000), HasSubstr("hello"));
  EXPECT_GT(received.size(), 1'000'000u);
  EXPECT_TRUE(received.ends_with("hello"));
}

TEST(Tls, speaks_1_2_but_nothing_older) {
  const CertificateFiles files("x");
  TestServer server({}, files.certificate(), files.key());
  TlsClient old(server->port(), TLS1_2_VERSION);
  ASSERT_TRUE(old.is_connected());
  EXPECT_EQ(old.version(), "TLSv1.2");
  EXPECT_THAT(old.exchange(get("/hello", "Connection: close\r\n")), HasSubstr("hello"));
  EXPECT_FALSE(TlsClient(server->port(), TLS1_1_VERSION).is_connected());
}

TEST(Tls, takes_a_new_certificate_for_new_connections) {
  const CertificateFiles files("first.example");
  TestServer server({}, files.certificate(), files.key());
  TlsClient before(server->port());
  EXPECT_EQ(before.common_name(), "first.example");
  files.renew("second.example");
  EXPECT_EQ(TlsClient(server->port()).common_name(), "first.example");
  ASSERT_TRUE(server->reload_certificate().ok());
  EXPECT_EQ(TlsClient(server->port()).common_name(), "second.example");
  EXPECT_THAT(before.exchange(get("/hello", "Connection: close\r\n")), HasSubstr("hello"));
}

TEST(Tls, keeps_the_old_certificate_if_the_new_one_cannot_be_used) {
  const CertificateFiles files("first.example");
  TestServer server({}, files.certificate(), files.key());
  const CertificateFiles others("other.example");
  std::filesystem::copy_file(others.key(), files.key(),
                             std::filesystem::copy_options::overwrite_existing);
  const auto mixed = server->reload_certificate();
  ASSERT_FALSE(mixed.ok());
  EXPECT_EQ(mixed.error().code, ErrorCode::kOperator);
  EXPECT_THAT(mixed.error().message, HasSubstr("key.pem"));
  std::ofstream(files.certificate()) << "nothing of the kind";
  EXPECT_THAT(server->reload_certificate().error().message, HasSubstr("certificate.pem"));
  EXPECT_EQ(TlsClient(server->port()).common_name(), "first.example");
}

TEST(Tls, does_not_begin_without_both_files) {
  const CertificateFiles files("x");
  TestHandler handler;
  const auto start = [&](const std::string& certificate, const std::string& key) {
    return Server::start({"127.0.0.1:0", certificate, key, {}}, handler);
  };
  EXPECT_FALSE(start(files.certificate(), "").ok());
  EXPECT_FALSE(start("", files.key()).ok());
  EXPECT_FALSE(start(files.certificate(), files.key() + ".missing").ok());
  EXPECT_TRUE(start(files.certificate(), files.key()).ok());
}

TEST(Tls, sends_events) {
  const CertificateFiles files("x");
  TestServer server({}, files.certificate(), files.key());
  server.handler().feed->publish("n", "1", "one");
  TlsClient client(server->port());
  EXPECT_THAT(client.exchange(get("/events"), "data: one\n\n"), HasSubstr("text/event-stream"));
  EXPECT_TRUE(TestServer::eventually([&] { return server->counts().event_streams == 1; }));
}

TEST(Tls, drops_clients_that_do_not_speak_it_or_say_nothing) {
  Limits limits;
  limits.tls_handshake = milliseconds(300);
  const CertificateFiles files("x");
  TestServer server(limits, files.certificate(), files.key());
  auto plain = server.client();
  plain.send(get("/hello"));
  EXPECT_TRUE(plain.is_closed_within(milliseconds(2000)));
  auto silent = server.client();
  EXPECT_TRUE(silent.is_closed_within(milliseconds(2000)));
  auto half = server.client();
  half.send(std::string_view("\x16\x03\x01\x02\x00\x01\x00", 7));
  EXPECT_TRUE(half.is_closed_within(milliseconds(2000)));
  EXPECT_TRUE(TlsClient(server->port()).is_connected());
}

}  // namespace
}  // namespace pgtally::http::test
