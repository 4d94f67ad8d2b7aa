// pgtally status: where the ledger stands.

#include "ledger/status.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"
#include "cli/commands/list.h"
#include "cli/json.h"
#include "cli/ledger_session.h"
#include "cli/program.h"
#include "cli/source_view.h"
#include "cli/terminal/numbers.h"
#include "cli/terminal/table.h"
#include "cli/terminal/text.h"
#include "service/guard.h"
#include "service/state_files.h"

namespace pgtally::cli {
namespace {

std::string guard_state(const LedgerStatus& status, const Guard& guard) {
  if (!guard.exists()) return "no guard on this host";
  const auto state = guard.read();
  if (!state.ok()) return "guard unreadable";
  if (state->id != status.head.guard_id) return "guard of another host";
  if (state->size > status.head.size) return "guard is ahead of the database";
  return "guard in step";
}

std::chrono::microseconds since(Time then, Time now) {
  return std::chrono::microseconds(now.microseconds - then.microseconds);
}

class Status : public Command {
 public:
  Description describe() const override {
    return {
        .name = "status",
        .group = Group::kRecord,
        .summary = "show size, root, checkpoint, guard, and how far behind each source is",
        .examples = {{"pgtally status", "For people"}, {"pgtally status --json", "For programs"}}};
  }
  void declare(Options& options) override { options.option("--state", "DIR", state_, kStateHelp); }
  Result<Exit> run(Context& context) override {
    TRY(const Ledger ledger, open_ledger(context));
    TRY(const LedgerStatus status, read_status(ledger));
    TRY(const auto directory, state_directory_of(context, state_));
    const Guard guard(StateFiles::of(directory, ledger.origin()).guard);
    if (context.json()) {
      print(context, ledger, status, guard);
    } else {
      show(context.output(), ledger, status, guard);
    }
    return Exit::kOk;
  }

 private:
  static void print(Context& context, const Ledger& ledger, const LedgerStatus& status,
                    const Guard& guard) {
    json::array sources;
    for (const SourceStatus& source : status.sources) {
      sources.push_back(json_source_in_full(source));
    }
    json::value checkpoint = nullptr;
    TreeSize newest;
    if (status.checkpoint) {
      newest = status.checkpoint->size;
      checkpoint = {{"size", status.checkpoint->size.value},
                    {"root", to_base64(status.checkpoint->root.view())},
                    {"signed_at", json_time(status.checkpoint->signed_at)}};
    }
    print_json(context.output(),
               {{"origin", ledger.origin()},
                {"schema", ledger.schema()},
                {"size", status.head.size.value},
                {"root", to_base64(status.head.root.view())},
                {"log_size", status.log_size},
                {"checkpoint", std::move(checkpoint)},
                {"witnessed", json_witnessed(status.witnessed, newest)},
                {"guard", {{"path", guard.path()}, {"state", guard_state(status, guard)}}},
                {"sources", std::move(sources)}});
  }

  static void show(Output& out, const Ledger& ledger, const LedgerStatus& status,
                   const Guard& guard) {
    const std::string right = guard_state(status, guard);
    out.line(pad_right(ledger.origin(), 60) + "  " + right);
    std::string is_signed = "not signed yet";
    if (status.checkpoint) {
      is_signed = "signed " + short_span(since(status.checkpoint->signed_at, status.now)) + " ago";
      const std::uint64_t ahead = status.head.size.value - status.checkpoint->size.value;
      if (ahead > 0) is_signed += ", but for the last " + with_thousands(ahead);
    }
    out.line("  size        " + pad_right(counted(status.head.size.value, "entry", "entries"), 26) +
             is_signed);
    out.line("  root        " + to_base64(status.head.root.view()));
    if (status.witnessed) {
      const bool newest = status.witnessed->size == status.checkpoint->size;
      out.line("  witnessed   " +
               (newest ? std::string("the newest checkpoint")
                       : "size " + with_thousands(status.witnessed->size.value) + ", signed " +
                             short_span(since(status.witnessed->signed_at, status.now)) + " ago"));
    }
    if (status.log_size > status.head.size.value) {
      out.line("  waiting     " +
               counted(status.log_size - status.head.size.value, "entry is", "entries are") +
               " sequenced and not in the tree yet");
    }
    out.line("");
    Table table({{"source"},
                 {"mode"},
                 {"entries", Align::kRight},
                 {"waiting", Align::kRight},
                 {"behind", Align::kRight},
                 {"last key"},
                 {"state"}},
                2);
    for (const SourceStatus& source : status.sources) {
      table.add({source.info.name, source.info.mode, with_thousands(source.info.entries),
                 waiting(source), behind(source), cut(source.info.last_key, 30),
                 state_of(source.info)});
    }
    out.write(table.text());
    show_failures(out, status.sources);
  }

  static std::string state_of(const SourceInfo& source) {
    if (source.open_holes == 0) return source.state;
    return source.state + ", " +
           counted(static_cast<std::uint64_t>(source.open_holes), "hole", "holes") + " open";
  }

  std::string state_;
};

}  // namespace

void add_status(Program& program) {
  program.add(std::make_unique<Status>());
}

}  // namespace pgtally::cli
