// The program under test as a user has it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "support/test_database.h"

namespace pgtally::torture {

// Where key and guard are.
[[nodiscard]] std::string signing_state(const test::TestDirectory& directory);

// `pgtally --database CONNINFO ARGUMENTS…`
[[nodiscard]] std::vector<std::string> pgtally_command(const std::string& conninfo,
                                                       const std::vector<std::string>& arguments);

// Runs it to its end; throws, with what it printed, unless it exits with 0. By the main thread only.
void run_pgtally(const std::vector<std::string>& arguments, const std::string& conninfo,
                 const test::TestDirectory& directory);

// The last of what a log says, for an error's text.
[[nodiscard]] std::string end_of(const std::filesystem::path& file);

}  // namespace pgtally::torture
