#include "pgtally/proof_file.h"
#include "require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input = pgtally::as_text({data, size});
  const auto proof = pgtally::parse_proof_file(input);
  if (proof.ok()) require(*pgtally::serialize(*proof) == input);
  return 0;
}
