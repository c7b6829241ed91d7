#include "tests/unit/firmware/plan_builder.h"

#include <algorithm>
#include <cstring>

namespace hpimvp::firmware {

PlanBuilder::PlanBuilder(std::uint32_t layers, std::uint32_t vocabulary)
    : header{}, logits(vocabulary) {
  header.magic = plan::kMagic;
  header.version = plan::kVersion;
  header.model = {.layers = layers,
                  .hidden = 2,
                  .heads = 1,
                  .kv_heads = 1,
                  .head_dim = 2,
                  .vocabulary = vocabulary,
                  .max_positions = 64,
                  .end_token = 0xFFFFFFFF};
  header.request.flags = plan::kRequestPrintText;
  header.request.top_p = 1.0f;
}

std::uint32_t PlanBuilder::add_device(plan::DeviceKind kind, std::uint32_t index) {
  const auto number = static_cast<std::uint32_t>(devices_.size());
  devices_.push_back({kind, index, 0x1000 * (number + 1), 0, 0, number + 1, 0});
  return number;
}

void PlanBuilder::add_boot_descriptor(std::uint32_t device) {
  plan::DescriptorTemplate descriptor = {};
  descriptor.device = device;
  boot_descriptors_.push_back(descriptor);
}

std::uint32_t PlanBuilder::add_operator(const Operator& op) {
  const auto index = static_cast<std::uint32_t>(operators_.size());
  operators_.push_back(make_operator(op, "operator" + std::to_string(index)));
  return index;
}

std::uint32_t PlanBuilder::add_chunk_operator(const Operator& op) {
  const auto index = static_cast<std::uint32_t>(chunk_operators_.size());
  chunk_operators_.push_back(make_operator(op, "chunk" + std::to_string(index)));
  return index;
}

plan::Operator PlanBuilder::make_operator(const Operator& op, const std::string& name) {
  plan::Operator entry = {};
  entry.engine = op.engine;
  entry.kind = plan::OperatorKind::kNorm;
  entry.flags = op.flags;
  entry.layer = op.layer;
  entry.predecessor_count = static_cast<std::uint16_t>(op.predecessors.size());
  std::copy(op.predecessors.begin(), op.predecessors.end(), entry.predecessors);
  entry.first_descriptor = static_cast<std::uint32_t>(descriptors_.size());
  entry.descriptor_count = static_cast<std::uint32_t>(op.devices.size());
  entry.name_offset = static_cast<std::uint32_t>(strings_.size());
  strings_ += name + '\0';
  for (const std::uint32_t device : op.devices) {
    plan::DescriptorTemplate descriptor = {};
    descriptor.device = device;
    descriptor.patch_count = static_cast<std::uint32_t>(op.patches.size());
    std::copy(op.patches.begin(), op.patches.end(), descriptor.patches);
    for (std::size_t i = 0; i < sizeof descriptor.descriptor; ++i) {
      descriptor.descriptor[i] =
          static_cast<std::uint8_t>(entry.first_descriptor * 3 + device * 5 + i);
    }
    descriptors_.push_back(descriptor);
  }
  return entry;
}

std::vector<plan::Operator> PlanBuilder::operator_table() const {
  std::vector<plan::Operator> table = operators_;
  table.insert(table.end(), chunk_operators_.begin(), chunk_operators_.end());
  for (plan::Operator& op : table) {
    op.first_descriptor += static_cast<std::uint32_t>(boot_descriptors_.size());
  }
  return table;
}

template <typename T>
std::uint64_t PlanBuilder::append(const std::vector<T>& values) {
  const std::uint64_t address = reinterpret_cast<std::uint64_t>(memory_.data()) + used_bytes_;
  const std::size_t bytes = values.size() * sizeof(T);
  if (bytes != 0) std::memcpy(reinterpret_cast<void*>(address), values.data(), bytes);
  used_bytes_ += (bytes + 7) / 8 * 8;
  return address;
}

PlanView PlanBuilder::build() {
  std::vector<plan::DescriptorTemplate> descriptors = boot_descriptors_;
  descriptors.insert(descriptors.end(), descriptors_.begin(), descriptors_.end());
  const std::vector<plan::Operator> operators = operator_table();
  std::vector<std::uint32_t> offsets = {0};
  std::string text;
  for (const std::string& piece : pieces) {
    text += piece;
    offsets.push_back(static_cast<std::uint32_t>(text.size()));
  }
  constexpr std::size_t kSections = 9;  // each at a multiple of 8
  constexpr std::size_t kBehind = 4096;
  const std::size_t bytes = sizeof header + devices_.size() * sizeof(plan::Device) +
                            operators.size() * sizeof(plan::Operator) +
                            descriptors.size() * sizeof(plan::DescriptorTemplate) +
                            strings_.size() + kv_regions.size() * sizeof(plan::MemoryRegion) +
                            (offsets.size() + prompt.size() + replay.size()) * 4 + text.size();
  memory_.assign((bytes + kBehind) / 8 + kSections, 0);
  used_bytes_ = sizeof header;

  header.device_count = static_cast<std::uint32_t>(devices_.size());
  header.operator_count = static_cast<std::uint32_t>(operators_.size());
  header.chunk_operator_count = static_cast<std::uint32_t>(chunk_operators_.size());
  header.descriptor_count = static_cast<std::uint32_t>(descriptors.size());
  header.boot_descriptor_count = static_cast<std::uint32_t>(boot_descriptors_.size());
  header.devices_address = append(devices_);
  header.operators_address = append(operators);
  header.descriptors_address = append(descriptors);
  header.strings_address = append(std::vector<char>(strings_.begin(), strings_.end()));
  header.kv_region_count = static_cast<std::uint32_t>(kv_regions.size());
  header.kv_regions_address = append(kv_regions);
  header.logits_address = reinterpret_cast<std::uint64_t>(logits.data());
  header.piece_offsets_address = pieces.empty() ? 0 : append(offsets);
  header.pieces_address = append(std::vector<char>(text.begin(), text.end()));
  header.request.prompt_count = static_cast<std::uint32_t>(prompt.size());
  header.request.prompt_address = append(prompt);
  header.request.replay_count = static_cast<std::uint32_t>(replay.size());
  header.request.replay_address = append(replay);
  header.total_bytes = used_bytes_;
  built_header() = header;
  return PlanView(built_header());
}

}  // namespace hpimvp::firmware
