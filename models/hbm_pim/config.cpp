#include "models/hbm_pim/config.h"

#include <fmt/format.h>

#include <stdexcept>

#include "models/common/pim_numerics.h"

namespace hpimvp::hbm_pim {

void check(const HbmPimConfig& config) {
  check(config.device);
  check(config.controller);
  if (config.device.pim.lanes != common::kPimLanes) {
    throw std::invalid_argument(
        fmt::format("lanes is {}; must be 16: the numerics define sums of 16 products",
                    config.device.pim.lanes));
  }
  if (config.device.organisation.burst_bytes != 2 * common::kPimLanes) {
    throw std::invalid_argument(fmt::format("burst_bytes is {}; must be 32: 16 FP16 values",
                                            config.device.organisation.burst_bytes));
  }
  BitFieldMapping(config.device.organisation, config.mapping);
}

}  // namespace hpimvp::hbm_pim
