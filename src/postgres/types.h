// The PostgreSQL types that this layer encodes and decodes, by their fixed OIDs.
//
// Spec: src/include/catalog/pg_type.dat of PostgreSQL; the OIDs of built-in types never change.
#pragma once

#include <cstdint>
#include <string>

namespace pgtally::pg {

enum class Type : std::uint32_t {
  kUnspecified = 0,  // as a parameter: the server infers it; as a field of COPY: not transmitted
  kBool = 16,
  kBytea = 17,
  kName = 19,
  kInt8 = 20,
  kInt2 = 21,
  kInt4 = 23,
  kText = 25,
  kOid = 26,
  kJson = 114,
  kXml = 142,
  kFloat8 = 701,
  kUnknown = 705,
  kByteaArray = 1001,
  kTextArray = 1009,
  kInt8Array = 1016,
  kBpchar = 1042,
  kVarchar = 1043,
  kDate = 1082,
  kTimestamp = 1114,
  kTimestamptz = 1184,
  kNumeric = 1700,
  kUuid = 2950,
  kPgLsn = 3220,
  kXid8 = 5069,
};

// "int8", or "type 600" where this layer has no name for it.
[[nodiscard]] std::string name_of(Type type);

}  // namespace pgtally::pg
