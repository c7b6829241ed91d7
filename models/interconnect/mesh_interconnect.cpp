#include "models/interconnect/mesh_interconnect.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "models/common/divide.h"
#include "models/common/transaction_extension.h"

namespace hpimvp::interconnect {
namespace {

// The kernel's time resolution is its default of one picosecond.
std::uint64_t to_ps(const sc_core::sc_time& time) {
  return time.value();
}
sc_core::sc_time from_ps(std::uint64_t time_ps) {
  return sc_core::sc_time::from_value(time_ps);
}

common::Initiator initiator_of(const tlm::tlm_generic_payload& transaction) {
  const common::TransactionInfo* info = nullptr;
  transaction.get_extension(info);
  return info != nullptr ? info->initiator : common::Initiator::kHost;
}

std::vector<std::size_t> node_indices(const MeshConfig& config, const std::string& owner,
                                      const std::vector<std::string>& names) {
  if (names.empty()) {
    throw std::invalid_argument(fmt::format("mesh: {} is attached to no node", owner));
  }
  std::vector<std::size_t> indices;
  indices.reserve(names.size());
  for (const std::string& name : names) indices.push_back(node_index(config, name));
  return indices;
}

MeshInterconnect::Ports nearest(const MeshConfig& config, const std::vector<std::size_t>& initiator,
                                const std::vector<std::size_t>& target) {
  MeshInterconnect::Ports best{initiator.front(), target.front()};
  for (const std::size_t from : initiator) {
    for (const std::size_t to : target) {
      if (hops(config, from, to) < hops(config, best.initiator, best.target)) best = {from, to};
    }
  }
  return best;
}

}  // namespace

MeshInterconnect::MeshInterconnect(sc_core::sc_module_name name, MeshConfig mesh,
                                   const std::vector<MeshInitiatorConfig>& initiators,
                                   const std::vector<MeshTargetConfig>& targets)
    : sc_module(name), network_(std::move(mesh)) {
  for (std::size_t i = 0; i < initiators.size(); ++i) {
    auto socket = std::make_unique<TargetSocket>(("from_" + initiators[i].name).c_str());
    const int tag = static_cast<int>(i);
    socket->register_b_transport(this, &MeshInterconnect::transport, tag);
    socket->register_transport_dbg(this, &MeshInterconnect::transport_debug, tag);
    socket->register_get_direct_mem_ptr(this, &MeshInterconnect::direct_memory, tag);
    from_initiators_.push_back(std::move(socket));
  }
  for (std::size_t i = 0; i < targets.size(); ++i) {
    target_bases_.push_back(targets[i].base);
    map_.add({targets[i].name, targets[i].base, targets[i].size, i});
    auto socket = std::make_unique<InitiatorSocket>(("to_" + targets[i].name).c_str());
    socket->register_invalidate_direct_mem_ptr(this, &MeshInterconnect::invalidate,
                                               static_cast<int>(i));
    to_targets_.push_back(std::move(socket));
  }
  std::vector<std::vector<std::size_t>> target_nodes;
  target_nodes.reserve(targets.size());
  for (const MeshTargetConfig& target : targets) {
    target_nodes.push_back(node_indices(network_.config(), target.name, target.nodes));
  }
  for (const MeshInitiatorConfig& initiator : initiators) {
    const auto from = node_indices(network_.config(), initiator.name, initiator.nodes);
    for (const auto& to : target_nodes) ports_.push_back(nearest(network_.config(), from, to));
  }
}

void MeshInterconnect::transport(int initiator, tlm::tlm_generic_payload& transaction,
                                 sc_core::sc_time& delay) {
  const std::uint64_t address = transaction.get_address();
  const std::uint64_t length = transaction.get_data_length();
  const AddressRange* range = map_.find(address, length);
  if (range == nullptr) {
    ++address_errors_;
    transaction.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
    return;
  }
  const Ports& way = ports(static_cast<std::size_t>(initiator), range->target);
  MeshNetwork::Message message;
  message.source = way.initiator;
  message.destination = way.target;
  message.payload_bytes = transaction.is_write() ? length : 0;
  message.rank = static_cast<std::uint32_t>(initiator);
  message.initiator = initiator_of(transaction);
  if (!way.is_local()) {
    travel(message, to_ps(sc_core::sc_time_stamp() + delay));
    delay = sc_core::SC_ZERO_TIME;
  }
  transaction.set_address(address - range->base);
  to_targets_[range->target]->operator->()->b_transport(transaction, delay);
  transaction.set_address(address);
  if (way.is_local()) return;
  std::swap(message.source, message.destination);
  message.payload_bytes = transaction.is_write() ? 0 : length;
  travel(message, to_ps(sc_core::sc_time_stamp() + delay));
  delay = sc_core::SC_ZERO_TIME;
}

// The first cycle that begins at or after the time.
MeshNetwork::Cycle MeshInterconnect::cycle_of(std::uint64_t time_ps) const {
  return common::divide_up(time_ps, network_.config().clock_period_ps);
}

void MeshInterconnect::travel(const MeshNetwork::Message& message, std::uint64_t start_ps) {
  const std::uint64_t period = network_.config().clock_period_ps;
  const MeshNetwork::MessageId id = network_.send(message, cycle_of(start_ps));
  for (MeshNetwork::Progress progress; !progress.ended;) {
    const std::uint64_t now_ps = to_ps(sc_core::sc_time_stamp());
    progress = network_.progress(id, cycle_of(now_ps));
    const std::uint64_t until_ps = progress.cycle * period;
    if (until_ps > now_ps) sc_core::wait(from_ps(until_ps - now_ps));
  }
}

void MeshInterconnect::tell_activity() {
  network_.run(cycle_of(to_ps(sc_core::sc_time_stamp())));
}

unsigned MeshInterconnect::transport_debug(int /*initiator*/,
                                           tlm::tlm_generic_payload& transaction) {
  const std::uint64_t address = transaction.get_address();
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

bool MeshInterconnect::direct_memory(int initiator, tlm::tlm_generic_payload& transaction,
                                     tlm::tlm_dmi& dmi) {
  const std::uint64_t address = transaction.get_address();
  const AddressRange* range = map_.find(address);
  if (range == nullptr || !ports(static_cast<std::size_t>(initiator), range->target).is_local()) {
    return false;
  }
  transaction.set_address(address - range->base);
  const bool granted =
      to_targets_[range->target]->operator->()->get_direct_mem_ptr(transaction, dmi);
  transaction.set_address(address);
  if (granted) {
    // A target may offer all addresses that it can imagine; only those of its range are its own.
    const std::uint64_t last = range->size - 1;
    dmi.set_end_address(range->base + std::min<std::uint64_t>(dmi.get_end_address(), last));
    dmi.set_start_address(range->base + dmi.get_start_address());
  }
  return granted;
}

void MeshInterconnect::invalidate(int target, sc_dt::uint64 start, sc_dt::uint64 end) {
  const auto index = static_cast<std::size_t>(target);
  const AddressRange* range = map_.find(target_bases_[index]);
  const std::uint64_t last = range->size - 1;
  for (std::size_t i = 0; i < from_initiators_.size(); ++i) {
    if (!ports(i, index).is_local()) continue;
    (*from_initiators_[i])
        ->invalidate_direct_mem_ptr(range->base + std::min<std::uint64_t>(start, last),
                                    range->base + std::min<std::uint64_t>(end, last));
  }
}

common::Statistics MeshInterconnect::statistics() const {
  common::Statistics statistics = network_.statistics();
  statistics.emplace_back("address_errors", address_errors_);
  return statistics;
}

}  // namespace hpimvp::interconnect
