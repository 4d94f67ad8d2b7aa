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

// Serving over HTTP beside the loop: the table [http].
struct ListenSettings {
  std::optional<std::string> listen;           // ADDRESS:PORT; nothing: nothing is served
  std::optional<std::string> tls_certificate;  // PEM files; both or neither
  std::optional<std::string> tls_key;
  std::int32_t cache_mib = 256;         // memory for tiles, entries and nodes of the tree
  std::int32_t workers = 4;             // sessions for requests that need the database
  std::int32_t max_connections = 4096;  // half of them may be event streams
  std::int32_t max_body_kib = 1024;     // of what is appended
  std::chrono::milliseconds idle_timeout{60'000};  // between two requests of a connection
};

// Having checkpoints cosigned: witnessing.h.
struct WitnessSettings {
  std::optional<std::string> policy;         // a C2SP tlog-policy file; nothing: nobody is asked
  std::chrono::milliseconds timeout{5000};   // of a round; so long a checkpoint waits to be shown
  std::chrono::milliseconds interval{1000};  // between the beginnings of two rounds

  // That a checkpoint has for its witnesses before it is shown without them.
  [[nodiscard]] std::chrono::milliseconds patience() const {
    return policy ? timeout : std::chrono::milliseconds(0);
  }
};

struct ServiceSettings {
  std::chrono::milliseconds interval{1000};           // how long an idle service sleeps at most
  std::chrono::milliseconds checkpoint_interval{50};  // checkpoints are no closer together
  SweepSchedule sweeps;
  std::int32_t batch_rows = 40'000;
  bool prune = false;  // drop rows of staging that a checkpoint covers
  LogFormat log_format = LogFormat::kText;
  ListenSettings serve;
  std::optional<std::string> publish_directory;  // [publish] directory
  WitnessSettings witness;
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
