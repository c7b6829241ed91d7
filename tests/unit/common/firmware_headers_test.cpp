// The generated firmware headers, on the host: they compile beside each other, and their accessors
// reach the offsets that the description states.
#include <array>
#include <catch2/catch.hpp>
#include <cstdint>
#include <cstring>

#include "hal/clint.h"
#include "hal/command_queue.h"
#include "hal/dma_engine.h"
#include "hal/hbm_pim_stack.h"
#include "hal/plic.h"
#include "hal/sram_pim_dispatcher.h"
#include "hal/sram_pim_tile.h"
#include "hal/system_controller.h"
#include "hal/uart16550.h"

namespace hpimvp::common {
namespace {

class Window {
 public:
  std::uintptr_t base() { return reinterpret_cast<std::uintptr_t>(bytes_.data()); }
  template <typename T>
  T at(std::size_t offset) const {
    T value;
    std::memcpy(&value, bytes_.data() + offset, sizeof(T));
    return value;
  }
  template <typename T>
  void put(std::size_t offset, T value) {
    std::memcpy(bytes_.data() + offset, &value, sizeof(T));
  }

 private:
  alignas(8) std::array<std::uint8_t, 0x1000> bytes_{};
};

TEST_CASE("firmware accessors reach the described offsets with the described width") {
  Window window;
  const hal::sram_pim_dispatcher::Registers dispatcher(window.base());
  dispatcher.command_queue().write_tail(5);
  CHECK(window.at<std::uint64_t>(0x10) == 5);
  dispatcher.command_queue().write_base(0x1122334455667788);
  CHECK(window.at<std::uint64_t>(0x00) == 0x1122334455667788);
  window.put<std::uint64_t>(0x110, 0xF0F0F0F0F0);
  CHECK(dispatcher.read_busy_tiles() == 0xF0F0F0F0F0);
  window.put<std::uint32_t>(0x100, 32);
  CHECK(dispatcher.read_tile_count() == 32);
}

TEST_CASE("indexed accessors step by the stride") {
  Window window;
  const hal::plic::Registers plic(window.base());
  plic.write_priority(10, 6);
  CHECK(window.at<std::uint32_t>(40) == 6);
  CHECK(hal::plic::Registers::kPriorityCount == 128);
}

TEST_CASE("field helpers place and extract bits") {
  using namespace hal::system_controller;
  constexpr std::uint64_t marker =
      make_marker_kind(MarkerKind::kToken) | make_marker_value(0xFFFF'0000'0000'0042);
  CHECK(marker == 0x0003'0000'0000'0042);
  using namespace hal::command_queue;
  CHECK(get_error_code(0xFFFFFF02) == ErrorCode::kBadDescriptor);
  CHECK(make_control_enable(3) == 1);
}

TEST_CASE("descriptors carry their opcode and flags as constants") {
  const hal::hbm_pim_stack::GemvDescriptor gemv = {
      .header = {.opcode = hal::hbm_pim_stack::GemvDescriptor::kOpcode,
                 .flags = hal::command_queue::CommandHeader::kFlagInterrupt,
                 .operation = hal::command_queue::CommandHeader::kNoOperation},
      .inputs = 3,
      .outputs = 4,
      .input_address = 0,
      .output_address = 0,
      .bias_address = 0,
      .weight_row = 7,
      .reserved0 = 0,
      .reserved1 = 0,
      .reserved2 = 0};
  std::array<std::uint8_t, 64> bytes{};
  std::memcpy(bytes.data(), &gemv, sizeof(gemv));
  CHECK(bytes[0] == 1);
  CHECK(bytes[2] == 1);
  CHECK(bytes[7] == 0xFF);
  CHECK(bytes[8] == 3);
  CHECK(bytes[40] == 7);
}

}  // namespace
}  // namespace hpimvp::common
