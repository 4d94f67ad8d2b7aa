#include "http/event_feed.h"

namespace pgtally::http {

SharedEvent encode_event(std::string_view name, std::string_view id, std::string_view data) {
  EncodedEvent event;
  event.id = id;
  event.text.append("event: ").append(name).append("\nid: ").append(id).append("\n");
  for (;;) {
    const auto end = data.find('\n');
    event.text.append("data: ").append(data.substr(0, end)).append("\n");
    if (end == std::string_view::npos) break;
    data.remove_prefix(end + 1);
  }
  event.text.append("\n");
  return std::make_shared<const EncodedEvent>(std::move(event));
}

void EventFeed::publish(std::string_view name, std::string_view id, std::string_view data) {
  const SharedEvent event = encode_event(name, id, data);
  const std::lock_guard lock(mutex_);
  newest_ = event;
  // Under the lock, so that every listener hears events in the order in which they were published.
  std::erase_if(listeners_, [&](const std::weak_ptr<EventListener>& weak) {
    const auto listener = weak.lock();
    if (listener) listener->on_event(event);
    return listener == nullptr;
  });
}

SharedEvent EventFeed::listen(std::weak_ptr<EventListener> listener) {
  const std::lock_guard lock(mutex_);
  // Listeners that went away between two events must not pile up.
  if (listeners_.size() == listeners_.capacity()) {
    std::erase_if(listeners_, [](const auto& weak) { return weak.expired(); });
  }
  listeners_.push_back(std::move(listener));
  return newest_;
}

}  // namespace pgtally::http
