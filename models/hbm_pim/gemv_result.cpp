#include "models/hbm_pim/gemv_result.h"

#include <numeric>

namespace hpimvp::hbm_pim {

namespace {

bool changes_mode(DramCommand command) {
  return command == DramCommand::kPimEnter || command == DramCommand::kPimExit;
}

// What the time before `later` goes to when `earlier` does not occupy it.
GemvPart waiting_for(DramCommand earlier, DramCommand later) {
  switch (later) {
    case DramCommand::kPimEnter:
    case DramCommand::kPimExit:
    case DramCommand::kPrechargeAll:
      return GemvPart::kModeChange;
    case DramCommand::kRefresh:
      return GemvPart::kRefresh;
    case DramCommand::kWriteBuffer:
    case DramCommand::kWriteBias:
      return GemvPart::kBroadcast;
    case DramCommand::kReadResult:
      return GemvPart::kReadOut;
    case DramCommand::kMac:
    case DramCommand::kElementAdd:
    case DramCommand::kElementMultiply:
      break;
    default:
      return GemvPart::kActivate;
  }
  switch (earlier) {
    case DramCommand::kActivateBanks:
    case DramCommand::kPrechargeBanks:
      return GemvPart::kActivate;
    case DramCommand::kWriteBuffer:
    case DramCommand::kWriteBias:
      return GemvPart::kBroadcast;
    case DramCommand::kReadResult:
      return GemvPart::kReadOut;
    default:
      return changes_mode(earlier) ? GemvPart::kModeChange : GemvPart::kCompute;
  }
}

}  // namespace

const char* part_name(GemvPart part) {
  static constexpr std::array<const char*, kGemvParts> kNames = {
      "activate", "compute", "broadcast", "read-out", "refresh", "mode change"};
  return kNames[static_cast<unsigned>(part)];
}

std::uint64_t GemvResult::all_commands() const {
  return std::accumulate(commands.begin(), commands.end(), std::uint64_t{0});
}

GapAttribution::GapAttribution(const DeviceDescription& device) {
  const auto own = [this, &device](DramCommand command, Parameter parameter, GemvPart part) {
    own_[static_cast<unsigned>(command)] = {device[parameter], static_cast<std::uint8_t>(part)};
  };
  own(DramCommand::kMac, Parameter::kTMAC, GemvPart::kCompute);
  own(DramCommand::kElementAdd, Parameter::kTMAC, GemvPart::kCompute);
  own(DramCommand::kElementMultiply, Parameter::kTMAC, GemvPart::kCompute);
  own(DramCommand::kWriteBuffer, Parameter::kTGBW, GemvPart::kBroadcast);
  own(DramCommand::kWriteBias, Parameter::kTGBW, GemvPart::kBroadcast);
  own(DramCommand::kReadResult, Parameter::kTRDMAC, GemvPart::kReadOut);
  own(DramCommand::kRefresh, Parameter::kTRFC, GemvPart::kRefresh);
  own(DramCommand::kPimEnter, Parameter::kTPIMIN, GemvPart::kModeChange);
  own(DramCommand::kPimExit, Parameter::kTPIMOUT, GemvPart::kModeChange);
  for (unsigned earlier = 0; earlier <= kDramCommands; ++earlier) {
    for (unsigned later = 0; later < kDramCommands; ++later) {
      rest_[earlier][later] = static_cast<std::uint8_t>(
          waiting_for(static_cast<DramCommand>(earlier), static_cast<DramCommand>(later)));
    }
  }
}

}  // namespace hpimvp::hbm_pim
