#include "platform/hpim/block_registry.h"

#include <stdexcept>
#include <utility>

namespace hpimvp::hpim {

void BlockRegistry::add(BlockType type) {
  if (!type.factory) throw std::logic_error("block type " + type.name + " has no factory");
  const std::string name = type.name;
  if (!types_.emplace(name, std::move(type)).second) {
    throw std::logic_error("block type " + name + " exists already");
  }
}

const BlockType* BlockRegistry::find(const std::string& name) const {
  const auto found = types_.find(name);
  return found == types_.end() ? nullptr : &found->second;
}

std::vector<std::string> BlockRegistry::names() const {
  std::vector<std::string> names;
  for (const auto& [name, type] : types_) names.push_back(name);
  return names;
}

}  // namespace hpimvp::hpim
