// gzip for answers that are worth it.
#pragma once

#include <string>
#include <string_view>

namespace pgtally::http {

// Fast rather than small. The same input always gives the same bytes. Spec: RFC 1952.
[[nodiscard]] std::string gzip(std::string_view text);

// Whether an Accept-Encoding field takes gzip: named or covered by '*', and not with a weight of 0.
// Spec: RFC 9110 section 12.5.3.
[[nodiscard]] bool accepts_gzip(std::string_view accept_encoding);

}  // namespace pgtally::http
