#include "format/add_checkpoint.h"
#include "require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input = pgtally::as_text({data, size});
  const auto request = pgtally::parse_add_checkpoint(input);
  if (request.ok()) require(pgtally::serialize(*request) == input);
  return 0;
}
