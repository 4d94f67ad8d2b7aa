// pgtally publish: the ledger as files that any web server can serve.

#include "cli/commands/list.h"
#include "cli/json.h"
#include "cli/ledger_session.h"
#include "cli/program.h"
#include "cli/terminal/numbers.h"
#include "service/publishing.h"

namespace pgtally::cli {
namespace {

class Publish : public Command {
 public:
  Description describe() const override {
    return {.name = "publish",
            .group = Group::kProve,
            .summary = "write tiles, entries and checkpoint into a directory to be served",
            .usage = "[DIR]",
            .details =
                "The layout is that of C2SP tlog-tiles, so any web server serves it as it stands, "
                "and any client of such logs can follow it. What is there already is verified and "
                "extended, never overwritten; the checkpoint comes last. Can be stopped and run "
                "again at any time. With [witness] in the configuration file, checkpoints have the "
                "time that it says to be cosigned first. With [publish] directory in it, the "
                "service does this by itself at each checkpoint.\n\nWhat is published: checkpoint, "
                "tree, entries, and the documents that say what these mean. An entry has the "
                "row's source, key, times and blinded hash, never the row.",
            .examples = {{"pgtally publish /srv/www/payments", "Bring a directory up to date"},
                         {"pgtally publish --config pgtally.toml",
                          "The directory that the configuration names"}}};
  }
  void declare(Options& options) override {
    options.argument("DIR", directory_,
                     "the directory; else [publish] directory in the configuration file");
  }
  Result<Exit> run(Context& context) override {
    const auto& configured = context.globals().file.service.publish_directory;
    if (!directory_ && !configured) {
      return reject("nothing says where to",
                    "Name a directory, or write it into the configuration file:\n\n    [publish]\n "
                    "   directory = \"/srv/www/payments\"");
    }
    const std::string directory = directory_ ? *directory_ : *configured;
    TRY(const Ledger ledger, open_ledger(context));
    const WitnessSettings& witness = context.globals().file.service.witness;
    TRY(const PublishReport report, publish_ledger(ledger, directory, witness.patience()));
    if (report.size.value == 0 && witness.policy) {
      return retry("no checkpoint is witnessed yet, or has waited for it as long as it has to",
                   "Try again in a moment; [witness] timeout says how long that is.");
    }
    if (report.size.value == 0) {
      return retry("nothing was signed yet", "Let the service run, or run: pgtally run --once");
    }
    if (context.json()) {
      print_json(context.output(), {{"ok", true},
                                    {"directory", directory},
                                    {"before", report.before.value},
                                    {"size", report.size.value},
                                    {"files", report.files}});
      return Exit::kOk;
    }
    const std::string size = "size " + with_thousands(report.size.value);
    context.output().line(report.before == report.size
                              ? "current   " + directory + " has " + size
                              : "published " + directory + " has " + size + ", " +
                                    counted(report.files, "new file", "new files"));
    return Exit::kOk;
  }

 private:
  std::optional<std::string> directory_;
};

}  // namespace

void add_publish(Program& program) {
  program.add(std::make_unique<Publish>());
}

}  // namespace pgtally::cli
