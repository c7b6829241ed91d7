// What the firmware tells the outside world about its progress (markers of the system controller).
#pragma once

#include <cstdint>

namespace hpimvp::firmware {

class Progress {
 public:
  virtual void boot_done() = 0;
  virtual void prefill_start(std::uint32_t prompt_tokens) = 0;
  // The most probable token after some position.
  virtual void prediction(std::uint32_t token) = 0;
  // A generated token.
  virtual void token(std::uint32_t token) = 0;
  virtual void request_done(std::uint32_t generated_tokens) = 0;
  virtual void operator_start(std::uint32_t index) = 0;
  virtual void operator_done(std::uint32_t index) = 0;

 protected:
  ~Progress() = default;
};

}  // namespace hpimvp::firmware
