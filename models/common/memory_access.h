// Serves TLM generic payloads from a memory that is reached through read and write functions
// (sparse images, memories that keep nothing in timing mode): shape checks, byte enables,
// payload_valid. Time is the caller's affair.
#pragma once

#include <algorithm>
#include <cstdint>
#include <tlm>

#include "models/common/transaction_extension.h"

namespace hpimvp::common {

// The status of an access of this shape to a memory of `size` bytes: whole and contiguous.
inline tlm::tlm_response_status check_memory_access(const tlm::tlm_generic_payload& payload,
                                                    std::uint64_t size) {
  const std::uint64_t length = payload.get_data_length();
  if (length == 0 || payload.get_streaming_width() < length) return tlm::TLM_BURST_ERROR_RESPONSE;
  if (payload.get_address() >= size || length > size - payload.get_address()) {
    return tlm::TLM_ADDRESS_ERROR_RESPONSE;
  }
  return tlm::TLM_OK_RESPONSE;
}

// Moves the data of an access that check_memory_access() has passed.
//   read(std::uint64_t address, std::uint8_t* data, std::size_t length)
//   write(std::uint64_t address, const std::uint8_t* data, std::size_t length)
template <typename Read, typename Write>
void move_payload(tlm::tlm_generic_payload& payload, Read&& read, Write&& write) {
  const TransactionInfo* info = payload.get_extension<TransactionInfo>();
  if (info != nullptr && !info->payload_valid) return;
  const std::uint64_t address = payload.get_address();
  std::uint8_t* data = payload.get_data_ptr();
  const std::size_t length = payload.get_data_length();
  const std::uint8_t* enables = payload.get_byte_enable_ptr();
  const std::size_t enable_length = payload.get_byte_enable_length();
  if (enables == nullptr) {
    if (payload.is_read()) read(address, data, length);
    if (payload.is_write()) write(address, data, length);
    return;
  }
  for (std::size_t i = 0; i < length && enable_length != 0; ++i) {
    if (enables[i % enable_length] != TLM_BYTE_ENABLED) continue;
    if (payload.is_read()) read(address + i, data + i, 1);
    if (payload.is_write()) write(address + i, data + i, 1);
  }
}

// transport_dbg: as many bytes as there are from the address on. Returns their number.
template <typename Read, typename Write>
unsigned serve_memory_debug(tlm::tlm_generic_payload& payload, std::uint64_t size, Read&& read,
                            Write&& write) {
  const std::uint64_t address = payload.get_address();
  if (address >= size) return 0;
  const auto length =
      static_cast<std::size_t>(std::min<std::uint64_t>(payload.get_data_length(), size - address));
  if (payload.is_read()) read(address, payload.get_data_ptr(), length);
  if (payload.is_write()) write(address, payload.get_data_ptr(), length);
  return static_cast<unsigned>(length);
}

}  // namespace hpimvp::common
