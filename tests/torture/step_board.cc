#include "torture/step_board.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <new>
#include <stdexcept>

namespace pgtally::torture {

SharedBoard::SharedBoard(const std::filesystem::path& file) {
  const bool is_new = !std::filesystem::exists(file);
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || ::ftruncate(fd, sizeof(StepBoard)) != 0) {
    throw std::runtime_error("cannot make " + file.string());
  }
  void* memory = ::mmap(nullptr, sizeof(StepBoard), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ::close(fd);
  if (memory == MAP_FAILED) throw std::runtime_error("cannot map " + file.string());
  board_ = is_new ? new (memory) StepBoard : static_cast<StepBoard*>(memory);
}

SharedBoard::~SharedBoard() {
  ::munmap(board_, sizeof(StepBoard));
}

}  // namespace pgtally::torture
