# cmake -DOUT=file.cc -DIN=openapi.json -P EmbedOpenapi.cmake
#
# Writes the file into a C++ source, as the constant that src/http/log_endpoints.h declares.
file(READ "${IN}" json)
file(WRITE "${OUT}" "// Made by cmake/EmbedOpenapi.cmake from src/http/openapi.json.
#include \"http/log_endpoints.h\"

namespace pgtally::http {

const std::string_view kOpenapi = R\"json~~(${json})json~~\";

}  // namespace pgtally::http
")
