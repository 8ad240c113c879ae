# Builds the C and C++ side of tests/: every unit/*_test.cpp into one program, every hazard/*.c(pp),
# fuzz/*_fuzz.cpp and bench/*.c(pp) into a program of its own. tests/run drives them.
#   release      only the programs that are run under the library: unit tests take minutes to compile
#   debug        these and the unit tests
#   asan         the unit tests and the fuzzers
#   tsan         the unit tests in which several threads use our code at once
find_package(GTest REQUIRED)
include(GoogleTest)

file(GLOB unit_sources CONFIGURE_DEPENDS tests/unit/*_test.cpp)
set(unit_library lamprey_cli_commands)
if(LAMPREY_SANITIZE STREQUAL "thread")
  # The command, the companion and the emulator have one thread; where tests of theirs have more, it
  # is the test that does. What a recording is written by has as many as its program.
  set(threaded_sources "")
  foreach(source IN LISTS unit_sources)
    file(STRINGS ${source} threads REGEX "std::j?thread|pthread_create|std::async")
    file(STRINGS ${source} others REGEX "#include \"(cli|cloudwatch|companion|emulator|lambda)/")
    if(threads AND NOT others)
      list(APPEND threaded_sources ${source})
    endif()
  endforeach()
  set(unit_sources ${threaded_sources})
  set(unit_library lamprey_report)
endif()
if(unit_sources AND NOT CMAKE_BUILD_TYPE STREQUAL "Release")
  # The parts of the library that can be tried without being preloaded: no hook is among them.
  file(GLOB preload_parts CONFIGURE_DEPENDS preload/base/*.cpp preload/libc/*.cpp preload/process/*.cpp
       preload/io/*.cpp preload/lambda/*.cpp)
  list(APPEND preload_parts preload/exact/exact_sites.cpp preload/exact/instruction.cpp preload/memory/live_set.cpp)
  if("${CMAKE_SOURCE_DIR}/tests/unit/cpu_test.cpp" IN_LIST unit_sources)  # which stands in for its modules
    list(APPEND preload_parts preload/cpu/cpu_sites.cpp preload/stack/unwind_tables.cpp)
  endif()
  file(GLOB frame_parts CONFIGURE_DEPENDS preload/stack/reading/*.cpp preload/stack/python/*.cpp
       preload/stack/v8/*.cpp preload/stack/hotspot/*.cpp preload/stack/ruby/*.cpp)
  list(APPEND preload_parts ${frame_parts})
  add_executable(unit_tests ${unit_sources} ${preload_parts})
  target_include_directories(unit_tests PRIVATE . src)
  target_link_libraries(unit_tests PRIVATE ${unit_library} GTest::gtest_main GTest::gmock lamprey_warnings)
  if(TARGET lamprey_preload)
    add_dependencies(unit_tests lamprey_preload)
  endif()
  # Most of the time to compile a test goes into these. Whether each test includes what it uses is seen in
  # build/debug, where clang-tidy looks.
  if(LAMPREY_SANITIZE)
    target_precompile_headers(unit_tests PRIVATE <fmt/format.h> <gmock/gmock.h> <gtest/gtest.h> <nlohmann/json.hpp>
                              <algorithm> <chrono> <filesystem> <fstream> <functional> <map> <random> <string>
                              <thread> <vector>)
    set_source_files_properties(${preload_parts} PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
    compile_together(unit_tests "${unit_sources}")
  endif()
  gtest_discover_tests(unit_tests DISCOVERY_TIMEOUT 60)
endif()

if(LAMPREY_FUZZ)
  file(GLOB fuzzers CONFIGURE_DEPENDS tests/fuzz/*_fuzz.cpp)
  add_custom_target(fuzzers)
  foreach(source ${fuzzers})
    get_filename_component(name ${source} NAME_WE)
    add_executable(${name} ${source})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/fuzz)
    target_include_directories(${name} PRIVATE . src)
    target_compile_options(${name} PRIVATE -O1)
    target_link_libraries(${name} PRIVATE lamprey_warnings -fsanitize=fuzzer)
    file(STRINGS ${source} includes REGEX "^#include \"[a-z]+/")
    foreach(include IN LISTS includes)
      string(REGEX REPLACE "^#include \"([a-z]+)/.*" "\\1" component "${include}")
      if(TARGET lamprey_${component} AND NOT component STREQUAL "preload")
        target_link_libraries(${name} PRIVATE lamprey_${component})
      endif()
    endforeach()
    add_dependencies(fuzzers ${name})
  endforeach()
endif()

# Sanitizers are for our own code: what is run under the library comes from the other builds.
set(kinds hazard bench)
if(LAMPREY_SANITIZE)
  set(kinds "")
endif()
foreach(kind IN LISTS kinds)
  file(GLOB programs CONFIGURE_DEPENDS tests/${kind}/*.c tests/${kind}/*.cpp)
  foreach(source ${programs})
    get_filename_component(name ${source} NAME_WE)
    add_executable(${kind}_${name} ${source})
    set_target_properties(${kind}_${name} PROPERTIES OUTPUT_NAME ${name}
                          RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/${kind})
    target_include_directories(${kind}_${name} PRIVATE . src)
    target_link_libraries(${kind}_${name} PRIVATE lamprey_warnings Threads::Threads ${CMAKE_DL_LIBS})
    if(kind STREQUAL "bench" AND source MATCHES "\\.cpp$")
      target_link_libraries(${kind}_${name} PRIVATE lamprey_cli)
    endif()
  endforeach()
endforeach()
