// Checkpoints: what a log's key signs, and what witnesses cosign.
//
// Spec: C2SP tlog-checkpoint and tlog-cosignature (type 0x04).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pgtally/note.h"
#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

struct Checkpoint {
  std::string origin;  // one line, not empty
  TreeSize size;
  Hash root;
  std::vector<std::string> extensions;  // lines of other logs; pgtally writes none

  bool operator==(const Checkpoint&) const = default;
};

// The note's text. text_of(parse_checkpoint(x)) is x, byte for byte.
[[nodiscard]] Result<std::string> text_of(const Checkpoint& checkpoint);
[[nodiscard]] Result<Checkpoint> parse_checkpoint(std::string_view note_text);

// What a witness signs: two lines that name the time in seconds since 1970, then the note's text.
[[nodiscard]] std::string cosigned_message(std::string_view note_text, std::uint64_t timestamp);

// When the witness cosigned the text, in seconds since 1970; nothing if the signature is not the
// witness's over this text at that time.
[[nodiscard]] std::optional<std::uint64_t> verify_cosignature(const VerifierKey& witness,
                                                              std::string_view note_text,
                                                              ByteView signature);

}  // namespace pgtally
