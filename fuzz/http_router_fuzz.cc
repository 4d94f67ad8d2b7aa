// Requests as the server hands them to a log: a method, a target, three fields and a body, a line each.
// Whatever they ask for is answered exactly once, by a status that is described, and never by a 500.
// The database is away, so that what needs it is a 503.
#include <algorithm>
#include <array>
#include <future>
#include <string>

#include "http/log_routes.h"
#include "pgtally/merkle.h"
#include "pgtally/types.h"
#include "require.h"

namespace {

using namespace pgtally;

// A tree of 700 entries, of which only the right edge is known.
http::LogHeadPtr head() {
  auto head = std::make_shared<http::LogHead>();
  head->origin = "fuzz.example/log";
  head->size = TreeSize{700};
  head->note = std::make_shared<const std::string>("a note\n");
  head->etag = "0";
  head->edge.resize(kTileLevels);
  head->edge[0] = std::make_shared<const TileNodes>(std::vector<Hash>(700 % 256));
  head->edge[1] = std::make_shared<const TileNodes>(std::vector<Hash>(700 / 256));
  return head;
}

http::LogContext& context() {
  static http::LogContext context("host=/nowhere connect_timeout=2", "pgtally", {}, nullptr);
  return context;
}

std::string next_line(std::string_view& rest) {
  const std::size_t end = std::min(rest.find('\n'), rest.size());
  std::string line(rest.substr(0, end));
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return line;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static http::LogRoutes routes(context());
  if (!context().revealed.head()) context().revealed.reveal(head());

  std::string_view rest = as_text({data, size});
  http::Request request;
  request.method = next_line(rest);
  request.target = "/" + next_line(rest);
  const std::size_t mark = request.target.find('?');
  request.path = request.target.substr(0, mark);
  if (mark != std::string::npos) request.query = request.target.substr(mark + 1);
  for (const char* name : {"accept", "authorization", "content-type"}) {
    request.headers.emplace_back(name, next_line(rest));
  }
  request.body = rest;

  const auto answered = std::make_shared<std::promise<unsigned>>();
  auto status = answered->get_future();
  routes.handle(std::move(request), [answered](http::Response response) {
    require(response.body || response.events);
    answered->set_value(response.status);  // throws if there is a second answer
  });
  require(status.wait_for(std::chrono::seconds(10)) == std::future_status::ready);
  constexpr std::array kStatuses{200U, 400U, 401U, 404U, 405U, 503U};
  require(std::ranges::find(kStatuses, status.get()) != kStatuses.end());
  return 0;
}
