// What must hold whatever the input was; the fuzzer keeps the input where it does not.
#pragma once

#include <cstddef>
#include <cstdint>

inline void require(bool holds) {
  if (!holds) __builtin_trap();
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
