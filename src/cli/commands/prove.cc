// pgtally prove, prove-order, prove-consistency: proofs to give away.

#include <fmt/format.h>

#include <filesystem>

#include "base/encoding.h"
#include "cli/commands/list.h"
#include "cli/files.h"
#include "cli/json.h"
#include "cli/ledger_session.h"
#include "cli/program.h"
#include "cli/terminal/numbers.h"
#include "cli/trust.h"
#include "cli/verdict_json.h"
#include "cli/verdict_text.h"
#include "ledger/prover.h"
#include "ledger/tree_head.h"
#include "pgtally/verify.h"

namespace pgtally::cli {
namespace {

Result<void> deliver(Context& context, const std::optional<std::string>& file,
                     const std::string& text, const std::string& what) {
  if (!file) {
    context.output().write(text);
    return {};
  }
  TRY_VOID(write_file(*file, text));
  context.output().remark("wrote    " + *file + ": " + what);
  return {};
}

class Prove : public Command {
 public:
  Description describe() const override {
    return {
        .name = "prove",
        .group = Group::kProve,
        .summary = "write the proof that a row is in the log",
        .usage = "SOURCE KEY… [--row] [--id N] [--all] [-o FILE]",
        .details =
            "The proof is a .tlog-proof file that anybody can verify offline with the "
            "ledger's verifier key. It says nothing about the content of the row unless "
            "--row is given. The latest entry of the key is proved, unless another is "
            "asked for.",
        .examples = {{"pgtally prove payment 42 --row -o 42.tlog-proof",
                      "The row with its content, to be checked as a whole"},
                     {"pgtally prove line order_id=7 number=1", "A key of two columns, to stdout"},
                     {"pgtally prove payment --id 802", "Entry 802 of the log"},
                     {"pgtally prove payment 42 --all -o proofs",
                      "Every entry of the key, as files in a directory"}}};
  }
  void declare(Options& options) override {
    options.argument("SOURCE", source_, "the source");
    options.optional_arguments("KEY", key_, "a value, or column=value, for each column of the key");
    options.flag("--row", row_, "disclose the row and its definition");
    options.option("--id", "N", id_, "this entry, which has to be of the source");
    options.flag("--all", all_, "every entry of the key; -o names a directory");
    options.option("-o,--output", "FILE", file_, "where to; else standard output");
  }
  Result<Exit> run(Context& context) override {
    TRY(const Ledger ledger, open_ledger(context));
    TRY(const SourceInfo source, find_source(ledger, source_));
    TRY(const auto ids, wanted(ledger, source));
    if (all_ && file_) return write_all(context, ledger, ids);
    for (const LeafIndex id : ids) {
      TRY(const auto text, prove_entry(ledger, id, row_));
      TRY_VOID(deliver(context, file_, text, "entry " + with_thousands(id.value)));
    }
    return Exit::kOk;
  }

 private:
  Result<std::vector<LeafIndex>> wanted(const Ledger& ledger, const SourceInfo& source) const {
    if (key_.empty() && !id_) {
      return reject("which row? A key or --id is needed",
                    "For example: pgtally prove " + source.name + " 42");
    }
    if (id_ && all_) return reject("--id and --all do not go together");
    std::vector<LeafIndex> ids;
    if (!key_.empty()) {
      TRY(ids, find_entries(ledger, source, key_));
    }
    if (!id_) return all_ ? ids : std::vector<LeafIndex>{ids.back()};
    const LeafIndex id{*id_};
    TRY(const std::string name, source_of_entry(ledger, id));
    if (name != source.name) {
      return reject(
          fmt::format("entry {} is of source {}, not of {}", id.value, name, source.name));
    }
    if (!key_.empty() && std::find(ids.begin(), ids.end(), id) == ids.end()) {
      return reject(fmt::format("entry {} is of another key", id.value));
    }
    return std::vector<LeafIndex>{id};
  }

  Result<Exit> write_all(Context& context, const Ledger& ledger,
                         const std::vector<LeafIndex>& ids) const {
    std::error_code error;
    std::filesystem::create_directories(*file_, error);
    if (error) return operator_error("cannot create " + *file_ + ": " + error.message());
    for (const LeafIndex id : ids) {
      TRY(const auto text, prove_entry(ledger, id, row_));
      const std::string file = fmt::format("{}/{}.tlog-proof", *file_, id.value);
      TRY_VOID(deliver(context, file, text, "entry " + with_thousands(id.value)));
    }
    return Exit::kOk;
  }

  std::string source_;
  std::vector<std::string> key_;
  std::optional<std::uint64_t> id_;
  std::optional<std::string> file_;
  bool row_ = false;
  bool all_ = false;
};

class ProveOrder : public Command {
 public:
  Description describe() const override {
    return {.name = "prove-order",
            .group = Group::kProve,
            .summary = "write the proof that one entry was recorded before another",
            .usage = "A B [--row] [--policy P] [-o FILE]",
            .details =
                "A and B are entries: an id, or SOURCE:KEY with the columns of the key "
                "separated by commas. The one that was recorded first comes first in the "
                "proof, whichever is named first. It holds the first checkpoint that is kept over "
                "each, "
                "and the first that was cosigned. What it proves and what it does not, and "
                "since when each entry is under a signature, is printed beside it: on standard "
                "error where the proof itself goes to standard output.",
            .examples = {{"pgtally prove-order payment:42 login:7 -o a.order-proof",
                          "Which was recorded first?"},
                         {"pgtally prove-order 802 17204911", "By their ids"},
                         {"pgtally prove-order line:order_id=7,number=1 payment:42 --row",
                          "With both rows disclosed"}}};
  }
  void declare(Options& options) override {
    options.argument("A", a_, "an entry: ID, or SOURCE:KEY");
    options.argument("B", b_, "another one");
    options.flag("--row", row_, "disclose both rows and their definitions");
    options.option("--policy", "P", policy_,
                   "a C2SP tlog-policy file: also say when its witnesses first saw each entry");
    options.option("-o,--output", "FILE", file_, "where to; else standard output");
  }
  Result<Exit> run(Context& context) override {
    if (context.json() && !file_) {
      return reject("--json and the proof cannot both go to standard output",
                    "Say where the proof goes, with -o FILE.");
    }
    Trust trust;
    std::optional<Policy> policy;
    if (policy_) {
      trust.policy = policy_;
      TRY(policy, trust.read());
    }
    TRY(const Ledger ledger, open_ledger(context));
    TRY(const LeafIndex a, find_entry(ledger, a_));
    TRY(const LeafIndex b, find_entry(ledger, b_));
    TRY(const auto text, prove_order(ledger, a, b, row_, policy ? &*policy : nullptr));
    trust = {.vkey = ledger.vkey(), .policy = {}};
    TRY(const Policy own, trust.read());
    auto judged = verify_order_proof(text, policy ? *policy : own);
    // The newest checkpoint may still wait for witnesses who have cosigned an earlier one.
    if (!judged.ok() && policy) judged = verify_order_proof(text, policy->without_quorum());
    // The policy may be of other logs.
    if (!judged.ok()) judged = verify_order_proof(text, own);
    TRY(const OrderVerdict verdict, std::move(judged));
    CoverTimes times;
    TRY(times.first, signed_at(ledger, first_cover(verdict.first)));
    TRY(times.second, signed_at(ledger, first_cover(verdict.second)));
    TRY_VOID(deliver(context, file_, text, "an order proof"));
    if (context.json()) {
      print_json(context.output(), json_of(verdict, &times));
    } else if (file_) {
      context.output().write(text_of(verdict, context.output().out(), &times));
    } else {
      context.output().remark(text_of(verdict, context.output().err(), &times));
    }
    return Exit::kOk;
  }

 private:
  static Result<Time> signed_at(const Ledger& ledger, TreeSize size) {
    TRY(const auto checkpoint, checkpoint_of_size(ledger, size));
    if (!checkpoint) return retry("a checkpoint was thinned out while it was read");
    return checkpoint->signed_at;
  }

  std::string a_;
  std::string b_;
  std::optional<std::string> policy_;
  std::optional<std::string> file_;
  bool row_ = false;
};

class ProveConsistency : public Command {
 public:
  Description describe() const override {
    return {.name = "prove-consistency",
            .group = Group::kProve,
            .summary = "prove that the log of N entries begins with the log of M entries",
            .usage = "M N [-o FILE]",
            .details =
                "The proof is JSON, as pgtally tree consistency reads it. What it is worth "
                "comes from the roots: compare them with checkpoints that you kept.",
            .examples = {{"pgtally prove-consistency 1000 2000 -o grown.json", "Write the proof"},
                         {"pgtally prove-consistency 1000 2000 | pgtally tree consistency",
                          "Make one and check it"}}};
  }
  void declare(Options& options) override {
    options.argument("M", from_, "the earlier size");
    options.argument("N", to_, "the later size");
    options.option("-o,--output", "FILE", file_, "where to; else standard output");
  }
  Result<Exit> run(Context& context) override {
    const auto from = parse_decimal(from_);
    const auto to = parse_decimal(to_);
    if (!from.ok() || !to.ok()) return reject("M and N are sizes of the log: whole numbers");
    TRY(const Ledger ledger, open_ledger(context));
    TRY(const auto proof, prove_log_consistency(ledger, TreeSize{*from}, TreeSize{*to}));
    json::array path;
    for (const Hash& hash : proof.path) path.emplace_back(to_base64(hash.view()));
    const json::value value{{"size1", proof.from.value},
                            {"size2", proof.to.value},
                            {"root1", to_base64(proof.root_from.view())},
                            {"root2", to_base64(proof.root_to.view())},
                            {"proof", std::move(path)}};
    TRY_VOID(deliver(context, file_, json_text(value) + "\n", "the log only grew"));
    return Exit::kOk;
  }

 private:
  std::string from_;
  std::string to_;
  std::optional<std::string> file_;
};

}  // namespace

void add_prove(Program& program) {
  program.add(std::make_unique<Prove>());
  program.add(std::make_unique<ProveOrder>());
  program.add(std::make_unique<ProveConsistency>());
}

}  // namespace pgtally::cli
