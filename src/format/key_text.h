// The text form that verifier and signing keys share: name+hash+base64(type || key).
#pragma once

#include <string>
#include <string_view>

#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

struct KeyText {
  std::string name;
  std::string_view id;  // of the text that was parsed; not compared with anything yet
  std::uint8_t type;
  Bytes key;
};

[[nodiscard]] Result<KeyText> parse_key_text(std::string_view text);

// Eight hexadecimal digits, lower case.
[[nodiscard]] std::string key_id_text(std::uint32_t id);

}  // namespace pgtally
