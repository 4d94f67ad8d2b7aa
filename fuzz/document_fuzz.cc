#include "pgtally/definition.h"
#include "require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input = pgtally::as_text({data, size});
  const auto document = pgtally::Document::parse(input);
  if (!document.ok()) return 0;
  require(*document->text() == input);
  const auto source = pgtally::decode_source_definition(input);
  if (source.ok()) require(*pgtally::encode(*source) == input);
  const auto ledger = pgtally::decode_ledger_definition(input);
  if (ledger.ok()) require(*pgtally::encode(*ledger) == input);
  return 0;
}
