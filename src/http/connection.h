// One connection: reads requests, hands them to the handler one after the other, writes the answers.
// What carries the bytes, TCP or TLS, is the business of what is derived from it (transport.h).
//
// Invariants
//   - everything here happens on the loop's thread, except Ticket::answer, which posts to it;
//   - at any time at most one read, and at most one write, is under way;
//   - the handler has at most one request of a connection, so answers cannot overtake each other;
//   - something with a deadline is always being waited for; expire() closes what is late.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "http/event_feed.h"
#include "http/limits.h"
#include "http/message.h"
#include "http/outgoing.h"
#include "http/request_parser.h"

namespace pgtally::http {

class Loop;
using Clock = std::chrono::steady_clock;

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<Loop> loop, std::string peer);
  virtual ~Connection();

  void start();
  // Closes what has not kept its time, and keeps event streams alive. Called several times a second.
  void tick(Clock::time_point now);
  // The server stops: ends when the request that is under way is answered.
  void drain();
  void close();

  // The next part of the events that it listens to.
  void send_event(const SharedEvent& event);

  // Since when it has waited for a request to be there whole; nothing if it does not.
  [[nodiscard]] std::optional<Clock::time_point> waiting_since() const;
  [[nodiscard]] bool is_event_stream() const { return phase_ == Phase::kEvents; }

 protected:
  // What the transport does. Each ends in the call behind the arrow, later and on the loop, with
  // nothing or false if the connection is broken or at its end. A handshake may be nothing at all.
  virtual void handshake() = 0;                                      // → on_handshake
  virtual void read_some(std::span<char> space) = 0;                 // → on_read
  enum class Write { kDone, kLater };                                // kLater → on_written
  virtual Write write(std::span<const std::string_view> parts) = 0;  // they stay where they are
  virtual void end_output() = 0;                                     // → on_output_ended
  virtual void close_transport() = 0;

  void on_handshake(bool ok);
  void on_read(std::size_t size);
  void on_written(bool ok);
  void on_output_ended(bool ok);
  [[nodiscard]] Loop& loop() { return *loop_; }

 private:
  class Ticket;
  enum class Phase { kHandshake, kIdle, kHeader, kBody, kAnswer, kEvents, kLinger, kClosed };
  enum class Next { kRead, kAwaitAnswer, kFlush, kFinish, kEvents };

  void go_on();
  Next take_requests();
  void hand_over();
  [[nodiscard]] Outgoing refusal(unsigned status, std::string_view reason) const;
  void on_answer(std::uint64_t number, Outgoing outgoing);
  void append(Outgoing outgoing);
  void append_when_written(Outgoing outgoing);
  [[nodiscard]] bool flush();
  void wait_for_bytes();
  void finish();
  void begin_events();
  void write_events();
  void enter(Phase phase, std::chrono::milliseconds time);
  void read_more();
  [[nodiscard]] Write write_parts(std::span<const std::string_view> parts);

  // Answers that go out with one write. Bodies are not copied, unless they are small.
  struct Batch {
    struct Part {
      std::size_t text_end;  // how much of `text` stands before the body
      std::shared_ptr<const std::string> body;
    };
    std::string text;
    std::vector<Part> parts;
    std::size_t size = 0;
    void clear();
  };

  const std::shared_ptr<Loop> loop_;  // first, so that it outlives the sockets of what is derived
  const std::string peer_;
  const Clock::time_point ends_;  // in order, between two requests
  Phase phase_ = Phase::kHandshake;
  Clock::time_point deadline_;
  Clock::time_point phase_began_;

  std::unique_ptr<RequestParser> parser_;
  std::string input_;  // what stands at [input_begin_, input_end_) has arrived and was not taken
  std::size_t input_begin_ = 0;
  std::size_t input_end_ = 0;

  std::uint64_t requests_ = 0;  // their number is what a late answer is recognised by
  bool handling_ = false;       // inside Handler::handle
  bool draining_ = false;
  bool last_ = false;  // the connection ends after what is in the batch
  bool reading_ = false;
  bool writing_ = false;
  Clock::time_point write_deadline_;
  Batch batch_;
  std::optional<Outgoing> late_;  // an answer that came during a write

  std::shared_ptr<EventFeed> feed_;
  bool has_event_slot_ = false;
  std::string last_event_id_;
  std::vector<SharedEvent> backlog_;  // the first `events_written_` of them are being written
  std::size_t events_written_ = 0;
  Clock::time_point next_heartbeat_;
  char event_input_ = 0;
};

}  // namespace pgtally::http
