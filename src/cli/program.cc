#include "cli/program.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "base/encoding.h"
#include "cli/context.h"
#include "cli/errors.h"
#include "cli/help.h"
#include "cli/terminal/text.h"

namespace pgtally::cli {
namespace {

Exit fail(Output& output, bool json, const Error& error) {
  json ? print_error_as_json(output, error) : print_error(output, error);
  return exit_of(error.code);
}

bool mentions_json(const std::vector<std::string>& arguments) {
  return std::ranges::find(arguments, "--json") != arguments.end();
}

}  // namespace

struct Program::State {
  // A place where the command line may end: the program itself, a noun, or a command.
  struct Node {
    CLI::App* app;
    std::string name;  // "", "source", "source add"
    Options globals;   // the global options, which may stand at each place
    Options options;   // the command's own
    std::unique_ptr<Command> command;
  };

  CLI::App app;
  GlobalOptions given;
  std::map<const CLI::App*, Node> nodes;
  std::vector<Summary> summaries;
  std::map<std::string, CLI::App*> nouns;

  Node& add_node(CLI::App& at, const std::string& name, std::unique_ptr<Command> command);
  [[nodiscard]] const Node& last_node() const;
  [[nodiscard]] Exit show_help(Stream& stream, const Node& node, Exit exit) const;
  [[nodiscard]] std::vector<std::string> names_after(const Node& node) const;
  [[nodiscard]] std::optional<Error> find_unknown(const Node& node) const;
  void pass_on(std::vector<std::string>& arguments) const;
  [[nodiscard]] std::optional<Error> parse(std::vector<std::string> arguments);
  [[nodiscard]] std::optional<Error> find_fault(const Node& node,
                                                const std::optional<Error>& parsing) const;
};

Program::State::Node& Program::State::add_node(CLI::App& at, const std::string& name,
                                               std::unique_ptr<Command> command) {
  at.set_help_flag();
  at.allow_extras();  // so that we say ourselves what is wrong about them
  at.require_subcommand(0, 1);
  auto [place, added] = nodes.emplace(&at, Node{.app = &at,
                                                .name = name,
                                                .globals = Options(at),
                                                .options = Options(at),
                                                .command = std::move(command)});
  Command* declared = place->second.command.get();
  const bool own_database = declared != nullptr && declared->describe().has_own_database;
  declare(place->second.globals, given, !own_database);
  if (place->second.command) place->second.command->declare(place->second.options);
  return place->second;
}

const Program::State::Node& Program::State::last_node() const {
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
  return nodes.at(at);
}

std::vector<std::string> Program::State::names_after(const Node& node) const {
  std::vector<std::string> names;
  for (const CLI::App* app_below :
       node.app->get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(app_below->get_name());
  }
  return names;
}

Exit Program::State::show_help(Stream& stream, const Node& node, Exit exit) const {
  if (node.command) {
    stream.write(command_help(stream, node.command->describe(), node.options));
  } else if (node.name.empty()) {
    stream.write(program_help(stream, summaries, node.globals));
  } else {
    std::vector<Description> verbs;
    for (const auto* verb : node.app->get_subcommands([](const CLI::App*) { return true; })) {
      verbs.push_back(nodes.at(verb).command->describe());
    }
    const auto noun = std::ranges::find(summaries, node.name, &Summary::name);
    stream.write(noun_help(stream, *noun, verbs));
  }
  return exit;
}

// The first argument that nothing knows.
std::optional<Error> Program::State::find_unknown(const Node& node) const {
  const auto unknown = app.remaining(true);
  if (unknown.empty()) return std::nullopt;
  const std::string argument = without_armour(unknown.front());
  const bool is_option = argument.size() > 1 && argument.starts_with('-');
  std::vector<std::string> candidates;
  std::string what = "unexpected argument ";
  std::string quote = pgtally::quoted(argument);
  if (is_option) {
    what = "unknown option ";
    quote = printable(argument.substr(0, argument.find('=')));
    candidates = node.globals.long_names();
    std::ranges::copy(node.options.long_names(), std::back_inserter(candidates));
  } else if (!node.command) {
    what = "unknown command ";
    candidates = names_after(node);
  }
  std::string hint;
  if (const std::string meant = nearest(is_option ? quote : argument, candidates); !meant.empty()) {
    hint = "Did you mean " + meant + "?";
  }
  return reject(what + quote, hint);
}

// Puts "--" behind a command that passes its arguments on, so that none of them is taken for ours.
void Program::State::pass_on(std::vector<std::string>& arguments) const {
  for (auto at = arguments.begin(); at != arguments.end(); ++at) {
    const bool passes_on = std::ranges::any_of(nodes, [&](const auto& node) {
      return node.second.name == *at && node.second.command &&
             node.second.command->describe().passes_on;
    });
    if (!passes_on) continue;
    const auto next = std::next(at);
    if (next != arguments.end() && *next != "--help" && *next != "-h") arguments.insert(next, "--");
    return;
  }
}

// Fills in what was given. What is left to say afterwards is for find_fault().
std::optional<Error> Program::State::parse(std::vector<std::string> arguments) {
  if (!arguments.empty() && arguments.front() == "help") {
    arguments.erase(arguments.begin());
    arguments.emplace_back("--help");
  }
  pass_on(arguments);
  auto safe = armoured(std::move(arguments));
  const std::string last = safe.empty() ? "" : safe.back();
  std::ranges::reverse(safe);
  try {
    app.parse(std::move(safe));
  } catch (const CLI::ArgumentMismatch&) {
    return reject(printable(last) + " needs a value");
  } catch (const CLI::RequiredError&) {
    return std::nullopt;  // Options::check() knows better what is missing
  } catch (const CLI::ParseError& error) {
    return reject(error.what());
  }
  return std::nullopt;
}

std::optional<Error> Program::State::find_fault(const Node& node,
                                                const std::optional<Error>& parsing) const {
  if (auto unknown = find_unknown(node)) return unknown;
  if (parsing) return parsing;
  for (const CLI::App* at = node.app; at != nullptr; at = at->get_parent()) {
    if (auto checked = nodes.at(at).globals.check(); !checked.ok()) return checked.error();
  }
  if (auto checked = node.options.check(); !checked.ok()) return checked.error();
  return std::nullopt;
}

Program::Program() : state_(new State) {
  state_->add_node(state_->app, "", nullptr);
}
Program::~Program() = default;

void Program::add_noun(const std::string& name, Group group, const std::string& summary) {
  CLI::App* noun = state_->app.add_subcommand(name);
  state_->nouns[name] = noun;
  state_->summaries.push_back({.name = name, .group = group, .text = summary});
  state_->add_node(*noun, name, nullptr);
}

void Program::add(std::unique_ptr<Command> command) {
  const Description description = command->describe();
  const std::size_t blank = description.name.find(' ');
  CLI::App* parent = &state_->app;
  if (blank == std::string::npos) {
    state_->summaries.push_back(
        {.name = description.name, .group = description.group, .text = description.summary});
  } else {
    parent = state_->nouns.at(description.name.substr(0, blank));
  }
  const std::string last_word =
      blank == std::string::npos ? description.name : description.name.substr(blank + 1);
  state_->add_node(*parent->add_subcommand(last_word), description.name, std::move(command));
}

Exit Program::run(std::vector<std::string> arguments) {
  State& state = *state_;
  const bool json = mentions_json(arguments);
  const auto parsing = state.parse(std::move(arguments));
  const State::Node& node = state.last_node();
  Output output(stdout, stderr, state.given.quiet);

  const auto run_command = [&]() -> Exit {
    if (state.given.help) return state.show_help(output.out(), node, Exit::kOk);
    if (state.given.version) {
      output.line("pgtally " PGTALLY_VERSION);
      return Exit::kOk;
    }
    if (auto fault = state.find_fault(node, parsing)) {
      if (!fault->hint.empty()) fault->hint += "\n";
      fault->hint += "See `pgtally" + (node.name.empty() ? "" : " " + node.name) + " --help`.";
      return fail(output, json, *fault);
    }
    if (!node.command) return state.show_help(output.err(), node, Exit::kUsage);
    auto globals = resolve(state.given, [](const char* name) { return std::getenv(name); });
    if (!globals.ok()) return fail(output, json, globals.error());
    Context context(std::move(globals).value(), output);
    auto done = node.command->run(context);
    return done.ok() ? *done : fail(output, context.json(), done.error());
  };

  const Exit exit = run_command();
  if (auto finished = output.finish(); !finished.ok()) {
    print_error(output, finished.error());
    return exit_of(finished.error().code);
  }
  return exit;
}

}  // namespace pgtally::cli
