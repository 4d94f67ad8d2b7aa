#include <csignal>
#include <cstdio>
#include <exception>

#include "cli/program.h"

int main(int argc, char** argv) {
  using namespace pgtally;
  // A reader that goes away must not kill us in the middle of a transaction or with a private
  // cluster open: the write fails instead, and Output knows what to make of that.
  std::signal(SIGPIPE, SIG_IGN);
  try {
    cli::Program program;
    cli::add_all_commands(program);
    return static_cast<int>(program.run({argv + (argc > 0 ? 1 : 0), argv + argc}));
  } catch (const std::exception& defect) {
    // Running out of memory, or a defect: nothing that can happen otherwise is thrown.
    std::fprintf(stderr, "error: %s\n", defect.what());
    return static_cast<int>(cli::Exit::kEnvironment);
  }
}
