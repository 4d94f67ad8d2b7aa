#include "cli/errors.h"

#include "cli/json.h"
#include "cli/terminal/text.h"

namespace pgtally::cli {
namespace {

// Line by line, so that line breaks which are meant stay and everything else is made harmless.
std::string printable_lines(std::string_view text) {
  std::string shown;
  while (true) {
    const std::size_t end = text.find('\n');
    shown += printable(text.substr(0, end));
    if (end == std::string_view::npos) return shown;
    shown += '\n';
    text.remove_prefix(end + 1);
  }
}

}  // namespace

Exit exit_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kReject:
      return Exit::kUsage;
    case ErrorCode::kTampered:
      return Exit::kNo;
    case ErrorCode::kRetry:
    case ErrorCode::kOperator:
      break;
  }
  return Exit::kEnvironment;
}

std::string_view name_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kRetry:
      return "retry";
    case ErrorCode::kReject:
      return "reject";
    case ErrorCode::kTampered:
      return "tampered";
    case ErrorCode::kOperator:
      break;
  }
  return "operator";
}

void print_error(Output& output, const Error& error) {
  Stream& err = output.err();
  // What was printed before the error stands before it also where both go into one file.
  output.out().flush();
  err.line(err.styled("error:", Emphasis::kBad) + " " + printable_lines(error.message));
  if (!error.hint.empty()) err.line(printable_lines(error.hint));
}

void print_error_as_json(Output& output, const Error& error) {
  print_json(output, json::object{{"ok", false},
                                  {"error", json::object{{"code", name_of(error.code)},
                                                         {"message", error.message},
                                                         {"hint", error.hint}}}});
}

}  // namespace pgtally::cli
