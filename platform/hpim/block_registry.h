// The types of blocks that a machine may consist of. A type is what is known about it without a
// simulation (for validation and description), and a factory that builds an instance.
//
// A user's own peripheral is one more type: docs/adding_a_peripheral.md.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "firmware/abi/plan_format.h"
#include "platform/hpim/machine_config.h"

namespace hpimvp::hpim {

struct BlockContext;  // built_block.h: what a factory gets
struct BuiltBlock;    // built_block.h: what it returns

using BlockFactory = std::function<BuiltBlock(const BlockContext&)>;

struct BlockType {
  std::string name;                  // as in "block" of a scenario
  std::uint64_t register_bytes = 0;  // at least this much address space
  bool has_interrupt = false;
  bool is_bus_master = false;  // gets a node of the mesh

  // How many instances a machine needs and takes.
  unsigned at_least = 0;
  unsigned at_most = std::numeric_limits<unsigned>::max();
  // How many instances this configuration has, where another part of it says so (tiles, stacks).
  std::function<std::uint32_t(const HpimMachineConfig&)> count_in;

  // Bytes of memory on the interconnect; empty: none. Of these, the first `payload_bytes_in` keep
  // no contents in timing mode.
  std::function<std::uint64_t(const HpimMachineConfig&)> memory_bytes_in;
  std::function<std::uint64_t(const HpimMachineConfig&)> payload_bytes_in;

  // What the plan's device table says of it; empty: the firmware is not told.
  std::optional<plan::DeviceKind> device_kind;
  std::function<std::uint32_t(const HpimMachineConfig&)> device_clock_hz;

  bool built_last = false;  // its factory looks at other blocks
  bool has_queue = false;   // its registers start with those of a command queue
  BlockFactory factory;
};

class BlockRegistry {
 public:
  // Throws std::logic_error for a name that exists, or a type without a factory.
  void add(BlockType type);
  // Null: there is no such type.
  const BlockType* find(const std::string& name) const;
  std::vector<std::string> names() const;
  // In the order of their names.
  const std::map<std::string, BlockType>& types() const { return types_; }

 private:
  std::map<std::string, BlockType> types_;
};

// The blocks of docs/machine.md.
BlockRegistry standard_blocks();

}  // namespace hpimvp::hpim
