#include "models/peripherals/plic_state.h"

#include <bit>
#include <stdexcept>
#include <utility>

#include "generated/models/peripherals/plic_registers.h"

namespace hpimvp::peripherals {
namespace {

namespace regs = plic_registers;
using common::AccessResult;
constexpr unsigned kBitsPerWord = 32;
constexpr std::uint32_t kEnableOffsets[] = {regs::kEnable0Offset, regs::kEnable1Offset,
                                            regs::kEnable2Offset, regs::kEnable3Offset};

PlicConfig checked(const PlicConfig& config) {
  if (config.sources < 1 || config.sources >= regs::kPriorityCount) {
    throw std::invalid_argument("PLIC: the number of sources must be 1 to 127");
  }
  if (config.contexts < 1 || config.contexts > regs::kClaimCount) {
    throw std::invalid_argument("PLIC: the number of contexts must be 1 to 16");
  }
  return config;
}

bool test(const auto& bits, unsigned source) {
  return (bits[source / kBitsPerWord] >> source % kBitsPerWord & 1) != 0;
}

void assign(auto& bits, unsigned source, bool value) {
  const std::uint32_t mask = std::uint32_t{1} << source % kBitsPerWord;
  std::uint32_t& word = bits[source / kBitsPerWord];
  word = value ? word | mask : word & ~mask;
}

}  // namespace

PlicState::PlicState(const PlicConfig& config, std::function<void()> levels_changed)
    : config_(checked(config)),
      levels_changed_(std::move(levels_changed)),
      block_(regs::kBlock),
      levels_(config.contexts) {
  for (unsigned source = 1; source <= config_.sources; ++source) assign(implemented_, source, true);
  install_hooks();
}

void PlicState::install_hooks() {
  using Write = common::RegisterBlock::Write;
  for (unsigned word = 0; word < kWords; ++word) {
    block_.limit_array(kEnableOffsets[word], config_.contexts);
    block_.on_write(kEnableOffsets[word], [this, word](const Write& write) {
      block_.set(kEnableOffsets[word] + write.index * regs::kEnable0Stride,
                 write.written & implemented_[word]);
      update();
      return AccessResult::kOk;
    });
  }
  block_.limit_array(regs::kThresholdOffset, config_.contexts);
  block_.limit_array(regs::kClaimOffset, config_.contexts);
  block_.on_write(regs::kPriorityOffset, [this](const Write& write) {
    if (!test(implemented_, write.index)) {
      block_.set(regs::kPriorityOffset + write.index * regs::kPriorityStride, 0);
    }
    update();
    return AccessResult::kOk;
  });
  block_.on_write(regs::kThresholdOffset, [this](const Write&) {
    update();
    return AccessResult::kOk;
  });
  block_.on_read(regs::kPendingOffset, [this](std::uint32_t word) { return pending_[word]; });
  // A claim is not subject to the threshold (chapter "Interrupt Claim Process").
  block_.on_read(regs::kClaimOffset, [this](std::uint32_t context) { return best(context, 0); });
  block_.on_write(regs::kClaimOffset, [this](const Write& write) {
    complete(write.index, write.written);
    return AccessResult::kOk;
  });
}

AccessResult PlicState::read(std::uint64_t offset, unsigned width_bytes, std::uint64_t& value) {
  const AccessResult result = block_.read(offset, width_bytes, value);
  const bool is_claim =
      offset >= regs::kClaimOffset && (offset - regs::kClaimOffset) % regs::kClaimStride == 0;
  if (result == AccessResult::kOk && is_claim && value != 0) claim(static_cast<unsigned>(value));
  return result;
}

void PlicState::set_source(unsigned source, bool level) {
  assign(source_levels_, source, level);
  open_gateways();
  update();
}

// Every high source whose last request has been completed, and not made again, makes a request. A
// request stays when its source falls (chapter "Interrupt Gateways").
void PlicState::open_gateways() {
  for (unsigned word = 0; word < kWords; ++word) {
    pending_[word] |= source_levels_[word] & implemented_[word] & ~in_service_[word];
  }
}

void PlicState::claim(unsigned source) {
  assign(pending_, source, false);
  assign(in_service_, source, true);
  update();
}

// A number that is not enabled for the context is ignored (chapter "Interrupt Completion").
void PlicState::complete(unsigned context, std::uint64_t source) {
  if (source >= regs::kPriorityCount) return;
  const auto number = static_cast<unsigned>(source);
  if ((enabled(context, number / kBitsPerWord) >> number % kBitsPerWord & 1) == 0) return;
  assign(in_service_, number, false);
  open_gateways();
  update();
}

std::uint32_t PlicState::enabled(unsigned context, unsigned word) const {
  return static_cast<std::uint32_t>(
      block_.get(kEnableOffsets[word] + context * regs::kEnable0Stride));
}

unsigned PlicState::best(unsigned context, std::uint64_t threshold) const {
  unsigned found = 0;
  std::uint64_t highest = threshold;
  for (unsigned word = 0; word < kWords; ++word) {
    for (std::uint32_t bits = pending_[word] & enabled(context, word); bits != 0;
         bits &= bits - 1) {
      const unsigned source = word * kBitsPerWord + static_cast<unsigned>(std::countr_zero(bits));
      const std::uint64_t priority =
          block_.get(regs::kPriorityOffset + source * regs::kPriorityStride);
      if (priority > highest) {
        highest = priority;
        found = source;
      }
    }
  }
  return found;
}

void PlicState::update() {
  bool changed = false;
  for (unsigned context = 0; context < config_.contexts; ++context) {
    const std::uint64_t threshold =
        block_.get(regs::kThresholdOffset + context * regs::kThresholdStride);
    const bool level = best(context, threshold) != 0;
    changed = changed || level != levels_[context];
    levels_[context] = level;
  }
  if (changed) levels_changed_();
}

void PlicState::reset() {
  block_.reset();
  pending_ = {};
  in_service_ = {};
  open_gateways();
  update();
}

}  // namespace hpimvp::peripherals
