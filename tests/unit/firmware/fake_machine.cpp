#include "tests/unit/firmware/fake_machine.h"

#include <new>
#include <stdexcept>

namespace hpimvp::firmware {
namespace {

void throw_exhausted(std::uint64_t /*bytes_wanted*/, std::uint64_t /*bytes_left*/) {
  throw std::bad_alloc();
}

}  // namespace

TestMemory::TestMemory(std::size_t bytes)
    : words_(bytes / 8, 0xA5A5A5A5A5A5A5A5),
      arena_(reinterpret_cast<std::uint64_t>(words_.data()), bytes, throw_exhausted) {}

std::uint32_t operation_of(const Descriptor& descriptor) {
  return static_cast<std::uint32_t>(descriptor[0] >> 32);
}

FakeEngines::FakeEngines(std::vector<std::uint32_t> capacities, std::uint32_t seed)
    : capacities_(std::move(capacities)),
      slots_(capacities_.size()),
      in_flight_(capacities_.size()),
      random_(seed) {}

void FakeEngines::submit(std::uint32_t device) {
  in_flight_[device].push_back(slots_[device]);
  most_in_flight_ = std::max(most_in_flight_, in_flight_[device].size());
  if (in_flight_[device].size() > capacities_[device]) throw std::logic_error("ring overrun");
  slots_[device].fill(0xDEAD);
  if (on_submit) on_submit(device, in_flight_[device].back());
}

bool FakeEngines::is_stuck(std::uint32_t device) const {
  return fails_at.first == device && !in_flight_[device].empty() &&
         operation_of(in_flight_[device].front()) == fails_at.second;
}

DeviceEvent FakeEngines::wait() {
  std::vector<std::uint32_t> busy;
  for (std::uint32_t device = 0; device < in_flight_.size(); ++device) {
    if (!in_flight_[device].empty()) busy.push_back(device);
  }
  if (busy.empty()) throw std::logic_error("waiting for nothing: a real hart would sleep for ever");
  const std::uint32_t device = busy[random_() % busy.size()];
  DeviceEvent event = {device, 0, false};
  // Sometimes several completions are seen at once, sometimes a wake-up finds none.
  const std::uint32_t wanted = random_() % 4;
  while (event.completed < wanted && !in_flight_[device].empty() && !is_stuck(device)) {
    const Descriptor descriptor = in_flight_[device].front();
    in_flight_[device].pop_front();
    ++event.completed;
    if (on_complete) on_complete(device, descriptor);
  }
  event.failed = is_stuck(device);
  return event;
}

bool FakeEngines::is_idle() const {
  for (const auto& queue : in_flight_) {
    if (!queue.empty()) return false;
  }
  return true;
}

}  // namespace hpimvp::firmware
