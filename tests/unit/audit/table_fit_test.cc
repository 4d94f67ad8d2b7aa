#include "audit/table_fit.h"

#include <gtest/gtest.h>

#include "crypto/sha256.h"
#include "pgtally/content.h"

namespace pgtally {
namespace {

using Names = std::vector<std::string>;
using Value = std::optional<std::string_view>;

SourceDefinition definition(std::uint32_t number, const Names& columns, const Names& key = {"id"}) {
  SourceDefinition out;
  out.source = "p";
  out.number = number;
  out.relation = "public.p";
  out.mode = "logical";
  out.key = key;
  for (const std::string& name : columns) out.columns.push_back({name, "text", -1});
  return out;
}

TableShape table(const Names& columns) {
  TableShape shape;
  shape.qualified = "public.p";
  for (const std::string& name : columns) {
    TableColumn column;
    column.name = name;
    column.type = "text";
    shape.columns.push_back(column);
  }
  return shape;
}

Hash row_hash(const std::vector<RowColumnView>& columns) {
  const auto bytes = encode_row(columns);
  return bytes.ok() ? sha256(*bytes) : Hash{};
}

Hash content(TableFit& fit, std::uint32_t number, const std::vector<Value>& values) {
  const auto shape = fit.shape_of(number);
  if (!shape) return Hash{};
  const auto hash = fit.content(*shape, values);
  return hash.ok() && *hash ? **hash : Hash{};
}

Result<TableFit> fit_of(const std::vector<SourceDefinition>& list, const TableShape& shape,
                        const Renamings& since = {}) {
  Definitions definitions;
  std::set<std::uint32_t> used;
  for (const SourceDefinition& d : list) {
    definitions[d.number] = d;
    used.insert(d.number);
  }
  return TableFit::make(definitions, used, shape, since);
}

TEST(TableFit, hashes_a_row_under_the_names_that_its_definition_has) {
  SourceDefinition second = definition(1, {"id", "b"});
  second.renamed = {{"a", "b"}};
  auto fit = fit_of({definition(0, {"id", "a"}), second}, table({"id", "b"}));
  ASSERT_TRUE(fit.ok()) << fit.error().message;
  EXPECT_EQ(fit->columns(), (Names{"id", "b"}));
  EXPECT_EQ(content(*fit, 0, {"1", "x"}), row_hash({{"id", "1"}, {"a", "x"}}));
  EXPECT_EQ(content(*fit, 1, {"1", "x"}), row_hash({{"id", "1"}, {"b", "x"}}));
}

TEST(TableFit, follows_columns_that_have_changed_their_names_among_each_other) {
  SourceDefinition second = definition(1, {"id", "a", "b"});
  second.renamed = {{"a", "b"}, {"b", "a"}};
  auto fit = fit_of({definition(0, {"id", "a", "b"}), second}, table({"id", "a", "b"}));
  ASSERT_TRUE(fit.ok());
  // Columns are id, then as the first definition has them: its a is the table's b.
  EXPECT_EQ(fit->columns(), (Names{"id", "b", "a"}));
  EXPECT_EQ(content(*fit, 0, {"1", "table's b", "table's a"}),
            row_hash({{"id", "1"}, {"a", "table's b"}, {"b", "table's a"}}));
  EXPECT_EQ(content(*fit, 1, {"1", "table's b", "table's a"}),
            row_hash({{"id", "1"}, {"a", "table's a"}, {"b", "table's b"}}));
}

TEST(TableFit, does_not_take_a_new_column_for_one_that_had_its_name_before) {
  SourceDefinition second = definition(1, {"id", "b"});
  second.renamed = {{"a", "b"}};
  auto fit = fit_of({definition(0, {"id", "a"}), second, definition(2, {"id", "b", "a"})},
                    table({"id", "b", "a"}));
  ASSERT_TRUE(fit.ok());
  EXPECT_EQ(fit->columns(), (Names{"id", "b", "a"}));
  EXPECT_EQ(content(*fit, 0, {"1", "old", "new"}), row_hash({{"id", "1"}, {"a", "old"}}));
  EXPECT_EQ(content(*fit, 2, {"1", "old", "new"}),
            row_hash({{"id", "1"}, {"a", "new"}, {"b", "old"}}));
}

TEST(TableFit, takes_a_column_that_is_gone_for_null_and_names_it) {
  auto fit = fit_of({definition(0, {"id", "a"}), definition(1, {"id"})}, table({"id"}));
  ASSERT_TRUE(fit.ok());
  EXPECT_EQ(content(*fit, 0, {"1"}), row_hash({{"id", "1"}}));
  EXPECT_EQ(fit->gone(0), Names{"a"});
  EXPECT_TRUE(fit->gone(1).empty());
  EXPECT_FALSE(fit->is_expected("a"));
  EXPECT_TRUE(fit->is_expected("id"));
}

TEST(TableFit, hashes_once_what_several_definitions_cover_alike) {
  auto fit = fit_of({definition(0, {"id", "a"}), definition(1, {"a", "id"}), definition(2, {"id"})},
                    table({"id", "a"}));
  ASSERT_TRUE(fit.ok());
  EXPECT_EQ(fit->shapes(), 2u);
  EXPECT_EQ(fit->shape_of(0), fit->shape_of(1));
  EXPECT_FALSE(fit->shape_of(3));
}

TEST(TableFit, lists_every_column_that_some_living_definition_leaves_out) {
  TableShape shape = table({"id", "a", "b", "c"});
  auto fit = fit_of({definition(0, {"a"}), definition(1, {"a", "b"})}, shape);
  ASSERT_TRUE(fit.ok());
  EXPECT_EQ(fit->not_covered({0, 1}, shape), (Names{"b", "c"}));
  EXPECT_EQ(fit->not_covered({1}, shape), Names{"c"});
  EXPECT_EQ(fit->not_covered({}, shape), Names{"c"}) << "the newest always counts";
}

TEST(TableFit, of_a_hash_column_takes_what_it_says_and_nothing_from_one_that_holds_no_hash) {
  SourceDefinition d = definition(0, {});
  d.content = ContentKind::kColumn;
  d.hash_column = "h";
  TableShape shape = table({"id", "h", "a"});
  auto fit = fit_of({d}, shape);
  ASSERT_TRUE(fit.ok());
  const std::string hex = "\\x" + std::string(62, '0') + "2a";
  Hash expected;
  expected.bytes[31] = 42;
  EXPECT_EQ(content(*fit, 0, {"1", hex}), expected);
  EXPECT_EQ(content(*fit, 0, {"1", "\\x00"}), Hash{});
  EXPECT_EQ(content(*fit, 0, {"1", std::nullopt}), Hash{});
  EXPECT_EQ(fit->not_covered({}, shape), Names{"a"});
}

TEST(TableFit, knows_names_that_only_the_table_has_yet) {
  auto fit = fit_of({definition(0, {"id", "a"})}, table({"key", "b"}), {{"id", "key"}, {"a", "b"}});
  ASSERT_TRUE(fit.ok()) << fit.error().message;
  EXPECT_EQ(fit->columns(), (Names{"key", "b"}));
  EXPECT_EQ(content(*fit, 0, {"1", "x"}), row_hash({{"id", "1"}, {"a", "x"}}));
}

TEST(TableFit, refuses_a_table_whose_key_is_gone) {
  const auto fit = fit_of({definition(0, {"a"})}, table({"a"}));
  ASSERT_FALSE(fit.ok());
  EXPECT_EQ(fit.error().code, ErrorCode::kReject);
}

}  // namespace
}  // namespace pgtally
