# Compiler settings and third-party packages that the whole project shares.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE OFF)
# What -O3 makes faster asks for it itself (set_source_files_properties); elsewhere it only costs
# build time.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()
find_program(MOLD_PROGRAM mold)
if(MOLD_PROGRAM AND NOT HPIMVP_FUZZ)
  add_link_options(-fuse-ld=mold)
endif()

add_compile_options(-Wall -Wextra)
# GCC 12 sees overlapping copies in plain std::string concatenation (GCC bug 105651).
add_compile_options($<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
if(HPIMVP_WERROR)
  add_compile_options(-Werror)
endif()

# Contract 5 (bit-defined numerics): a fused multiply-add must never be formed behind our back.
add_compile_options(-ffp-contract=off)

if(HPIMVP_SANITIZE)
  # Line numbers for reports, and no more optimisation than makes the tests bearable: half the build
  # time of -O2 -g.
  set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O1 -g1 -DNDEBUG")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined
                      -fno-omit-frame-pointer)
  # GCC 12 sees uninitialised members in instrumented library code where there are none.
  add_compile_options($<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  add_link_options(-fsanitize=address,undefined)
endif()
if(HPIMVP_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

find_package(PkgConfig REQUIRED)
pkg_check_modules(SYSTEMC REQUIRED IMPORTED_TARGET systemc tlm)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(fmt REQUIRED)
find_package(Boost REQUIRED)
find_package(Catch2 2 REQUIRED)
find_package(Python3 REQUIRED COMPONENTS Interpreter)

# Debian's libsystemc is built as C++17; the macro keeps its ABI check content under C++20.
add_library(hpimvp_systemc INTERFACE)
target_link_libraries(hpimvp_systemc INTERFACE PkgConfig::SYSTEMC)
target_compile_definitions(hpimvp_systemc INTERFACE SC_CPLUSPLUS=201703L)
