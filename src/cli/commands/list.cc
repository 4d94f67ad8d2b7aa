#include "cli/commands/list.h"

#include "cli/program.h"

namespace pgtally::cli {

void add_all_commands(Program& program) {
#define PGTALLY_ADD_COMMAND(name) add_##name(program);
  PGTALLY_COMMANDS(PGTALLY_ADD_COMMAND)
#undef PGTALLY_ADD_COMMAND
}

}  // namespace pgtally::cli
