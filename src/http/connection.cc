#include "http/connection.h"

#include <algorithm>
#include <array>
#include <exception>
#include <limits>

#include "http/loop.h"
#include "service/log.h"

namespace pgtally::http {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kInput = std::size_t{4} << 10;        // what is read at once into an idle one
constexpr std::size_t kBatchSize = std::size_t{256} << 10;  // then it is written
constexpr std::size_t kBatchParts = 32;                     // likewise
constexpr std::size_t kCopied = 2048;                       // bodies up to here go with the head
constexpr std::size_t kKeptText = std::size_t{8} << 10;     // an empty batch keeps no more
constexpr std::size_t kCompressOnLoop = std::size_t{64} << 10;  // costs about a millisecond
constexpr milliseconds kLingerTime{1'000};

const SharedEvent& heartbeat() {
  static const SharedEvent event = std::make_shared<const EncodedEvent>(EncodedEvent{"", ":\n\n"});
  return event;
}

}  // namespace

// The right to answer one request. The last copy answers by itself if nobody has.
class Connection::Ticket {
 public:
  Ticket(std::shared_ptr<Connection> connection, std::uint64_t number, RequestFacts facts)
      : connection_(std::move(connection)), number_(number), facts_(std::move(facts)) {}
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;
  ~Ticket() {
    if (!answered_) answer(problem(500, reason_phrase(500), "The request was not answered."));
  }

  void answer(Response response) {
    if (answered_.exchange(true)) return;
    Loop& loop = connection_->loop();
    if (loop.is_this_thread()) {
      connection_->on_answer(number_, make_outgoing(std::move(response), facts_, kCompressOnLoop));
      return;
    }
    constexpr auto kAnySize = std::numeric_limits<std::size_t>::max();
    loop.post([connection = connection_, number = number_,
               outgoing = make_outgoing(std::move(response), facts_, kAnySize)]() mutable {
      connection->on_answer(number, std::move(outgoing));
    });
  }

 private:
  const std::shared_ptr<Connection> connection_;
  const std::uint64_t number_;
  const RequestFacts facts_;
  std::atomic<bool> answered_ = false;
};

Connection::Connection(std::shared_ptr<Loop> loop, std::string peer)
    : loop_(std::move(loop)),
      peer_(std::move(peer)),
      ends_(Clock::now() + loop_->limits().connection),
      parser_(std::make_unique<RequestParser>(loop_->limits())) {}

Connection::~Connection() = default;

void Connection::start() {
  enter(Phase::kHandshake, loop_->limits().tls_handshake);
  handshake();
}

void Connection::on_handshake(bool ok) {
  if (phase_ == Phase::kClosed) return;
  if (!ok) return close();
  go_on();
}

void Connection::on_read(std::size_t size) {
  reading_ = false;
  if (phase_ == Phase::kClosed) return;
  // A client has nothing to say on an event stream, except that it goes away.
  if (size == 0 || phase_ == Phase::kEvents) return close();
  if (phase_ == Phase::kLinger) return read_more();
  input_end_ += size;
  // An answer to what came too late may be on its way out.
  if (!writing_) go_on();
}

void Connection::on_written(bool ok) {
  writing_ = false;
  if (phase_ == Phase::kClosed) return;
  if (!ok) return close();
  if (phase_ == Phase::kEvents) {
    backlog_.erase(backlog_.begin(), backlog_.begin() + static_cast<long>(events_written_));
    write_events();
  } else {
    batch_.clear();
    go_on();
  }
}

// What there is to do until something has to be waited for. Not during a write.
void Connection::go_on() {
  for (;;) {
    const Next next = take_requests();
    if (!flush()) return;  // on_written goes on
    switch (next) {
      case Next::kFlush:
        break;
      case Next::kRead:
        return wait_for_bytes();
      case Next::kAwaitAnswer:
        return;
      case Next::kFinish:
        return finish();
      case Next::kEvents:
        return begin_events();
    }
  }
}

Connection::Next Connection::take_requests() {
  for (;;) {
    if (late_) {
      append(std::move(*late_));
      late_.reset();
    }
    if (phase_ == Phase::kAnswer) return Next::kAwaitAnswer;
    if (last_) return feed_ ? Next::kEvents : Next::kFinish;
    if (batch_.size >= kBatchSize || batch_.parts.size() >= kBatchParts) return Next::kFlush;

    const std::string_view input(input_);
    input_begin_ += parser_->take(input.substr(input_begin_, input_end_ - input_begin_));
    switch (parser_->state()) {
      case RequestParser::State::kComplete:
        hand_over();
        break;
      case RequestParser::State::kBad:
        count(loop_->counts.malformed);
        append(refusal(parser_->bad_status(), parser_->bad_reason()));
        break;
      default:
        if (parser_->take_expectation() && input_begin_ == input_end_) {
          batch_.text += "HTTP/1.1 100 Continue\r\n\r\n";
        }
        return Next::kRead;
    }
  }
}

void Connection::hand_over() {
  count(loop_->counts.requests);
  ++requests_;
  enter(Phase::kAnswer, loop_->limits().answer);
  Request request = parser_->take_request();
  request.peer = peer_;
  RequestFacts facts = facts_of(request);
  facts.is_head = parser_->is_head();
  facts.is_http_1_0 = parser_->is_http_1_0();
  facts.keep_alive = parser_->keep_alive() && !draining_ && phase_began_ < ends_ &&
                     requests_ < loop_->limits().requests_per_connection;
  last_event_id_ = request.header("last-event-id");

  const auto ticket = std::make_shared<Ticket>(shared_from_this(), requests_, std::move(facts));
  handling_ = true;
  try {
    loop_->handler().handle(std::move(request),
                            [ticket](Response response) { ticket->answer(std::move(response)); });
  } catch (const std::exception& error) {
    log(LogLevel::kError, "a request could not be handled", {{"reason", error.what()}});
    ticket->answer(problem(500, reason_phrase(500), "The server met an error of its own."));
  }
  handling_ = false;
}

void Connection::on_answer(std::uint64_t number, Outgoing outgoing) {
  if (phase_ != Phase::kAnswer || number != requests_) return;  // it came too late
  phase_ = Phase::kIdle;
  if (outgoing.events) {
    auto& streams = loop_->counts.event_streams;
    if (streams.load(std::memory_order_relaxed) < loop_->limits().event_streams) {
      has_event_slot_ = true;
      count(streams);
    } else {
      outgoing = make_outgoing(busy("there are too many event streams"), {}, 0);
    }
  }
  append_when_written(std::move(outgoing));
}

void Connection::append_when_written(Outgoing outgoing) {
  if (writing_) {
    late_ = std::move(outgoing);
    return;
  }
  append(std::move(outgoing));
  if (!handling_) go_on();
}

void Connection::append(Outgoing outgoing) {
  const std::size_t body = outgoing.body ? outgoing.body->size() : 0;
  count(loop_->counts.bytes_sent, outgoing.head.size() + body);
  batch_.size += outgoing.head.size() + body;
  batch_.text += outgoing.head;
  if (body > kCopied) {
    batch_.parts.push_back({batch_.text.size(), std::move(outgoing.body)});
  } else if (body > 0) {
    batch_.text += *outgoing.body;
  }
  last_ = !outgoing.keep_alive;
  feed_ = std::move(outgoing.events);
}

Outgoing Connection::refusal(unsigned status, std::string_view reason) const {
  RequestFacts facts;
  facts.is_head = parser_->is_head();
  return make_outgoing(problem(status, reason_phrase(status), reason), facts, 0);
}

// True if all is written, or there was nothing to write.
bool Connection::flush() {
  if (batch_.text.empty()) return true;
  std::array<std::string_view, 2 * kBatchParts + 1> parts;
  std::size_t used = 0;
  std::size_t begin = 0;
  const std::string_view text = batch_.text;
  for (const auto& part : batch_.parts) {
    if (part.text_end > begin) parts[used++] = text.substr(begin, part.text_end - begin);
    parts[used++] = *part.body;
    begin = part.text_end;
  }
  if (begin < text.size()) parts[used++] = text.substr(begin);
  if (write_parts({parts.data(), used}) == Write::kLater) return false;
  batch_.clear();
  return true;
}

Connection::Write Connection::write_parts(std::span<const std::string_view> parts) {
  const Write result = write(parts);
  if (result == Write::kLater) {
    writing_ = true;
    write_deadline_ = Clock::now() + loop_->limits().write;
  }
  return result;
}

void Connection::Batch::clear() {
  text.clear();
  if (text.capacity() > kKeptText) text.shrink_to_fit();
  parts.clear();
  size = 0;
}

void Connection::wait_for_bytes() {
  const auto& limits = loop_->limits();
  const bool has_some = input_begin_ < input_end_;
  if (parser_->state() == RequestParser::State::kBody) {
    if (phase_ != Phase::kBody) enter(Phase::kBody, limits.body_time);
  } else if (parser_->state() == RequestParser::State::kHeader || has_some) {
    if (phase_ != Phase::kHeader) enter(Phase::kHeader, limits.header_time);
  } else {
    if (draining_ || Clock::now() >= ends_) return finish();
    // Whoever connects has something to ask.
    enter(Phase::kIdle, requests_ == 0 ? limits.header_time : limits.idle);
  }
  read_more();
}

void Connection::read_more() {
  if (reading_) return;
  if (phase_ == Phase::kLinger || input_begin_ == input_end_) input_begin_ = input_end_ = 0;
  const std::size_t most = loop_->limits().header;
  if (input_end_ == 0 && input_.size() > kInput && phase_ != Phase::kBody) {
    input_.resize(kInput);
    input_.shrink_to_fit();
  }
  if (input_begin_ > 0 && input_end_ == input_.size()) {
    input_.erase(0, input_begin_);
    input_end_ -= input_begin_;
    input_begin_ = 0;
  }
  if (input_end_ == input_.size() || phase_ == Phase::kBody) {
    input_.resize(phase_ == Phase::kBody
                      ? most
                      : std::clamp(2 * input_.size(), std::min(kInput, most), most));
  }
  reading_ = true;
  read_some({input_.data() + input_end_, input_.size() - input_end_});
}

// What the client still sends is read and dropped for a moment: a socket that is closed with bytes
// unread takes the answer back that is on its way.
void Connection::finish() {
  enter(Phase::kLinger, kLingerTime);
  end_output();
}

void Connection::on_output_ended(bool ok) {
  if (phase_ == Phase::kClosed) return;
  if (!ok) return close();
  read_more();
}

void Connection::begin_events() {
  enter(Phase::kEvents, loop_->limits().connection);
  next_heartbeat_ = phase_began_ + loop_->limits().event_heartbeat;
  // There may be thousands of these, and each waits for days.
  parser_.reset();
  batch_ = Batch();
  input_ = std::string();
  input_begin_ = input_end_ = 0;

  const auto newest = loop_->subscribe(std::exchange(feed_, nullptr), shared_from_this());
  if (newest && newest->id != last_event_id_) backlog_.push_back(newest);
  last_event_id_ = std::string();
  reading_ = true;
  read_some({&event_input_, 1});
  write_events();
}

void Connection::send_event(const SharedEvent& event) {
  if (phase_ != Phase::kEvents) return;
  if (backlog_.size() >= loop_->limits().event_backlog) return close();
  backlog_.push_back(event);
  if (!writing_) write_events();
}

void Connection::write_events() {
  while (!backlog_.empty()) {
    std::array<std::string_view, kBatchParts> parts;
    events_written_ = std::min(backlog_.size(), parts.size());
    std::transform(backlog_.begin(), backlog_.begin() + static_cast<long>(events_written_),
                   parts.begin(),
                   [](const SharedEvent& event) { return std::string_view(event->text); });
    for (std::size_t i = 0; i < events_written_; ++i) {
      count(loop_->counts.bytes_sent, parts[i].size());
    }
    if (write_parts({parts.data(), events_written_}) == Write::kLater) return;
    backlog_.erase(backlog_.begin(), backlog_.begin() + static_cast<long>(events_written_));
  }
}

void Connection::tick(Clock::time_point now) {
  if (phase_ == Phase::kEvents) {
    if (now >= ends_) return close();
    if (now >= next_heartbeat_) {
      next_heartbeat_ = now + loop_->limits().event_heartbeat;
      if (backlog_.empty()) send_event(heartbeat());
    }
  }
  if (writing_ && now >= write_deadline_) {
    count(loop_->counts.timed_out);
    return close();
  }
  if (now < deadline_) return;
  switch (phase_) {
    case Phase::kHeader:
    case Phase::kBody:
      count(loop_->counts.timed_out);
      phase_ = Phase::kIdle;
      append_when_written(refusal(408, "the request took too long to arrive"));
      break;
    case Phase::kAnswer:
      count(loop_->counts.timed_out);
      phase_ = Phase::kIdle;  // so that what comes later is not taken
      append_when_written(refusal(503, "the answer took too long"));
      break;
    case Phase::kIdle:
      if (!writing_) close();
      break;
    case Phase::kHandshake:
      count(loop_->counts.timed_out);
      close();
      break;
    case Phase::kLinger:
      close();
      break;
    case Phase::kEvents:
    case Phase::kClosed:
      break;
  }
}

void Connection::drain() {
  draining_ = true;
  const bool is_idle = phase_ == Phase::kIdle && !writing_ && !late_;
  if (is_idle || phase_ == Phase::kEvents || phase_ == Phase::kHandshake) close();
}

void Connection::close() {
  if (phase_ == Phase::kClosed) return;
  phase_ = Phase::kClosed;
  if (has_event_slot_) count(loop_->counts.event_streams, static_cast<std::uint64_t>(-1));
  const auto self = shared_from_this();
  close_transport();
  loop_->forget(*this);
}

std::optional<Clock::time_point> Connection::waiting_since() const {
  const bool waits =
      phase_ == Phase::kHandshake || phase_ == Phase::kIdle || phase_ == Phase::kHeader;
  if (!waits || writing_) return std::nullopt;
  return phase_began_;
}

void Connection::enter(Phase phase, milliseconds time) {
  phase_ = phase;
  phase_began_ = Clock::now();
  deadline_ = phase_began_ + time;
}

}  // namespace pgtally::http
