#include "format/times.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>

namespace pgtally {
namespace {

constexpr std::int64_t kMicrosecondsPerDay = 86'400'000'000;
constexpr std::int64_t kDaysPerEra = 146'097;  // the Gregorian calendar repeats every 400 years

struct Date {
  std::int64_t year;
  std::int64_t month;
  std::int64_t day;
};

// std::chrono's calendar ends with the year 32767, PostgreSQL's does not. Counts in years that
// begin in March, so that the leap day is the last one of its year.
Date date_of(std::int64_t days_since_1970) {
  const std::int64_t days = days_since_1970 + 719'468;  // since 0000-03-01
  const std::int64_t era = (days >= 0 ? days : days - (kDaysPerEra - 1)) / kDaysPerEra;
  const std::int64_t day_of_era = days - era * kDaysPerEra;
  const std::int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const std::int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t march_month = (5 * day_of_year + 2) / 153;
  const std::int64_t month = march_month < 10 ? march_month + 3 : march_month - 9;
  return {.year = year_of_era + era * 400 + (month <= 2 ? 1 : 0),
          .month = month,
          .day = day_of_year - (153 * march_month + 2) / 5 + 1};
}

long long as_long(std::int64_t number) {
  return number;
}

std::string format(Time time, char between, const char* zone) {
  if (time.microseconds == Time::kInfinity) return "infinity";
  if (time.microseconds == Time::kMinusInfinity) return "-infinity";
  std::int64_t days = time.microseconds / kMicrosecondsPerDay;
  std::int64_t rest = time.microseconds % kMicrosecondsPerDay;
  if (rest < 0) {
    rest += kMicrosecondsPerDay;
    --days;
  }
  const Date date = date_of(days);
  const bool plain = date.year >= 0 && date.year <= 9999;
  const std::int64_t seconds = rest / 1'000'000;
  char text[64];  // fmt is no part of the library that this is in
  std::snprintf(text, sizeof text,
                plain ? "%04lld-%02lld-%02lld%c%02lld:%02lld:%02lld.%06lld%s"
                      : "%+07lld-%02lld-%02lld%c%02lld:%02lld:%02lld.%06lld%s",
                as_long(date.year), as_long(date.month), as_long(date.day), between,
                as_long(seconds / 3600), as_long(seconds / 60 % 60), as_long(seconds % 60),
                as_long(rest % 1'000'000), zone);
  return text;
}

}  // namespace

std::string time_for_people(Time time) {
  return time.microseconds == Time::kNone ? "none" : format(time, ' ', " UTC");
}

std::string time_as_rfc3339(Time time) {
  return time.microseconds == Time::kNone ? "" : format(time, 'T', "Z");
}

Time time_of_seconds(std::uint64_t seconds) {
  constexpr std::uint64_t kLast = INT64_MAX / 1'000'000;
  return Time{static_cast<std::int64_t>(std::min(seconds, kLast)) * 1'000'000};
}

}  // namespace pgtally
