// The system controller: progress markers, and the end of the run.
#pragma once

#include <cstdint>

#include "firmware/host/progress.h"
#include "hal/system_controller.h"

namespace hpimvp::firmware {

class SystemController final : public Progress {
 public:
  explicit SystemController(std::uint64_t register_address) : registers_(register_address) {}

  // Ends the simulation.
  void exit(std::uint32_t code) const { registers_.write_exit(code); }

  void boot_done() override { mark(Kind::kBootDone, 0); }
  void prefill_start(std::uint32_t prompt_tokens) override {
    mark(Kind::kPrefillStart, prompt_tokens);
  }
  void prediction(std::uint32_t token) override { mark(Kind::kPrediction, token); }
  void token(std::uint32_t token) override { mark(Kind::kToken, token); }
  void request_done(std::uint32_t generated_tokens) override {
    mark(Kind::kRequestDone, generated_tokens);
  }
  void operator_start(std::uint32_t index) override { mark(Kind::kOperatorStart, index); }
  void operator_done(std::uint32_t index) override { mark(Kind::kOperatorDone, index); }
  void error(std::uint32_t exit_code) { mark(Kind::kError, exit_code); }
  // Of HBM-PIM stacks: a memory error corrected just now, and at the end of a run how many were,
  // and how many descriptors were tried again.
  void corrected_error(std::uint32_t stack, std::uint64_t offset) {
    constexpr unsigned kStackShift = 40;
    mark(Kind::kCorrectedError, std::uint64_t{stack} << kStackShift | offset);
  }
  void corrected_total(std::uint64_t words) { mark(Kind::kCorrectedTotal, words); }
  void retry_total(std::uint32_t retries) { mark(Kind::kRetryTotal, retries); }

 private:
  using Kind = hal::system_controller::MarkerKind;

  void mark(Kind kind, std::uint64_t value) const {
    registers_.write_marker(hal::system_controller::make_marker_kind(kind) |
                            hal::system_controller::make_marker_value(value));
  }

  hal::system_controller::Registers registers_;
};

}  // namespace hpimvp::firmware
