# Turns the pages of this folder into C++, as page_texts.h declares it:
#   cmake -DOUTPUT=page_texts.cpp -P embed.cmake
# A page is one .html file. It names its style sheet and script as {{file}}, alone on a line, and the
# place of its data as {{data}}. The same files give the same output.
cmake_minimum_required(VERSION 3.22)

function(read_text file result)
  file(READ ${CMAKE_CURRENT_LIST_DIR}/${file} text)
  string(FIND "${text}" ")PAGE\"" end)
  if(NOT end EQUAL -1)
    message(FATAL_ERROR "${file} has )PAGE\" in it, which would end the C++ string")
  endif()
  set(${result} "${text}" PARENT_SCOPE)
endfunction()

function(append_page page constant)
  read_text(${page}.html text)
  string(REGEX MATCHALL "{{data}}" data_slots "${text}")
  if(NOT data_slots STREQUAL "{{data}}")
    list(LENGTH data_slots count)
    message(FATAL_ERROR "${page}.html has ${count} times {{data}}; accepted is one")
  endif()
  string(REPLACE "{{data}}" ")PAGE\",\nR\"PAGE(" text "${text}")
  string(REGEX MATCHALL "{{[^}]*}}" slots "${text}")
  foreach(slot IN LISTS slots)
    string(REGEX REPLACE "[{}]" "" file "${slot}")
    if(NOT EXISTS ${CMAKE_CURRENT_LIST_DIR}/${file} OR NOT text MATCHES "\n${slot}\n")
      message(FATAL_ERROR "${page}.html has ${slot}; accepted are {{data}}, and alone on its line the name of a file beside it")
    endif()
    read_text(${file} part)
    string(REPLACE "${slot}\n" "${part}" text "${text}")
  endforeach()
  string(APPEND cpp "\nconst PageText ${constant} = {\nR\"PAGE(${text})PAGE\"};\n")
  set(cpp "${cpp}" PARENT_SCOPE)
endfunction()

set(cpp "// Made by pages/embed.cmake.\n#include \"cli/output/page_texts.h\"\n\nnamespace lamprey::cli {\n")
append_page(flame kFlamePage)
append_page(fleet kFleetPage)
# Only now, so that a fault leaves no half of it that looks up to date.
file(WRITE ${OUTPUT} "${cpp}\n}  // namespace lamprey::cli\n")
