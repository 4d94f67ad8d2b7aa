// pgtally checkpoint: the newest signed checkpoint.

#include "base/encoding.h"
#include "cli/commands/list.h"
#include "cli/files.h"
#include "cli/json.h"
#include "cli/ledger_session.h"
#include "cli/program.h"
#include "cli/terminal/numbers.h"
#include "ledger/cosignatures.h"
#include "ledger/tree_head.h"

namespace pgtally::cli {
namespace {

class CheckpointCommand : public Command {
 public:
  Description describe() const override {
    return {.name = "checkpoint",
            .group = Group::kProve,
            .summary = "print the newest signed checkpoint, to keep somewhere else",
            .usage = "[--witnessed] [-o FILE]",
            .details =
                "Whoever keeps a checkpoint outside the operator's reach can show later that "
                "the log was not rewritten. Under the ledger's signature stand those of the "
                "witnesses that have cosigned it so far.",
            .examples = {{"pgtally checkpoint", "Print it"},
                         {"pgtally checkpoint -o outside.checkpoint", "Keep it in a file"}}};
  }
  void declare(Options& options) override {
    options.flag("--witnessed", witnessed_, "the newest that enough witnesses have cosigned");
    options.option("-o,--output", "FILE", file_, "where to; else standard output");
  }
  Result<Exit> run(Context& context) override {
    TRY(const Ledger ledger, open_ledger(context));
    TRY(auto checkpoint, witnessed_ ? newest_witnessed(ledger) : newest_checkpoint(ledger));
    if (!checkpoint) {
      if (witnessed_) {
        return retry("no checkpoint was witnessed yet",
                     "Name the witnesses in pgtally.toml, [witness] policy, and let the service "
                     "ask them: pgtally run");
      }
      return retry("nothing was signed yet", "Let the service run, or run: pgtally run --once");
    }
    TRY(checkpoint->note, cosigned_checkpoint(ledger, checkpoint->size));
    if (file_) {
      TRY_VOID(write_file(*file_, checkpoint->note));
      context.output().remark("wrote    " + *file_ + ": size " +
                              with_thousands(checkpoint->size.value));
    }
    if (context.json()) {
      print_json(context.output(), {{"origin", ledger.origin()},
                                    {"size", checkpoint->size.value},
                                    {"root", to_base64(checkpoint->root.view())},
                                    {"signed_at", json_time(checkpoint->signed_at)},
                                    {"note", checkpoint->note}});
    } else if (!file_) {
      context.output().write(checkpoint->note);
    }
    return Exit::kOk;
  }

 private:
  std::optional<std::string> file_;
  bool witnessed_ = false;
};

}  // namespace

void add_checkpoint(Program& program) {
  program.add(std::make_unique<CheckpointCommand>());
}

}  // namespace pgtally::cli
