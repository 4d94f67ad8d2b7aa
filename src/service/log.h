// What the service says while it runs: lines of text for people, or JSON lines for machines.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "pgtally/result.h"

namespace pgtally {

enum class LogFormat { kText, kJson };
enum class LogLevel { kInfo, kWarning, kError };

// "text" or "json".
[[nodiscard]] Result<LogFormat> parse_log_format(const std::string& text);

// To standard error, from now on.
void start_log(LogFormat format);

using LogFields = std::initializer_list<std::pair<std::string_view, std::string>>;
void log(LogLevel level, std::string_view message, LogFields fields = {});
// With the error's hint as a field of its own.
void log(LogLevel level, std::string_view message, const Error& error);

}  // namespace pgtally
