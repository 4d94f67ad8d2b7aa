// tamper [--alone] [--only TEXT]
//
// Tampers with a ledger of 100,000 entries in every way that somebody with all rights has, one kind after
// the other, each on a copy; and holds what `pgtally audit` says against what was done. With --alone kinds
// that concern single rows are not applied together either. --only: kinds whose name has this in it.
//
// Exit status: 0 each was found, by its kind, source and key, and nothing else; 1 not so; 2 it could not
// be found out.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <string>

#include "tamper/apply.h"
#include "tamper/audited.h"
#include "tamper/files.h"
#include "tamper/kind.h"
#include "tamper/specimen.h"
#include "torture/child_process.h"

namespace pgtally::tamper {
namespace {

class Suite {
 public:
  Suite(bool alone, std::string only) : alone_(alone), only_(std::move(only)) {}

  void run() {
    untouched();
    together("rows", row_kinds());
    columns();
    for (const auto& kinds : {table_kinds(), capture_kinds(), definition_kinds(), log_kinds()}) {
      for (const Kind& kind : kinds) {
        if (wanted(kind.name)) each(kind);
      }
    }
    if (only_.empty() || wanted("written anew")) written_anew();
    files();
    stream();
  }

  [[nodiscard]] std::size_t kinds() const { return kinds_; }
  [[nodiscard]] std::size_t failed() const { return failed_; }

 private:
  [[nodiscard]] bool wanted(const std::string& name) const {
    return name.find(only_) != std::string::npos;
  }
  // Whatever fails on the way is the failure of this step, and the others go on.
  void judge(const std::string& what, std::size_t kinds,
             const std::function<std::vector<std::string>()>& act) {
    std::vector<std::string> wrong;
    try {
      wrong = act();
    } catch (const std::exception& error) {
      wrong = {error.what()};
    }
    kinds_ += kinds;
    fmt::print("{}  {}\n", wrong.empty() ? "ok    " : "FAILED", what);
    for (const std::string& line : wrong) fmt::print("        {}\n", line);
    if (!wrong.empty()) ++failed_;
    std::fflush(stdout);
  }

  void on_copy(const std::string& what, std::size_t kinds,
               const std::function<std::vector<std::string>(const std::string& copy)>& act) {
    const std::string copy = "copy_" + std::to_string(++copies_);
    specimen_.copy_to(copy);
    judge(what, kinds, [&] { return act(copy); });
    specimen_.drop(copy);
  }

  void untouched() {
    for (const bool outside : {false, true}) {
      judge(outside ? "nothing, against a checkpoint from outside" : "nothing at all", 0,
            [&] { return compare({}, audit(specimen_, Specimen::kName, {.outside = outside})); });
    }
  }

  void each(const Kind& kind) {
    on_copy(kind.name, 1, [&](const std::string& copy) {
      if (kind.strict_times) specimen_.age();
      const auto sought = apply(specimen_, copy, kind);
      return compare(sought, audit(specimen_, copy, {kind.outside, kind.strict_times}));
    });
  }

  void together(const std::string& what, std::vector<Kind> kinds) {
    std::erase_if(kinds, [this](const Kind& kind) { return !wanted(kind.name); });
    if (kinds.empty()) return;
    if (alone_) {
      for (const Kind& kind : kinds) each(kind);
      return;
    }
    on_copy(fmt::format("{}: {} kinds", what, kinds.size()), kinds.size(),
            [&](const std::string& copy) {
              const auto sought = applied(copy, kinds);
              return compare(sought, audit(specimen_, copy));
            });
  }

  std::vector<Sought> applied(const std::string& copy, const std::vector<Kind>& kinds) const {
    std::vector<Sought> all;
    for (const Kind& kind : kinds) {
      try {
        const auto sought = apply(specimen_, copy, kind);
        all.insert(all.end(), sought.begin(), sought.end());
      } catch (const std::exception& error) {
        throw std::runtime_error(kind.name + ": " + error.what());
      }
    }
    return all;
  }

  void columns() {
    const ColumnEdits edits = column_edits(specimen_, {"account", "event", "package", "payment"});
    together("columns", edits.kinds);
    judge("columns that nothing covers are listed", 0, [&] {
      const Audited audited = audit(specimen_, Specimen::kName);
      std::vector<std::string> wrong;
      for (const auto& [source, column] : edits.not_covered) {
        const auto listed = audited.not_covered.find(source);
        if (listed == audited.not_covered.end() || !listed->second.contains(column)) {
          wrong.push_back(source + "." + column + " is not listed as not covered");
        }
      }
      return wrong;
    });
  }

  // The operator makes the whole ledger anew, of other rows, with the key that he has.
  void written_anew() {
    const std::string anew = "written_anew";
    specimen_.write_anew(anew,
                         "ALTER TABLE payment DISABLE TRIGGER USER;"
                         "UPDATE payment SET amount = amount + 1000 WHERE id = 42;"
                         "ALTER TABLE payment ENABLE TRIGGER USER");
    judge("the whole ledger written anew: consistent with itself", 1,
          [&] { return compare({}, audit(specimen_, anew)); });
    judge("the whole ledger written anew, and somebody remembers", 1, [&] {
      return compare({{anew, many("log", "*"), {}}}, audit(specimen_, anew, {.outside = true}));
    });
  }

  void files() {
    auto kinds = file_kinds();
    std::erase_if(kinds, [this](const FileKind& kind) { return !wanted(kind.name); });
    if (kinds.empty()) return;
    std::vector<FileEdit> edits;
    std::vector<std::vector<Sought>> sought;
    for (std::size_t n = 0; n < kinds.size(); ++n) {
      const std::string copy = file_copy(n);
      specimen_.copy_to(copy);
      const auto ids = ids_of(specimen_, copy, kinds[n].entries);
      sought.push_back(sought_of(kinds[n].name, kinds[n].expected, ids));
      edits.push_back(locate(specimen_, copy, kinds[n], ids));
    }
    specimen_.stop();
    for (const FileEdit& edit : edits) carry_out(specimen_, edit);
    specimen_.start();
    for (std::size_t n = 0; n < kinds.size(); ++n) {
      judge(kinds[n].name, 1, [&] { return compare(sought[n], audit(specimen_, file_copy(n))); });
      specimen_.drop(file_copy(n));
    }
  }
  static std::string file_copy(std::size_t n) { return "file_" + std::to_string(n); }

  // Last, because it is done to the specimen itself: a copy has no replication slot.
  void stream() {
    auto kinds = stream_kinds();
    const auto columns = column_edits(specimen_, {"stock"}).kinds;
    kinds.insert(kinds.end(), columns.begin(), columns.end());
    std::erase_if(kinds, [this](const Kind& kind) { return !wanted(kind.name); });
    std::vector<Sought> sought;
    // The service publishes the whole table again and compares it, so that this goes before the others.
    const std::string narrowed = "a publication that sends a column less";
    if (wanted(narrowed)) {
      judge(narrowed, 1, [&] {
        sought.push_back(narrow_stream(specimen_, narrowed));
        const auto service = specimen_.start_service();
        return compare(sought, audit(specimen_, Specimen::kName, {.streamed = true}));
      });
    }
    if (kinds.empty()) return;
    judge(fmt::format("rows of mode logical: {} kinds", kinds.size()), kinds.size(), [&] {
      for (Sought& each : apply_behind_stream(specimen_, kinds)) sought.push_back(std::move(each));
      // The stream has to come to where the audit reads, or nothing is decided.
      const auto service = specimen_.start_service();
      return compare(sought, audit(specimen_, Specimen::kName, {.streamed = true}));
    });
  }

  bool alone_;
  std::string only_;
  Specimen specimen_;
  std::size_t kinds_ = 0;
  std::size_t failed_ = 0;
  int copies_ = 0;
};

int run(int argc, char** argv) {
  bool alone = false;
  std::string only;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--alone") {
      alone = true;
    } else if (argument == "--only" && i + 1 < argc) {
      only = argv[++i];
    } else {
      throw std::runtime_error("usage: tamper [--alone] [--only TEXT]");
    }
  }
  Suite suite(alone, only);
  suite.run();
  fmt::print("{} kinds of tampering; {} steps went wrong\n", suite.kinds(), suite.failed());
  return suite.failed() == 0 ? 0 : 1;
}

}  // namespace
}  // namespace pgtally::tamper

int main(int argc, char** argv) {
  try {
    return pgtally::tamper::run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "tamper: {}\n", error.what());
    return 2;
  }
}
