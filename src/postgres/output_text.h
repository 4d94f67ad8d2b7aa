// What the output functions of some types write, made here of their binary values: which a server sends
// in a third of the time that it needs for the text of a time.
//
// The text is that under the settings of output_settings.h. Spec: int8out, timestamptz_out, numeric_out, …
// and the send functions beside them; equal for every value (tests/database/postgres/output_text_test.cc).
#pragma once

#include <string>

#include "pgtally/types.h"
#include "postgres/types.h"

namespace pgtally::pg {

// Whether append_output_text() knows it: int2, int4, int8, bool, date, timestamp, timestamptz, uuid,
// bytea, numeric, and the next ones.
[[nodiscard]] bool has_output_text(Type type);
// Whether the binary value is the text: text, varchar, char(n), name, json.
[[nodiscard]] bool is_its_own_text(Type type);

// False if the bytes are no value of that type, or the type is not known; then what was appended means
// nothing.
[[nodiscard]] bool append_output_text(Type type, ByteView value, std::string& out);

}  // namespace pgtally::pg
