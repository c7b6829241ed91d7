# Firmware for the host CPU: cross-compiled by custom commands, so that one configuration builds the
# simulator for this machine and the programs that it runs.

find_program(HPIMVP_RISCV_CXX riscv64-unknown-elf-g++ REQUIRED)
find_program(HPIMVP_RISCV_CC riscv64-unknown-elf-gcc REQUIRED)  # links: there is no libstdc++

# Debian's cross compiler brings no C++ headers. The header-only parts of the Arm toolchain's
# libstdc++ (same GCC version, also for a newlib-like C library) serve.
set(HPIMVP_RISCV_CXX_HEADERS /usr/include/newlib/c++/12.2.1 CACHE PATH
    "C++ standard library headers for RISC-V firmware")
if(NOT EXISTS ${HPIMVP_RISCV_CXX_HEADERS}/algorithm)
  message(FATAL_ERROR "HPIMVP_RISCV_CXX_HEADERS (${HPIMVP_RISCV_CXX_HEADERS}) has no C++ headers; "
                      "install libstdc++-arm-none-eabi-newlib")
endif()

set(HPIMVP_FIRMWARE_DIR ${CMAKE_CURRENT_LIST_DIR})
set(HPIMVP_FIRMWARE_OUTPUT_DIR ${CMAKE_BINARY_DIR}/firmware)

# -ffp-contract=off: the sampler gives the same tokens here as in native tests.
set(HPIMVP_RISCV_FLAGS
    --specs=picolibc.specs -march=rv64gc_zba_zbb_zfh -mabi=lp64d -mcmodel=medany -O2 -g
    -ffunction-sections -fdata-sections -fno-common -ffp-contract=off -Wall -Wextra)
set(HPIMVP_RISCV_CXX_FLAGS
    -std=c++20 -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-use-cxa-atexit
    -isystem ${HPIMVP_RISCV_CXX_HEADERS} -isystem ${HPIMVP_RISCV_CXX_HEADERS}/arm-none-eabi)
if(HPIMVP_WERROR)
  list(APPEND HPIMVP_RISCV_FLAGS -Werror)
endif()

# What every program of the host CPU consists of: start-up, traps, and the drivers of the devices
# without which nothing can be said. Unused parts are left out by the linker.
set(HPIMVP_FIRMWARE_COMMON_SOURCES
    host/crt0.S host/trap_entry.S host/interrupt_controller.cpp host/text_output.cpp host/traps.cpp
    host/uart.cpp)
list(TRANSFORM HPIMVP_FIRMWARE_COMMON_SOURCES PREPEND ${HPIMVP_FIRMWARE_DIR}/)

# Compiles one source file with the caller's `flags`; appends the object to its variable `objects`.
function(hpimvp_compile_firmware_source name source)
  cmake_path(ABSOLUTE_PATH source BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} NORMALIZE)
  cmake_path(RELATIVE_PATH source BASE_DIRECTORY ${PROJECT_SOURCE_DIR} OUTPUT_VARIABLE shown)
  string(REPLACE "../" "" object_name ${shown})
  set(object ${HPIMVP_FIRMWARE_OUTPUT_DIR}/${name}.objects/${object_name}.o)
  cmake_path(GET object PARENT_PATH object_folder)
  file(MAKE_DIRECTORY ${object_folder})
  set(language_flags)
  if(source MATCHES "\\.(cpp|cc|cxx)$")
    set(language_flags ${HPIMVP_RISCV_CXX_FLAGS})
  endif()
  add_custom_command(
    OUTPUT ${object}
    COMMAND ${CMAKE_CXX_COMPILER_LAUNCHER} ${HPIMVP_RISCV_CXX} ${flags}
            ${language_flags} -I${PROJECT_SOURCE_DIR} -I${HPIMVP_FIRMWARE_INCLUDE_DIR}
            -MD -MF ${object}.d -MT ${object} -c ${source} -o ${object}
    DEPENDS ${source} ${HPIMVP_REGISTER_STAMP}
    DEPFILE ${object}.d
    COMMENT "Compiling ${shown} for ${name}"
    VERBATIM)
  set(objects ${objects} ${object} PARENT_SCOPE)
endfunction()

# hpimvp_add_firmware(NAME SOURCES a.cpp b.S ... [LINKER_SCRIPT file] [LINK_TIME_OPTIMISATION])
# A program for the host CPU: ${CMAKE_BINARY_DIR}/firmware/NAME.elf, built by the target NAME. Start-up
# code, traps, UART and system controller come with it; the program defines
# `extern "C" std::uint32_t firmware_main(std::uint64_t hart, std::uint64_t plan_address)`. See docs/firmware.md.
function(hpimvp_add_firmware name)
  cmake_parse_arguments(ARG "LINK_TIME_OPTIMISATION" "LINKER_SCRIPT" "SOURCES" ${ARGN})
  set(flags ${HPIMVP_RISCV_FLAGS})
  if(ARG_LINK_TIME_OPTIMISATION)
    list(APPEND flags -flto)
  endif()
  if(NOT ARG_LINKER_SCRIPT)
    set(ARG_LINKER_SCRIPT ${HPIMVP_FIRMWARE_DIR}/host/host.ld)
  endif()
  cmake_path(ABSOLUTE_PATH ARG_LINKER_SCRIPT BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} NORMALIZE)
  set(objects)
  foreach(source IN LISTS HPIMVP_FIRMWARE_COMMON_SOURCES ARG_SOURCES)
    hpimvp_compile_firmware_source(${name} ${source})
  endforeach()
  set(elf ${HPIMVP_FIRMWARE_OUTPUT_DIR}/${name}.elf)
  add_custom_command(
    OUTPUT ${elf}
    BYPRODUCTS ${elf}.map
    COMMAND ${HPIMVP_RISCV_CC} ${flags} -nostartfiles -static -Wl,--gc-sections
            -Wl,--fatal-warnings -Wl,-Map=${elf}.map -T ${ARG_LINKER_SCRIPT} ${objects} -o ${elf}
    DEPENDS ${objects} ${ARG_LINKER_SCRIPT}
    COMMENT "Linking firmware ${name}.elf"
    VERBATIM)
  add_custom_target(${name} DEPENDS ${elf})
  add_dependencies(${name} hpimvp_generate_registers)
  set_target_properties(${name} PROPERTIES HPIMVP_ELF ${elf})
endfunction()
