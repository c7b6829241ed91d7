// What the tests of command lists and microkernels share: FP16 by another way than the models', the
// cells of a pseudo-channel, and the timing of a program under the checker's eyes.
#pragma once

#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "models/hbm_pim/checker.h"
#include "models/hbm_pim/gemv_command_engine.h"
#include "models/hbm_pim/pim_cursor.h"
#include "models/hbm_pim/pim_runs.h"

namespace hpimvp::test_support {

using Half = std::uint16_t;
using Burst = std::array<Half, 16>;

inline double half_value(Half half) {
  const int exponent = half >> 10 & 0x1F;
  const int fraction = half & 0x3FF;
  double value = 0;
  if (exponent == 31) {
    value = fraction != 0 ? std::nan("") : INFINITY;
  } else if (exponent == 0) {
    value = std::ldexp(fraction, -24);
  } else {
    value = std::ldexp(1024 + fraction, exponent - 25);
  }
  return (half & 0x8000) != 0 ? -value : value;
}

// Rounded to nearest even, from the exact value; a double holds sums and products of two halves.
inline Half half_of(double value) {
  if (std::isnan(value)) return 0x7E00;
  const Half sign = std::signbit(value) ? 0x8000 : 0;
  const double magnitude = std::fabs(value);
  if (magnitude >= 65520) return sign | 0x7C00;
  if (magnitude == 0) return sign;
  int exponent = 0;
  std::frexp(magnitude, &exponent);
  const int unit = std::max(exponent - 11, -24);  // exponent of the last place
  const auto steps = static_cast<std::uint32_t>(std::nearbyint(std::ldexp(magnitude, -unit)));
  if (unit == -24) return static_cast<Half>(sign | steps);  // also the step to the normal numbers
  // `steps` lies in 1024 to 2048; the latter carries into the exponent.
  return static_cast<Half>(sign | ((static_cast<std::uint32_t>(unit + 24) << 10) + steps));
}

inline Half half_sum(Half a, Half b) {
  return half_of(half_value(a) + half_value(b));
}
inline Half half_product(Half a, Half b) {
  return half_of(half_value(a) * half_value(b));
}

// Mostly moderate values; some of every other kind.
inline Half random_half(std::mt19937_64& random) {
  const std::uint64_t bits = random();
  switch (bits % 32) {
    case 0:
      return static_cast<Half>(bits >> 32);  // anything
    case 1:
      return static_cast<Half>(bits >> 32 & 0x83FF);  // subnormal
    case 2:
      return static_cast<Half>((bits >> 32 & 0x8000) | (bits % 64 == 2 ? 0x7C00 : 0));
    default:
      return static_cast<Half>((bits >> 32 & 0x83FF) | (12 + (bits >> 20) % 5) << 10);
  }
}

inline void fill_random(std::vector<std::uint8_t>& bytes, std::mt19937_64& random) {
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
    const Half half = random_half(random);
    std::memcpy(&bytes[i], &half, 2);
  }
}

inline Burst burst_at(const std::vector<std::uint8_t>& bytes, std::size_t offset) {
  Burst burst;
  std::memcpy(burst.data(), &bytes.at(offset), sizeof burst);
  REQUIRE(offset + sizeof burst <= bytes.size());
  return burst;
}

// Of equal sizes.
inline void require_same_bytes(const std::vector<std::uint8_t>& actual,
                               const std::vector<std::uint8_t>& expected) {
  REQUIRE(actual.size() == expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) {
    if (actual[i] == expected[i]) continue;
    INFO("byte " << i);
    REQUIRE(int{actual[i]} == int{expected[i]});
  }
}

// Rows of a pseudo-channel's banks, and the same in a stack's memory.
class CellArray {
 public:
  CellArray(const hbm_pim::DeviceDescription& device, std::vector<std::uint32_t> rows)
      : device_(device),
        rows_(std::move(rows)),
        cells_(rows_.size() * device.organisation.banks() * device.organisation.columns) {}

  void randomise(std::mt19937_64& random) {
    for (Burst& burst : cells_) {
      for (Half& half : burst) half = random_half(random);
    }
  }
  Burst& at(std::uint32_t bank, std::uint32_t row, std::uint32_t column) {
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      if (rows_[i] != row) continue;
      REQUIRE(bank < device_.organisation.banks());
      REQUIRE(column < device_.organisation.columns);
      return cells_[(i * device_.organisation.banks() + bank) * device_.organisation.columns +
                    column];
    }
    FAIL("row " << row << " is not one of the test's");
    return cells_[0];
  }

  void store(const hbm_pim::PimCells& memory) {
    each([&](std::uint32_t bank, std::uint32_t row, std::uint32_t column) {
      memory.write(bank, row, column,
                   reinterpret_cast<const std::uint8_t*>(at(bank, row, column).data()));
    });
  }
  void require_stored(const hbm_pim::PimCells& memory) {
    each([&](std::uint32_t bank, std::uint32_t row, std::uint32_t column) {
      Burst burst;
      memory.read(bank, row, column, reinterpret_cast<std::uint8_t*>(burst.data()));
      if (burst == at(bank, row, column)) return;
      INFO("bank " << bank << ", row " << row << ", column " << column);
      REQUIRE(burst == at(bank, row, column));
    });
  }

 private:
  template <typename Use>
  void each(Use&& use) const {
    for (const std::uint32_t row : rows_) {
      for (std::uint32_t bank = 0; bank < device_.organisation.banks(); ++bank) {
        for (std::uint32_t column = 0; column < device_.organisation.columns; ++column) {
          use(bank, row, column);
        }
      }
    }
  }

  const hbm_pim::DeviceDescription& device_;
  std::vector<std::uint32_t> rows_;
  std::vector<Burst> cells_;
};

// Runs a list of commands by the command engine, several times with pauses, each command under the
// checker.
inline hbm_pim::GemvResult run_checked(const hbm_pim::DeviceDescription& device,
                                       std::vector<hbm_pim::PimCommand> commands,
                                       std::mt19937_64& random, int times = 3) {
  const auto list = std::make_shared<const std::vector<hbm_pim::PimCommand>>(std::move(commands));
  hbm_pim::DramChecker checker(device);
  const hbm_pim::CommandObserver observer = {
      [](void* context, const hbm_pim::CommandRecord& record) {
        const auto violation = static_cast<hbm_pim::DramChecker*>(context)->check(record);
        if (violation) FAIL(hbm_pim::to_string(*violation));
      },
      &checker};
  const hbm_pim::GemvCommandEngine engine(device);
  hbm_pim::PseudoChannelState state(device);
  hbm_pim::GemvResult result;
  for (int i = 0; i < times; ++i) {
    hbm_pim::PimCursor cursor(list);
    result = engine.run(state, cursor.source(), observer);
    state.now += random() % 100;
  }
  if (const auto violation = checker.finish(0, state.now)) FAIL(hbm_pim::to_string(*violation));
  return result;
}

}  // namespace hpimvp::test_support
