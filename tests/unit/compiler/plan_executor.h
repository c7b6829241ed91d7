// Executes a compiled plan without SystemC and without firmware: the image is read as the firmware
// reads it, operators run one after the other on the plain classes of the models. Among the
// operators that are ready a random one is next, so that a missing dependency shows.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <vector>

#include "models/common/sparse_memory.h"
#include "models/sram_pim/tile_executor.h"
#include "platform/compiler/compiler.h"
#include "platform/compiler/model_weights.h"

namespace hpimvp::test {

// Host memory from the plan's address on, the stacks, and the tiles' activation memories.
class FlatMemory {
 public:
  explicit FlatMemory(const compiler::MachineShape& machine);

  void read(std::uint64_t address, void* data, std::size_t bytes);
  void write(std::uint64_t address, const void* data, std::size_t bytes);
  void attach_tile(sram_pim::TileExecutor* tile) { tiles_.push_back(tile); }
  common::SparseMemory& stack(std::size_t index) { return stacks_[index]; }

  template <typename T>
  std::vector<T> read_array(std::uint64_t address, std::size_t count) {
    std::vector<T> values(count);
    if (count != 0) read(address, values.data(), count * sizeof(T));
    return values;
  }

 private:
  const compiler::MachineShape& machine_;
  common::SparseMemory host_;
  std::vector<common::SparseMemory> stacks_;
  std::vector<sram_pim::TileExecutor*> tiles_;
};

class PlanExecutor {
 public:
  // `plan` must outlive the executor. Throws std::runtime_error if anything traps.
  PlanExecutor(const compiler::CompiledPlan& plan, std::uint32_t seed);

  void load(const compiler::ModelWeights& weights);
  void boot();
  // Processes `token` at the next position; logits, or nothing if they are not wanted.
  std::vector<float> forward(std::uint32_t token, bool logits = true);
  // Processes the next `tokens` tokens of the plan's prompt as a chunk. The position is a multiple
  // of the plan's chunk_tokens.
  void forward_chunk(std::uint32_t tokens);
  // One layer's keys or values of a position and a KV head, as they stand in the cache.
  std::vector<float> cached(std::uint32_t layer, std::uint32_t position, std::uint32_t kv_head,
                            bool values);

  FlatMemory& memory() { return memory_; }
  const plan::PlanHeader& header() const { return header_; }
  // Over all tiles.
  std::uint64_t tile_instructions() const;

 private:
  class Port : public sram_pim::TransferPort {
   public:
    explicit Port(FlatMemory& memory) : memory_(memory) {}
    void start(const Request& request) override { request_ = request; }
    Result finish(std::uint64_t latest_cycle) override;

   private:
    FlatMemory& memory_;
    Request request_{};
  };

  // What patches add, apart from the layer's block table.
  struct Inputs {
    std::uint64_t token = 0;
    std::uint64_t chunk_tokens_address = 0;
    std::uint64_t chunk_token_count = 0;
  };

  void find_blocks();
  void grow_block_tables();
  void run_operators(std::span<const plan::Operator> operators, const Inputs& inputs, bool logits);
  void run_operator(const plan::Operator& op, const Inputs& inputs);
  void run_descriptor(const plan::DescriptorTemplate& descriptor_template, std::uint16_t layer,
                      const Inputs& inputs);
  void run_gemv(std::uint32_t device, const std::uint8_t* descriptor);
  void run_tiles(const std::uint8_t* descriptor);
  void load_program(const std::uint8_t* descriptor);
  void copy(const std::uint8_t* descriptor);

  const compiler::CompiledPlan& plan_;
  hbm_pim::StackMap map_;
  FlatMemory memory_;
  std::vector<std::unique_ptr<Port>> ports_;
  std::vector<std::unique_ptr<sram_pim::TileExecutor>> tiles_;
  std::mt19937 random_;
  plan::PlanHeader header_{};
  std::vector<plan::Operator> operators_;
  std::vector<plan::DescriptorTemplate> descriptors_;
  std::vector<std::uint64_t> free_blocks_;
  std::uint64_t block_tables_ = 0;  // of all layers, one after the other
  std::uint32_t blocks_per_layer_ = 0;
  std::uint32_t position_ = 0;
};

}  // namespace hpimvp::test
