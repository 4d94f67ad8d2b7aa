// The help texts, made of what commands say about themselves.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/options.h"
#include "cli/terminal/output.h"

namespace pgtally::cli {

struct Summary {
  std::string name;
  Group group;
  std::string text;
};

// `pgtally --help`
[[nodiscard]] std::string program_help(const Stream& stream, const std::vector<Summary>& commands,
                                       const Options& globals);

// `pgtally source --help`
[[nodiscard]] std::string noun_help(const Stream& stream, const Summary& noun,
                                    const std::vector<Description>& verbs);

// `pgtally verify --help`
[[nodiscard]] std::string command_help(const Stream& stream, const Description& command,
                                       const Options& options);

// The name that was probably meant; empty if none is near.
[[nodiscard]] std::string nearest(const std::string& typed, const std::vector<std::string>& names);

}  // namespace pgtally::cli
