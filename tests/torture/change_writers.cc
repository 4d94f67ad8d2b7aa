#include "torture/change_writers.h"

#include <chrono>
#include <stdexcept>

namespace pgtally::torture {
namespace {

constexpr std::chrono::milliseconds kRest{20};
constexpr int kMostTries = 100;

}  // namespace

ChangeWriters::ChangeWriters(const Databases& databases, const std::vector<SourceTable>& tables,
                             int count)
    : databases_(databases), tables_(tables) {
  records_.resize(static_cast<std::size_t>(count));
  errors_.resize(records_.size());
  for (std::size_t w = 0; w < records_.size(); ++w) threads_.emplace_back([this, w] { write(w); });
}

ChangeWriters::~ChangeWriters() {
  join();
}

void ChangeWriters::write(std::size_t number) {
  ChangeWriter writer(databases_, tables_, number, settled_, records_[number]);
  while (!stopping_) {
    const auto changes = writer.transact();
    if (changes.ok()) {
      committed_ += *changes;
    } else {
      std::this_thread::sleep_for(kRest);
    }
  }
  for (int n = 0; n < kMostTries; ++n) {
    const auto done = writer.finish();
    errors_[number] = done.ok() ? "" : done.error().message;
    if (done.ok()) return;
    std::this_thread::sleep_for(kRest);
  }
}

void ChangeWriters::join() {
  stopping_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void ChangeWriters::stop() {
  join();
  for (const std::string& error : errors_) {
    if (!error.empty()) throw std::runtime_error("a writer could not finish: " + error);
  }
}

}  // namespace pgtally::torture
