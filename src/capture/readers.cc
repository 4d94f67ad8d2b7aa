#include "capture/readers.h"

#include "capture/logical.h"
#include "capture/remote_reader.h"

namespace pgtally {

Result<Readers> make_readers(const Ledger& ledger, const SweepSchedule& sweeps) {
  Readers readers;
  TRY(auto sources, remote_sources(ledger));
  for (RemoteSource& source : sources) {
    readers.push_back(make_remote_reader(std::move(source), sweeps));
  }
  TRY(auto logical, make_logical_readers(ledger));
  for (auto& reader : logical) readers.push_back(std::move(reader));
  return readers;
}

}  // namespace pgtally
