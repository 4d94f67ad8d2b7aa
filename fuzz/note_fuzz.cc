#include "pgtally/checkpoint.h"
#include "require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input = pgtally::as_text({data, size});
  const auto checkpoint = pgtally::parse_checkpoint(input);
  if (checkpoint.ok()) require(*pgtally::text_of(*checkpoint) == input);
  const auto note = pgtally::parse_note(input);
  if (note.ok()) require(*pgtally::serialize(*note) == input);
  return 0;
}
