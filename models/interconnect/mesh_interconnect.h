// The mesh as a TLM-2.0 interconnect (memory traffic of the machine).
//
// Every initiator and every target is attached to one node or to several, its ports. b_transport
// sends a request message (a header for a read, header and data for a write), calls the target with
// the address relative to its range, and sends the response (data for a read, a header for a
// write) back the same way; MeshNetwork decides how long either takes. b_transport waits for both.
// Of several ports an initiator and a target use those with the fewest hops between them; of equal
// ones the initiator's first, then the target's.
//
// Messages that start in the same cycle of the mesh compete in the order of the constructor's
// initiators, whichever process happens to run first: what a cycle brings is only worked out after
// it.
//
// An address that no target holds, or a transaction that leaves its target's range, ends with
// TLM_ADDRESS_ERROR_RESPONSE. Debug transport takes no time. DMI is handed out where the network
// costs the initiator nothing, which is in a node of the initiator's own.
#pragma once

#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/simple_target_socket.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <systemc>
#include <vector>

#include "models/interconnect/address_map.h"
#include "models/interconnect/mesh_network.h"

namespace hpimvp::interconnect {

struct MeshInitiatorConfig {
  std::string name;
  std::vector<std::string> nodes;  // at least one, as in MeshConfig::nodes
};

struct MeshTargetConfig {
  std::string name;
  std::vector<std::string> nodes;  // likewise
  std::uint64_t base = 0;
  std::uint64_t size = 0;
};

class MeshInterconnect : public sc_core::sc_module {
 public:
  using TargetSocket = tlm_utils::simple_target_socket_tagged<MeshInterconnect>;
  using InitiatorSocket = tlm_utils::simple_initiator_socket_tagged<MeshInterconnect>;

  // Throws std::invalid_argument as MeshNetwork and AddressMap do, and for a list without a node.
  MeshInterconnect(sc_core::sc_module_name name, MeshConfig mesh,
                   const std::vector<MeshInitiatorConfig>& initiators,
                   const std::vector<MeshTargetConfig>& targets);

  // In the order of the constructor's lists. An initiator binds to a target socket and vice versa.
  TargetSocket& from_initiator(std::size_t index) { return *from_initiators_[index]; }
  InitiatorSocket& to_target(std::size_t index) { return *to_targets_[index]; }

  const AddressMap& address_map() const { return map_; }
  const MeshNetwork& network() const { return network_; }
  void set_activity(common::ActivitySink* sink, const std::string& prefix) {
    network_.set_activity(sink, prefix);
  }
  // Tells the sink all that has happened before now. Not from a process of the simulation.
  void tell_activity();
  common::Statistics statistics() const;
  common::Energies energy() const { return network_.energy(); }

  // Indices in MeshConfig::nodes.
  struct Ports {
    std::size_t initiator = 0;
    std::size_t target = 0;

    bool is_local() const { return initiator == target; }
  };
  // By the constructor's lists.
  const Ports& ports(std::size_t initiator, std::size_t target) const {
    return ports_[initiator * to_targets_.size() + target];
  }

 private:
  void transport(int initiator, tlm::tlm_generic_payload& transaction, sc_core::sc_time& delay);
  MeshNetwork::Cycle cycle_of(std::uint64_t time_ps) const;
  void travel(const MeshNetwork::Message& message, std::uint64_t start_ps);
  unsigned transport_debug(int initiator, tlm::tlm_generic_payload& transaction);
  bool direct_memory(int initiator, tlm::tlm_generic_payload& transaction, tlm::tlm_dmi& dmi);
  void invalidate(int target, sc_dt::uint64 start, sc_dt::uint64 end);

  MeshNetwork network_;
  AddressMap map_;
  std::vector<Ports> ports_;  // of each initiator, to each target
  std::vector<std::uint64_t> target_bases_;
  std::vector<std::unique_ptr<TargetSocket>> from_initiators_;
  std::vector<std::unique_ptr<InitiatorSocket>> to_targets_;
  std::uint64_t address_errors_ = 0;
};

}  // namespace hpimvp::interconnect
