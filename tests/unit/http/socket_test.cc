// What the server asks of the operating system, and what it does when that has nothing left.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ctime>

#include "test_server.h"

namespace pgtally::http::test {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kHello = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";

// Takes all file descriptors that this process may have.
class AllDescriptors {
 public:
  AllDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit few{256, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &few);
    for (int each = 0; each >= 0;) {
      each = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
      if (each >= 0) taken_.push_back(each);
    }
  }
  AllDescriptors(const AllDescriptors&) = delete;
  AllDescriptors& operator=(const AllDescriptors&) = delete;
  ~AllDescriptors() {
    while (!taken_.empty()) give_one_back();
    ::setrlimit(RLIMIT_NOFILE, &before_);
  }
  void give_one_back() {
    ::close(taken_.back());
    taken_.pop_back();
  }

 private:
  rlimit before_{};
  std::vector<int> taken_;
};

// The server's end of the only connection that it has; -1 if there is none.
int accepted_socket(std::uint16_t port) {
  const auto port_of = [](auto name_of, int socket) {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    const int failed = name_of(socket, reinterpret_cast<sockaddr*>(&address), &size);
    return failed == 0 ? ntohs(address.sin_port) : std::uint16_t{0};
  };
  for (int each = 3; each < 1024; ++each) {
    if (port_of(::getsockname, each) == port && port_of(::getpeername, each) != 0) return each;
  }
  return -1;
}

TEST(Server, that_is_out_of_descriptors_rests_and_then_takes_whoever_waited) {
  TestServer server;
  AllDescriptors all;
  all.give_one_back();  // for the client
  auto client = server.client();
  client.send(kHello);
  const std::clock_t began = std::clock();
  EXPECT_FALSE(client.receive(true, milliseconds(500)));
  EXPECT_LT(std::clock() - began, CLOCKS_PER_SEC / 5) << "it does not rest";
  EXPECT_EQ(server->counts().accepted, 0u);
  all.give_one_back();
  const auto response = client.receive();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200u);
}

// Whether the system keeps to it would take a network that loses packets.
TEST(Server, has_the_system_give_up_a_peer_that_acknowledges_nothing_any_more) {
  Limits limits;
  limits.write = milliseconds(12'345);
  TestServer server(limits);
  auto client = server.client();
  ASSERT_TRUE(client.get("/hello"));
  const int accepted = accepted_socket(server->port());
  ASSERT_GE(accepted, 0);
  int timeout = 0;
  socklen_t size = sizeof timeout;
  ASSERT_EQ(::getsockopt(accepted, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, &size), 0);
  EXPECT_EQ(timeout, 12'345);
}

}  // namespace
}  // namespace pgtally::http::test
