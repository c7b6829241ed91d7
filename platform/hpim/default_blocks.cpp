#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "platform/hpim/topology.h"

namespace hpimvp::hpim {

// The text of default_map.json, from the build tree.
extern const std::string_view kDefaultMap;

namespace {

std::uint64_t number(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return 0;
  return found->is_string() ? std::stoull(found->get<std::string>(), nullptr, 0)
                            : found->get<std::uint64_t>();
}

}  // namespace

std::vector<BlockConfig> default_blocks() {
  std::vector<BlockConfig> blocks;
  const auto list = nlohmann::json::parse(kDefaultMap);
  for (const nlohmann::json& entry : list) {
    BlockConfig block;
    block.block = entry.at("block");
    block.name = entry.at("name");
    block.address = number(entry, "address");
    block.size = number(entry, "size");
    // The counts in the file are those of the default machine: any other has its own.
    block.count = entry.contains("count") ? 0 : 1;
    block.stride = number(entry, "stride");
    block.interrupt = static_cast<std::uint32_t>(number(entry, "interrupt"));
    block.interrupt_stride = static_cast<std::uint32_t>(number(entry, "interrupt_stride"));
    if (const auto memory = entry.find("memory"); memory != entry.end()) {
      // Neither is the memory's size: it follows from the organisation.
      block.memory_address = number(*memory, "address");
      block.memory_stride = number(*memory, "stride");
    }
    block.place = "default_map.json: " + block.name;
    blocks.push_back(std::move(block));
  }
  return blocks;
}

}  // namespace hpimvp::hpim
