// Finds the endpoint of a request and sees to it that it is answered.
#pragma once

#include "http/log_context.h"
#include "http/message.h"

namespace pgtally::http {

class LogRoutes final : public Handler {
 public:
  explicit LogRoutes(LogContext& context) : context_(context) {}

  void handle(Request request, Answer answer) override;

 private:
  LogContext& context_;
};

// What can be asked for, as OpenAPI writes it: "/api/v1/entries/{id}", and by which method.
struct RouteName {
  std::string_view path;
  std::string_view method;
};
[[nodiscard]] std::vector<RouteName> route_names();

}  // namespace pgtally::http
