#include "models/hbm_pim/config.h"

#include <fmt/format.h>

#include <stdexcept>

#include "models/common/pim_numerics.h"

namespace hpimvp::hbm_pim {
namespace {

void require(bool good, const char* message) {
  if (!good) throw std::invalid_argument(fmt::format("HBM-PIM configuration: {}", message));
}

void check_organisation(const Organisation& o) {
  require(o.channels > 0 && o.pseudo_channels_per_channel > 0, "no pseudo-channels");
  require(o.bank_groups > 0 && o.banks_per_group > 0, "no banks");
  require(o.rows > 0, "no rows");
  require(o.burst_bytes == common::kPimLanes * 2, "burst_bytes must hold 16 FP16 values (32)");
  require(o.row_bytes > 0 && o.row_bytes % o.burst_bytes == 0,
          "row_bytes must be a multiple of burst_bytes");
  require(o.banks() <= 256 && o.pseudo_channels() <= 256,
          "at most 256 banks and 256 pseudo-channels");
}

void check_timing(const Timing& t) {
  require(t.clock_period_ps > 0, "clock period is 0");
  require(t.ccd_short > 0 && t.ccd_long >= t.ccd_short, "need 0 < ccd_short <= ccd_long");
  require(t.refresh_interval == 0 || t.refresh + t.precharge < t.refresh_interval,
          "refresh takes longer than the refresh interval (0: no refresh)");
}

}  // namespace

void check(const HbmPimConfig& config) {
  check_organisation(config.organisation);
  check_timing(config.timing);
  require(config.pim.lanes == common::kPimLanes,
          "lanes must be 16: the numerics define sums of 16 products");
  require(config.pim.mac_period > 0, "mac_period is 0");
  require(config.pim.activates_per_window > 0, "activates_per_window is 0");
  require(config.pim.global_buffer_bytes >= config.organisation.row_bytes &&
              config.pim.global_buffer_bytes % config.organisation.burst_bytes == 0,
          "global_buffer_bytes must be a multiple of burst_bytes and hold at least a row");
}

}  // namespace hpimvp::hbm_pim
