// The server of src/http with one full tile in memory at each path below /tile/, for bench/http. It
// prints its port, and serves until its input ends.
#include <iostream>
#include <string>

#include "http/server.h"

namespace {

using namespace pgtally;

// Answers as the log's own routes do for a tile from the cache.
class OneTile : public http::Handler {
 public:
  void handle(http::Request request, http::Answer answer) override {
    if (!request.path.starts_with("/tile/")) {
      return answer(http::problem(404, http::reason_phrase(404), request.path));
    }
    http::Response response;
    response.headers = {{"Content-Type", "application/octet-stream"},
                        {"Cache-Control", "public, max-age=31536000, immutable"}};
    response.body = tile_;
    response.etag = "5f1c8a3e0b7d4296";
    answer(std::move(response));
  }

 private:
  const std::shared_ptr<const std::string> tile_ = std::make_shared<std::string>(8192, 't');
};

}  // namespace

int main() {
  OneTile handler;
  auto server = http::Server::start({"127.0.0.1:0", "", "", {}}, handler);
  if (!server.ok()) {
    std::cerr << server.error().message << "\n";
    return 3;
  }
  std::cout << (*server)->port() << std::endl;
  std::cin.get();
  return 0;
}
