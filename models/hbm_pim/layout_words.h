// The code words of a GEMV's weights (error_model.h), by the layout that they stand in.
#pragma once

#include "models/hbm_pim/bit_field_mapping.h"
#include "models/hbm_pim/error_model.h"
#include "models/hbm_pim/weight_layout.h"

namespace hpimvp::hbm_pim {

// Words are counted output by output, each ascending by input, padding included.
class LayoutWords final : public WordSet {
 public:
  // Both must outlive it; `mapping` is the layout's.
  LayoutWords(const WeightLayout& layout, const BitFieldMapping& mapping);

  std::uint64_t count() const override;
  std::uint64_t offset(std::uint64_t index) const override;
  bool contains(std::uint64_t offset) const override;

 private:
  const WeightLayout& layout_;
  const BitFieldMapping& mapping_;
  std::uint32_t words_per_burst_;
};

}  // namespace hpimvp::hbm_pim
