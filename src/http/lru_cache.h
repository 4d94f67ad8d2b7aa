// A cache with a bound on the bytes in it; what was not asked for longest goes first.
//
// For any thread. A value stays alive for whoever holds it when it goes.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

namespace pgtally::http {

struct CacheCounts {
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t evicted = 0;
  std::size_t entries = 0;  // now
  std::size_t bytes = 0;    // now
};

template <typename Key, typename Value, typename KeyHash>
class LruCache {
 public:
  explicit LruCache(std::size_t most_bytes) : most_bytes_(most_bytes) {}

  [[nodiscard]] std::shared_ptr<const Value> find(const Key& key) {
    const std::lock_guard lock(mutex_);
    const auto it = index_.find(key);
    if (it == index_.end()) {
      ++counts_.misses;
      return nullptr;
    }
    ++counts_.hits;
    slots_.splice(slots_.begin(), slots_, it->second);
    return it->second->value;
  }

  // What is larger than the whole cache is not kept. `bytes` is what the value costs in memory.
  void put(const Key& key, std::shared_ptr<const Value> value, std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    if (const auto it = index_.find(key); it != index_.end()) drop(it->second);
    if (bytes > most_bytes_) return;
    while (counts_.bytes + bytes > most_bytes_) {
      drop(std::prev(slots_.end()));
      ++counts_.evicted;
    }
    slots_.push_front({key, std::move(value), bytes});
    index_[key] = slots_.begin();
    counts_.bytes += bytes;
  }

  [[nodiscard]] CacheCounts counts() const {
    const std::lock_guard lock(mutex_);
    CacheCounts counts = counts_;
    counts.entries = index_.size();
    return counts;
  }

 private:
  struct Slot {
    Key key;
    std::shared_ptr<const Value> value;
    std::size_t bytes;
  };
  using Slots = std::list<Slot>;

  void drop(typename Slots::iterator slot) {
    counts_.bytes -= slot->bytes;
    index_.erase(slot->key);
    slots_.erase(slot);
  }

  const std::size_t most_bytes_;
  mutable std::mutex mutex_;
  Slots slots_;  // the one that was asked for last is the first
  std::unordered_map<Key, typename Slots::iterator, KeyHash> index_;
  CacheCounts counts_;
};

}  // namespace pgtally::http
