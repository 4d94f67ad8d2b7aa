#include "cli/options.h"

#include <gtest/gtest.h>

#include "cli/context.h"
#include "cli/program.h"

namespace pgtally::cli {
namespace {

using Strings = std::vector<std::string>;

struct Given {
  std::string source;
  Strings keys;
  Strings words;
  std::optional<std::string> file;
  std::optional<std::uint64_t> id;
  std::chrono::microseconds interval{7};
  bool row = false;
  std::string schema;
};

class Record : public Command {
 public:
  explicit Record(Given& into) : given_(into) {}
  Description describe() const override {
    return {.name = "record", .group = Group::kPlumbing, .summary = "keeps what it was given"};
  }
  void declare(Options& options) override {
    options.argument("SOURCE", given_.source, "a name");
    options.optional_arguments("KEY", given_.keys, "values");
    options.options("--word", "W", given_.words, "many");
    options.option("-o,--output", "FILE", given_.file, "one");
    options.option("--id", "N", given_.id, "a number");
    options.option("--interval", "T", given_.interval, "a time");
    options.flag("--row", given_.row, "yes or no");
  }
  Result<Exit> run(Context& context) override {
    given_.schema = context.globals().schema;
    return Exit::kOk;
  }

 private:
  Given& given_;
};

Exit run(Given& given, Strings arguments) {
  Program program;
  program.add(std::make_unique<Record>(given));
  program.add_noun("source", Group::kRecord, "a noun whose name is a value elsewhere");
  arguments.insert(arguments.begin(), "record");
  return program.run(std::move(arguments));
}

TEST(Options, of_every_kind_arrive) {
  Given given;
  EXPECT_EQ(run(given, {"s", "1", "2", "-o", "f", "--id", "18446744073709551615", "--interval",
                        "250ms", "--row", "--word", "a", "b"}),
            Exit::kOk);
  EXPECT_EQ(given.source, "s");
  EXPECT_EQ(given.keys, (Strings{"1", "2"}));
  EXPECT_EQ(given.file, "f");
  EXPECT_EQ(given.id, UINT64_MAX);
  EXPECT_EQ(given.interval, std::chrono::milliseconds(250));
  EXPECT_TRUE(given.row);
  EXPECT_EQ(given.words, (Strings{"a", "b"}));
}

TEST(Options, values_come_through_as_they_were_typed) {
  Given given;
  EXPECT_EQ(run(given, {"s", "[a,b]", "{1,2}", "-5", "source", "record", "", "\"q\"", "--word",
                        "[c,d]", "--word", "--odd", "--word=[e]"}),
            Exit::kOk);
  EXPECT_EQ(given.keys, (Strings{"[a,b]", "{1,2}", "-5", "source", "record", "", "\"q\""}));
  EXPECT_EQ(given.words, (Strings{"[c,d]", "--odd", "[e]"}));
}

TEST(Options, an_empty_value_does_not_swallow_the_next_argument) {
  Given given;
  EXPECT_EQ(run(given, {"--output=", "s", "k"}), Exit::kOk);
  EXPECT_EQ(given.file, "");
  EXPECT_EQ(given.source, "s");
  EXPECT_EQ(given.keys, (Strings{"k"}));
}

TEST(Options, everything_behind_two_dashes_is_an_argument) {
  Given given;
  EXPECT_EQ(run(given, {"s", "a", "--", "--row", "--", "-o"}), Exit::kOk);
  EXPECT_EQ(given.keys, (Strings{"a", "--row", "--", "-o"}));
  EXPECT_FALSE(given.row);
}

TEST(Options, with_several_values_leave_the_arguments_that_are_needed) {
  Given given;
  EXPECT_EQ(run(given, {"--word", "a", "s"}), Exit::kOk);
  EXPECT_EQ(given.words, (Strings{"a"}));
  EXPECT_EQ(given.source, "s");
}

TEST(Options, of_every_command_stand_before_or_after_it) {
  Given given;
  EXPECT_EQ(run(given, {"s", "--schema", "after"}), Exit::kOk);
  EXPECT_EQ(given.schema, "after");
  Program program;
  program.add(std::make_unique<Record>(given));
  EXPECT_EQ(program.run({"--schema", "before", "record", "s"}), Exit::kOk);
  EXPECT_EQ(given.schema, "before");
}

TEST(Options, that_are_wrong_are_usage_errors) {
  for (const Strings& wrong : std::vector<Strings>{{},
                                                   {"s", "--id", "007"},
                                                   {"s", "--id", "18446744073709551616"},
                                                   {"s", "--id", "-1"},
                                                   {"s", "--interval", "5"},
                                                   {"s", "--interval", "99999999999999999h"},
                                                   {"s", "-o", "a", "-o", "b"},
                                                   {"s", "-o"},
                                                   {"s", "--rows"},
                                                   {"s", "-x"},
                                                   {"s", "--row=maybe"}}) {
    Given given;
    EXPECT_EQ(run(given, wrong), Exit::kUsage) << (wrong.empty() ? "" : wrong.back());
  }
}

TEST(Options, spans_have_a_unit) {
  EXPECT_EQ(*parse_span("5us"), std::chrono::microseconds(5));
  EXPECT_EQ(*parse_span("0s"), std::chrono::microseconds(0));
  EXPECT_EQ(*parse_span("2min"), std::chrono::minutes(2));
  EXPECT_EQ(*parse_span("1h"), std::chrono::hours(1));
  for (const char* wrong : {"", "s", "1", "1.5s", "-1s", "1 s", "1d", "01s"}) {
    EXPECT_FALSE(parse_span(wrong).ok()) << wrong;
  }
}

}  // namespace
}  // namespace pgtally::cli
