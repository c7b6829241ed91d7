// Hands programs to the processing units of an HBM-PIM stack and sleeps until they have run.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "firmware/host/command_queue_driver.h"
#include "firmware/host/default_addresses.h"
#include "firmware/host/half.h"
#include "firmware/host/program_error.h"
#include "firmware/host/random.h"
#include "firmware/host/traps.h"
#include "hal/hbm_pim_stack.h"

namespace hpimvp::firmware {

// Stack 0 of a machine with the default addresses. With a plan at hand take them from its device
// table instead (plan_view.h).
class StackQueue final : public QueueListener {
 public:
  using ErrorCode = hal::command_queue::ErrorCode;
  using ProgramErrorReason = hal::hbm_pim_stack::ProgramErrorReason;

  explicit StackQueue(InterruptController& interrupts)
      : registers_(default_addresses::kHbmPimStack), interrupts_(interrupts) {
    restart();
  }

  // Runs what `descriptor` (a PimProgramDescriptor or PimKernelDescriptor) says; NONE: it is done.
  // Otherwise the queue has stopped, and takes nothing until restart().
  template <typename Descriptor>
  ErrorCode run(Descriptor descriptor) {
    using Header = hal::command_queue::CommandHeader;
    descriptor.header.opcode = Descriptor::kOpcode;
    descriptor.header.flags = Header::kFlagInterrupt;
    descriptor.header.operation = Header::kNoOperation;
    *reinterpret_cast<Descriptor*>(queue_->next_slot()) = descriptor;
    has_ended_ = false;
    queue_->submit();
    {
      const InterruptsMasked masked;
      while (!has_ended_) interrupts_.sleep_and_service();
    }
    fence_device_before_memory();
    return has_failed_ ? queue_->error_code() : ErrorCode::kNone;
  }
  // Forgets what was submitted. The queue is ready.
  void restart() {
    queue_.emplace(default_addresses::kHbmPimStack, 0, ring_, kSlots, *this);
    interrupts_.attach(default_addresses::kHbmPimInterrupt, *queue_);
  }

  // After PROGRAM_TRAP: the word or command of the list that is wrong, and why.
  std::uint32_t wrong_word() const {
    return hal::hbm_pim_stack::get_program_error_command(registers_.read_program_error());
  }
  ProgramErrorReason reason() const {
    return hal::hbm_pim_stack::get_program_error_reason(registers_.read_program_error());
  }
  // After UNCORRECTABLE_ERROR: offset in the stack's memory of the word that could not be read.
  std::uint64_t error_offset() const { return queue_->error_address(); }
  std::uint64_t corrected_words() const { return registers_.read_ecc_corrected_count(); }

  void queue_event(std::uint32_t /*device*/, std::uint32_t /*completed*/, bool failed) override {
    has_failed_ = failed;
    has_ended_ = true;
  }

 private:
  static constexpr std::uint32_t kSlots = 2;

  hal::hbm_pim_stack::Registers registers_;
  InterruptController& interrupts_;
  alignas(64) std::uint64_t ring_[kSlots * CommandRing::kDescriptorWords] = {};
  std::optional<CommandQueueDriver> queue_;
  volatile bool has_ended_ = false;
  volatile bool has_failed_ = false;
};

// What a program needs of the machine: its text, its interrupts, and a stack.
struct PimMachine {
  PimMachine() {
    set_machine_output(&output);
    interrupts.install();
  }
  PimMachine(const PimMachine&) = delete;
  PimMachine& operator=(const PimMachine&) = delete;

  Uart uart{default_addresses::kUart};
  SystemController system_controller{default_addresses::kSystemController};
  MachineOutput output{uart, system_controller};
  InterruptController interrupts{default_addresses::kPlic};
  StackQueue queue{interrupts};
};

// Ends the run with a message when a program has not run. Exit codes: 1 wrong values, 2 the queue.
inline void require(StackQueue::ErrorCode error, const StackQueue& queue, TextOutput& out) {
  if (error == StackQueue::ErrorCode::kNone) return;
  out << "HBM-PIM stack 0 stopped with " << name_of(error);
  if (error == StackQueue::ErrorCode::kProgramTrap) {
    out << ": word " << queue.wrong_word() << ", " << name_of(queue.reason());
  } else {
    out << " at offset " << Hex{queue.error_offset()} << " of its memory";
  }
  out << "\n";
  exit_machine(2);
}

// Says that a program was refused, and ends the run if it was not.
inline void require_refusal(StackQueue::ErrorCode error, const StackQueue& queue, TextOutput& out) {
  if (error != StackQueue::ErrorCode::kProgramTrap) {
    out << "a wrong program ended with " << name_of(error) << "\n";
    exit_machine(2);
  }
  out << "refused: word " << queue.wrong_word() << ", " << name_of(queue.reason()) << "\n";
}

// Rounded to nearest, ties to even.
inline std::uint16_t to_half(float value) {
  std::uint64_t bits = 0;
  asm("fcvt.h.s ft0, %1\n\tfmv.x.h %0, ft0" : "=r"(bits) : "f"(value) : "ft0");
  return static_cast<std::uint16_t>(bits);
}

// In [-1, 1), with all bits of FP16 in use, so that sums and products round.
inline std::uint16_t random_half(Random& random) {
  return to_half(static_cast<float>(static_cast<std::int32_t>(random.next())) * 0x1p-31F);
}

// A burst of a bank, written by the CPU.
inline void write_burst(std::uint64_t offset, const std::uint16_t* values) {
  auto* const to =
      reinterpret_cast<volatile std::uint64_t*>(default_addresses::kHbmPimMemory + offset);
  for (std::uint32_t i = 0; i < 4; ++i) {
    std::uint64_t eight_bytes = 0;
    for (std::uint32_t j = 0; j < 4; ++j) {
      eight_bytes |= static_cast<std::uint64_t>(values[4 * i + j]) << (16 * j);
    }
    to[i] = eight_bytes;
  }
}

}  // namespace hpimvp::firmware
