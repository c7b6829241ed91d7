// Drives a device through its register socket from a thread, as a CPU would.
#pragma once

#include <tlm_utils/simple_initiator_socket.h>

#include <catch2/catch.hpp>
#include <cstdint>
#include <functional>
#include <systemc>
#include <utility>

namespace hpimvp::peripherals {

class RegisterDriver : public sc_core::sc_module {
 public:
  tlm_utils::simple_initiator_socket<RegisterDriver> socket{"socket"};

  explicit RegisterDriver(sc_core::sc_module_name name = "driver") : sc_module(name) {
    SC_HAS_PROCESS(RegisterDriver);
    SC_THREAD(run);
  }

  // Runs the simulation with `body` as the driver's program; `body` must return.
  void simulate(std::function<void()> body) {
    body_ = std::move(body);
    sc_core::sc_start();
    REQUIRE(finished_);
  }

  // The delay that the next accesses arrive with: how far the CPU lies ahead of the kernel.
  sc_core::sc_time delay;

  tlm::tlm_response_status access(tlm::tlm_command command, std::uint64_t address,
                                  std::uint64_t& data, unsigned length) {
    tlm::tlm_generic_payload payload;
    prepare(payload, command, address, data, length);
    sc_core::sc_time local = delay;
    socket->b_transport(payload, local);
    return payload.get_response_status();
  }
  tlm::tlm_response_status try_write(std::uint64_t address, std::uint64_t data, unsigned length) {
    return access(tlm::TLM_WRITE_COMMAND, address, data, length);
  }
  tlm::tlm_response_status try_read(std::uint64_t address, unsigned length) {
    std::uint64_t data = 0;
    return access(tlm::TLM_READ_COMMAND, address, data, length);
  }
  void write(std::uint64_t address, std::uint64_t data, unsigned length) {
    REQUIRE(try_write(address, data, length) == tlm::TLM_OK_RESPONSE);
  }
  std::uint64_t read(std::uint64_t address, unsigned length) {
    std::uint64_t data = 0;
    REQUIRE(access(tlm::TLM_READ_COMMAND, address, data, length) == tlm::TLM_OK_RESPONSE);
    return data;
  }
  std::uint64_t debug_read(std::uint64_t address, unsigned length) {
    std::uint64_t data = 0;
    tlm::tlm_generic_payload payload;
    prepare(payload, tlm::TLM_READ_COMMAND, address, data, length);
    REQUIRE(socket->transport_dbg(payload) == length);
    return data;
  }

  // Lets interrupt outputs, which follow register writes by two delta cycles, settle.
  void settle() {
    for (int i = 0; i < 4; ++i) wait(sc_core::SC_ZERO_TIME);
  }

 private:
  static void prepare(tlm::tlm_generic_payload& payload, tlm::tlm_command command,
                      std::uint64_t address, std::uint64_t& data, unsigned length) {
    payload.set_command(command);
    payload.set_address(address);
    payload.set_data_ptr(reinterpret_cast<std::uint8_t*>(&data));
    payload.set_data_length(length);
    payload.set_streaming_width(length);
  }

  void run() {
    body_();
    finished_ = true;
    sc_core::sc_stop();
  }

  std::function<void()> body_;
  bool finished_ = false;
};

}  // namespace hpimvp::peripherals
