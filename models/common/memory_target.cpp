#include "models/common/memory_target.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

#include "models/common/transaction_extension.h"

namespace hpimvp::common {
namespace {

constexpr std::uint64_t kBurstBytes = 64;

std::uint8_t* map_image(std::uint64_t size, const char* name) {
  if (size == 0) throw std::invalid_argument(std::string(name) + ": a memory of 0 bytes");
  void* image = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (image == MAP_FAILED) {
    throw std::runtime_error(std::string(name) + ": the host gives no " + std::to_string(size) +
                             " bytes of memory: " + std::strerror(errno));
  }
  return static_cast<std::uint8_t*>(image);
}

sc_core::sc_time picoseconds(std::uint64_t ps) {
  return sc_core::sc_time(static_cast<double>(ps), sc_core::SC_PS);
}

}  // namespace

void MemoryTarget::Unmap::operator()(std::uint8_t* image) const {
  munmap(image, size);
}

MemoryTarget::MemoryTarget(sc_core::sc_module_name name, const MemoryTargetConfig& config)
    : sc_module(name),
      memory("memory"),
      config_(config),
      image_(map_image(config.size_bytes, this->name()), Unmap{config.size_bytes}) {
  memory.register_b_transport(this, &MemoryTarget::access);
  memory.register_get_direct_mem_ptr(this, &MemoryTarget::direct);
  memory.register_transport_dbg(this, &MemoryTarget::debug);
}

tlm::tlm_response_status MemoryTarget::check(const tlm::tlm_generic_payload& payload) const {
  const std::uint64_t address = payload.get_address();
  const std::uint64_t width = payload.get_streaming_width();
  const std::uint64_t length = payload.get_data_length();
  if (length == 0 || width == 0) return tlm::TLM_BURST_ERROR_RESPONSE;
  // With streaming, addresses start over after `width` bytes (IEEE 1666-2011, 14.11).
  const std::uint64_t span = width < length ? width : length;
  if (address >= config_.size_bytes || span > config_.size_bytes - address) {
    return tlm::TLM_ADDRESS_ERROR_RESPONSE;
  }
  return tlm::TLM_OK_RESPONSE;
}

void MemoryTarget::copy(tlm::tlm_generic_payload& payload) {
  std::uint8_t* data = payload.get_data_ptr();
  std::uint8_t* place = image_.get() + payload.get_address();
  const unsigned length = payload.get_data_length();
  const unsigned width = payload.get_streaming_width();
  const std::uint8_t* enables = payload.get_byte_enable_ptr();
  if (enables == nullptr && width >= length) {
    if (payload.is_read()) std::memcpy(data, place, length);
    if (payload.is_write()) std::memcpy(place, data, length);
    return;
  }
  for (unsigned i = 0; i < length; ++i) {
    if (enables != nullptr && enables[i % payload.get_byte_enable_length()] != TLM_BYTE_ENABLED) {
      continue;
    }
    if (payload.is_read()) data[i] = place[i % width];
    if (payload.is_write()) place[i % width] = data[i];
  }
}

sc_core::sc_time MemoryTarget::duration(std::uint64_t bytes) const {
  const std::uint64_t further = (bytes - 1) / kBurstBytes;
  return picoseconds(config_.latency_ps + further * config_.ps_per_64_bytes);
}

void MemoryTarget::access(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  const tlm::tlm_response_status status = check(payload);
  payload.set_response_status(status);
  if (status != tlm::TLM_OK_RESPONSE) return;
  const auto* info = payload.get_extension<TransactionInfo>();
  if (info == nullptr || info->payload_valid) copy(payload);
  payload.set_dmi_allowed(config_.allow_dmi);
  const std::uint64_t bytes = payload.get_data_length();
  if (payload.is_read()) {
    ++reads_;
    read_bytes_ += bytes;
  } else if (payload.is_write()) {
    ++writes_;
    write_bytes_ += bytes;
  }
  delay += duration(bytes);
}

bool MemoryTarget::direct(tlm::tlm_generic_payload&, tlm::tlm_dmi& dmi) {
  dmi.set_start_address(0);
  dmi.set_end_address(config_.size_bytes - 1);
  if (!config_.allow_dmi) {
    dmi.allow_none();
    return false;
  }
  dmi.set_dmi_ptr(image_.get());
  dmi.allow_read_write();
  dmi.set_read_latency(picoseconds(config_.latency_ps));
  dmi.set_write_latency(picoseconds(config_.latency_ps));
  return true;
}

unsigned MemoryTarget::debug(tlm::tlm_generic_payload& payload) {
  const std::uint64_t address = payload.get_address();
  if (address >= config_.size_bytes) return 0;
  const std::uint64_t room = config_.size_bytes - address;
  const auto bytes = static_cast<unsigned>(
      room < payload.get_data_length() ? room : std::uint64_t{payload.get_data_length()});
  if (payload.is_read()) std::memcpy(payload.get_data_ptr(), image_.get() + address, bytes);
  if (payload.is_write()) std::memcpy(image_.get() + address, payload.get_data_ptr(), bytes);
  return bytes;
}

Statistics MemoryTarget::statistics() const {
  return {{"reads", reads_},
          {"writes", writes_},
          {"read_bytes", read_bytes_},
          {"write_bytes", write_bytes_}};
}

}  // namespace hpimvp::common
