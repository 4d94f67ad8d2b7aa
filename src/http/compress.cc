#include "http/compress.h"

#include <zlib.h>

#include <algorithm>
#include <boost/beast/http/rfc7230.hpp>
#include <stdexcept>

namespace pgtally::http {
namespace {

constexpr int kLevel = 1;  // of 9: three quarters of the saving for a quarter of the time
constexpr int kGzipWindow = 15 + 16;  // the largest window; 16 asks for the gzip format
constexpr int kMemory = 8;

// "q=0", "q=0.0" and so on.
bool is_refused(std::string_view weight) {
  return weight.starts_with('0') && weight.find_first_not_of("0.") == std::string_view::npos;
}

}  // namespace

std::string gzip(std::string_view text) {
  z_stream stream = {};
  if (deflateInit2(&stream, kLevel, Z_DEFLATED, kGzipWindow, kMemory, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::bad_alloc();
  }
  std::string packed(deflateBound(&stream, static_cast<uLong>(text.size())), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  const int result = deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  if (result != Z_STREAM_END) throw std::logic_error("deflateBound() was not enough");
  return packed;
}

bool accepts_gzip(std::string_view accept_encoding) {
  bool by_star = false;
  for (const auto& [coding, parameters] : boost::beast::http::ext_list(accept_encoding)) {
    const bool is_gzip = boost::beast::iequals(coding, "gzip");
    if (!is_gzip && coding != "*") continue;
    bool wanted = true;
    for (const auto& [name, value] : parameters) {
      if (boost::beast::iequals(name, "q") && is_refused(value)) wanted = false;
    }
    if (is_gzip) return wanted;
    by_star = wanted;
  }
  return by_star;
}

}  // namespace pgtally::http
