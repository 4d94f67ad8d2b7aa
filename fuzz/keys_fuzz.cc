#include "format/signing_key.h"
#include "require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input = pgtally::as_text({data, size});
  const auto verifier = pgtally::VerifierKey::parse(input);
  if (verifier.ok()) require(verifier->text() == input);
  const auto signing = pgtally::SigningKey::parse(input);
  if (signing.ok()) require(signing->text() == input);

  // The hash is hard to guess, so the rest of the way is walked with a name and key that fit it.
  const pgtally::ByteView bytes(data, size);
  if (size < 33) return 0;
  const auto made =
      pgtally::VerifierKey::create(std::string(input.substr(33)), data[0], bytes.subspan(1, 32));
  if (made.ok()) require(*pgtally::VerifierKey::parse(made->text()) == *made);
  return 0;
}
