# The house's rules for every target: warnings are errors, one library per room, one test per file.

find_package(Threads REQUIRED)

# build/<preset>/hadal, wherever its room is.
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})

find_program(HADAL_CCACHE ccache)
if(HADAL_CCACHE AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${HADAL_CCACHE})
endif()

set(HADAL_SANITIZE "" CACHE STRING "Sanitizers for every target, e.g. address,undefined or thread")

add_library(hadal_rules INTERFACE)
target_include_directories(hadal_rules INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_options(hadal_rules INTERFACE -Wall -Wextra -Wshadow=local -Wnon-virtual-dtor -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # gcc 12 at -O3 warns of the library's own "literal" + string (GCC bug 105651).
  target_compile_options(hadal_rules INTERFACE -Wno-restrict)
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  # clang has no -Wshadow=local; its plain -Wshadow also warns of constructor arguments.
  get_target_property(rules hadal_rules INTERFACE_COMPILE_OPTIONS)
  list(REMOVE_ITEM rules -Wshadow=local)
  set_target_properties(hadal_rules PROPERTIES INTERFACE_COMPILE_OPTIONS "${rules}")
endif()
# Same input, same bits: the compiler may not fuse or reorder on its own; kernels ask by name.
target_compile_options(hadal_rules INTERFACE -ffp-contract=off)
if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  target_compile_options(hadal_rules INTERFACE -fsigned-char)  # as on x86; a plain char of ARM is not
endif()
if(HADAL_SANITIZE)
  target_compile_options(hadal_rules INTERFACE -fsanitize=${HADAL_SANITIZE}
                         -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(hadal_rules INTERFACE -fsanitize=${HADAL_SANITIZE})
endif()

# hadal_together(TARGET): its files are compiled eight at a time.  What costs in rooms that speak
# JSON, HTTP and options is the libraries' templates, again in every file: this saves more than half.
# Names inside anonymous namespaces must differ within a room; the sanitizers' presets compile each
# file alone, so that each has the includes it needs.
option(HADAL_TOGETHER "Compile neighbouring files together" ON)
function(hadal_together target)
  if(HADAL_TOGETHER)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
  endif()
endfunction()

# hadal_room(NAME [LINK libs...]): the library of src/NAME, from its .cpp files.
function(hadal_room name)
  cmake_parse_arguments(ROOM "" "" "LINK" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  if(sources)
    add_library(hadal_${name} STATIC ${sources})
    target_link_libraries(hadal_${name} PUBLIC hadal_rules Threads::Threads ${ROOM_LINK})
  else()
    add_library(hadal_${name} INTERFACE)
    target_link_libraries(hadal_${name} INTERFACE hadal_rules Threads::Threads ${ROOM_LINK})
  endif()
endfunction()
