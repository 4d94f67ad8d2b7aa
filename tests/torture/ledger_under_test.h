// The ledger that is tortured: the default schema with three sources that capture in different
// ways.
//
//   append_only_log   staging, blinded
//   event             table public.event (id bigserial, body text, xid xid8), mode xid, blinded
//   reading           table public.reading (id bigserial, body text), mode poll, not blinded
#pragma once

#include <array>
#include <string>

#include "ledger/ledger.h"
#include "service/runner.h"

namespace pgtally::torture {

enum class Table { kStaging, kEvent, kReading };
inline constexpr std::array kTables{Table::kStaging, Table::kEvent, Table::kReading};

// The source's name.
[[nodiscard]] const char* name_of(Table table);
// As SQL names it.
[[nodiscard]] const char* relation_of(Table table);
// SQL that reads a row's body as text.
[[nodiscard]] const char* body_of(Table table);

inline constexpr const char* kOrigin = "torture.example/log";

// Tables, functions for the writers, schema, key and guard; but no source of the two tables yet.
void found(const std::string& conninfo, const std::string& state_directory);
// From here on rows of the tables are taken.
void add_sources(const std::string& conninfo);

[[nodiscard]] RunnerOptions runner_options(const std::string& conninfo,
                                           const std::string& state_directory);

}  // namespace pgtally::torture
