// The published copy of a log that the command line names: a directory, a URL, an auditor's bundle.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "audit/bundle_log.h"
#include "client/log_reader.h"
#include "pgtally/policy.h"
#include "pgtally/result.h"
#include "service/recovery.h"

namespace pgtally::cli {

class OpenedCopy {
 public:
  // Reads its checkpoint and verifies it by the policy; the rest is not looked at yet. kReject if
  // nothing is published there.
  [[nodiscard]] static Result<OpenedCopy> open(const std::string& place, const Policy& policy,
                                               std::function<bool()> cancelled);

  // The same of a bundle. Reads all of it.
  [[nodiscard]] static Result<OpenedCopy> open_bundle(const std::string& file,
                                                      const Policy& policy);

  [[nodiscard]] const PublishedCopy& copy() const { return copy_; }

 private:
  OpenedCopy() = default;
  [[nodiscard]] Result<void> read_checkpoint(const std::string& place, const Policy& policy);

  std::unique_ptr<BundleLog> bundle_;
  std::unique_ptr<PublishedLog> log_;  // perhaps over the bundle
  PublishedCopy copy_;
};

}  // namespace pgtally::cli
