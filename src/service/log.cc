#include "service/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include "base/encoding.h"

namespace pgtally {
namespace {

LogFormat format_in_use = LogFormat::kText;

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<std::uint8_t>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20) {
      out += "\\u00" + to_hex(ByteView(&byte, 1));
    } else {
      out += c;
    }
  }
  return out + '"';
}

template <typename Fields>
void write(LogLevel level, std::string_view message, const Fields& fields) {
  std::string line;
  if (format_in_use == LogFormat::kJson) {
    line = "\"message\":" + json_string(message);
    for (const auto& [name, value] : fields)
      line += "," + json_string(name) + ":" + json_string(value);
  } else {
    line = message;
    for (const auto& [name, value] : fields) {
      line += "  ";
      line += name;
      line += "=" + value;
    }
  }
  spdlog::log(to_spdlog(level), "{}", line);
}

}  // namespace

Result<LogFormat> parse_log_format(const std::string& text) {
  if (text == "text") return LogFormat::kText;
  if (text == "json") return LogFormat::kJson;
  return reject("a log format is text or json, not " + quoted(text));
}

void start_log(LogFormat format) {
  format_in_use = format;
  auto logger = std::make_shared<spdlog::logger>(
      "pgtally", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  if (format == LogFormat::kJson) {
    logger->set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%fZ","level":"%l",%v})",
                        spdlog::pattern_time_type::utc);
  } else {
    logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %^%l%$  %v", spdlog::pattern_time_type::utc);
  }
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

void log(LogLevel level, std::string_view message, LogFields fields) {
  write(level, message, fields);
}

void log(LogLevel level, std::string_view message, const Error& error) {
  std::initializer_list<std::pair<std::string_view, std::string>> with_hint{
      {"error", error.message}, {"hint", error.hint}};
  std::initializer_list<std::pair<std::string_view, std::string>> without{{"error", error.message}};
  write(level, message, error.hint.empty() ? without : with_hint);
}

}  // namespace pgtally
