# Register descriptions (models/*/*.registers.json) -> build tree, see scripts/generate_registers.py.
#
# Link `hpimvp_registers` to include the results:
#   "generated/models/<folder>/<block>_registers.h"   for models
#   "hal/<block>.h"                                   for firmware and tests of firmware code
# Custom commands that compile firmware depend on the target `hpimvp_generate_registers` and on the
# files in HPIMVP_REGISTER_OUTPUTS, and search HPIMVP_FIRMWARE_INCLUDE_DIR.

file(GLOB HPIMVP_REGISTER_DESCRIPTIONS CONFIGURE_DEPENDS
     ${PROJECT_SOURCE_DIR}/models/*/*.registers.json)
file(GLOB HPIMVP_DEFAULT_MAP CONFIGURE_DEPENDS
     ${PROJECT_SOURCE_DIR}/platform/hpim/default_map.json)

set(HPIMVP_FIRMWARE_INCLUDE_DIR ${PROJECT_BINARY_DIR}/generated/firmware)
set(HPIMVP_REGISTER_OUTPUTS)
foreach(description IN LISTS HPIMVP_REGISTER_DESCRIPTIONS)
  cmake_path(GET description PARENT_PATH folder_path)
  cmake_path(GET folder_path FILENAME folder)
  cmake_path(GET description FILENAME block)
  string(REPLACE ".registers.json" "" block ${block})
  list(APPEND HPIMVP_REGISTER_OUTPUTS
       ${PROJECT_BINARY_DIR}/generated/models/${folder}/${block}_registers.h
       ${HPIMVP_FIRMWARE_INCLUDE_DIR}/hal/${block}.h
       ${PROJECT_BINARY_DIR}/generated/docs/${block}.md)
endforeach()
set(map_argument)
if(HPIMVP_DEFAULT_MAP)
  set(map_argument --map ${HPIMVP_DEFAULT_MAP})
  list(APPEND HPIMVP_REGISTER_OUTPUTS ${PROJECT_BINARY_DIR}/generated/hpim.svd)
endif()

# The generator leaves files alone whose content stays the same; the stamp records that it ran.
set(HPIMVP_REGISTER_STAMP ${PROJECT_BINARY_DIR}/generated/registers.stamp)
add_custom_command(
  OUTPUT ${HPIMVP_REGISTER_STAMP}
  BYPRODUCTS ${HPIMVP_REGISTER_OUTPUTS}
  COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/scripts/generate_registers.py
          --source ${PROJECT_SOURCE_DIR} --output ${PROJECT_BINARY_DIR} ${map_argument}
  COMMAND ${CMAKE_COMMAND} -E touch ${HPIMVP_REGISTER_STAMP}
  DEPENDS ${PROJECT_SOURCE_DIR}/scripts/generate_registers.py ${HPIMVP_REGISTER_DESCRIPTIONS}
          ${HPIMVP_DEFAULT_MAP}
  COMMENT "Generating register headers"
  VERBATIM)
add_custom_target(hpimvp_generate_registers DEPENDS ${HPIMVP_REGISTER_STAMP})

add_library(hpimvp_registers INTERFACE)
add_dependencies(hpimvp_registers hpimvp_generate_registers)
target_include_directories(hpimvp_registers INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR}
                                                      ${HPIMVP_FIRMWARE_INCLUDE_DIR})
