# include(torch): the target hadal_libtorch, from Debian's libtorch 1.13 or any libtorch 2.x that
# CMAKE_PREFIX_PATH names (for pip's torch: the folder site-packages/torch).
#
# The files are looked up by name.  find_package(Torch) would ask for protobuf, gflags, MKL and a
# whole CUDA toolkit, and would write flags of its own into every target of the project.
#
# Its headers count as system headers, so that the house's warnings do not judge them.
include_guard(GLOBAL)

find_path(HADAL_TORCH_INCLUDE ATen/ATen.h)
find_library(HADAL_TORCH_LIBRARY torch)
find_library(HADAL_TORCH_CPU_LIBRARY torch_cpu)
find_library(HADAL_C10_LIBRARY c10)
if(NOT HADAL_TORCH_INCLUDE OR NOT HADAL_TORCH_LIBRARY OR NOT HADAL_TORCH_CPU_LIBRARY
   OR NOT HADAL_C10_LIBRARY)
  message(FATAL_ERROR "libtorch was not found: install libtorch-dev, name its folder in "
                      "CMAKE_PREFIX_PATH, or configure with -DHADAL_TORCH=OFF")
endif()

add_library(hadal_libtorch INTERFACE)
target_include_directories(hadal_libtorch SYSTEM INTERFACE
  ${HADAL_TORCH_INCLUDE} ${HADAL_TORCH_INCLUDE}/torch/csrc/api/include)

# Devices register themselves when their library is loaded; nobody calls into it by name, so the
# linker must be told to keep it.
set(HADAL_TORCH_KEPT ${HADAL_TORCH_LIBRARY} ${HADAL_TORCH_CPU_LIBRARY})
get_filename_component(HADAL_TORCH_FOLDER ${HADAL_TORCH_LIBRARY} DIRECTORY)
foreach(name torch_cuda c10_cuda torch_hip c10_hip)
  find_library(HADAL_${name}_LIBRARY ${name} PATHS ${HADAL_TORCH_FOLDER} NO_DEFAULT_PATH)
  if(HADAL_${name}_LIBRARY)
    list(APPEND HADAL_TORCH_KEPT ${HADAL_${name}_LIBRARY})
  endif()
endforeach()
target_link_libraries(hadal_libtorch INTERFACE ${HADAL_TORCH_KEPT} ${HADAL_C10_LIBRARY})
target_link_options(hadal_libtorch INTERFACE LINKER:--no-as-needed)

# Debian's libtorch logs through glog, and unoptimised code calls it from inline functions.
if(EXISTS ${HADAL_TORCH_INCLUDE}/c10/macros/cmake_macros.h)
  file(STRINGS ${HADAL_TORCH_INCLUDE}/c10/macros/cmake_macros.h uses_glog
       REGEX "^#define C10_USE_GLOG")
  if(uses_glog)
    find_library(HADAL_GLOG_LIBRARY glog REQUIRED)
    target_link_libraries(hadal_libtorch INTERFACE ${HADAL_GLOG_LIBRARY})
  endif()
endif()

# c10d: the headers show a transport only where these names are defined.
if(EXISTS ${HADAL_TORCH_INCLUDE}/torch/csrc/distributed/c10d/ProcessGroup.hpp)
  target_compile_definitions(hadal_libtorch INTERFACE USE_DISTRIBUTED USE_C10D)
endif()
find_path(HADAL_GLOO_INCLUDE gloo/algorithm.h HINTS ${HADAL_TORCH_INCLUDE})
if(HADAL_GLOO_INCLUDE)
  target_include_directories(hadal_libtorch SYSTEM INTERFACE ${HADAL_GLOO_INCLUDE})
  target_compile_definitions(hadal_libtorch INTERFACE USE_C10D_GLOO)
endif()

# A libtorch built with the C++ library's old string layout exports c10::Error's constructor with
# the short name of that string; everything that meets it must be built the same way.
file(STRINGS ${HADAL_C10_LIBRARY} old_layout LIMIT_COUNT 1
     REGEX "_ZN3c105ErrorC[12]ENS_14SourceLocationESs")
if(old_layout)
  target_compile_definitions(hadal_libtorch INTERFACE _GLIBCXX_USE_CXX11_ABI=0)
endif()

# hadal_precompile_torch(TARGET): read libtorch's headers once per target instead of once per file
# (ten seconds each).  A room that has no .cpp file yet has nothing to precompile.
function(hadal_precompile_torch target)
  get_target_property(type ${target} TYPE)
  if(NOT type STREQUAL INTERFACE_LIBRARY)
    target_precompile_headers(${target} PRIVATE ${CMAKE_SOURCE_DIR}/src/backends/torch/libtorch.h)
  endif()
endfunction()
