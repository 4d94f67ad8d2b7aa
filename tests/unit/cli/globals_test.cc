#include "cli/globals.h"

#include <gtest/gtest.h>

#include <map>

namespace pgtally::cli {
namespace {

Result<Globals> resolve_with(const GlobalOptions& options,
                             const std::map<std::string, std::string>& variables) {
  return resolve(options, [&](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

TEST(Globals, a_database_on_the_command_line_wins_over_any_in_the_environment) {
  GlobalOptions options;
  options.database = "postgresql://a";
  const auto globals =
      resolve_with(options, {{"PGTALLY_DATABASE", "postgresql://b"}, {"PGTALLY_EMBEDDED", "dir"}});
  ASSERT_TRUE(globals.ok());
  EXPECT_EQ(globals->database, "postgresql://a");
  EXPECT_FALSE(globals->embedded.has_value());
}

TEST(Globals, a_directory_on_the_command_line_wins_over_a_database_in_the_environment) {
  GlobalOptions options;
  options.embedded = "dir";
  const auto globals = resolve_with(options, {{"PGTALLY_DATABASE", "postgresql://b"}});
  ASSERT_TRUE(globals.ok());
  EXPECT_EQ(globals->embedded, "dir");
  EXPECT_FALSE(globals->database.has_value());
}

TEST(Globals, two_databases_on_one_level_are_refused) {
  GlobalOptions options;
  options.database = "postgresql://a";
  options.embedded = "dir";
  EXPECT_FALSE(resolve_with(options, {}).ok());
  EXPECT_FALSE(resolve_with({}, {{"PGTALLY_DATABASE", "b"}, {"PGTALLY_EMBEDDED", "d"}}).ok());
}

TEST(Globals, an_empty_variable_counts_as_none) {
  const auto globals = resolve_with(
      {}, {{"PGTALLY_DATABASE", ""}, {"PGTALLY_EMBEDDED", "d"}, {"PGTALLY_SCHEMA", ""}});
  ASSERT_TRUE(globals.ok());
  EXPECT_EQ(globals->embedded, "d");
  EXPECT_EQ(globals->schema, "pgtally");
}

TEST(Globals, the_schema_comes_from_the_option_then_the_environment) {
  GlobalOptions options;
  const std::map<std::string, std::string> variables{{"PGTALLY_SCHEMA", "audit"}};
  EXPECT_EQ(resolve_with(options, variables)->schema, "audit");
  options.schema = "other";
  EXPECT_EQ(resolve_with(options, variables)->schema, "other");
  options.schema = std::string(64, 'x');
  EXPECT_FALSE(resolve_with(options, variables).ok());
}

}  // namespace
}  // namespace pgtally::cli
