#include "database/capture/remote_source.h"

#include <algorithm>
#include <map>

#include "capture/remote_sweep.h"

namespace pgtally::test {

void RemoteSourceTest::sweep(const std::string& source) const {
  auto connection = ledger_.connect();
  const Ledger opened = must(Ledger::open(connection, "pgtally"));
  const SourceInfo info = must(find_source(opened, source));
  RemoteTable table = must(RemoteTable::connect(must(remote_sources(opened, info.id)).at(0)));
  for (int window = 0; window < 10'000; ++window) {
    if (must(sweep_remote_window(opened, table)).done) break;
  }
  ledger_.drain();
}

std::string RemoteSourceTest::differences(const std::string& source) const {
  std::map<std::string, int> count;
  for (const std::string& key : lines(psql("SELECT id FROM " + source))) ++count[key];
  for (const std::string& key : keys_of(source)) --count[key];
  std::string out;
  for (const auto& [key, n] : count) {
    if (n != 0) out += (n > 0 ? "missed " : "doubled or phantom ") + key + "; ";
  }
  return out;
}

}  // namespace pgtally::test
