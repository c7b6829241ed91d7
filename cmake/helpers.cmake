# hpimvp_add_library(NAME SOURCES a.cpp ... [DEPENDS lib ...])
# A static library whose headers are included by their path from the project's root.
function(hpimvp_add_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC ${ARG_DEPENDS})
endfunction()

# hpimvp_add_test(NAME SOURCES a.cpp ... [DEPENDS lib ...] [LABELS label ...] [TIMEOUT seconds])
# A Catch2 program; ctest runs each test case in a process of its own, because SystemC allows one
# simulation per process.
function(hpimvp_add_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;DEPENDS;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE hpimvp_test_main ${ARG_DEPENDS})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)
  endif()
  catch_discover_tests(${name} TEST_PREFIX "${name}: "
                       PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}"
                                  SKIP_RETURN_CODE 77)
endfunction()

# hpimvp_add_fuzzer(NAME SOURCES a.cpp ... DEPENDS lib ...): a libFuzzer target (preset "fuzz"); the
# target "fuzzers" builds them all.
function(hpimvp_add_fuzzer name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  if(HPIMVP_FUZZ)
    add_executable(${name} ${ARG_SOURCES})
    target_link_libraries(${name} PRIVATE ${ARG_DEPENDS})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    if(NOT TARGET fuzzers)
      add_custom_target(fuzzers)
    endif()
    add_dependencies(fuzzers ${name})
  endif()
endfunction()
