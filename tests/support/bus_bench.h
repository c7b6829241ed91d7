// A bench for models that take commands from a queue: memory and other targets on one bus without
// time of its own, and software as an SC_THREAD that writes descriptors and rings doorbells.
#pragma once

#include <tlm_utils/multi_passthrough_initiator_socket.h>
#include <tlm_utils/multi_passthrough_target_socket.h>
#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/simple_target_socket.h>

#include <cstdint>
#include <cstring>
#include <functional>
#include <systemc>
#include <vector>

#include "generated/models/common/command_queue_registers.h"
#include "models/common/transaction_extension.h"

namespace hpimvp::test_support {

namespace queue_registers = common::command_queue_registers;

// Memory that takes 100 ns for an access of any length, and leaves invalid payloads alone.
class BenchMemory : public sc_core::sc_module {
 public:
  tlm_utils::simple_target_socket<BenchMemory> socket{"socket"};
  std::vector<std::uint8_t> bytes;

  BenchMemory(sc_core::sc_module_name name, std::size_t size) : sc_module(name), bytes(size) {
    socket.register_b_transport(this, &BenchMemory::transport);
  }

  template <typename Value>
  void put(std::uint64_t address, const Value& value) {
    std::memcpy(&bytes.at(address + sizeof value - 1) - (sizeof value - 1), &value, sizeof value);
  }
  template <typename Value>
  Value get(std::uint64_t address) const {
    Value value;
    std::memcpy(&value, &bytes.at(address + sizeof value - 1) - (sizeof value - 1), sizeof value);
    return value;
  }

 private:
  void transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
    const std::uint64_t address = payload.get_address();
    const std::size_t length = payload.get_data_length();
    if (address + length > bytes.size()) {
      payload.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
      return;
    }
    const auto* info = payload.get_extension<common::TransactionInfo>();
    if (info == nullptr || info->payload_valid) {
      std::uint8_t* place = bytes.data() + address;
      if (payload.is_read()) std::memcpy(payload.get_data_ptr(), place, length);
      if (payload.is_write()) std::memcpy(place, payload.get_data_ptr(), length);
    }
    delay += sc_core::sc_time(100, sc_core::SC_NS);
    payload.set_response_status(tlm::TLM_OK_RESPONSE);
  }
};

class BenchBus : public sc_core::sc_module {
 public:
  tlm_utils::multi_passthrough_target_socket<BenchBus> from{"from"};

  // What came by, oldest first.
  struct Record {
    std::uint64_t time_ps;
    bool write;
    std::uint64_t address;
    std::size_t length;
    common::TransactionInfo info;
  };
  std::vector<Record> records;

  explicit BenchBus(sc_core::sc_module_name name) : sc_module(name) {
    from.register_b_transport(this, &BenchBus::transport);
  }

  template <typename Socket>
  void map(std::uint64_t base, std::uint64_t size, Socket& target) {
    routes_.push_back({base, size});
    to_.bind(target);
  }

  // Debug access and request for direct access, to a mapped address.
  unsigned debug(bool write, std::uint64_t address, void* data, unsigned length) {
    tlm::tlm_generic_payload payload;
    payload.set_command(write ? tlm::TLM_WRITE_COMMAND : tlm::TLM_READ_COMMAND);
    payload.set_address(address);
    payload.set_data_ptr(static_cast<unsigned char*>(data));
    payload.set_data_length(length);
    return to_[route(payload)]->transport_dbg(payload);
  }
  bool direct(std::uint64_t address, tlm::tlm_dmi& dmi) {
    tlm::tlm_generic_payload payload;
    payload.set_address(address);
    return to_[route(payload)]->get_direct_mem_ptr(payload, dmi);
  }

 private:
  struct Route {
    std::uint64_t base;
    std::uint64_t size;
  };
  static constexpr int kNowhere = -1;

  void transport(int, tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
    const std::uint64_t address = payload.get_address();
    if (const auto* info = payload.get_extension<common::TransactionInfo>()) {
      Record record{sc_core::sc_time_stamp().value() + delay.value(),
                    payload.is_write(),
                    address,
                    payload.get_data_length(),
                    {}};
      record.info.copy_from(*info);
      records.push_back(record);
    }
    const int target = route(payload);
    if (target == kNowhere) {
      payload.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
      return;
    }
    to_[target]->b_transport(payload, delay);
    payload.set_address(address);
  }

  // Makes the payload's address the target's.
  int route(tlm::tlm_generic_payload& payload) const {
    for (std::size_t i = 0; i < routes_.size(); ++i) {
      if (payload.get_address() - routes_[i].base >= routes_[i].size) continue;
      payload.set_address(payload.get_address() - routes_[i].base);
      return static_cast<int>(i);
    }
    return kNowhere;
  }

  tlm_utils::multi_passthrough_initiator_socket<BenchBus> to_{"to"};
  std::vector<Route> routes_;
};

// Drives everything through one socket: give every register block and memory a place on its bus.
class BenchSoftware : public sc_core::sc_module {
 public:
  tlm_utils::simple_initiator_socket<BenchSoftware> socket{"socket"};
  std::function<void(BenchSoftware&)> body;

  explicit BenchSoftware(sc_core::sc_module_name name) : sc_module(name) {
    SC_HAS_PROCESS(BenchSoftware);
    SC_THREAD(run);
  }

  // One access; waits for its time.
  tlm::tlm_response_status access(bool write, std::uint64_t address, void* data, unsigned length) {
    tlm::tlm_generic_payload payload;
    payload.set_command(write ? tlm::TLM_WRITE_COMMAND : tlm::TLM_READ_COMMAND);
    payload.set_address(address);
    payload.set_data_ptr(static_cast<unsigned char*>(data));
    payload.set_data_length(length);
    payload.set_streaming_width(length);
    return transport(payload);
  }
  tlm::tlm_response_status transport(tlm::tlm_generic_payload& payload) {
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    socket->b_transport(payload, delay);
    if (delay != sc_core::SC_ZERO_TIME) wait(delay);
    return payload.get_response_status();
  }
  std::uint64_t read(std::uint64_t address, unsigned length = 4) {
    std::uint64_t value = 0;
    access(false, address, &value, length);
    return value;
  }
  void write(std::uint64_t address, std::uint64_t value, unsigned length = 4) {
    access(true, address, &value, length);
  }

  static constexpr unsigned kRingSlots = 16;
  // A ring of kRingSlots descriptors at `ring`; both interrupts on.
  void enable_queue(std::uint64_t block, std::uint64_t ring) {
    write(block + queue_registers::kBaseOffset, ring, 8);
    write(block + queue_registers::kSizeOffset, kRingSlots);
    write(block + queue_registers::kInterruptEnableOffset, 3);
    write(block + queue_registers::kControlOffset, 1);
  }
  template <typename Descriptor>
  void submit(std::uint64_t block, std::uint64_t ring, const Descriptor& descriptor) {
    static_assert(sizeof descriptor == 64);
    const std::uint64_t tail = read(block + queue_registers::kTailOffset);
    Descriptor copy = descriptor;
    access(true, ring + tail * 64, &copy, 64);
    write(block + queue_registers::kTailOffset, (tail + 1) % kRingSlots);
  }
  // Polls until `count` descriptors have completed; false if the queue has stopped with an error.
  bool await_completed(std::uint64_t block, std::uint64_t count) {
    for (;;) {
      if (read(block + queue_registers::kCompletedOffset, 8) >= count) return true;
      if ((read(block + queue_registers::kStatusOffset) & 2) != 0) return false;
      wait(sc_core::sc_time(10, sc_core::SC_NS));
    }
  }
  queue_registers::ErrorCode error_code(std::uint64_t block) {
    return static_cast<queue_registers::ErrorCode>(read(block + queue_registers::kErrorCodeOffset));
  }
  void reset_queue(std::uint64_t block) { write(block + queue_registers::kControlOffset, 2); }

 private:
  void run() {
    if (body) body(*this);
  }
};

}  // namespace hpimvp::test_support
