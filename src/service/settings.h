// The settings of the service: pgtally.toml, and what the command line puts over it.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "ledger/sweeper.h"
#include "pgtally/result.h"
#include "service/log.h"
#include "service/source_settings.h"

namespace pgtally {

struct ServiceSettings {
  std::chrono::milliseconds interval{1000};           // how long an idle service sleeps at most
  std::chrono::milliseconds checkpoint_interval{50};  // checkpoints are no closer together
  SweepSchedule sweeps;
  std::int32_t batch_rows = 40'000;
  bool prune = false;  // drop rows of staging that a checkpoint covers
  LogFormat log_format = LogFormat::kText;
};

// What a configuration file says; nothing where it says nothing.
struct ConfigFile {
  std::optional<std::string> database;
  std::optional<std::string> embedded;
  std::optional<std::string> schema;
  std::optional<std::string> state;
  ServiceSettings service;
  std::vector<SourceTable> sources;  // for `pgtally apply`
};

// Refuses unknown names, so that a misspelt one is not passed over; says in which line.
[[nodiscard]] Result<ConfigFile> read_config(const std::string& path);

// "1s", "250ms", "5m", "2h": a positive whole number and a unit.
[[nodiscard]] Result<std::chrono::milliseconds> parse_duration(const std::string& text);

}  // namespace pgtally
