# Builds the C and C++ side of tests/: every unit/*_test.cpp into one program, every hazard/*.c(pp),
# fuzz/*_fuzz.cpp and bench/*.c(pp) into a program of its own. tests/run drives them. A release
# build has only the programs that are run under the library: the unit tests take minutes to compile
# and are run from debug and sanitizer builds.
find_package(GTest REQUIRED)
include(GoogleTest)

file(GLOB unit_sources CONFIGURE_DEPENDS tests/unit/*_test.cpp)
if(unit_sources AND NOT CMAKE_BUILD_TYPE STREQUAL "Release")
  # The parts of the library that can be tried without being preloaded: no hook is among them.
  file(GLOB preload_parts CONFIGURE_DEPENDS preload/base/*.cpp preload/libc/*.cpp preload/process/*.cpp
       preload/io/*.cpp preload/lambda/*.cpp)
  list(APPEND preload_parts preload/exact/exact_sites.cpp preload/exact/instruction.cpp preload/memory/live_set.cpp)
  add_executable(unit_tests ${unit_sources} ${preload_parts})
  target_include_directories(unit_tests PRIVATE . src)
  target_link_libraries(unit_tests PRIVATE lamprey_cli GTest::gtest_main GTest::gmock lamprey_warnings)
  if(TARGET lamprey_preload)
    add_dependencies(unit_tests lamprey_preload)
  endif()
  gtest_discover_tests(unit_tests DISCOVERY_TIMEOUT 60)
endif()

set(kinds hazard bench)
if(NOT CMAKE_BUILD_TYPE STREQUAL "Release")
  list(APPEND kinds fuzz)
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
    if(kind STREQUAL "fuzz" OR (kind STREQUAL "bench" AND source MATCHES "\\.cpp$"))
      target_link_libraries(${kind}_${name} PRIVATE lamprey_cli)
    endif()
  endforeach()
endforeach()
