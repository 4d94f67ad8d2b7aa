#include "pgtally/proof_file.h"
#include "require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input = pgtally::as_text({data, size});
  const auto proof = pgtally::parse_order_proof_file(input);
  if (!proof.ok()) return 0;
  require(pgtally::looks_like_order_proof(input));
  const auto text = pgtally::serialize(*proof);
  if (text.ok()) require(*text == input);
  return 0;
}
