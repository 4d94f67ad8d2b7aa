// The listeners of one feed on one loop: an event wakes the loop once, however many they are.
#pragma once

#include <memory>
#include <vector>

#include "http/event_feed.h"

namespace pgtally::http {

class Connection;
class Loop;

class EventHub : public EventListener, public std::enable_shared_from_this<EventHub> {
 public:
  // The loop owns the hub, but who publishes may hold it for a moment longer.
  EventHub(std::weak_ptr<Loop> loop, std::shared_ptr<EventFeed> feed);

  void on_event(const SharedEvent& event) override;  // any thread

  // On the loop's thread. Begins with the first; the answer is the newest event.
  SharedEvent add(std::weak_ptr<Connection> listener);
  // Drops those that are gone; true if none is left.
  [[nodiscard]] bool is_abandoned();

 private:
  void send(const SharedEvent& event);

  const std::weak_ptr<Loop> loop_;
  const std::shared_ptr<EventFeed> feed_;
  bool is_listening_ = false;
  SharedEvent newest_;
  std::vector<std::weak_ptr<Connection>> listeners_;
};

}  // namespace pgtally::http
