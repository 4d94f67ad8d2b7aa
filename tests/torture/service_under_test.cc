// service_under_test CONNINFO STATE-DIRECTORY BOARD SIGNATURES
//
// The real service, which tells on the board where it is and stays at a step if it is asked to.
// Each signature goes to the end of the file SIGNATURES before anything else can happen to it,
// beside what the guard held in that moment: "<guard's size> <guard's root> <the note, in base64>".
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

#include "base/encoding.h"
#include "format/sign_checkpoint.h"
#include "service/guard.h"
#include "service/runner.h"
#include "service/state_files.h"
#include "torture/ledger_under_test.h"
#include "torture/step_board.h"

namespace pgtally::torture {
namespace {

std::string signatures_file;  // set once, before the service starts
std::string guard_file;

class Teller : public StepObserver {
 public:
  explicit Teller(const SharedBoard& board) : board_(board) {}

  void reached(Step step) override {
    const int place = static_cast<int>(step);
    board_->step = place;
    if (step == Step::kStored) ++board_->stored;
    while (board_->linger_at == place) {
      board_->lingers_at = place;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    board_->lingers_at = StepBoard::kNone;
  }

 private:
  const SharedBoard& board_;
};

void note_signature(const std::string& note) {
  const auto guarded = Guard(guard_file).read();
  std::string line = guarded.ok() ? std::to_string(guarded->size.value) + " " +
                                        to_base64(guarded->root.view()) + " "
                                  : "0 none ";
  line += to_base64(as_bytes(note)) + "\n";
  const int fd = ::open(signatures_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  // In one write, so that it is there whole or not at all.
  if (fd < 0 || ::write(fd, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    std::perror(signatures_file.c_str());
    std::_Exit(3);
  }
  ::close(fd);
}

int run(char** argv) {
  const SharedBoard board(argv[3]);
  Teller teller(board);
  signatures_file = argv[4];
  guard_file = StateFiles::of(argv[2], kOrigin).guard;
  RunnerOptions options = runner_options(argv[1], argv[2]);
  options.settings.interval = std::chrono::milliseconds(20);
  options.settings.checkpoint_interval = std::chrono::milliseconds(1);
  options.settings.batch_rows = 50;
  options.observer = &teller;
  start_log(LogFormat::kText);
  const auto stop = StopSignal::install();
  if (!stop.ok()) return 1;
  const auto result = run_loop(options, *stop);
  if (!result.ok()) log(LogLevel::kError, "ended", result.error());
  return result.ok() ? 0 : 1;
}

}  // namespace

// The linker puts the second in the place of sign_checkpoint() (--wrap, see CMakeLists.txt,
// which also knows the symbol).
Result<std::string> really_sign(const SigningKey& key, TreeSize size,
                                const Hash& root) __asm__("__real_" SIGN_CHECKPOINT);
Result<std::string> sign_and_tell(const SigningKey& key, TreeSize size,
                                  const Hash& root) __asm__("__wrap_" SIGN_CHECKPOINT);

Result<std::string> sign_and_tell(const SigningKey& key, TreeSize size, const Hash& root) {
  auto note = really_sign(key, size, root);
  if (note.ok()) note_signature(*note);
  return note;
}

}  // namespace pgtally::torture

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fputs("usage: service_under_test CONNINFO STATE-DIRECTORY BOARD SIGNATURES\n", stderr);
    return 2;
  }
  return pgtally::torture::run(argv);
}
