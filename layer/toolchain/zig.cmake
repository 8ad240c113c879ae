# The toolchain of the shipped binaries. Wants LAMPREY_PARTS (preload: a library for glibc 2.26 and
# newer; companion, programs: static ones with musl) and LAMPREY_ARCHITECTURE (x86_64 | arm64).
# What is compiled stands in CMakeLists.txt; only how to reach the target may live here.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES LAMPREY_PARTS LAMPREY_ARCHITECTURE)

# Trying a compiler must not link: Zig would build its C++ library once for CMake's flags and once
# more for ours, and each takes minutes.
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)

set(CMAKE_SYSTEM_NAME Linux)
if(LAMPREY_ARCHITECTURE STREQUAL "arm64")
  set(CMAKE_SYSTEM_PROCESSOR aarch64)
  # What Lambda calls arm64 is Graviton2 or newer: atomics as single instructions, not as calls.
  set(cpu "-mcpu=neoverse_n1")
else()
  set(CMAKE_SYSTEM_PROCESSOR x86_64)
  set(cpu "-mcpu=x86_64")
endif()
if(LAMPREY_PARTS STREQUAL "preload")
  # Amazon Linux 2 has glibc 2.26.
  set(target "${CMAKE_SYSTEM_PROCESSOR}-linux-gnu.2.26")
else()
  set(target "${CMAKE_SYSTEM_PROCESSOR}-linux-musl")
  set(CMAKE_EXE_LINKER_FLAGS_INIT "-static -flto")
  # 0.15 MB less: unwind tables that serve exceptions only, and no locales for fmt's {:L}. 0.13 MB:
  # what is left when the linker has seen all of the program.
  # Tried without gain: -fomit-frame-pointer (code -15 KB, unwind tables +16), -Oz (Zig makes -Os of
  # it) and -Xclang -Oz (code -100 KB, unwind tables +90, and slower).
  set(lean "-fno-asynchronous-unwind-tables -DFMT_STATIC_THOUSANDS_SEPARATOR=0x2c -flto")
endif()
if(LAMPREY_PARTS STREQUAL "companion")
  # 0.04 MB: fmt's code for what the companion never prints, and the names of types that it never asks for.
  # The command prints fractions, so it is compiled apart from the companion.
  string(APPEND lean " -fno-rtti -DFMT_USE_INT128=0")
  foreach(fraction FLOAT DOUBLE LONG_DOUBLE)
    string(APPEND lean " -DFMT_USE_${fraction}=0")
  endforeach()
endif()

set(CMAKE_C_COMPILER ${CMAKE_CURRENT_LIST_DIR}/cc)
set(CMAKE_CXX_COMPILER ${CMAKE_CURRENT_LIST_DIR}/cxx)
set(CMAKE_AR ${CMAKE_CURRENT_LIST_DIR}/ar CACHE FILEPATH "")
set(CMAKE_RANLIB ${CMAKE_CURRENT_LIST_DIR}/ranlib CACHE FILEPATH "")

get_filename_component(root ${CMAKE_CURRENT_LIST_DIR}/../.. ABSOLUTE)
# No path of the building machine may end up in what is shipped (assertions, exceptions' places).
set(shipped "-target ${target} ${cpu} -ffunction-sections -fdata-sections -ffile-prefix-map=${root}=.")
set(CMAKE_C_FLAGS_INIT "${shipped}")
set(CMAKE_CXX_FLAGS_INIT "${shipped} ${lean}")
foreach(kind EXE SHARED)
  string(APPEND CMAKE_${kind}_LINKER_FLAGS_INIT " -Wl,--gc-sections -s")
endforeach()

set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
