// Stand-ins for the machine under the firmware's logic: engines that complete descriptors in a
// random interleaving, recorded progress, recorded text, and memory for tables.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "firmware/host/arena.h"
#include "firmware/host/engine_access.h"
#include "firmware/host/progress.h"
#include "firmware/host/text_output.h"

namespace hpimvp::firmware {

// Throws std::bad_alloc where the firmware would report and exit.
class TestMemory {
 public:
  explicit TestMemory(std::size_t bytes = 1 << 20);
  Arena& arena() { return arena_; }

 private:
  std::vector<std::uint64_t> words_;
  Arena arena_;
};

using Descriptor = std::array<std::uint64_t, 8>;

std::uint32_t operation_of(const Descriptor& descriptor);

class FakeEngines final : public EngineAccess {
 public:
  // One capacity per device.
  FakeEngines(std::vector<std::uint32_t> capacities, std::uint32_t seed);

  std::uint32_t ring_capacity(std::uint32_t device) const override { return capacities_[device]; }
  std::uint64_t* next_slot(std::uint32_t device) override { return slots_[device].data(); }
  void begin_work() override {}
  void end_work() override {}
  void submit(std::uint32_t device) override;
  std::span<const DeviceEvent> wait() override;
  bool retry(std::uint32_t device) override;

  // Called for each descriptor when it is submitted, and when it completes.
  std::function<void(std::uint32_t device, const Descriptor&)> on_submit;
  std::function<void(std::uint32_t device, const Descriptor&)> on_complete;

  // The device stops instead of completing this operator's descriptor.
  std::pair<std::uint32_t, std::uint32_t> fails_at = {0xFFFFFFFF, 0};  // device, operator

  // As often a retry is granted; the last one granted succeeds if `heals`.
  std::uint32_t retries_granted = 0;
  bool heals = false;

  bool is_idle() const;
  std::size_t in_flight(std::uint32_t device) const { return in_flight_[device].size(); }
  std::size_t most_in_flight() const { return most_in_flight_; }
  std::size_t interrupts() const { return interrupts_; }
  std::uint32_t retries_asked() const { return retries_asked_; }

 private:
  bool is_stuck(std::uint32_t device) const;
  void advance(std::uint32_t device);
  void collect_interrupts();

  std::vector<std::uint32_t> capacities_;
  std::vector<Descriptor> slots_;
  std::vector<std::deque<Descriptor>> in_flight_;
  std::vector<std::uint32_t> completed_;  // since the last event
  std::vector<bool> is_interrupting_;
  std::vector<DeviceEvent> events_;
  std::mt19937 random_;
  std::size_t most_in_flight_ = 0;
  std::size_t interrupts_ = 0;
  std::uint32_t retries_asked_ = 0;
};

// Progress as text: "prefill 3", "token 7" and so on.
class RecordedProgress final : public Progress {
 public:
  void boot_done() override { add("boot_done", 0); }
  void prefill_start(std::uint32_t prompt_tokens) override { add("prefill", prompt_tokens); }
  void prediction(std::uint32_t token) override { add("prediction", token); }
  void token(std::uint32_t token) override { add("token", token); }
  void request_done(std::uint32_t generated) override { add("done", generated); }
  void operator_start(std::uint32_t index) override { add("start", index); }
  void operator_done(std::uint32_t index) override { add("end", index); }

  std::vector<std::string> events;

 private:
  void add(const std::string& what, std::uint32_t value) {
    events.push_back(what + " " + std::to_string(value));
  }
};

class RecordedText final : public TextOutput {
 public:
  void write(std::string_view more) override { text += more; }
  std::string text;
};

}  // namespace hpimvp::firmware
