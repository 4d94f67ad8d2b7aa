// Certificate and key of the server, as files that can be read again while it runs.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <mutex>
#include <string>

#include "pgtally/result.h"

namespace pgtally::http {

// TLS 1.2 with forward secrecy and authenticated encryption, or TLS 1.3; no renegotiation. ALPN offers
// http/1.1 alone.
class TlsContext {
 public:
  // kOperator if a file is missing or cannot be used, or if they do not belong together.
  [[nodiscard]] static Result<std::shared_ptr<TlsContext>> load(std::string certificate_file,
                                                                std::string key_file);
  // From now on get() gives the new files' content; after an error still the old. Any thread.
  [[nodiscard]] Result<void> reload();
  [[nodiscard]] std::shared_ptr<boost::asio::ssl::context> get() const;

 private:
  TlsContext(std::string certificate_file, std::string key_file);

  const std::string certificate_file_;
  const std::string key_file_;
  mutable std::mutex mutex_;
  std::shared_ptr<boost::asio::ssl::context> context_;
};

}  // namespace pgtally::http
