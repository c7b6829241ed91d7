// A memory on the bus with a contiguous image in host memory: direct access (DMI), byte enables,
// streaming and debug transport. Host memory of the machine, and the control memory of a tile.
//
// The image is a private anonymous mapping, so untouched parts cost nothing. A transaction whose
// TransactionInfo says payload_valid = false takes its time and leaves the contents untouched.
#pragma once

#include <tlm_utils/simple_target_socket.h>

#include <cstdint>
#include <memory>
#include <systemc>

#include "models/common/memory_target_config.h"
#include "models/common/statistics.h"

namespace hpimvp::common {

class MemoryTarget : public sc_core::sc_module {
 public:
  tlm_utils::simple_target_socket<MemoryTarget> memory;

  // Throws std::invalid_argument for a size of 0 and std::runtime_error if the host refuses it.
  MemoryTarget(sc_core::sc_module_name name, const MemoryTargetConfig& config);

  std::uint64_t size() const { return config_.size_bytes; }
  // The image: size() bytes, for loaders. Valid as long as the module.
  std::uint8_t* data() { return image_.get(); }
  const std::uint8_t* data() const { return image_.get(); }

  // "reads", "writes", "read_bytes", "write_bytes": transactions, without those through DMI.
  Statistics statistics() const;

 private:
  struct Unmap {
    std::uint64_t size = 0;
    void operator()(std::uint8_t* image) const;
  };

  void access(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
  bool direct(tlm::tlm_generic_payload& payload, tlm::tlm_dmi& dmi);
  unsigned debug(tlm::tlm_generic_payload& payload);
  // The status of an access of this shape, TLM_OK_RESPONSE if it is to be carried out.
  tlm::tlm_response_status check(const tlm::tlm_generic_payload& payload) const;
  void copy(tlm::tlm_generic_payload& payload);
  sc_core::sc_time duration(std::uint64_t bytes) const;

  MemoryTargetConfig config_;
  std::unique_ptr<std::uint8_t, Unmap> image_;
  std::uint64_t reads_ = 0;
  std::uint64_t writes_ = 0;
  std::uint64_t read_bytes_ = 0;
  std::uint64_t write_bytes_ = 0;
};

}  // namespace hpimvp::common
