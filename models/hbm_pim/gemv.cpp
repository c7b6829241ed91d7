#include "models/hbm_pim/gemv.h"

#include <vector>

#include "models/common/pim_numerics.h"

namespace hpimvp::hbm_pim {

using common::SparseMemory;

void compute_gemv(const GemvLayout& layout, const SparseMemory& memory,
                  std::span<const std::uint16_t> input, std::span<const std::uint16_t> bias,
                  std::span<std::uint16_t> output) {
  constexpr std::uint64_t kChunkBytes = std::uint64_t{common::kPimLanes} * 2;
  std::vector<float> x(std::size_t{layout.chunks_per_slot()} * common::kPimLanes, 0.0F);
  common::fp16_to_float(input.data(), x.data(), input.size());
  std::vector<std::uint8_t> buffer;
  for (std::uint32_t m = 0; m < layout.outputs(); ++m) {
    float accumulator = bias.empty() ? 0.0F : common::fp16_to_float(bias[m]);
    layout.for_each_piece(m, [&](std::uint64_t offset, std::uint64_t first, std::uint64_t bytes) {
      const std::uint8_t* page = memory.page(offset);
      const std::uint64_t in_page = offset % SparseMemory::kPageBytes;
      const std::uint8_t* weights = nullptr;
      if (page != nullptr && in_page + bytes <= SparseMemory::kPageBytes) {
        weights = page + in_page;
      } else {
        buffer.resize(bytes);
        memory.read(offset, buffer.data(), bytes);
        weights = buffer.data();
      }
      accumulator =
          common::pim_dot(accumulator, weights, x.data() + first / 2, bytes / kChunkBytes);
    });
    output[m] = common::pim_read_out(accumulator);
  }
}

}  // namespace hpimvp::hbm_pim
