# pgtally_folder(NAME USES folder... LIBRARIES lib...)
#
# Declares src/NAME as the target pgtally_NAME. Every .cc file in the folder belongs to it. A folder
# sees the headers of the folders it USES (and of those that they use) and of no other: each target
# exports an include directory that holds nothing but a link to its own folder, so an include that
# points the wrong way does not compile.
function(pgtally_folder name)
  cmake_parse_arguments(arg "" "" "USES;LIBRARIES" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cc"
       "${CMAKE_CURRENT_SOURCE_DIR}/terminal/*.cc" "${CMAKE_CURRENT_SOURCE_DIR}/commands/*.cc")
  # A program's main, which tests of the folder must not meet.
  list(FILTER sources EXCLUDE REGEX "/main[.]cc$")

  set(room "${CMAKE_BINARY_DIR}/rooms/${name}")
  file(MAKE_DIRECTORY "${room}")
  file(CREATE_LINK "${CMAKE_CURRENT_SOURCE_DIR}" "${room}/${name}" SYMBOLIC)

  add_library(pgtally_${name} STATIC ${sources})
  target_include_directories(pgtally_${name} PUBLIC "${CMAKE_SOURCE_DIR}/include" "${room}")
  foreach(used IN LISTS arg_USES)
    target_link_libraries(pgtally_${name} PUBLIC pgtally_${used})
  endforeach()
  target_link_libraries(pgtally_${name} PRIVATE ${arg_LIBRARIES})
endfunction()
