// A log by the place where it is published.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "client/log_reader.h"
#include "pgtally/result.h"

namespace pgtally {

// A directory, or a URL: as `pgtally publish` and `pgtally run --listen` make them. Nothing is read yet.
// `cancelled` is asked while a server is waited for; empty: never.
[[nodiscard]] Result<std::unique_ptr<PublishedLog>> open_published(
    const std::string& place, std::function<bool()> cancelled = {});

}  // namespace pgtally
