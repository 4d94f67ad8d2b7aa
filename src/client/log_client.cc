#include "client/log_client.h"

#include <fmt/format.h>

#include "format/entry_bundle.h"
#include "pgtally/document.h"
#include "pgtally/note.h"

namespace pgtally {
namespace {

constexpr unsigned kOk = 200;

bool is_absent(unsigned status) {
  // Object stores say 403 where their users may not list what is there.
  return status == 403 || status == 404 || status == 410;
}

Error not_served(const std::string& url, unsigned status) {
  std::string message = fmt::format("{} answers with status {}", url, status);
  if (!is_absent(status)) return retry(std::move(message));
  return reject(std::move(message),
                "A log has to serve everything that lies under its checkpoint. A cache in between "
                "may be behind.");
}

}  // namespace

Result<LogClient> LogClient::create(HttpClient http, std::string url) {
  while (url.ends_with('/')) url.pop_back();
  const bool is_url = url.starts_with("http://") || url.starts_with("https://");
  if (!is_url || url.find_first_of(" ?#\r\n") != std::string::npos) {
    return reject("\"" + url + "\" is not the URL of a log",
                  "It is what stands before /checkpoint, such as https://log.example/payments");
  }
  return LogClient(std::move(http), std::move(url));
}

Result<std::vector<std::string>> LogClient::fetch(const std::vector<Wanted>& wanted) {
  std::vector<HttpRequest> requests;
  for (const Wanted& each : wanted) {
    requests.push_back({.url = url_ + "/" + each.path, .max_body = each.most});
  }
  auto answers = http_.send_all(requests);
  std::vector<std::size_t> again;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (!answers[i].ok() || !is_absent(answers[i]->status) || wanted[i].full.empty()) continue;
    again.push_back(i);
  }
  if (!again.empty()) {
    std::vector<HttpRequest> fallbacks;
    for (const std::size_t i : again) {
      fallbacks.push_back({.url = url_ + "/" + wanted[i].full, .max_body = wanted[i].most});
    }
    auto full = http_.send_all(fallbacks);
    for (std::size_t f = 0; f < again.size(); ++f) {
      // That neither is there is said of the one that was wanted.
      const bool absent_too = full[f].ok() && is_absent(full[f]->status);
      if (!absent_too) answers[again[f]] = std::move(full[f]);
    }
  }
  std::vector<std::string> bodies;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    auto& answer = answers[i];
    // The URLs are well-formed, so what is refused is an answer that is too large.
    if (!answer.ok() && answer.error().code == ErrorCode::kReject) {
      return tampered(answer.error().message,
                      "No log serves that much here. Something else answers.");
    }
    if (!answer.ok()) return std::move(answer).error();
    if (answer->status != kOk) return not_served(url_ + "/" + wanted[i].path, answer->status);
    bodies.push_back(std::move(answer->body));
  }
  return bodies;
}

Result<std::string> LogClient::checkpoint() {
  TRY(auto bodies, fetch({{"checkpoint", "", kMaxNoteSize}}));
  return std::move(bodies.front());
}

Result<std::vector<std::vector<Hash>>> LogClient::tiles(std::span<const TileId> ids,
                                                        TreeSize size) {
  std::vector<Wanted> wanted;
  for (const TileId& id : ids) {
    const std::uint32_t width = tile_width(id, size);
    if (width == 0) return reject(tile_path({id, kTileWidth}) + " is beyond the tree");
    const std::string full = width < kTileWidth ? tile_path({id, kTileWidth}) : "";
    wanted.push_back({tile_path({id, width}), full, kTileWidth * Hash::kSize});
  }
  TRY(const auto bodies, fetch(wanted));
  std::vector<std::vector<Hash>> tiles;
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    TRY(auto hashes, parse_tile(wanted[i].path, bodies[i], tile_width(ids[i], size)));
    tiles.push_back(std::move(hashes));
  }
  return tiles;
}

Result<std::vector<std::string>> LogClient::bundles(std::uint64_t first, std::size_t count,
                                                    TreeSize size) {
  std::vector<Wanted> wanted;
  for (std::uint64_t index = first; index < first + count; ++index) {
    const std::uint32_t width = tile_width({0, index}, size);
    if (width == 0) return reject(bundle_path(index) + " is beyond the tree");
    const std::string full = width < kTileWidth ? bundle_path(index) : "";
    wanted.push_back({bundle_path(index, width), full, kMaxBundleSize});
  }
  return fetch(wanted);
}

Result<std::string> LogClient::document(const Hash& hash) {
  TRY(auto bodies, fetch({{document_path(hash), "", kMaxDocumentSize}}));
  return std::move(bodies.front());
}

}  // namespace pgtally
