#include "http/log_watch.h"

#include "ledger/cosignatures.h"
#include "service/log.h"

namespace pgtally::http {
namespace {

constexpr std::chrono::milliseconds kLookEvery{200};

}  // namespace

LogWatch::LogWatch(std::string conninfo, std::string schema, std::chrono::milliseconds patience,
                   Revealed& revealed, OnHead on_head, std::function<void()> on_look)
    : revealed_(revealed),
      patience_(patience),
      on_head_(std::move(on_head)),
      on_look_(std::move(on_look)),
      session_(std::move(conninfo), std::move(schema), 1),
      thread_([this] { run(); }) {}

LogWatch::~LogWatch() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void LogWatch::wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  wake_.notify_all();
}

void LogWatch::run() {
  std::string last_trouble;
  while (true) {
    const Result<void> looked = look();
    if (looked.ok()) {
      if (!last_trouble.empty()) log(LogLevel::kInfo, "serving what is new again");
      last_trouble.clear();
    } else if (looked.error().message != last_trouble) {
      last_trouble = looked.error().message;
      log(LogLevel::kWarning, "serving goes on with what was revealed before", looked.error());
    }
    if (looked.ok()) revealed_.looked();
    on_look_();
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, kLookEvery, [&] { return woken_ || stopping_; });
    woken_ = false;
    if (stopping_) return;
  }
}

Result<void> LogWatch::look() {
  TRY(const Ledger* ledger, session_.of(0));
  TRY(const auto newest, checkpoint_to_show(*ledger, patience_));
  const LogHeadPtr shown = revealed_.head();
  if (!newest) {
    if (!shown) return {};
    return tampered("the database has no checkpoint any more");
  }
  if (shown && newest->size < shown->size) {
    return tampered("the newest checkpoint of the database has size " +
                        std::to_string(newest->size.value) + ", one of size " +
                        std::to_string(shown->size.value) + " was served already",
                    "It was probably restored from a backup.");
  }
  if (shown && newest->size == shown->size) {
    if (newest->root == shown->root) return show_cosignatures(*ledger, *shown);
    return tampered("the checkpoint of size " + std::to_string(newest->size.value) +
                    " has another root than the one that was served");
  }
  TRY(auto head, read_log_head(*ledger, *newest));
  TRY(auto note, cosigned_checkpoint(*ledger, head->size));
  if (note != *head->note) head = with_note(*head, std::move(note));
  revealed_.reveal(head);
  on_head_(head);
  return {};
}

Result<void> LogWatch::show_cosignatures(const Ledger& ledger, const LogHead& shown) {
  TRY(auto note, cosigned_checkpoint(ledger, shown.size));
  if (note != *shown.note) revealed_.reveal(with_note(shown, std::move(note)));
  return {};
}

}  // namespace pgtally::http
