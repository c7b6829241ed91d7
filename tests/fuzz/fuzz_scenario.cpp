// Any bytes as a scenario: an answer or a ConfigError, nothing else.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "platform/config/scenario.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hpimvp::config;
  try {
    Document document =
        Document::parse(std::string_view(reinterpret_cast<const char*>(data), size), "fuzz.json");
    read_scenario(std::move(document), ".", HPIMVP_SOURCE_DIR "/scenarios/presets");
  } catch (const ConfigError&) {
  }
  return 0;
}
