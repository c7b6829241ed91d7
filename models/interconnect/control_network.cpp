#include "models/interconnect/control_network.h"

#include <utility>

namespace hpimvp::interconnect {

ControlNetwork::ControlNetwork(sc_core::sc_module_name name, const ControlNetworkConfig& config,
                               const std::vector<ControlTargetConfig>& targets)
    : sc_module(name),
      access_latency_(sc_core::sc_time::from_value(config.access_latency_ps)),
      accesses_(targets.size(), 0) {
  from_host.register_b_transport(this, &ControlNetwork::transport);
  from_host.register_transport_dbg(this, &ControlNetwork::transport_debug);
  from_host.register_get_direct_mem_ptr(this, &ControlNetwork::direct_memory);
  memory.register_invalidate_direct_mem_ptr(this, &ControlNetwork::invalidate);
  for (std::size_t i = 0; i < targets.size(); ++i) {
    map_.add({targets[i].name, targets[i].base, targets[i].size, i});
    names_.push_back(targets[i].name);
    to_targets_.push_back(std::make_unique<TargetSocket>(("to_" + targets[i].name).c_str()));
  }
}

void ControlNetwork::transport(tlm::tlm_generic_payload& transaction, sc_core::sc_time& delay) {
  const std::uint64_t address = transaction.get_address();
  const AddressRange* range = map_.find(address);
  if (range == nullptr) {
    memory->b_transport(transaction, delay);
    return;
  }
  if (map_.find(address, transaction.get_data_length()) == nullptr) {
    transaction.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
    return;
  }
  ++accesses_[range->target];
  transaction.set_address(address - range->base);
  to_targets_[range->target]->operator->()->b_transport(transaction, delay);
  transaction.set_address(address);
  // The master goes on only when what it has changed can be seen: an interrupt line that falls
  // because of a write has fallen when the write is over.
  sc_core::wait(delay + access_latency_);
  delay = sc_core::SC_ZERO_TIME;
}

unsigned ControlNetwork::transport_debug(tlm::tlm_generic_payload& transaction) {
  const std::uint64_t address = transaction.get_address();
  if (map_.find(address) == nullptr) return memory->transport_dbg(transaction);
  const AddressRange* range = map_.find(address, transaction.get_data_length());
  if (range == nullptr) {
    transaction.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
    return 0;
  }
  transaction.set_address(address - range->base);
  const unsigned done = to_targets_[range->target]->operator->()->transport_dbg(transaction);
  transaction.set_address(address);
  return done;
}

bool ControlNetwork::direct_memory(tlm::tlm_generic_payload& transaction, tlm::tlm_dmi& dmi) {
  return map_.find(transaction.get_address()) == nullptr &&
         memory->get_direct_mem_ptr(transaction, dmi);
}

void ControlNetwork::invalidate(sc_dt::uint64 start, sc_dt::uint64 end) {
  from_host->invalidate_direct_mem_ptr(start, end);
}

common::Statistics ControlNetwork::statistics() const {
  common::Statistics statistics;
  for (std::size_t i = 0; i < names_.size(); ++i) {
    if (accesses_[i] != 0) statistics.emplace_back(names_[i] + "_accesses", accesses_[i]);
  }
  return statistics;
}

}  // namespace hpimvp::interconnect
