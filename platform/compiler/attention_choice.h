// Where attention's products with keys and values are computed.
#pragma once

#include <cstdint>

namespace hpimvp::compiler {

enum class AttentionChoice : std::uint8_t {
  kTiles,   // in the SRAM-PIM tiles, to which keys and values are streamed
  kHbmPim,  // GEMVs of the HBM-PIM stacks (pim_attention.h)
};

}  // namespace hpimvp::compiler
