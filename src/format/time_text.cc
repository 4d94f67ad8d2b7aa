// parse_time_text(): what PostgreSQL's output functions make of times, read back.

#include <charconv>

#include "base/encoding.h"
#include "format/row_encoder.h"

namespace pgtally {
namespace {

// The first year that entries do not count to its end.
constexpr std::int64_t kEndYear = 294247;

// Takes a text apart from its beginning; `ok` turns false at the first thing that does not fit.
struct Scanner {
  std::string_view rest;
  bool ok = true;

  std::int64_t number(std::size_t least, std::size_t most) {
    std::size_t digits = 0;
    while (digits < rest.size() && rest[digits] >= '0' && rest[digits] <= '9') ++digits;
    std::int64_t value = 0;
    ok = ok && digits >= least && digits <= most;
    if (ok) std::from_chars(rest.data(), rest.data() + digits, value);
    rest.remove_prefix(digits);
    return value;
  }
  std::int64_t up_to(std::int64_t least, std::int64_t most) {
    const std::int64_t value = number(2, 2);
    ok = ok && value >= least && value <= most;
    return value;
  }
  bool skip(std::string_view text) {
    if (!rest.starts_with(text)) return false;
    rest.remove_prefix(text.size());
    return true;
  }
  void expect(std::string_view text) { ok = skip(text) && ok; }
};

bool is_leap(std::int64_t year) {
  return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

std::int64_t days_in(std::int64_t year, std::int64_t month) {
  if (month == 2) return is_leap(year) ? 29 : 28;
  return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

// Days from 1970-01-01 in the proleptic Gregorian calendar. Years are shifted by a multiple of 400,
// after which the calendar repeats, so that all divisions are of positive numbers.
std::int64_t days_from_epoch(std::int64_t year, std::int64_t month, std::int64_t day) {
  constexpr std::int64_t kCycles =
      100;  // 40,000 years; PostgreSQL begins 4,714 years before year 1
  constexpr std::int64_t kDaysInCycle = 146'097;
  constexpr std::int64_t kDaysBefore1970 = 719'162;  // from 0001-01-01
  const std::int64_t before = year + 400 * kCycles - 1;
  std::int64_t days = before * 365 + before / 4 - before / 100 + before / 400;
  for (std::int64_t m = 1; m < month; ++m) days += days_in(year, m);
  return days + day - 1 - kCycles * kDaysInCycle - kDaysBefore1970;
}

std::int64_t fraction_in_microseconds(Scanner& in) {
  const std::size_t before = in.rest.size();
  std::int64_t fraction = in.number(1, 6);
  for (std::size_t digits = before - in.rest.size(); digits < 6; ++digits) fraction *= 10;
  return fraction;
}

}  // namespace

Result<Time> parse_time_text(std::string_view text) {
  if (text == "infinity") return Time{Time::kInfinity};
  if (text == "-infinity") return Time{Time::kMinusInfinity};
  Scanner in{text};
  std::int64_t year = in.number(4, 7);
  in.expect("-");
  const std::int64_t month = in.up_to(1, 12);
  in.expect("-");
  const std::int64_t day = in.up_to(1, 31);
  std::int64_t microseconds = 0;
  if (in.rest.size() > 1 && in.rest[0] == ' ' && in.rest[1] != 'B') {
    in.expect(" ");
    const std::int64_t hours = in.up_to(0, 23);
    in.expect(":");
    const std::int64_t minutes = in.up_to(0, 59);
    in.expect(":");
    microseconds = ((hours * 60 + minutes) * 60 + in.up_to(0, 59)) * 1'000'000;
    if (in.skip(".")) microseconds += fraction_in_microseconds(in);
    in.skip("+00");
  }
  const bool before_christ = in.skip(" BC");
  in.ok = in.ok && year >= 1;
  if (before_christ) {
    in.ok = in.ok && year <= 4714;
    year = 1 - year;
  }
  if (!in.ok || !in.rest.empty() || day > days_in(year, month)) {
    return reject(
        "not a time as PostgreSQL writes it: " + quoted(text),
        "It has to be timestamptz, timestamp or date, under DateStyle ISO and TimeZone UTC.");
  }
  if (year >= kEndYear) return Time{Time::kInfinity};
  constexpr std::int64_t kDay = std::int64_t{24} * 60 * 60 * 1'000'000;
  return Time{days_from_epoch(year, month, day) * kDay + microseconds};
}

}  // namespace pgtally
