// pgtally bundle: all that an auditor needs of the log, in one file.

#include <fmt/format.h>

#include "audit/bundle_ledger.h"
#include "base/encoding.h"
#include "cli/commands/list.h"
#include "cli/json.h"
#include "cli/ledger_session.h"
#include "cli/program.h"
#include "cli/terminal/numbers.h"
#include "cli/terminal/progress.h"

namespace pgtally::cli {
namespace {

class Bundle : public Command {
 public:
  Description describe() const override {
    return {
        .name = "bundle",
        .group = Group::kProve,
        .summary = "write the log into one file, for an auditor who sees the tables alone",
        .usage = "-o FILE [--salts SOURCE… | --no-salts]",
        .details =
            "The file holds all entries up to the newest checkpoint, the checkpoints with their "
            "cosignatures, the definitions, and the salts of the sources that this auditor may "
            "check: whoever has a salt can find out by guessing what its row was. Secrets are not "
            "in it, so it says nothing about later rows. With it, the ledger's verifier key and "
            "SELECT on the tables, `pgtally audit --bundle` needs nothing of the ledger.\n\nTakes "
            "the rights of the ledger's owner. The file is readable by its owner alone.",
        .examples = {
            {"pgtally bundle -o ledger.bundle", "For an auditor who may check every source"},
            {"pgtally bundle -o ledger.bundle --salts payment",
             "For one who may check payment; of other sources he can compare keys"},
            {"pgtally audit --bundle ledger.bundle --database \"$URI\" --vkey \"$VKEY\"",
             "What the auditor does with it"}}};
  }
  void declare(Options& options) override {
    options.option("-o,--output", "FILE", output_, "the file to write; replaced in one step");
    options.require("-o,--output");
    options.options("--salts", "SOURCE", salts_, "whose salts to put in; all, if not given");
    options.flag("--no-salts", no_salts_, "no salts at all: keys can be compared, contents not");
  }
  Result<Exit> run(Context& context) override {
    if (no_salts_ && !salts_.empty()) return reject("--salts and --no-salts contradict each other");
    if (output_ == "-") return reject("a bundle is written to a file, not to a stream");
    TRY(const Ledger ledger, open_ledger(context));
    Progress bar(context.output(), "writing");
    BundleOptions options;
    if (no_salts_ || !salts_.empty()) options.salts = salts_;
    options.progress = [&](std::uint64_t done, std::uint64_t total) { bar.update(done, total); };
    TRY(const LedgerBundle bundle, bundle_ledger(ledger, options, output_));
    bar.clear();
    context.json() ? print_as_json(context.output(), bundle) : print(context.output(), bundle);
    return Exit::kOk;
  }

 private:
  static std::vector<std::string> salted(const LedgerBundle& bundle) {
    std::vector<std::string> names;
    for (const BundleSource& source : bundle.sources) {
      if (source.salts) names.push_back(source.name);
    }
    return names;
  }

  void print_as_json(Output& output, const LedgerBundle& bundle) const {
    const BundleReport& report = bundle.report;
    print_json(output, {{"ok", true},
                        {"file", output_},
                        {"bytes", report.bytes},
                        {"size", report.size.value},
                        {"root", to_base64(report.root.view())},
                        {"checkpoints", report.checkpoints},
                        {"documents", report.documents},
                        {"salts", report.salts},
                        {"salts_of", json_strings(salted(bundle))}});
  }

  void print(Output& output, const LedgerBundle& bundle) const {
    const BundleReport& report = bundle.report;
    output.line(fmt::format("bundled  {} in {}: {}, {}",
                            counted(report.size.value, "entry", "entries"), output_,
                            counted(report.checkpoints, "checkpoint", "checkpoints"),
                            counted(report.bytes, "byte", "bytes")));
    const std::vector<std::string> names = salted(bundle);
    output.line(names.empty() ? "salts    none"
                              : fmt::format("salts    {}", fmt::join(names, ", ")));
  }

  std::string output_;
  std::vector<std::string> salts_;
  bool no_salts_ = false;
};

}  // namespace

void add_bundle(Program& program) {
  program.add(std::make_unique<Bundle>());
}

}  // namespace pgtally::cli
