#include "firmware/host/plan_view.h"

namespace hpimvp::firmware {

std::string_view PlanView::piece(std::uint32_t token) const {
  if (header_->piece_offsets_address == 0) return {};
  const auto* offsets = reinterpret_cast<const std::uint32_t*>(header_->piece_offsets_address);
  const auto* pieces = reinterpret_cast<const char*>(header_->pieces_address);
  return {pieces + offsets[token], offsets[token + 1] - offsets[token]};
}

std::string_view PlanView::operator_name(const plan::Operator& op) const {
  const std::uint64_t end = reinterpret_cast<std::uint64_t>(header_) + header_->total_bytes;
  const std::uint64_t address = header_->strings_address + op.name_offset;
  if (header_->strings_address == 0 || address >= end) return {};
  const auto* name = reinterpret_cast<const char*>(address);
  std::uint64_t length = 0;
  while (address + length < end && name[length] != 0) ++length;
  return {name, length};
}

const plan::Device* PlanView::find_device(plan::DeviceKind kind, std::uint32_t index) const {
  for (const plan::Device& device : devices()) {
    if (device.kind == kind && device.index == index) return &device;
  }
  return nullptr;
}

}  // namespace hpimvp::firmware
