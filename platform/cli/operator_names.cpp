#include "platform/cli/operator_names.h"

namespace hpimvp::cli {

const char* kind_name(plan::OperatorKind kind) {
  switch (kind) {
    case plan::OperatorKind::kEmbedding:
      return "embedding";
    case plan::OperatorKind::kNorm:
      return "norm";
    case plan::OperatorKind::kKey:
      return "key";
    case plan::OperatorKind::kValue:
      return "value";
    case plan::OperatorKind::kQuery:
      return "query";
    case plan::OperatorKind::kAttention:
      return "attention";
    case plan::OperatorKind::kProjection:
      return "projection";
    case plan::OperatorKind::kFeedForward:
      return "feed_forward";
    case plan::OperatorKind::kActivation:
      return "activation";
    case plan::OperatorKind::kResidual:
      return "residual";
    case plan::OperatorKind::kClassifier:
      return "classifier";
    case plan::OperatorKind::kProgramLoad:
      return "program_load";
  }
  return "other";
}

const char* engine_name(plan::Engine engine) {
  switch (engine) {
    case plan::Engine::kHbmPim:
      return "hbm_pim";
    case plan::Engine::kSramPim:
      return "sram_pim";
    case plan::Engine::kDma:
      return "dma";
  }
  return "other";
}

const char* policy_name(plan::SchedulePolicy policy) {
  return policy == plan::SchedulePolicy::kSerial ? "serial" : "overlapped";
}

std::string operator_group(const std::string& name) {
  const std::size_t dot = name.find('.');
  return dot == std::string::npos ? name : name.substr(dot + 1);
}

}  // namespace hpimvp::cli
