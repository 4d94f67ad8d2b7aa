// Threads for work that blocks, such as questions to PostgreSQL, with a queue that cannot grow beyond
// its limit.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace pgtally::http {

class Workers {
 public:
  // `worker` counts from 0 to the number of threads less one, and is always the same on one thread:
  // each can have a session of its own by it.
  using Work = std::function<void(std::size_t worker)>;

  Workers(std::size_t threads, std::size_t queue_limit);
  // Work that has begun is finished, what waits is dropped: its Answer becomes a 500.
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // False if the queue is full, and nothing was taken: see busy(). Any thread.
  [[nodiscard]] bool post(Work work);

  [[nodiscard]] std::size_t waiting() const;  // any thread

 private:
  void run(std::size_t worker);

  const std::size_t queue_limit_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Work> queue_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace pgtally::http
