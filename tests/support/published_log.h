// A ledger published into a directory of its own, and read back as the copy that recovery takes.
#pragma once

#include <filesystem>
#include <string>

#include "client/directory_log.h"
#include "pgtally/verify.h"
#include "service/publishing.h"
#include "service/re_record.h"
#include "support/service_ledger.h"

namespace pgtally::test {

class PublishedLedger {
 public:
  [[nodiscard]] std::string path() const { return directory_.path() / "log"; }

  [[nodiscard]] Result<PublishReport> publish(const Server& server) const {
    auto connection = test::connect(server.conninfo());
    TRY(const Ledger ledger, Ledger::open(connection, "pgtally"));
    return publish_ledger(ledger, path(), {});
  }

  // As it is published now.
  [[nodiscard]] PublishedCopy copy(const Ledger& ledger) {
    PublishedCopy copy;
    copy.log = &log_;
    copy.place = path();
    copy.note = must(log_.checkpoint());
    const Policy policy = must(Policy::trust(must(VerifierKey::parse(ledger.vkey()))));
    copy.checkpoint = must(verify_checkpoint(copy.note, policy)).checkpoint;
    return copy;
  }

  [[nodiscard]] Diagnosis diagnose(const Server& server, const Guard& guard) {
    auto connection = test::connect(server.conninfo());
    const Ledger ledger = must(Ledger::open(connection, "pgtally"));
    const PublishedCopy copy = this->copy(ledger);
    return must(pgtally::diagnose(ledger, guard, &copy, {}));
  }
  [[nodiscard]] Result<ReRecorded> re_record(const Server& server, const Guard& guard) {
    auto connection = test::connect(server.conninfo());
    TRY(const Ledger ledger, Ledger::open(connection, "pgtally"));
    const PublishedCopy copy = this->copy(ledger);
    TRY(const Diagnosis found, pgtally::diagnose(ledger, guard, &copy, {}));
    return pgtally::re_record(ledger, copy, found, {});
  }

 private:
  TestDirectory directory_;
  DirectoryLog log_{path()};
};

}  // namespace pgtally::test
