// pgtally verify: proof files against what the caller trusts and expects. Never connects to
// anything.

#include "pgtally/verify.h"

#include <algorithm>

#include "base/encoding.h"
#include "cli/commands/list.h"
#include "cli/context.h"
#include "cli/errors.h"
#include "cli/files.h"
#include "cli/json.h"
#include "cli/key_argument.h"
#include "cli/program.h"
#include "cli/trust.h"
#include "cli/verdict_json.h"
#include "cli/verdict_text.h"
#include "format/log_end.h"
#include "pgtally/proof_file.h"

namespace pgtally::cli {
namespace {

constexpr std::size_t kMaxRowFileSize = kMaxRecordSize;

class Verify : public Command {
 public:
  Description describe() const override {
    return {.name = "verify",
            .group = Group::kCheck,
            .summary = "check proof files offline, against what you trust and expect",
            .usage = "FILE… --vkey K | --policy P [options]",
            .details =
                "Connects to nothing. A proof file says which entry of which ledger it is about; "
                "whether "
                "that is the row that you mean is for you to say (--source, --key, --row, "
                "--content-hash), or to read from what is printed. Without these an intact proof "
                "of some "
                "other row verifies, too.\n\nExit status 1: a file is not a proof, or does not "
                "hold. All "
                "files are looked at even so.",
            .examples = {
                {"pgtally verify 42.tlog-proof --vkey \"$VKEY\"",
                 "Check a proof, trusting nothing but the ledger's verifier key"},
                {"pgtally verify 42.tlog-proof --vkey \"$VKEY\" --source payment --key 42",
                 "The same, and that it is about payment 42"},
                {"pgtally verify bash.tlog-proof --policy policy.txt --key name=bash "
                 "version=5.2.15-2+b9 architecture=amd64",
                 "With witnesses that must have cosigned, and a key of three columns"},
                {"pgtally verify *.tlog-proof --vkey \"$VKEY\" --json | jq -c '.[] | [.ok, .id]'",
                 "Many files, for a program"}}};
  }

  void declare(Options& options) override {
    options.arguments(
        "FILE", files_,
        "proofs (.tlog-proof, .order-proof), statements that end a log (.end); - is standard "
        "input");
    trust_.declare(options);
    options.option("--source", "S", source_, "the proof must be about this source");
    options.options("--key", "KEY", key_, kKeyHelp);
    options.option("--row", "FILE", row_,
                   "the exact bytes that were hashed: of a row/v1 row, or appended data");
    options.option("--content-hash", "H", content_hash_,
                   "the SHA-256 of the content, or the content hash that is published, in hex");
  }

  Result<Exit> run(Context& context) override {
    TRY(const Policy policy, trust_.read());
    TRY(const Expectations expected, expectations());
    if (std::ranges::count(files_, "-") > 1) return reject("standard input can be read only once");

    std::vector<Outcome> outcomes;
    for (const std::string& file : files_) outcomes.push_back(verify_one(file, policy, expected));
    context.json() ? print_as_json(context.output(), outcomes) : print(context.output(), outcomes);
    return status_of(outcomes);
  }

 private:
  struct Outcome {
    std::string file;
    std::optional<Verdict> verdict;
    std::optional<OrderVerdict> order;
    std::optional<LogEnd> end;
    std::optional<Error> error;
    Exit exit = Exit::kOk;
  };

  Result<Expectations> expectations() const {
    Expectations expected;
    expected.source = source_;
    if (!key_.empty()) expected.key = parse_key_arguments(key_);
    if (row_) {
      TRY(const std::string row, read_file(*row_, kMaxRowFileSize));
      const ByteView bytes = as_bytes(row);
      expected.row.emplace(bytes.begin(), bytes.end());
    }
    if (content_hash_) {
      auto hash = hash_from_hex(*content_hash_);
      if (!hash.ok()) return std::move(hash).error().within("--content-hash");
      expected.content_hash = *hash;
    }
    return expected;
  }

  bool expects_something() const { return source_ || !key_.empty() || row_ || content_hash_; }

  Outcome verify_one(const std::string& file, const Policy& policy,
                     const Expectations& expected) const {
    Outcome outcome{
        .file = file, .verdict = {}, .order = {}, .end = {}, .error = {}, .exit = Exit::kOk};
    const auto fail = [&](Error error, Exit exit) {
      outcome.error = std::move(error);
      outcome.exit = exit;
      return std::move(outcome);
    };
    auto text = read_file(file, kMaxProofFileSize);
    if (!text.ok()) {
      const bool too_large = text.error().code == ErrorCode::kReject;
      return fail(std::move(text).error(), too_large ? Exit::kNo : Exit::kEnvironment);
    }
    if (text->starts_with(kLogEndTitle)) {
      auto end = verify_by_policy(*text, policy);
      if (!end.ok()) return fail(std::move(end).error(), Exit::kNo);
      outcome.end = std::move(*end);
      return outcome;
    }
    if (looks_like_order_proof(*text)) {
      if (expects_something()) {
        return fail(reject("an order proof is about two entries; --source, --key, --row and "
                           "--content-hash are about one",
                           "Leave them out, and compare with what is printed."),
                    Exit::kUsage);
      }
      auto verdict = verify_order_proof(*text, policy);
      if (!verdict.ok()) return fail(std::move(verdict).error(), Exit::kNo);
      outcome.order = std::move(*verdict);
      return outcome;
    }
    auto verdict = verify_proof(*text, policy, expected);
    if (!verdict.ok()) return fail(std::move(verdict).error(), Exit::kNo);
    outcome.verdict = std::move(*verdict);
    return outcome;
  }

  static Result<LogEnd> verify_by_policy(const std::string& text, const Policy& policy) {
    Error last = tampered("it is signed by no log that is trusted here");
    for (const PolicyLog& log : policy.logs()) {
      auto end = verify_log_end(text, log.key);
      if (end.ok()) return end;
      last = std::move(end).error();
    }
    return last;
  }

  // That a proof does not hold weighs more than that another one could not be read.
  static Exit status_of(const std::vector<Outcome>& outcomes) {
    for (const Exit exit : {Exit::kNo, Exit::kUsage, Exit::kEnvironment}) {
      if (std::ranges::find(outcomes, exit, &Outcome::exit) != outcomes.end()) return exit;
    }
    return Exit::kOk;
  }

  static void print(Output& output, const std::vector<Outcome>& outcomes) {
    const bool many = outcomes.size() > 1;
    bool is_first = true;
    for (const Outcome& outcome : outcomes) {
      if (!is_first) output.line("");
      is_first = false;
      if (outcome.error) {
        const bool names_file = outcome.exit == Exit::kEnvironment;
        print_error(output, names_file ? *outcome.error
                                       : outcome.error->within(outcome.file + " does not verify"));
        continue;
      }
      if (many) output.line(output.out().styled(outcome.file, Emphasis::kHeading));
      output.write(outcome.end       ? text_of(*outcome.end, output.out())
                   : outcome.verdict ? text_of(*outcome.verdict, output.out())
                                     : text_of(*outcome.order, output.out()));
    }
  }

  static json::object json_of_outcome(const Outcome& outcome) {
    if (outcome.end) return json_of(*outcome.end);
    if (outcome.verdict) return json_of(*outcome.verdict);
    if (outcome.order) return json_of(*outcome.order);
    json::object object{{"ok", false}, {"checked", json::array()}};
    object["reason"] = outcome.error->message;
    object["hint"] = outcome.error->hint;
    object["error"] = {{"code", name_of(outcome.error->code)},
                       {"message", outcome.error->message},
                       {"hint", outcome.error->hint}};
    return object;
  }

  static void print_as_json(Output& output, const std::vector<Outcome>& outcomes) {
    json::array all;
    for (const Outcome& outcome : outcomes) {
      json::object object = json_of_outcome(outcome);
      object["file"] = outcome.file;
      all.emplace_back(std::move(object));
    }
    print_json(output, all.size() == 1 ? all.front() : json::value(all));
  }

  std::vector<std::string> files_;
  Trust trust_;
  std::optional<std::string> source_;
  std::vector<std::string> key_;
  std::optional<std::string> row_;
  std::optional<std::string> content_hash_;
};

}  // namespace

void add_verify(Program& program) {
  program.add(std::make_unique<Verify>());
}

}  // namespace pgtally::cli
