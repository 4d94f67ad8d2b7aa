#include "format/entry_bundle.h"
#include "require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pgtally;
  const std::string_view text = as_text({data, size});
  const auto request = parse_bundle_path(text);
  if (request.ok()) require(bundle_path(request->tile.index, request->width) == text);

  if (size == 0) return 0;
  const std::uint32_t width = data[0] + 1U;
  const ByteView bundle(data + 1, size - 1);
  const auto entries = parse_bundle(bundle, width);
  if (!entries.ok()) return 0;
  require(entries->size() == width);
  std::string again;
  for (const ByteView entry : *entries) require(append_to_bundle(again, entry).ok());
  require(as_text(bundle).starts_with(again));
  return 0;
}
