// Serves TLM generic payloads from registers: the access rules of a register port, with the right
// error response for every access that the registers do not take. Time is the caller's affair.
#pragma once

#include <cstdint>
#include <cstring>
#include <tlm>

#include "models/common/register_info.h"

namespace hpimvp::common {

inline tlm::tlm_response_status response_status(AccessResult result) {
  switch (result) {
    case AccessResult::kOk:
      return tlm::TLM_OK_RESPONSE;
    case AccessResult::kAddressError:
      return tlm::TLM_ADDRESS_ERROR_RESPONSE;
    case AccessResult::kCommandError:
      return tlm::TLM_COMMAND_ERROR_RESPONSE;
    case AccessResult::kSizeError:
      return tlm::TLM_BURST_ERROR_RESPONSE;
  }
  return tlm::TLM_GENERIC_ERROR_RESPONSE;
}

// Executes `payload` on `registers`, any class with
//   AccessResult read(std::uint64_t offset, unsigned width_bytes, std::uint64_t& value);
//   AccessResult write(std::uint64_t offset, unsigned width_bytes, std::uint64_t value);
// and sets its response status. Byte enables and streaming are not supported by registers.
template <typename Registers>
void serve_register_access(Registers& registers, tlm::tlm_generic_payload& payload) {
  const unsigned length = payload.get_data_length();
  payload.set_dmi_allowed(false);
  if (payload.get_byte_enable_ptr() != nullptr) {
    payload.set_response_status(tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE);
    return;
  }
  const bool one_register = length == 1 || length == 2 || length == 4 || length == 8;
  if (!one_register || payload.get_streaming_width() < length) {
    payload.set_response_status(tlm::TLM_BURST_ERROR_RESPONSE);
    return;
  }
  std::uint64_t value = 0;
  AccessResult result = AccessResult::kOk;
  if (payload.is_read()) {
    result = registers.read(payload.get_address(), length, value);
    if (result == AccessResult::kOk) std::memcpy(payload.get_data_ptr(), &value, length);
  } else if (payload.is_write()) {
    std::memcpy(&value, payload.get_data_ptr(), length);
    result = registers.write(payload.get_address(), length, value);
  }
  payload.set_response_status(response_status(result));
}

// transport_dbg: reads without side effects through
//   AccessResult peek(std::uint64_t offset, unsigned width_bytes, std::uint64_t& value) const;
// Debug writes are refused. Returns the number of bytes read, 0 for an access that is not a
// register's.
template <typename Registers>
unsigned serve_register_debug(const Registers& registers, tlm::tlm_generic_payload& payload) {
  const unsigned length = payload.get_data_length();
  const bool one_register = length == 1 || length == 2 || length == 4 || length == 8;
  std::uint64_t value = 0;
  if (!payload.is_read() || !one_register ||
      registers.peek(payload.get_address(), length, value) != AccessResult::kOk) {
    payload.set_response_status(tlm::TLM_GENERIC_ERROR_RESPONSE);
    return 0;
  }
  std::memcpy(payload.get_data_ptr(), &value, length);
  payload.set_response_status(tlm::TLM_OK_RESPONSE);
  return length;
}

}  // namespace hpimvp::common
