#include "service/publishing.h"

#include <memory>

#include "service/ledger_log.h"
#include "service/log.h"

namespace pgtally {
namespace {

Result<Policy> own_key(const Ledger& ledger) {
  TRY(auto key, VerifierKey::parse(ledger.vkey()));
  return Policy::trust(std::move(key));
}

// What one outlet keeps between its rounds.
struct Publishing {
  std::string directory;
  std::chrono::milliseconds patience{0};
  std::optional<Publisher> publisher;
  std::string published;  // the checkpoint that was published last
};

Result<void> deliver(Publishing& state, const Ledger& ledger, const Outlet::Cancelled& cancelled) {
  LedgerLog log(ledger, state.patience);
  TRY(const std::string newest, log.checkpoint());
  if (newest.empty() || newest == state.published) return {};
  TRY(Policy key, own_key(ledger));
  if (!state.publisher) state.publisher.emplace(state.directory, std::move(key));
  auto report = state.publisher->publish(log, cancelled);
  if (!report.ok()) {
    // What is there now is looked at anew.
    state.publisher.reset();
    return std::move(report).error();
  }
  state.published = newest;
  return {};
}

}  // namespace

Result<PublishReport> publish_ledger(const Ledger& ledger, const std::string& directory,
                                     std::chrono::milliseconds patience) {
  TRY(Policy key, own_key(ledger));
  LedgerLog log(ledger, patience);
  return Publisher(directory, std::move(key)).publish(log);
}

Outlet publishing_into(const std::string& directory, std::chrono::milliseconds patience) {
  auto state = std::make_shared<Publishing>(Publishing{directory, patience, {}, {}});
  return {"publishing into " + directory,
          [state](const Ledger& ledger, const Outlet::Cancelled& cancelled) {
            return deliver(*state, ledger, cancelled);
          }};
}

}  // namespace pgtally
