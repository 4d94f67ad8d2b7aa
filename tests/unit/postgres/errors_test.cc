#include "postgres/errors.h"

#include <gtest/gtest.h>

namespace pgtally::pg {
namespace {

ErrorCode code(const std::string& sqlstate, const std::string& severity = "ERROR",
               const std::string& message = {}) {
  return code_of(SqlError{.sqlstate = sqlstate, .severity = severity, .message = message});
}

TEST(SqlErrors, that_pass_by_themselves_are_retry) {
  for (const char* sqlstate : {"08000", "08006", "57P01", "57P02", "57P03", "57P05", "25P03",
                               "40001", "40P01", "55P03", "57014", "TLY01"}) {
    EXPECT_EQ(code(sqlstate), ErrorCode::kRetry) << sqlstate;
  }
}

TEST(SqlErrors, that_need_somebody_are_operator) {
  for (const char* sqlstate : {"", "28000", "28P01", "3D000", "42501", "42P01", "53100", "53300",
                               "58030", "25006", "57P04", "23505", "TLO01", "TLX01"}) {
    EXPECT_EQ(code(sqlstate), ErrorCode::kOperator) << sqlstate;
  }
}

TEST(SqlErrors, a_cancel_that_was_asked_for_is_not_retried) {
  EXPECT_EQ(code("57014", "ERROR", "canceling statement due to user request"),
            ErrorCode::kOperator);
  EXPECT_EQ(code("57014", "ERROR", "canceling statement due to statement timeout"),
            ErrorCode::kRetry);
}

TEST(SqlErrors, a_protocol_violation_is_retried_only_when_it_ended_the_connection) {
  EXPECT_EQ(code("08P01", "ERROR"), ErrorCode::kOperator);
  EXPECT_EQ(code("08P01", "FATAL"), ErrorCode::kRetry);
}

TEST(SqlErrors, show_all_that_the_server_said) {
  const Error error = to_error(SqlError{.sqlstate = "42501",
                                        .severity = "ERROR",
                                        .message = "permission denied",
                                        .detail = "the detail",
                                        .hint = "the hint",
                                        .context = "PL/pgSQL function f()",
                                        .where = "line 1, column 2: x"});
  EXPECT_EQ(error.message, "permission denied (SQLSTATE 42501)");
  EXPECT_EQ(error.hint,
            "the detail\nthe hint\nConnect as a role that has this right, or have it granted.\n"
            "at line 1, column 2: x\nin PL/pgSQL function f()");
}

TEST(SqlErrors, a_server_that_is_starting_is_retry_and_any_other_refusal_is_not) {
  EXPECT_EQ(connect_error("x", "57P03").code, ErrorCode::kRetry);
  EXPECT_EQ(connect_error("x", "").code, ErrorCode::kOperator);
  EXPECT_EQ(connect_error("x", "28P01").code, ErrorCode::kOperator);
}

TEST(PlaceInStatement, counts_characters_and_not_bytes) {
  EXPECT_EQ(place_in_statement("SELECT x", 8), "line 1, column 8: \"SELECT x\"");
  EXPECT_EQ(place_in_statement("a\n\u20ac\u20ac b\nc", 6), "line 2, column 4: \"\u20ac\u20ac b\"");
  EXPECT_EQ(place_in_statement("a\nb", 3), "line 2, column 1: \"b\"");
  EXPECT_EQ(place_in_statement("", 3), "character 3");
  EXPECT_EQ(place_in_statement("x", 0), "");
}

}  // namespace
}  // namespace pgtally::pg
