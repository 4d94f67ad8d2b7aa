#include "cli/terminal/times.h"

#include <fmt/format.h>

#include <cstdint>

namespace pgtally::cli {
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
  const std::string year =
      plain ? fmt::format("{:04}", date.year) : fmt::format("{:+07}", date.year);
  const std::int64_t seconds = rest / 1'000'000;
  return fmt::format("{}-{:02}-{:02}{}{:02}:{:02}:{:02}.{:06}{}", year, date.month, date.day,
                     between, seconds / 3600, seconds / 60 % 60, seconds % 60, rest % 1'000'000,
                     zone);
}

}  // namespace

std::string time_for_people(Time time) {
  return time.microseconds == Time::kNone ? "none" : format(time, ' ', " UTC");
}

std::string time_as_rfc3339(Time time) {
  return time.microseconds == Time::kNone ? "" : format(time, 'T', "Z");
}

}  // namespace pgtally::cli
