// What is counted while answers are given, and all that /metrics shows.
//
// Spec: the Prometheus text exposition format, version 0.0.4; written by prometheus-cpp-core.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "http/log_head.h"
#include "http/log_tree.h"
#include "http/server.h"
#include "http/status_cache.h"
#include "service/pulse.h"

namespace pgtally::http {

// What the numbers are taken from at the moment they are asked for.
struct MetricSources {
  const LogHead* head = nullptr;           // null: none yet
  const StatusSnapshot* status = nullptr;  // null: never read
  bool database_is_there = false;
  bool sequences = false;  // as /readyz/sequencer says
  PulseState pulse;
  CacheCounts cache;
  ServerCounts server;
  std::size_t waiting = 0;  // requests for a worker
};

class LogMetrics {
 public:
  // `routes` are the names of what can be asked for.
  explicit LogMetrics(const std::vector<std::string>& routes);
  ~LogMetrics();

  // `route` counts from 0 in the order of the names. Any thread.
  void answered(std::size_t route, unsigned status, std::chrono::nanoseconds took);

  [[nodiscard]] std::string text(const MetricSources& sources) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pgtally::http
