#include "postgres/output_text.h"

#include <array>
#include <charconv>
#include <limits>

#include "base/encoding.h"
#include "postgres/encode.h"

namespace pgtally::pg {
namespace {

constexpr std::int64_t kMicrosecondsPerSecond = 1'000'000;
constexpr std::int64_t kMicrosecondsPerDay = 86'400 * kMicrosecondsPerSecond;

// Where a text is put together: what is longer than any fixed part of one, a number or a time.
struct Text {
  std::array<char, 64> chars;
  std::size_t size = 0;

  void put(char c) { chars[size++] = c; }
  void put(std::string_view text) {
    for (const char c : text) put(c);
  }
  void put_two(std::int64_t value) {
    put(static_cast<char>('0' + value / 10));
    put(static_cast<char>('0' + value % 10));
  }
  void put_number(std::int64_t value) {
    char* const begin = chars.data() + size;
    size = static_cast<std::size_t>(std::to_chars(begin, chars.data() + chars.size(), value).ptr -
                                    chars.data());
  }
  // Of at least four digits; not negative.
  void put_four(std::int64_t value) {
    if (value > 9999) return put_number(value);
    put_two(value / 100);
    put_two(value % 100);
  }
  void append_to(std::string& out) const { out.append(chars.data(), size); }
};

struct Day {
  std::int64_t year;  // 0 is 1 BC
  std::int64_t month;
  std::int64_t day;
};

// Of the Gregorian calendar, by days since 2000-01-01. A year that begins with March has its leap day at
// its end, so that days of the year give months by one division.
Day calendar_day(std::int64_t days) {
  constexpr std::int64_t kDaysPerEra = 146'097;  // 400 years
  constexpr std::int64_t kFromMarch0To2000 = 730'425;
  const std::int64_t shifted = days + kFromMarch0To2000;
  const std::int64_t era = (shifted >= 0 ? shifted : shifted - kDaysPerEra + 1) / kDaysPerEra;
  const std::int64_t in_era = shifted - era * kDaysPerEra;
  const std::int64_t year = (in_era - in_era / 1460 + in_era / 36'524 - in_era / 146'096) / 365;
  const std::int64_t in_year = in_era - (365 * year + year / 4 - year / 100);
  const std::int64_t month = (5 * in_year + 2) / 153;  // 0: March
  const std::int64_t day = in_year - (153 * month + 2) / 5 + 1;
  const bool is_next_year = month >= 10;
  return {year + era * 400 + (is_next_year ? 1 : 0), is_next_year ? month - 9 : month + 3, day};
}

Day day_of(std::int64_t days) {
  // Times of one column are mostly of the same day as the one before.
  struct Known {
    std::int64_t days = 0;
    Day day{2000, 1, 1};
  };
  thread_local std::array<Known, 8> known;
  Known& place = known[static_cast<std::uint64_t>(days) % known.size()];
  if (place.days != days) place = {days, calendar_day(days)};
  return place.day;
}

// Whether " BC" belongs at the end.
bool put_day(Text& text, std::int64_t days) {
  const Day day = day_of(days);
  const bool is_before_christ = day.year <= 0;
  text.put_four(is_before_christ ? 1 - day.year : day.year);
  text.put('-');
  text.put_two(day.month);
  text.put('-');
  text.put_two(day.day);
  return is_before_christ;
}

void put_fraction(Text& text, std::int64_t microseconds) {
  if (microseconds == 0) return;
  text.put('.');
  text.put_two(microseconds / 10'000);
  text.put_two(microseconds / 100 % 100);
  text.put_two(microseconds % 100);
  while (text.chars[text.size - 1] == '0') --text.size;
}

template <typename T>
bool put_infinity(Text& text, T value) {
  if (value != std::numeric_limits<T>::max() && value != std::numeric_limits<T>::min()) {
    return false;
  }
  text.put(value > 0 ? "infinity" : "-infinity");
  return true;
}

void put_date(Text& text, std::int32_t days) {
  if (put_infinity(text, days)) return;
  if (put_day(text, days)) text.put(" BC");
}

void put_timestamp(Text& text, std::int64_t microseconds, bool with_zone) {
  if (put_infinity(text, microseconds)) return;
  std::int64_t days = microseconds / kMicrosecondsPerDay;
  std::int64_t rest = microseconds % kMicrosecondsPerDay;
  if (rest < 0) {
    rest += kMicrosecondsPerDay;
    --days;
  }
  const bool is_before_christ = put_day(text, days);
  const std::int64_t seconds = rest / kMicrosecondsPerSecond;
  text.put(' ');
  text.put_two(seconds / 3600);
  text.put(':');
  text.put_two(seconds / 60 % 60);
  text.put(':');
  text.put_two(seconds % 60);
  put_fraction(text, rest % kMicrosecondsPerSecond);
  if (with_zone) text.put("+00");
  if (is_before_christ) text.put(" BC");
}

constexpr std::string_view kHexDigits = "0123456789abcdef";

void put_uuid(Text& text, ByteView bytes) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text.put('-');
    text.put(kHexDigits[bytes[i] >> 4]);
    text.put(kHexDigits[bytes[i] & 15]);
  }
}

// Digits of base 10,000: `weight` is the exponent of the first, `scale` how many decimal digits stand
// behind the point.
bool append_numeric(std::string& out, ByteView value) {
  constexpr std::size_t kHead = 8;
  constexpr std::uint16_t kNegative = 0x4000;
  if (value.size() < kHead) return false;
  const auto count = load_big_endian<std::uint16_t>(value.data());
  const auto weight = load_big_endian<std::int16_t>(value.data() + 2);
  const auto sign = load_big_endian<std::uint16_t>(value.data() + 4);
  const auto scale = load_big_endian<std::uint16_t>(value.data() + 6);
  if (value.size() != kHead + std::size_t{2} * count) return false;
  if (sign == 0xc000 || sign == 0xd000 || sign == 0xf000) {
    out += sign == 0xc000 ? "NaN" : sign == 0xd000 ? "Infinity" : "-Infinity";
    return true;
  }
  if (sign != 0 && sign != kNegative) return false;
  const auto digit = [&](int place) -> std::int64_t {
    if (place < 0 || place >= count) return 0;
    return load_big_endian<std::uint16_t>(value.data() + kHead +
                                          2 * static_cast<std::size_t>(place));
  };
  for (int i = 0; i < count; ++i) {
    if (digit(i) > 9999) return false;
  }
  Text first;
  if (sign == kNegative) first.put('-');
  first.put_number(digit(weight < 0 ? -1 : 0));
  first.append_to(out);
  const auto append_four = [&](int place) {
    Text four;
    four.put_four(digit(place));
    four.append_to(out);
  };
  for (int i = 1; i <= weight; ++i) append_four(i);
  if (scale == 0) return true;
  out += '.';
  const std::size_t end = out.size() + scale;
  for (int i = weight + 1; out.size() < end; ++i) append_four(i);
  out.resize(end);
  return true;
}

template <typename T>
bool is_fixed(ByteView value) {
  return value.size() == sizeof(T);
}

template <typename T>
bool put_integer(Text& text, ByteView value) {
  if (!is_fixed<T>(value)) return false;
  text.put_number(load_big_endian<T>(value.data()));
  return true;
}

// Of a type whose text has a greatest length.
bool put_short(Type type, ByteView value, Text& text) {
  switch (type) {
    case Type::kBool:
      if (!is_fixed<std::uint8_t>(value)) return false;
      text.put(value[0] != 0 ? 't' : 'f');
      return true;
    case Type::kInt2:
      return put_integer<std::int16_t>(text, value);
    case Type::kInt4:
      return put_integer<std::int32_t>(text, value);
    case Type::kInt8:
      return put_integer<std::int64_t>(text, value);
    case Type::kDate:
      if (!is_fixed<std::int32_t>(value)) return false;
      put_date(text, load_big_endian<std::int32_t>(value.data()));
      return true;
    case Type::kTimestamp:
    case Type::kTimestamptz:
      if (!is_fixed<std::int64_t>(value)) return false;
      put_timestamp(text, load_big_endian<std::int64_t>(value.data()), type == Type::kTimestamptz);
      return true;
    case Type::kUuid:
      if (value.size() != 16) return false;
      put_uuid(text, value);
      return true;
    default:
      return false;
  }
}

}  // namespace

bool is_its_own_text(Type type) {
  return type == Type::kText || type == Type::kVarchar || type == Type::kBpchar ||
         type == Type::kName || type == Type::kJson;
}

bool has_output_text(Type type) {
  switch (type) {
    case Type::kBool:
    case Type::kBytea:
    case Type::kInt2:
    case Type::kInt4:
    case Type::kInt8:
    case Type::kDate:
    case Type::kTimestamp:
    case Type::kTimestamptz:
    case Type::kUuid:
    case Type::kNumeric:
      return true;
    default:
      return is_its_own_text(type);
  }
}

bool append_output_text(Type type, ByteView value, std::string& out) {
  if (is_its_own_text(type)) {
    out += as_text(value);
    return true;
  }
  if (type == Type::kBytea) {
    out += "\\x" + to_hex(value);
    return true;
  }
  if (type == Type::kNumeric) return append_numeric(out, value);
  Text text;
  const bool is_value = put_short(type, value, text);
  text.append_to(out);
  return is_value;
}

}  // namespace pgtally::pg
