#include "tests/unit/firmware/fake_machine.h"

#include <algorithm>
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
      completed_(capacities_.size()),
      is_interrupting_(capacities_.size()),
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

std::span<const DeviceEvent> FakeEngines::wait() {
  events_.clear();
  while (events_.empty()) {
    std::vector<std::uint32_t> busy;
    for (std::uint32_t device = 0; device < in_flight_.size(); ++device) {
      if (!in_flight_[device].empty() && !is_stuck(device)) busy.push_back(device);
    }
    std::shuffle(busy.begin(), busy.end(), random_);
    if (!busy.empty()) busy.resize(1 + random_() % busy.size());
    for (const std::uint32_t device : busy) advance(device);
    collect_interrupts();
    if (busy.empty() && events_.empty()) {
      throw std::logic_error("no interrupt will come: a real hart would sleep for ever");
    }
  }
  return events_;
}

// Completes some descriptors; sometimes several, sometimes none.
void FakeEngines::advance(std::uint32_t device) {
  for (std::uint32_t wanted = random_() % 4; wanted != 0; --wanted) {
    if (in_flight_[device].empty() || is_stuck(device)) return;
    const Descriptor descriptor = in_flight_[device].front();
    in_flight_[device].pop_front();
    ++completed_[device];
    if ((descriptor[0] >> 16 & 1) != 0) is_interrupting_[device] = true;
    if (on_complete) on_complete(device, descriptor);
  }
}

// A device is heard of only if a descriptor with the interrupt flag has completed, or if it
// stopped.
void FakeEngines::collect_interrupts() {
  for (std::uint32_t device = 0; device < in_flight_.size(); ++device) {
    if (!is_interrupting_[device] && !is_stuck(device)) continue;
    events_.push_back({device, completed_[device], is_stuck(device)});
    completed_[device] = 0;
    is_interrupting_[device] = false;
    ++interrupts_;
  }
}

bool FakeEngines::retry(std::uint32_t device) {
  if (!is_stuck(device)) throw std::logic_error("a device that has not stopped is tried again");
  if (++retries_asked_ > retries_granted) return false;
  if (heals && retries_asked_ == retries_granted) fails_at = {0xFFFFFFFF, 0};
  return true;
}

bool FakeEngines::is_idle() const {
  for (const auto& queue : in_flight_) {
    if (!queue.empty()) return false;
  }
  return true;
}

}  // namespace hpimvp::firmware
