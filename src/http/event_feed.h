// Server-sent events: one feed with any number of listeners, each a connection that stays open.
//
// - A listener gets the newest event at once when it begins, unless its Last-Event-ID says that it has
//   that one; then each event as it is published, in order.
// - It gets a comment line every Limits::event_heartbeat, so that proxies keep the connection, and a
//   peer that went away without a word is noticed.
// - One that reads too slowly, so that more than Limits::event_backlog events wait for it, is
//   disconnected; it comes back by itself and goes on with the newest event.
//
// Spec: the WHATWG HTML standard, section 9.2.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::http {

// One event in the bytes in which it is sent.
struct EncodedEvent {
  std::string id;
  std::string text;
};
using SharedEvent = std::shared_ptr<const EncodedEvent>;

// `name` and `id` hold no line breaks; `data` may have several lines, separated by '\n'.
[[nodiscard]] SharedEvent encode_event(std::string_view name, std::string_view id,
                                       std::string_view data);

// Who hears a feed; the server's part. `on_event` is called from the thread that publishes.
class EventListener {
 public:
  virtual ~EventListener() = default;
  virtual void on_event(const SharedEvent& event) = 0;
};

// For any thread.
class EventFeed {
 public:
  void publish(std::string_view name, std::string_view id, std::string_view data);

  // From now on `listener` hears what is published; the answer is the newest event before that, if
  // there is one. It is forgotten when it is destroyed.
  SharedEvent listen(std::weak_ptr<EventListener> listener);

 private:
  std::mutex mutex_;
  SharedEvent newest_;
  std::vector<std::weak_ptr<EventListener>> listeners_;
};

}  // namespace pgtally::http
