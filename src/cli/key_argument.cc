#include "cli/key_argument.h"

namespace pgtally::cli {

std::vector<ExpectedKeyColumn> parse_key_arguments(const std::vector<std::string>& arguments) {
  std::vector<ExpectedKeyColumn> columns;
  for (const std::string& argument : arguments) {
    const std::size_t equals = argument.find('=');
    if (equals == std::string::npos) {
      columns.push_back({.name = "", .value = argument});
    } else {
      columns.push_back({.name = argument.substr(0, equals), .value = argument.substr(equals + 1)});
    }
  }
  return columns;
}

}  // namespace pgtally::cli
