// The settings that the text of a value depends on, where the type's output function makes it, and
// the search_path and row_security that go with reading for the log.
//
// Spec: docs/formats.md, section Row hash. The same for a plain session and for a WAL sender.
#pragma once

namespace pgtally::pg {

inline constexpr const char* kOutputSettings = R"sql(
  SET datestyle = 'ISO';
  SET timezone = 'UTC';
  SET intervalstyle = 'postgres';
  SET extra_float_digits = 1;
  SET bytea_output = 'hex';
  SET lc_monetary = 'C';
  SET lc_numeric = 'C';
  SET quote_all_identifiers = off;
  SET search_path = pg_catalog;
  SET row_security = off;
)sql";

}  // namespace pgtally::pg
