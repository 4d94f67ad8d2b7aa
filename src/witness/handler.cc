#include "witness/handler.h"

#include <memory>

#include "base/encoding.h"
#include "service/log.h"

namespace pgtally::witness {
namespace {

constexpr std::string_view kAddCheckpoint = "/add-checkpoint";
constexpr std::string_view kCheckpoint = "/checkpoint";

// "<hash>" of "/<hash>/checkpoint"; empty if the path is another one.
std::string_view origin_hash_of(std::string_view path) {
  if (!path.ends_with(kCheckpoint)) return {};
  path.remove_suffix(kCheckpoint.size());
  if (path.size() != 65 || path.front() != '/') return {};
  return path.substr(1);
}

http::Response method_not_allowed(const char* allowed) {
  http::Response response =
      http::problem(405, "Method Not Allowed", "Only " + std::string(allowed));
  response.headers.emplace_back("Allow", allowed);
  return response;
}

}  // namespace

Answer Handler::add_checkpoint(const http::Request& request) {
  Answer answer = witness_.add_checkpoint(request.body);
  const bool cosigned = answer.status == 200;
  // Of what is refused, a forked log is what somebody should look at.
  const bool contradicts = answer.status == 422 ||
                           (answer.status == 409 && answer.content_type.starts_with("text/plain"));
  if (cosigned) {
    log(LogLevel::kInfo, "cosigned", {{"peer", request.peer}});
  } else if (contradicts) {
    log(LogLevel::kWarning, "refused what a log signed, for it does not extend what was cosigned",
        {{"peer", request.peer}, {"request", quoted(request.body, kMaxRequestSize)}});
  }
  return answer;
}

void Handler::handle(http::Request request, http::Answer answer) {
  const bool adds = request.path == kAddCheckpoint;
  const std::string_view hash = origin_hash_of(request.path);
  if (!adds && hash.empty()) {
    answer(http::problem(404, "Not Found",
                         "A witness has /add-checkpoint and /<hash of origin>/checkpoint."));
    return;
  }
  const char* method = adds ? "POST" : "GET";
  if (request.method != method) {
    answer(method_not_allowed(adds ? "POST" : "GET, HEAD"));
    return;
  }
  const auto shared = std::make_shared<http::Request>(std::move(request));
  const bool taken = workers_.post([this, shared, adds, answer](std::size_t) {
    const Answer result =
        adds ? add_checkpoint(*shared) : witness_.latest_checkpoint(origin_hash_of(shared->path));
    if (result.trouble) log(LogLevel::kError, "the state cannot be used", *result.trouble);
    http::Response response = http::respond(result.status, result.content_type, result.body);
    if (!adds && result.status == 200) response.headers.emplace_back("Cache-Control", "no-cache");
    answer(std::move(response));
  });
  if (!taken) answer(http::busy("Too many checkpoints wait to be cosigned."));
}

}  // namespace pgtally::witness
