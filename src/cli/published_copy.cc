#include "cli/published_copy.h"

#include <utility>

#include "base/durable_file.h"
#include "cli/bundle_copy.h"
#include "client/directory_log.h"
#include "client/log_client.h"
#include "pgtally/document.h"
#include "pgtally/verify.h"

namespace pgtally::cli {
namespace {

constexpr unsigned kOk = 200;

Error has_none(const std::string& place, const Hash& hash) {
  return reject("there is no " + place + "/" + document_path(hash));
}

Result<std::string> served_document(HttpClient& http, const std::string& url, const Hash& hash) {
  const std::string path = url + "/" + document_path(hash);
  TRY(const auto answer, http.send({.url = path, .max_body = kMaxDocumentSize}));
  if (answer.status == kOk) return answer.body;
  return reject(path + " answers with status " + std::to_string(answer.status));
}

Result<std::string> stored_document(const std::string& directory, const Hash& hash) {
  TRY(auto text, read_small_file(directory + "/" + document_path(hash), kMaxDocumentSize));
  if (text) return *std::move(text);
  return has_none(directory, hash);
}

}  // namespace

Result<OpenedCopy> OpenedCopy::open(const std::string& place, const Policy& policy,
                                    std::function<bool()> cancelled) {
  OpenedCopy opened;
  PublishedCopy& copy = opened.copy_;
  copy.place = place;
  if (place.starts_with("http://") || place.starts_with("https://")) {
    TRY(auto log, LogClient::create(HttpClient(cancelled), place));
    const std::string url = log.url();
    opened.http_ = std::make_shared<HttpClient>(std::move(cancelled));
    opened.log_ = std::make_unique<LogClient>(std::move(log));
    copy.document = [http = opened.http_, url](const Hash& hash) {
      return served_document(*http, url, hash);
    };
  } else {
    opened.log_ = std::make_unique<DirectoryLog>(place);
    copy.document = [place](const Hash& hash) { return stored_document(place, hash); };
  }
  TRY_VOID(opened.read_checkpoint(policy));
  return opened;
}

Result<OpenedCopy> OpenedCopy::open_bundle(const std::string& file, const Policy& policy) {
  OpenedCopy opened;
  TRY(auto bundle, BundleLog::open(file));
  opened.bundle_ = std::move(bundle);
  TRY(opened.log_, BundleCopy::open(*opened.bundle_, policy));
  opened.copy_.place = file;
  opened.copy_.document = [held = opened.bundle_](const Hash& hash) {
    return held->document(hash);
  };
  TRY_VOID(opened.read_checkpoint(policy));
  return opened;
}

Result<void> OpenedCopy::read_checkpoint(const Policy& policy) {
  copy_.log = log_.get();
  TRY(copy_.note, log_->checkpoint());
  if (copy_.note.empty()) {
    return reject("no log is published in " + copy_.place,
                  "It has to hold a file named checkpoint.");
  }
  auto verified = verify_checkpoint(copy_.note, policy);
  if (!verified.ok()) return std::move(verified).error().within(copy_.place + "/checkpoint");
  copy_.checkpoint = std::move(verified->checkpoint);
  return {};
}

}  // namespace pgtally::cli
