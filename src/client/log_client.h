// A log that a server serves.
//
// A partial tile or bundle may be gone once the full one is there; so where it is not found, the full
// one is asked for, and cut. Everything that one call wants is asked for at once, and no answer is
// taken that is larger than the largest that could be right: 8 kB for a tile, kMaxBundleSize for a
// bundle, kMaxNoteSize for a checkpoint, kMaxDocumentSize for a document.
//
// Errors: kTampered for an answer of a form or size that cannot be right; kReject for what is not
// there (404); kRetry for what did not come.
//
// Spec: C2SP tlog-tiles.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "client/http_client.h"
#include "client/log_reader.h"
#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

class LogClient : public PublishedLog {
 public:
  // `url` is the log's prefix: what stands before "/checkpoint". kReject if it is none.
  [[nodiscard]] static Result<LogClient> create(HttpClient http, std::string url);

  [[nodiscard]] Result<std::string> checkpoint() override;
  [[nodiscard]] Result<std::vector<std::vector<Hash>>> tiles(std::span<const TileId> ids,
                                                             TreeSize size) override;
  [[nodiscard]] Result<std::vector<std::string>> bundles(std::uint64_t first, std::size_t count,
                                                         TreeSize size) override;
  [[nodiscard]] Result<std::string> document(const Hash& hash) override;

 private:
  struct Wanted {
    std::string path;
    std::string full;  // what to ask for if that is not there; empty: nothing
    std::size_t most = 0;
  };

  LogClient(HttpClient http, std::string url) : http_(std::move(http)), url_(std::move(url)) {}
  [[nodiscard]] Result<std::vector<std::string>> fetch(const std::vector<Wanted>& wanted);

  HttpClient http_;
  std::string url_;
};

}  // namespace pgtally
