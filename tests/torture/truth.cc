#include "torture/truth.h"

#include <fmt/format.h>

#include <stdexcept>

namespace pgtally::torture {

void Truth::add(const ChangeId& id, const Change& change) {
  if (changes.emplace(id, change).second) return;
  throw std::runtime_error(
      fmt::format("version {} of {} {} was committed twice", id.version, id.source, id.key));
}

}  // namespace pgtally::torture
