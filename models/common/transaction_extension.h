// Who issued a TLM transaction and for which operator, so that traffic can be attributed, and
// whether its payload is real (docs/machine.md, data and timing modes). A transaction without this
// extension counts as the host's, of no operator, with a real payload.
#pragma once

#include <cstdint>
#include <tlm>

#include "models/common/initiator.h"

namespace hpimvp::common {

struct TransactionInfo : tlm::tlm_extension<TransactionInfo> {
  Initiator initiator = Initiator::kHost;
  std::uint16_t initiator_index = 0;  // among initiators of a kind: which tile, which stack
  std::uint32_t operation = kNoOperation;
  // False: the data pointer must be neither read nor written; only address, command and length
  // count.
  bool payload_valid = true;

  tlm::tlm_extension_base* clone() const override { return new TransactionInfo(*this); }
  void copy_from(const tlm::tlm_extension_base& other) override {
    *this = static_cast<const TransactionInfo&>(other);
  }
};

}  // namespace hpimvp::common
