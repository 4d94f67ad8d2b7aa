#include "http/event_hub.h"

#include "http/loop.h"

namespace pgtally::http {

EventHub::EventHub(std::weak_ptr<Loop> loop, std::shared_ptr<EventFeed> feed)
    : loop_(std::move(loop)), feed_(std::move(feed)) {}

void EventHub::on_event(const SharedEvent& event) {
  const auto loop = loop_.lock();
  if (!loop) return;
  loop->post([self = shared_from_this(), event] { self->send(event); });
}

SharedEvent EventHub::add(std::weak_ptr<Connection> listener) {
  listeners_.push_back(std::move(listener));
  if (!is_listening_) {
    is_listening_ = true;
    newest_ = feed_->listen(weak_from_this());
  }
  return newest_;
}

bool EventHub::is_abandoned() {
  std::erase_if(listeners_, [](const auto& weak) {
    const auto listener = weak.lock();
    return !listener || !listener->is_event_stream();
  });
  return listeners_.empty();
}

void EventHub::send(const SharedEvent& event) {
  newest_ = event;
  for (const auto& weak : listeners_) {
    if (const auto listener = weak.lock()) listener->send_event(event);
  }
}

}  // namespace pgtally::http
