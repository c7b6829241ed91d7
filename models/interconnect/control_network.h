// The host CPU's way to registers, and past them to memory.
//
// An access to a register block takes `access_latency_ps` on top of what the block says: request,
// decoding and response together; b_transport waits for it. One master uses this network and waits
// for each answer, so there is nothing to contend for. Every other address goes on through `memory`
// (the mesh) at no cost here. DMI is granted for memory only; debug transport passes everywhere.
#pragma once

#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/simple_target_socket.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <systemc>
#include <vector>

#include "models/common/statistics.h"
#include "models/interconnect/address_map.h"

namespace hpimvp::interconnect {

struct ControlNetworkConfig {
  // 20 cycles of a 1 GHz host: this project's assumption for an uncached load across the chip.
  std::uint64_t access_latency_ps = 20'000;
};

struct ControlTargetConfig {
  std::string name;
  std::uint64_t base = 0;
  std::uint64_t size = 0;
};

class ControlNetwork : public sc_core::sc_module {
 public:
  using TargetSocket = tlm_utils::simple_initiator_socket_tagged<ControlNetwork>;

  tlm_utils::simple_target_socket<ControlNetwork> from_host{"from_host"};
  tlm_utils::simple_initiator_socket<ControlNetwork> memory{"memory"};

  // Throws std::invalid_argument, naming both blocks, when ranges overlap.
  ControlNetwork(sc_core::sc_module_name name, const ControlNetworkConfig& config,
                 const std::vector<ControlTargetConfig>& targets);

  // In the order of the constructor's list; binds to the block's register socket.
  TargetSocket& to_target(std::size_t index) { return *to_targets_[index]; }

  const AddressMap& address_map() const { return map_; }
  // Accesses to each block that was accessed.
  common::Statistics statistics() const;

 private:
  void transport(tlm::tlm_generic_payload& transaction, sc_core::sc_time& delay);
  unsigned transport_debug(tlm::tlm_generic_payload& transaction);
  bool direct_memory(tlm::tlm_generic_payload& transaction, tlm::tlm_dmi& dmi);
  void invalidate(sc_dt::uint64 start, sc_dt::uint64 end);

  sc_core::sc_time access_latency_;
  AddressMap map_;
  std::vector<std::unique_ptr<TargetSocket>> to_targets_;
  std::vector<std::string> names_;
  std::vector<std::uint64_t> accesses_;
};

}  // namespace hpimvp::interconnect
