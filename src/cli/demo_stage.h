// Where `pgtally demo` plays: a directory and a private PostgreSQL that are gone at the end, and
// the program's own commands, run there as one would type them.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/context.h"
#include "pgtally/result.h"
#include "postgres/private_cluster.h"
#include "service/runner.h"
#include "service/stop_signal.h"

namespace pgtally::cli {

class DemoStage {
 public:
  // Points PGTALLY_DATABASE and PGTALLY_STATE of this process there, so it has to be called before
  // there are threads. `context` outlives the stage.
  [[nodiscard]] static Result<DemoStage> build(Context& context);

  void say(const std::string& heading, const std::string& text = {}) const;
  void tell(const std::string& text) const { context_->output().line(text); }

  // Shows and runs a command; an error if it ends otherwise than expected.
  [[nodiscard]] Result<void> pgtally(std::vector<std::string> arguments,
                                     Exit expected = Exit::kOk) const;
  // An error once the user has asked to stop.
  [[nodiscard]] Result<void> go_on() const;

  [[nodiscard]] const std::string& conninfo() const { return options_.conninfo; }
  [[nodiscard]] const RunnerOptions& options() const { return options_; }

 private:
  class TemporaryDirectory {
   public:
    [[nodiscard]] static Result<TemporaryDirectory> make();
    TemporaryDirectory(TemporaryDirectory&& other) noexcept;
    TemporaryDirectory& operator=(TemporaryDirectory&&) = delete;
    ~TemporaryDirectory();
    [[nodiscard]] const std::string& path() const { return path_; }

   private:
    explicit TemporaryDirectory(std::string path) : path_(std::move(path)) {}
    std::string path_;
  };

  DemoStage(Context& context, StopSignal stop, TemporaryDirectory directory,
            pg::PrivateCluster cluster);
  [[nodiscard]] Result<int> run(std::vector<std::string>& arguments) const;

  // The server lets go of its files before the directory goes.
  Context* context_;
  StopSignal stop_;
  TemporaryDirectory directory_;
  pg::PrivateCluster cluster_;
  RunnerOptions options_;
};

}  // namespace pgtally::cli
