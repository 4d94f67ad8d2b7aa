// Writing over HTTP: POST /api/v1/entries and POST /add.
//
// Rows that come at the same time are appended in one transaction, so that many clients share one
// flush of the server's log. An idle loop beside the server takes them at once. Whoever waits is
// answered when a signed checkpoint covers his entry.
//
// - Without a valid token that allows it nothing is written: 401, 403.
// - While more rows wait to be sequenced than kMostWaiting, nobody may add to them: 429.
// - What cannot be queued, or cannot be written because the database is away, is 503, with Retry-After
//   as 429 has. A commit whose outcome is not known is 503 too, and says so.
#pragma once

#include <chrono>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "http/log_head.h"
#include "http/message.h"
#include "ledger/ledger.h"
#include "ledger/token.h"

namespace pgtally::http {

struct LogContext;

class LogAppender {
 public:
  static constexpr std::size_t kMostQueued = 10'000;  // requests
  static constexpr std::size_t kMostQueuedBytes = std::size_t{64} << 20;
  static constexpr std::size_t kMostTogether = 500;        // rows in one transaction
  static constexpr std::size_t kMostFollowed = 10'000;     // requests that wait to be covered
  static constexpr std::uint64_t kMostWaiting = 200'000;   // rows before 429
  static constexpr std::chrono::seconds kLongestWait{15};  // for a checkpoint

  explicit LogAppender(LogContext& context) : context_(context) {}

  // /add: the id as text, once it is covered. Else JSON; with `wait` 201 and the proof.
  enum class Form { kEntries, kAdd };
  // On the loop.
  void take(Form form, Request request, const Parameters& parameters, Answer answer);

  // A head was revealed, or time has passed: answers those whose entries it covers, and those who
  // have waited too long. Any thread.
  void look();

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Append {
    Form form;
    bool wait = false;
    bool json = true;  // the form of a proof
    std::string token;
    std::string source;
    std::string data;
    Answer answer;
    std::int64_t staged_id = 0;
    bool may_see_salt = false;
    Time since;
  };

  void write_some(std::size_t worker);
  // Those that may be written; the others are answered.
  [[nodiscard]] std::vector<Append> allowed(const Ledger& ledger, std::vector<Append> appends);
  void write(const Ledger& ledger, std::vector<Append> appends);
  void follow(Append append);
  void answer_covered(std::size_t worker);
  void answer_one(const Ledger& ledger, const LogHead& head, const Append& append, LeafIndex id);

  LogContext& context_;
  std::mutex mutex_;  // guards what is below
  std::deque<Append> queue_;
  std::size_t queued_bytes_ = 0;
  std::size_t writers_ = 0;  // workers that are at it, or will be
  std::vector<Append> followed_;
  bool answering_ = false;
};

}  // namespace pgtally::http
