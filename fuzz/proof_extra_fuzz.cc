#include <algorithm>

#include "pgtally/proof_file.h"
#include "require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const pgtally::ByteView input(data, size);
  const auto extra = pgtally::decode_extra(input);
  if (extra.ok() && extra->unknown.empty()) {
    require(std::ranges::equal(*pgtally::encode_extra(*extra), input));
  }
  return 0;
}
