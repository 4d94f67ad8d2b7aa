#include "cli/help.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "cli/terminal/text.h"

namespace pgtally::cli {
namespace {

constexpr std::size_t kMostWidth = 100;

struct Heading {
  Group group;
  const char* title;
};
constexpr std::array<Heading, 5> kHeadings{{{Group::kStart, "start"},
                                            {Group::kRecord, "record"},
                                            {Group::kProve, "prove"},
                                            {Group::kCheck, "check"},
                                            {Group::kPlumbing, "plumbing"}}};

std::size_t width_of(const Stream& stream) {
  return std::min(stream.width(), kMostWidth);
}

// Words filled into lines of at most `width` columns; line breaks in the text stay.
std::string wrapped(const std::string& text, std::size_t width, const std::string& prefix) {
  std::string lines;
  std::string line;
  const auto end_line = [&] {
    if (!line.empty()) lines += prefix + line;
    lines += "\n";
    line.clear();
  };
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == '\n') {
      end_line();
      ++at;
      continue;
    }
    const std::size_t end = std::min(text.find_first_of(" \n", at), text.size());
    const std::string word = text.substr(at, end - at);
    if (!line.empty() && display_width(prefix + line + " " + word) > width) end_line();
    line += (line.empty() ? "" : " ") + word;
    at = end < text.size() && text[end] == ' ' ? end + 1 : end;
  }
  if (!line.empty()) end_line();
  return lines;
}

// "  syntax      what it means", with the meanings in one column.
std::string glossary(const std::vector<Options::Help>& items, std::size_t width) {
  constexpr std::size_t kMostIndent = 30;
  std::size_t column = 0;
  for (const auto& item : items) column = std::max(column, display_width(item.syntax) + 4);
  column = std::min(column, kMostIndent);
  std::string text;
  for (const auto& item : items) {
    const std::string meaning = wrapped(item.text, width, std::string(column, ' '));
    const std::string start = "  " + item.syntax;
    text += display_width(start) + 2 <= column ? pad_right(start, column) + meaning.substr(column)
                                               : start + "\n" + meaning;
  }
  return text;
}

std::string section(const Stream& stream, const std::string& title,
                    const std::vector<Options::Help>& items) {
  if (items.empty()) return {};
  return "\n" + stream.styled(title, Emphasis::kHeading) + "\n" + glossary(items, width_of(stream));
}

std::string usage_of(const Description& command, const Options& options) {
  if (!command.usage.empty()) return command.usage;
  std::string usage;
  for (const std::string& name : options.argument_names()) usage += name + " ";
  return usage + (options.options_help().empty() ? "" : "[options]");
}

std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string program_help(const Stream& stream, const std::vector<Summary>& commands,
                         const Options& globals) {
  std::string text = stream.styled("pgtally", Emphasis::kHeading) +
                     ": rows of PostgreSQL tables in one gapless, signed, verifiable log\n\n"
                     "usage: pgtally COMMAND [arguments] [options]\n";
  std::size_t column = 0;
  for (const Summary& command : commands) column = std::max(column, command.name.size() + 4);
  for (const Heading& heading : kHeadings) {
    std::string lines;
    for (const Summary& command : commands) {
      if (command.group != heading.group) continue;
      lines += pad_right("  " + command.name, column) + command.text + "\n";
    }
    if (!lines.empty()) {
      text += "\n" + stream.styled(heading.title, Emphasis::kHeading) + "\n" + lines;
    }
  }
  text +=
      section(stream, "options of every command, before or after its name", globals.options_help());
  return text +
         "\nexit status: 0 fine, 1 verification says no, 2 usage, 3 environment\n"
         "`pgtally COMMAND --help` explains a command and gives examples.\n";
}

std::string noun_help(const Stream& stream, const Summary& noun,
                      const std::vector<Description>& verbs) {
  std::vector<Options::Help> items;
  for (const Description& verb : verbs) {
    items.push_back({.syntax = "pgtally " + verb.name, .text = verb.summary});
  }
  return stream.styled("pgtally " + noun.name, Emphasis::kHeading) + ": " + noun.text + "\n" +
         section(stream, "commands", items) + "\n`pgtally " + noun.name +
         " COMMAND --help` explains one and gives examples.\n";
}

std::string command_help(const Stream& stream, const Description& command, const Options& options) {
  const std::string name = "pgtally " + command.name;
  std::string text =
      stream.styled(name, Emphasis::kHeading) + ": " + command.summary + "\n\nusage: " + name;
  const std::string usage = usage_of(command, options);
  if (!usage.empty()) text += " " + usage;
  text += "\n";
  if (!command.details.empty()) text += "\n" + wrapped(command.details, width_of(stream), "");
  text += section(stream, "arguments", options.arguments_help());
  text += section(stream, "options", options.options_help());
  text += "\nOptions of every command (--json, --database, --embedded, …): `pgtally --help`.\n";
  if (command.examples.empty()) return text;
  text += "\n" + stream.styled("examples", Emphasis::kHeading) + "\n";
  for (const Example& example : command.examples) {
    text += wrapped(example.does + ":", width_of(stream), "  ") + indent(example.command, "    ") +
            "\n";
  }
  return text;
}

std::string nearest(const std::string& typed, const std::vector<std::string>& names) {
  std::string best;
  std::size_t least = std::max<std::size_t>(typed.size() / 3, 1) + 1;
  for (const std::string& name : names) {
    const std::size_t here = distance(typed, name);
    if (here < least) {
      least = here;
      best = name;
    }
  }
  return best;
}

}  // namespace pgtally::cli
