// What one thread produces while another works on what came before: blocks, in order, and no more of
// them waiting than was allowed.
//
//   ReadAhead<Block> ahead(2, [&](Block& block) -> Result<bool> { …fill it; false: there is no more… });
//   while (true) {
//     TRY(const bool more, ahead.next(block));
//     if (!more) break;
//     …work on it…
//   }
//
// Blocks are handed to and fro and used again, so what they have allocated is allocated once. What
// `produce` uses belongs to its thread until next() has returned false or an error, or the object is
// gone; destroying it earlier waits for the block that is being made, and makes no further one.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "pgtally/result.h"

namespace pgtally {

template <typename Block>
class ReadAhead {
 public:
  // Gets an old block to fill anew. False, or an error, and it is not called again.
  using Produce = std::function<Result<bool>(Block&)>;

  // `most`: how many blocks may wait, at least 1. Two more are in the hands of the threads.
  ReadAhead(std::size_t most, Produce produce)
      : most_(most), produce_(std::move(produce)), thread_([this] { run(); }) {}
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;
  ~ReadAhead() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    room_.notify_one();
    thread_.join();
  }

  // The next block, in exchange for one that is not needed any more. False after the last one.
  [[nodiscard]] Result<bool> next(Block& block) {
    std::unique_lock lock(mutex_);
    filled_.wait(lock, [&] { return !ready_.empty() || ended_; });
    if (ready_.empty()) {
      if (error_) return *error_;
      return false;
    }
    std::swap(block, ready_.front());
    spare_.push_back(std::move(ready_.front()));
    ready_.pop_front();
    room_.notify_one();
    return true;
  }

 private:
  void run() {
    while (true) {
      Block block;
      {
        std::unique_lock lock(mutex_);
        room_.wait(lock, [&] { return ready_.size() < most_ || stopping_; });
        if (stopping_) return;
        if (!spare_.empty()) {
          block = std::move(spare_.back());
          spare_.pop_back();
        }
      }
      auto more = produce_(block);
      {
        const std::lock_guard lock(mutex_);
        if (!more.ok()) error_ = std::move(more).error();
        ended_ = error_ || !*more;
        if (!ended_) ready_.push_back(std::move(block));
      }
      filled_.notify_one();
      if (ended_) return;
    }
  }

  const std::size_t most_;
  Produce produce_;
  std::mutex mutex_;
  std::condition_variable room_;
  std::condition_variable filled_;
  std::deque<Block> ready_;
  std::vector<Block> spare_;
  std::optional<Error> error_;
  bool ended_ = false;  // written by the producer alone
  bool stopping_ = false;
  std::thread thread_;  // the last member: it uses the others
};

}  // namespace pgtally
