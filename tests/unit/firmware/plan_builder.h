// Builds plans in this process's memory, for tests of the firmware's logic.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "firmware/abi/plan_format.h"
#include "firmware/host/plan_view.h"

namespace hpimvp::firmware {

class PlanBuilder {
 public:
  struct Operator {
    plan::Engine engine;
    std::vector<std::uint32_t> devices;  // one descriptor for each
    std::vector<std::uint32_t> predecessors;
    std::vector<plan::Patch> patches;  // of every descriptor
    std::uint16_t flags = 0;
    std::uint16_t layer = plan::kNoLayer;
  };

  // A model of `layers` layers and one KV head of 2 elements, `vocabulary` tokens, and a greedy
  // request with the prompt {1}.
  PlanBuilder(std::uint32_t layers, std::uint32_t vocabulary);

  std::uint32_t add_device(plan::DeviceKind kind, std::uint32_t index);
  void add_boot_descriptor(std::uint32_t device);
  std::uint32_t add_operator(const Operator& op);
  // Of a chunk, with predecessors among these; returns the index among these. `header` says how
  // large chunks are.
  std::uint32_t add_chunk_operator(const Operator& op);

  // Lays everything out; the plan stays valid until the next call. At least 4 KiB of this process's
  // memory follow it.
  PlanView build();

  // The built plan, to be broken.
  plan::PlanHeader& built_header() { return *reinterpret_cast<plan::PlanHeader*>(memory_.data()); }
  template <typename T>
  T* built(std::uint64_t address) {
    return reinterpret_cast<T*>(address);
  }

  plan::PlanHeader header;  // counts and addresses are filled in by build()
  std::vector<std::uint32_t> prompt = {1};
  std::vector<std::uint32_t> replay;
  std::vector<std::string> pieces;  // empty, or one for each token
  std::vector<plan::MemoryRegion> kv_regions;
  std::vector<std::uint16_t> logits;

 private:
  template <typename T>
  std::uint64_t append(const std::vector<T>& values);
  std::vector<plan::Operator> operator_table() const;
  plan::Operator make_operator(const Operator& op, const std::string& name);

  std::vector<plan::Device> devices_;
  std::vector<plan::DescriptorTemplate> boot_descriptors_;
  std::vector<plan::DescriptorTemplate> descriptors_;
  std::vector<plan::Operator> operators_;
  std::vector<plan::Operator> chunk_operators_;
  std::string strings_;
  std::vector<std::uint64_t> memory_;
  std::size_t used_bytes_ = 0;
};

}  // namespace hpimvp::firmware
