#include "platform/compiler/gemv_slicing.h"

namespace hpimvp::compiler {

using hbm_pim::Slicing;
using hbm_pim::StackGemv;
using hbm_pim::WeightLayout;

std::uint64_t GemvSlicing::cycles(const StackGemv& gemv, bool bias) {
  auto channel = engine_.channel_of(hbm_pim::PseudoChannelState(device_, {false, 0}));
  // Shares descend, so the first pseudo-channel has most.
  const auto works = WeightLayout::works(device_, gemv, bias);
  const hbm_pim::GemvResult result = engine_.run(channel, works.front());
  return result.end - result.start;
}

GemvSlicing::Decision GemvSlicing::decide(std::uint32_t inputs, std::uint32_t outputs, bool bias) {
  const auto [found, is_new] = decided_.try_emplace({inputs, outputs, bias});
  Decision& decision = found->second;
  if (!is_new) return decision;
  const StackGemv by_rows{inputs, outputs, 0, Slicing::kRows};
  const StackGemv by_columns{inputs, outputs, 0, Slicing::kColumns};
  if (!WeightLayout::fits(device_, by_rows) || !WeightLayout::fits(device_, by_columns)) {
    return decision;
  }
  decision.row_cycles = cycles(by_rows, bias);
  decision.column_cycles = cycles(by_columns, bias);
  if (decision.column_cycles * 8 <= decision.row_cycles * 7) decision.slicing = Slicing::kColumns;
  return decision;
}

}  // namespace hpimvp::compiler
