// For programs that may stop at the first thing that goes wrong: a Result's value, or an exception
// that main() reports.
#pragma once

#include <stdexcept>
#include <utility>

#include "pgtally/result.h"

namespace pgtally::torture {

template <typename T>
T must(Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.error().message + "\n" + result.error().hint);
  return std::move(result).value();
}
inline void must(const Result<void>& result) {
  if (!result.ok()) throw std::runtime_error(result.error().message + "\n" + result.error().hint);
}

}  // namespace pgtally::torture
