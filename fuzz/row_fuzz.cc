#include <algorithm>

#include "pgtally/content.h"
#include "require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const pgtally::ByteView input(data, size);
  const auto row = pgtally::decode_row(input);
  if (!row.ok()) return 0;
  std::vector<pgtally::RowColumnView> columns;
  for (const auto& column : *row) columns.push_back({column.name, column.value});
  require(std::ranges::equal(*pgtally::encode_row(columns), input));
  return 0;
}
