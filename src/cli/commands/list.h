// Every command, in the order of `pgtally --help`. A line here is a file beside this one, which
// defines `void add_<name>(Program&)`.
#pragma once

// clang-format off
#define PGTALLY_COMMANDS(COMMAND) \
  COMMAND(demo)                   \
  COMMAND(check)                  \
  COMMAND(init)                   \
  COMMAND(upgrade)                \
  COMMAND(source)                 \
  COMMAND(apply)                  \
  COMMAND(run)                    \
  COMMAND(append)                 \
  COMMAND(token)                  \
  COMMAND(sweep)                  \
  COMMAND(prune)                  \
  COMMAND(status)                 \
  COMMAND(checkpoint)             \
  COMMAND(prove)                  \
  COMMAND(publish)                \
  COMMAND(bundle)                 \
  COMMAND(verify)                 \
  COMMAND(audit)                  \
  COMMAND(monitor)                \
  COMMAND(witness)                \
  COMMAND(rebuild)                \
  COMMAND(recover)                \
  COMMAND(tree)                   \
  COMMAND(key)                    \
  COMMAND(uninstall)              \
  COMMAND(psql)
// clang-format on

namespace pgtally::cli {

class Program;

#define PGTALLY_DECLARE_COMMAND(name) void add_##name(Program& program);
PGTALLY_COMMANDS(PGTALLY_DECLARE_COMMAND)
#undef PGTALLY_DECLARE_COMMAND

}  // namespace pgtally::cli
