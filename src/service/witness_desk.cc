#include "service/witness_desk.h"

#include <utility>

namespace pgtally {

std::optional<WitnessJob> WitnessDesk::next(TreeSize done, Clock::time_point rested) {
  std::unique_lock lock(mutex_);
  for_askers_.wait_until(lock, rested, [&] { return closed_; });
  for_askers_.wait(lock, [&] { return closed_ || (attended_ && job_ && job_->size > done); });
  if (closed_) return std::nullopt;
  return job_;
}

Result<std::vector<Hash>> WitnessDesk::proof(TreeSize from, TreeSize to) {
  std::unique_lock lock(mutex_);
  const Error gone = retry("the ledger is not at hand to prove anything from");
  if (!attended_ || closed_) return gone;
  Question question{from, to, {}};
  questions_.push_back(&question);
  for_outlet_.notify_one();
  for_askers_.wait(lock, [&] { return question.answer || !attended_ || closed_; });
  if (question.answer) return *std::move(question.answer);
  questions_.remove(&question);
  return gone;
}

void WitnessDesk::say(WitnessWord word) {
  const std::lock_guard lock(mutex_);
  words_.push_back(std::move(word));
  for_outlet_.notify_one();
}

bool WitnessDesk::closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

void WitnessDesk::give(WitnessJob job) {
  const std::lock_guard lock(mutex_);
  job_ = std::move(job);
  attended_ = true;
  for_askers_.notify_all();
}

std::vector<WitnessWord> WitnessDesk::take_words() {
  const std::lock_guard lock(mutex_);
  return std::exchange(words_, {});
}

void WitnessDesk::attend(const WitnessClient::Prove& prove, Clock::time_point until) {
  std::unique_lock lock(mutex_);
  for_outlet_.wait_until(lock, until, [&] { return !questions_.empty() || !words_.empty(); });
  while (!questions_.empty()) {
    Question* const question = questions_.front();
    const auto [from, to] = std::pair(question->from, question->to);
    lock.unlock();
    auto answer = prove(from, to);
    lock.lock();
    if (questions_.remove(question) == 0) continue;  // whoever asked it has gone
    question->answer = std::move(answer);
    for_askers_.notify_all();
  }
}

void WitnessDesk::leave() {
  const std::lock_guard lock(mutex_);
  attended_ = false;
  for_askers_.notify_all();
}

void WitnessDesk::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  for_askers_.notify_all();
  for_outlet_.notify_all();
}

}  // namespace pgtally
