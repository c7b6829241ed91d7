// The plan as the rest of the firmware reads it, and the check that it may be read so.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "firmware/abi/plan_format.h"
#include "firmware/host/text_output.h"

namespace hpimvp::firmware {

class PlanView {
 public:
  explicit PlanView(const plan::PlanHeader& header) : header_(&header) {}

  const plan::PlanHeader& header() const { return *header_; }
  const plan::ModelShape& model() const { return header_->model; }
  const plan::Request& request() const { return header_->request; }

  std::span<const plan::Device> devices() const {
    return array<plan::Device>(header_->devices_address, header_->device_count);
  }
  // Those of a token, those of a chunk, and both: what operators' numbers are indices of.
  std::span<const plan::Operator> operators() const {
    return operator_table().first(header_->operator_count);
  }
  std::span<const plan::Operator> chunk_operators() const {
    return operator_table().subspan(header_->operator_count);
  }
  std::span<const plan::Operator> operator_table() const {
    return array<plan::Operator>(header_->operators_address, operator_table_size());
  }
  std::uint64_t operator_table_size() const {
    return std::uint64_t{header_->operator_count} + header_->chunk_operator_count;
  }
  std::span<const plan::DescriptorTemplate> descriptors() const {
    return array<plan::DescriptorTemplate>(header_->descriptors_address, header_->descriptor_count);
  }
  std::span<const plan::MemoryRegion> kv_regions() const {
    return array<plan::MemoryRegion>(header_->kv_regions_address, header_->kv_region_count);
  }
  std::span<const std::uint32_t> prompt() const {
    return array<std::uint32_t>(request().prompt_address, request().prompt_count);
  }
  // Empty without kRequestReplay.
  std::span<const std::uint32_t> replay() const {
    const bool used = (request().flags & plan::kRequestReplay) != 0;
    return array<std::uint32_t>(request().replay_address, used ? request().replay_count : 0);
  }
  const std::uint16_t* logits() const {
    return reinterpret_cast<const std::uint16_t*>(header_->logits_address);
  }

  // The text of a token; empty if the plan has no vocabulary.
  std::string_view piece(std::uint32_t token) const;
  std::string_view operator_name(const plan::Operator& op) const;

  // The first device of a kind with this index, or null.
  const plan::Device* find_device(plan::DeviceKind kind, std::uint32_t index = 0) const;

 private:
  template <typename T>
  static std::span<const T> array(std::uint64_t address, std::uint64_t count) {
    return {reinterpret_cast<const T*>(address), count};
  }

  const plan::PlanHeader* header_;
};

// Whether a device of this kind has a command queue.
constexpr bool takes_commands(plan::DeviceKind kind) {
  return kind == plan::DeviceKind::kDma || kind == plan::DeviceKind::kSramPimDispatcher ||
         kind == plan::DeviceKind::kHbmPimStack;
}

// What is wrong with a plan, for a report: "operator 12: predecessor is not smaller (14)".
struct PlanProblem {
  std::string_view what;
  std::string_view where;  // what `index` counts, empty: the header
  std::uint64_t index;
  std::uint64_t value;  // what was found
};
TextOutput& operator<<(TextOutput& out, const PlanProblem& problem);

// Checks magic, version, and that the device table may be read. Enough to find the devices on which
// the other problems can be reported.
std::optional<PlanProblem> check_plan_header(const plan::PlanHeader& header);

// Checks everything else that the firmware relies on, after check_plan_header found nothing:
// ranges, counts, every index, every patch, and the request.
std::optional<PlanProblem> check_plan(const PlanView& plan);

// The same, of the part that names memory: the plan and the memory given to the firmware must lie
// above `image_end`, and apart.
std::optional<PlanProblem> check_plan_memory(const PlanView& plan, std::uint64_t image_end);

}  // namespace hpimvp::firmware
