// Writing a model's weights into the stacks of a machine, as a plan has placed them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "platform/compiler/compiler.h"
#include "platform/compiler/model_weights.h"

namespace hpimvp::compiler {

// Takes bytes for a physical address in a stack's memory; called many times with up to a few
// kilobytes.
using PayloadSink = std::function<void(std::uint64_t address, std::span<const std::byte> bytes)>;

// Converts to FP16 on the way. ModelError naming the tensor if a value is not finite or beyond
// FP16's range.
void write_payload(const CompiledPlan& plan, const ModelWeights& weights, const PayloadSink& sink);

// FP32 (cos, sin) pairs of one position, head_dim values.
std::vector<float> rope_row(const ModelConfig& config, std::uint32_t position);

}  // namespace hpimvp::compiler
