#include "cli/published_copy.h"

#include <utility>

#include "audit/bundle_copy.h"
#include "client/open_published.h"
#include "pgtally/verify.h"

namespace pgtally::cli {

Result<OpenedCopy> OpenedCopy::open(const std::string& place, const Policy& policy,
                                    std::function<bool()> cancelled) {
  OpenedCopy opened;
  TRY(opened.log_, open_published(place, std::move(cancelled)));
  TRY_VOID(opened.read_checkpoint(place, policy));
  return opened;
}

Result<OpenedCopy> OpenedCopy::open_bundle(const std::string& file, const Policy& policy) {
  OpenedCopy opened;
  TRY(opened.bundle_, BundleLog::open(file));
  TRY(opened.log_, BundleCopy::open(*opened.bundle_, policy));
  TRY_VOID(opened.read_checkpoint(file, policy));
  return opened;
}

Result<void> OpenedCopy::read_checkpoint(const std::string& place, const Policy& policy) {
  copy_.log = log_.get();
  copy_.place = place;
  TRY(copy_.note, log_->checkpoint());
  if (copy_.note.empty()) {
    return reject("no log is published in " + place, "It has to hold a file named checkpoint.");
  }
  auto verified = verify_checkpoint(copy_.note, policy);
  if (!verified.ok()) return std::move(verified).error().within(place + "/checkpoint");
  copy_.checkpoint = std::move(verified->checkpoint);
  return {};
}

}  // namespace pgtally::cli
