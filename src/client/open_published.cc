#include "client/open_published.h"

#include <utility>

#include "client/directory_log.h"
#include "client/log_client.h"

namespace pgtally {

Result<std::unique_ptr<PublishedLog>> open_published(const std::string& place,
                                                     std::function<bool()> cancelled) {
  if (place.starts_with("http://") || place.starts_with("https://")) {
    TRY(auto log, LogClient::create(HttpClient(std::move(cancelled)), place));
    return std::unique_ptr<PublishedLog>(new LogClient(std::move(log)));
  }
  return std::unique_ptr<PublishedLog>(new DirectoryLog(place));
}

}  // namespace pgtally
