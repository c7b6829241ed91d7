#include "tests/conformance/core_riscv.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <stdexcept>

#include "tests/conformance/qemu_riscv.h"
#include "tests/conformance/random_source.h"

namespace hpimvp::conformance {
namespace {

constexpr std::uint64_t kClintMsip = kClintBase;
constexpr std::uint64_t kClintMtimecmp = kClintBase + 0x4000;
constexpr std::uint64_t kClintMtime = kClintBase + 0xbff8;

// The devices; the machine timer counts core cycles.
class Machine final : public riscv::Bus {
 public:
  explicit Machine(const std::vector<std::uint8_t>& image)
      : ram_(kRamBytes), core_(config(), *this) {
    std::copy(image.begin(), image.end(), ram_.begin());
    riscv::MemoryRegion region;
    region.base = kRamBase;
    region.size_bytes = kRamBytes;
    region.host = reinterpret_cast<std::byte*>(ram_.data());
    core_.add_memory(region);
  }

  riscv::BusResponse read(std::uint64_t address, std::span<std::byte> data, riscv::AccessKind kind,
                          std::uint64_t now_cycles) override {
    std::uint64_t value = 0;
    if (kind == riscv::AccessKind::kFetch) return {};
    if (address == kClintMsip && data.size() == 4) {
      value = software_pending_ ? 1 : 0;
    } else if (address == kClintMtimecmp && data.size() == 8) {
      value = timer_compare_;
    } else if (address == kClintMtime && data.size() == 8) {
      value = now_cycles;
    } else {
      return {};
    }
    std::memcpy(data.data(), &value, data.size());
    return {true, 0};
  }

  riscv::BusResponse write(std::uint64_t address, std::span<const std::byte> data,
                           std::uint64_t now_cycles) override {
    std::uint64_t value = 0;
    std::memcpy(&value, data.data(), data.size());
    if (address == kClintMsip && data.size() == 4) {
      software_pending_ = (value & 1) != 0;
      core_.set_interrupt(riscv::Interrupt::kSoftware, software_pending_);
    } else if (address == kClintMtimecmp && data.size() == 8) {
      timer_compare_ = value;
      update_timer(now_cycles);
      // The slice being run may reach past the new time.
      core_.request_stop();
    } else if (address == kFinisherAddress && data.size() == 4 && value == kFinisherPass) {
      finished_ = true;
      core_.request_stop();
    } else {
      return {};
    }
    return {true, 0};
  }

  CoreOutcome run(const CoreRunOptions& options) {
    RandomSource random(options.seed);
    for (const std::uint64_t address : options.breakpoints) core_.add_breakpoint(address);
    if (options.watchpoint) core_.add_watchpoint(*options.watchpoint);
    // Programs end in WFI, so that every way of running stops at the same instruction.
    while (!(finished_ && core_.sleeps())) {
      if (core_.instructions() > kMostInstructions) {
        throw std::runtime_error(
            fmt::format("the core never reached the finisher; pc {:#x}", core_.pc()));
      }
      advance(options, random);
      update_timer(core_.cycles());
      if (core_.sleeps() && !finished_) wake_by_timer();
    }
    return {std::move(ram_), core_.instructions(), core_.cycles(), breakpoint_stops_,
            watchpoint_stops_};
  }

 private:
  static riscv::CoreConfig config() {
    riscv::CoreConfig config;
    config.reset_pc = kRamBase;
    return config;
  }

  void advance(const CoreRunOptions& options, RandomSource& random) {
    constexpr std::uint64_t kLongSlice = 1'000'000;
    switch (options.mode) {
      case RunMode::kSingleStep:
        if (options.observer) options.observer(core_);
        core_.step();
        return;
      case RunMode::kTinyBudgets:
        count_stop(random.chance(50) ? core_.run(random.below(8))
                                     : core_.run(riscv::Core::kUnlimited, random.below(6)));
        return;
      case RunMode::kBlocks:
        count_stop(
            core_.run(std::clamp<std::uint64_t>(timer_compare_ - core_.cycles(), 1, kLongSlice)));
        return;
    }
  }

  // Counts a debugger's stops; a breakpoint is stepped over.
  void count_stop(const riscv::RunResult& result) {
    if (result.reason == riscv::ExitReason::kWatchpoint) ++watchpoint_stops_;
    if (result.reason != riscv::ExitReason::kBreakpoint) return;
    ++breakpoint_stops_;
    if (core_.step().reason == riscv::ExitReason::kWatchpoint) ++watchpoint_stops_;
  }

  void update_timer(std::uint64_t now_cycles) {
    core_.set_interrupt(riscv::Interrupt::kTimer, now_cycles >= timer_compare_);
  }

  void wake_by_timer() {
    if (timer_compare_ == ~std::uint64_t{0}) {
      throw std::runtime_error(fmt::format("the core sleeps forever at {:#x}", core_.pc()));
    }
    if (timer_compare_ > core_.cycles()) core_.add_idle_cycles(timer_compare_ - core_.cycles());
    update_timer(core_.cycles());
  }

  std::vector<std::uint8_t> ram_;
  riscv::Core core_;
  bool software_pending_ = false;
  std::uint64_t timer_compare_ = ~std::uint64_t{0};
  bool finished_ = false;
  std::uint64_t breakpoint_stops_ = 0;
  std::uint64_t watchpoint_stops_ = 0;
};

}  // namespace

CoreOutcome run_on_core(const std::vector<std::uint8_t>& image, const CoreRunOptions& options) {
  return Machine(image).run(options);
}

}  // namespace hpimvp::conformance
