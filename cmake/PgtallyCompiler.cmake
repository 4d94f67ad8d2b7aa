# Compiler settings for every target: C++20, warnings as errors, ccache where it is there, and the
# sanitizer that a preset names in PGTALLY_SANITIZE.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CCACHE}")
endif()

add_compile_options(-Wall -Wextra -Wpedantic -Werror -Wshadow -Wconversion -Wsign-conversion
                    -Wnon-virtual-dtor -Woverloaded-virtual -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 reports these falsely inside libstdc++ at -O2 (GCC bugs 105329, 105651, 107852).
  add_compile_options(-Wno-restrict -Wno-stringop-overread -Wno-stringop-overflow
                      -Wno-array-bounds -Wno-maybe-uninitialized)
endif()

set(PGTALLY_SANITIZE "" CACHE STRING "Sanitizers for the whole build, as -fsanitize= takes them")
if(PGTALLY_SANITIZE)
  add_compile_options(-fsanitize=${PGTALLY_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${PGTALLY_SANITIZE})
  if(PGTALLY_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-Wno-tsan)  # Asio has a fence that this sanitizer does not see
  endif()
endif()
