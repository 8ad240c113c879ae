# liblamprey.so: flags for code that lives in somebody else's process, and its export list.
enable_language(C)
include(preload/stack/libunwind.cmake)

# The exported symbols are the second word (or third column) of the rows in the tables of libc/.
file(GLOB tables CONFIGURE_DEPENDS preload/libc/*.def)
set(rows "")
foreach(table IN LISTS tables)
  file(STRINGS ${table} table_rows REGEX "^(HOOK|IRREGULAR|ALIAS)\\(")
  list(APPEND rows ${table_rows})
endforeach()
set(exports "")
foreach(row IN LISTS rows)
  string(REGEX REPLACE "^HOOK\\([a-z0-9_]+, [a-zA-Z0-9_* ]+, ([a-zA-Z0-9_]+),.*" "\\1" symbol "${row}")
  string(REGEX REPLACE "^(IRREGULAR|ALIAS)\\([a-zA-Z0-9_* ]+, ([a-zA-Z0-9_]+),.*" "\\2" symbol "${symbol}")
  string(APPEND exports "    ${symbol};\n")
endforeach()
if(LAMPREY_TRIPWIRE)
  foreach(symbol pthread_mutex_trylock pthread_spin_lock lamprey_walk_by_libunwind lamprey_walk_by_ours)
    string(APPEND exports "    ${symbol};\n")
  endforeach()
endif()
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${tables})
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/liblamprey.map
     CONTENT "{\n  global:\n@exports@  local: *;\n};\n" @ONLY)

file(GLOB preload_sources CONFIGURE_DEPENDS preload/*.cpp preload/*/*.cpp preload/*/*/*.cpp)

file(GLOB writer_sources CONFIGURE_DEPENDS src/recording/writer*.cpp)

# What exact mode runs between libc and the kernel may use general registers only.
set(gate_sources preload/exact/exact_gate.cpp preload/exact/exact_gate_x86_64.cpp
    preload/exact/exact_gate_arm64.cpp src/recording/writer_kernel.cpp
    src/recording/writer_idle.cpp)
set_source_files_properties(${gate_sources} PROPERTIES COMPILE_OPTIONS -mgeneral-regs-only)

function(lamprey_add_preload target output)
  add_library(${target} SHARED ${preload_sources} ${writer_sources})
  target_include_directories(${target} PRIVATE . src ${CMAKE_BINARY_DIR}/generated)
  target_link_libraries(${target} PRIVATE lamprey_warnings lamprey_libunwind)
  # Exceptions on, so that unwind tables reach through the wrappers; nothing in here throws or
  # needs clean-up, so no personality routine and no libstdc++ is linked (checked by a test).
  target_compile_options(${target} PRIVATE
    -fPIC -fvisibility=hidden -fvisibility-inlines-hidden -fno-rtti -fexceptions
    -fasynchronous-unwind-tables -fno-threadsafe-statics -ftls-model=initial-exec
    -fno-stack-protector -U_FORTIFY_SOURCE -fomit-frame-pointer -fno-plt
    $<$<CONFIG:Debug>:-O1> $<$<CONFIG:Release>:-O2>)
  target_compile_definitions(${target} PRIVATE $<$<BOOL:${LAMPREY_TRIPWIRE}>:LAMPREY_TRIPWIRE>)
  target_link_options(${target} PRIVATE
    -Wl,--version-script=${CMAKE_BINARY_DIR}/generated/liblamprey.map
    -Wl,-z,now -Wl,-z,relro -Wl,--no-undefined -Wl,--gc-sections)
  if(NOT CMAKE_CROSSCOMPILING AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_link_options(${target} PRIVATE -static-libgcc)
  endif()
  target_link_libraries(${target} PRIVATE ${CMAKE_DL_LIBS})
  set_target_properties(${target} PROPERTIES
    OUTPUT_NAME ${output} LINKER_LANGUAGE C LINK_DEPENDS ${CMAKE_BINARY_DIR}/generated/liblamprey.map
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
endfunction()

lamprey_add_preload(lamprey_preload lamprey)
# The same with the slow clock, for the benchmark of machines without an invariant TSC.
if(LAMPREY_PARTS STREQUAL "all" AND LAMPREY_TESTS)
  lamprey_add_preload(lamprey_preload_monotonic lamprey_monotonic)
  target_compile_definitions(lamprey_preload_monotonic PRIVATE LAMPREY_FORCE_MONOTONIC)
  set_target_properties(lamprey_preload_monotonic PROPERTIES
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/bench)
endif()
