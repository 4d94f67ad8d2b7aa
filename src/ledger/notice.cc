#include "ledger/notice.h"

#include "pgtally/document.h"

namespace pgtally {

Result<void> record_notice(const Ledger& ledger, const Notice& notice) {
  TRY_VOID(ledger.execute("SELECT pgtally.lock_ledger()"));
  TRY(const auto clock, ledger.query("SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', "
                                     "'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"));
  TRY(const auto at, clock.get<std::string>(0, 0));
  Document::Array sources;
  for (const std::string& name : notice.sources) sources.emplace_back(name);
  const Document document(Document::Object{{"at", Document(at)},
                                           {"detail", Document(notice.detail)},
                                           {"event", Document(notice.event)},
                                           {"sources", Document(std::move(sources))},
                                           {"v", Document("1")}});
  TRY(const std::string text, document.text());
  TRY([[maybe_unused]] const auto entry,
      ledger.query("SELECT pgtally.notice($1::bytea)", pg::Params().bytea(as_bytes(text))));
  return {};
}

}  // namespace pgtally
