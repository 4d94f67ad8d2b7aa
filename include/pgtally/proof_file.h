// Proof files: `.tlog-proof` and `.order-proof` texts, taken apart and put together.
//
// Nothing here verifies anything; verify.h does.
//
// Spec: C2SP tlog-proof; docs/formats.md, sections Proof file and Order proof.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

inline constexpr std::size_t kMaxProofFileSize = std::size_t{32} << 20;
inline constexpr std::size_t kMaxPathLength = 64;
inline constexpr std::size_t kMaxProvenEntrySize = 65535;  // of any version
inline constexpr std::size_t kMaxRecordSize = (std::size_t{1} << 24) - 1;

// The lines of a tlog-proof, whoever wrote it.
struct ProofFile {
  std::optional<Bytes> extra;  // opaque here
  LeafIndex index;
  std::vector<Hash> path;
  std::string checkpoint;  // a signed note, verbatim

  bool operator==(const ProofFile&) const = default;
};

// serialize(parse_proof_file(x)) is x, byte for byte.
[[nodiscard]] Result<ProofFile> parse_proof_file(std::string_view text);
[[nodiscard]] Result<std::string> serialize(const ProofFile& proof);

// The define entry under which an entry was hashed, with its own place in the same tree.
struct DefineRecord {
  LeafIndex index;
  Bytes entry;
  std::vector<Hash> path;

  bool operator==(const DefineRecord&) const = default;
};

// A checkpoint that covered the entry before the one in the proof did.
struct EarlierRecord {
  std::string checkpoint;  // a signed note, verbatim
  std::vector<Hash> path;  // of the entry, under it

  bool operator==(const EarlierRecord&) const = default;
};
inline constexpr std::size_t kMaxEarlierCheckpoints = 8;

// What pgtally puts into `extra`.
struct ProofExtra {
  Bytes entry;
  std::optional<Hash> salt;               // record 1
  std::optional<std::string> definition;  // record 2: a document's text
  std::optional<Bytes> row;               // record 3: the bytes whose SHA-256 is H
  std::optional<DefineRecord> define;     // record 4
  std::vector<EarlierRecord> earlier;     // record 5, where there are any; by ascending size
  std::vector<std::uint16_t> unknown;     // types that decode_extra() met and did not understand

  bool operator==(const ProofExtra&) const = default;
};

[[nodiscard]] Result<ProofExtra> decode_extra(ByteView extra);
// Writes no unknown records.
[[nodiscard]] Result<Bytes> encode_extra(const ProofExtra& extra);

// Two proof texts under one checkpoint, the earlier entry first.
struct OrderProofFile {
  std::string first;
  std::string second;
};

[[nodiscard]] Result<OrderProofFile> parse_order_proof_file(std::string_view text);
[[nodiscard]] Result<std::string> serialize(const OrderProofFile& proof);

// Whether a file's text begins as an order proof does (with a length) and not as a tlog-proof.
[[nodiscard]] bool looks_like_order_proof(std::string_view text);

}  // namespace pgtally
