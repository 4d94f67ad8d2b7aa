#include <algorithm>

#include "pgtally/entry.h"
#include "pgtally/key.h"
#include "require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const pgtally::ByteView input(data, size);
  const auto entry = pgtally::decode_entry(input);
  if (entry.ok()) require(std::ranges::equal(*pgtally::encode(*entry), input));

  const auto key = pgtally::decode_key(input);
  require(key.ok() == pgtally::check_key(input).ok());
  if (key.ok() && !key->hashed)
    require(std::ranges::equal(*pgtally::encode_key(key->columns), input));
  return 0;
}
