# libunwind, as far as one walk through our own accessors needs it: a static, hidden, position
# independent archive for lamprey_add_preload. Compiled from the distribution's source, which
# layer/install puts into build/sources and which is never changed: what must not be in somebody
# else's process (its pipe, its locks, its caches, its memory, the loader's list of modules) is in
# the files that are left out here, and preload/stack/libunwind_stand_ins.c stands in for them. Why, and
# what it is used for: docs/decisions/stack-walkers.md.
set(LAMPREY_LIBUNWIND "${CMAKE_SOURCE_DIR}/build/sources/libunwind" CACHE PATH "libunwind's source, 1.8 or newer")

if(NOT EXISTS ${LAMPREY_LIBUNWIND}/src/dwarf/Gparser.c)
  message(FATAL_ERROR "libunwind's source is not in ${LAMPREY_LIBUNWIND}; layer/install build fetches it")
endif()

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
  set(unwind_arch aarch64)
else()
  set(unwind_arch x86_64)
endif()

file(STRINGS ${LAMPREY_LIBUNWIND}/include/libunwind-common.h.in signed_addresses REGEX "ptrauth_insn_mask")
if(NOT signed_addresses)
  # 1.6, which Debian 12 has, gives up at the first function of arm64 that signs its return address.
  message(FATAL_ERROR "libunwind in ${LAMPREY_LIBUNWIND} is older than 1.8; layer/install build fetches a newer one")
endif()

# Its headers, in a copy: a release brings those along that were configured for x86_64.
set(unwind_headers ${CMAKE_BINARY_DIR}/generated/libunwind)
set(configured libunwind-common.h libunwind.h tdep/libunwind_i.h)
string(REPLACE "." "[.]" patterns "/include/(${configured})$")
string(REPLACE ";" "|" patterns "${patterns}")
file(COPY ${LAMPREY_LIBUNWIND}/include/ DESTINATION ${unwind_headers} REGEX "${patterns}" EXCLUDE)
set(arch ${unwind_arch})  # what the templates ask for
set(PKG_MAJOR 1)
set(PKG_MINOR 8)
set(PKG_EXTRA "")
foreach(header IN LISTS configured)
  configure_file(${LAMPREY_LIBUNWIND}/include/${header}.in ${unwind_headers}/${header} @ONLY)
endforeach()

file(CONFIGURE OUTPUT ${unwind_headers}/config.h CONTENT "")  # one file wants it; see the definitions below

set(unwind_sources
    dwarf/Gexpr.c dwarf/Gfde.c dwarf/Gfind_proc_info-lsb.c dwarf/Gparser.c dwarf/Gpe.c dwarf/global.c
    mi/Gget_accessors.c mi/Gget_reg.c
    ${unwind_arch}/Gglobal.c ${unwind_arch}/Ginit_remote.c ${unwind_arch}/Gregs.c ${unwind_arch}/Gstash_frame.c
    ${unwind_arch}/Gstep.c ${unwind_arch}/Gos-linux.c ${unwind_arch}/is_fpreg.c)
if(unwind_arch STREQUAL "aarch64")
  list(APPEND unwind_sources aarch64/Gis_signal_frame.c)
endif()
list(TRANSFORM unwind_sources PREPEND ${LAMPREY_LIBUNWIND}/src/)

add_library(lamprey_libunwind STATIC ${unwind_sources} preload/stack/libunwind_stand_ins.c)
# UNW_REMOTE_ONLY: all that it reads comes through the accessors that it is given, even its own process.
target_compile_definitions(lamprey_libunwind
  PUBLIC UNW_REMOTE_ONLY
  # What its configure would have found. No debugging output, no .debug_frame, no blocking of signals.
  PRIVATE _GNU_SOURCE NDEBUG HAVE_ELF_H HAVE_ENDIAN_H HAVE_LINK_H HAVE_STDINT_H HAVE_SYS_TYPES_H HAVE__BUILTIN_UNREACHABLE
    pthread_mutex_lock=lamprey_no_lock pthread_mutex_unlock=lamprey_no_lock
    sigfillset=lamprey_no_mask abort=lamprey_no_abort)
target_include_directories(lamprey_libunwind SYSTEM INTERFACE ${unwind_headers})
target_include_directories(lamprey_libunwind PRIVATE ${CMAKE_SOURCE_DIR} ${unwind_headers}
  ${unwind_headers}/tdep-${unwind_arch} ${LAMPREY_LIBUNWIND}/src)
# Its warnings are not ours to mend. Each function in a section of its own: what is not called is not linked.
target_compile_options(lamprey_libunwind PRIVATE
  -w -Os -fPIC -fvisibility=hidden -ffunction-sections -fdata-sections -ftls-model=initial-exec
  -fno-stack-protector -U_FORTIFY_SOURCE -fomit-frame-pointer -fasynchronous-unwind-tables)
