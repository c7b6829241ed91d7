// Positions in the ring of a command queue: where the next descriptor goes, which are not complete.
#pragma once

#include <algorithm>
#include <cstdint>

namespace hpimvp::firmware {

class CommandRing {
 public:
  static constexpr std::uint32_t kDescriptorWords = 8;  // of 64 bits

  // `slots` descriptors of 64 bytes at `ring`: a power of two.
  CommandRing(std::uint64_t* ring, std::uint32_t slots)
      : ring_(ring), mask_(slots - 1), next_slot_(ring) {}

  std::uint32_t capacity() const { return mask_; }
  std::uint64_t* next_slot() const { return next_slot_; }
  std::uint32_t head() const { return head_; }  // as last seen in the register HEAD
  std::uint32_t tail() const { return tail_; }  // as in the register TAIL

  // The descriptor in next_slot() is handed over.
  void advance_tail() {
    tail_ = (tail_ + 1) & mask_;
    next_slot_ = ring_ + tail_ * kDescriptorWords;
  }

  // HEAD reads `head` now. Returns how many more descriptors are complete.
  std::uint32_t set_head(std::uint32_t head) {
    const std::uint32_t completed = (head - head_) & mask_;
    head_ = head;
    return completed;
  }

  // Moves the descriptors that are not complete to the start of the ring, as a queue that was reset
  // begins there.
  void rewind() {
    std::uint64_t* const end = ring_ + (mask_ + 1) * kDescriptorWords;
    std::rotate(ring_, ring_ + head_ * kDescriptorWords, end);
    tail_ = (tail_ - head_) & mask_;
    head_ = 0;
    next_slot_ = ring_ + tail_ * kDescriptorWords;
  }

 private:
  std::uint64_t* ring_;
  std::uint32_t mask_;
  std::uint32_t tail_ = 0;
  std::uint32_t head_ = 0;
  std::uint64_t* next_slot_;
};

}  // namespace hpimvp::firmware
