#include "models/peripherals/plic.h"

#include <catch2/catch.hpp>
#include <random>
#include <stdexcept>
#include <vector>

#include "generated/models/peripherals/plic_registers.h"
#include "tests/unit/common/random_seed.h"
#include "tests/unit/peripherals/register_driver.h"

namespace hpimvp::peripherals {
namespace {

namespace regs = plic_registers;

struct Bench : RegisterDriver {
  explicit Bench(const PlicConfig& config = {}) : plic("plic", config) {
    socket.bind(plic.registers);
    // Source 9 and all others above 40 stay unbound, as in a real machine.
    for (unsigned source = 1; source < 40; ++source) {
      if (source != 9) plic.sources[source].bind(line[source]);
    }
    for (unsigned context = 0; context < config.contexts; ++context) {
      plic.interrupt[context].bind(interrupt[context]);
    }
  }
  void set_priority(unsigned source, unsigned priority) {
    write(regs::kPriorityOffset + 4 * source, priority, 4);
  }
  void enable(unsigned context, unsigned word, std::uint32_t bits) {
    write(regs::kEnable0Offset + regs::kEnable0Stride * context + 4 * word, bits, 4);
  }
  void set_threshold(unsigned context, unsigned threshold) {
    write(regs::kThresholdOffset + regs::kThresholdStride * context, threshold, 4);
  }
  std::uint64_t claim(unsigned context = 0) {
    return read(regs::kClaimOffset + regs::kClaimStride * context, 4);
  }
  void complete(unsigned source, unsigned context = 0) {
    write(regs::kClaimOffset + regs::kClaimStride * context, source, 4);
  }
  std::uint64_t pending(unsigned word) { return read(regs::kPendingOffset + 4 * word, 4); }
  void drive(unsigned source, bool level) {
    line[source].write(level);
    settle();
  }

  Plic plic;
  sc_core::sc_vector<sc_core::sc_signal<bool>> line{"line", 40};
  sc_core::sc_vector<sc_core::sc_signal<bool>> interrupt{"interrupt", 16};
};

TEST_CASE("after reset every register reads 0 and nothing interrupts") {
  Bench bench;
  bench.simulate([&] {
    bench.settle();
    CHECK_FALSE(bench.interrupt[0].read());
    for (unsigned source = 0; source < 128; ++source) {
      CHECK(bench.read(regs::kPriorityOffset + 4 * source, 4) == 0);
    }
    for (unsigned word = 0; word < 4; ++word) {
      CHECK(bench.pending(word) == 0);
      CHECK(bench.read(regs::kEnable0Offset + 4 * word, 4) == 0);
    }
    CHECK(bench.read(regs::kThresholdOffset, 4) == 0);
    CHECK(bench.claim() == 0);
  });
}

TEST_CASE("a level source is claimed, serviced and completed") {
  Bench bench;
  bench.simulate([&] {
    bench.set_priority(3, 1);
    bench.enable(0, 0, 1U << 3);
    bench.drive(3, true);
    CHECK(bench.interrupt[0].read());
    CHECK(bench.pending(0) == 1U << 3);
    CHECK(bench.debug_read(regs::kClaimOffset, 4) == 3);  // claims nothing
    CHECK(bench.claim() == 3);
    bench.settle();
    CHECK_FALSE(bench.interrupt[0].read());
    CHECK(bench.pending(0) == 0);
    CHECK(bench.claim() == 0);
    // Still high at completion: pending again at once.
    bench.complete(3);
    bench.settle();
    CHECK(bench.interrupt[0].read());
    CHECK(bench.claim() == 3);
    bench.drive(3, false);
    bench.complete(3);
    bench.settle();
    CHECK_FALSE(bench.interrupt[0].read());
  });
}

TEST_CASE("a request stays when its source falls, and is not repeated while in service") {
  Bench bench;
  bench.simulate([&] {
    bench.set_priority(5, 2);
    bench.enable(0, 0, 1U << 5);
    bench.drive(5, true);
    bench.drive(5, false);
    CHECK(bench.interrupt[0].read());
    CHECK(bench.claim() == 5);
    bench.drive(5, true);
    bench.drive(5, false);
    CHECK(bench.pending(0) == 0);
    bench.complete(5);
    CHECK(bench.pending(0) == 0);
    CHECK(bench.claim() == 0);
  });
}

TEST_CASE("the highest priority is claimed first, and of equals the lowest number") {
  Bench bench;
  bench.simulate([&] {
    for (const unsigned source : {2, 7, 20, 35}) bench.drive(source, true);
    bench.set_priority(2, 1);
    bench.set_priority(7, 3);
    bench.set_priority(20, 3);
    bench.set_priority(35, 7);
    bench.enable(0, 0, (1U << 2) | (1U << 7) | (1U << 20));
    bench.enable(0, 1, 1U << (35 - 32));
    CHECK(bench.claim() == 35);
    CHECK(bench.claim() == 7);
    CHECK(bench.claim() == 20);
    CHECK(bench.claim() == 2);
    CHECK(bench.claim() == 0);
  });
}

TEST_CASE("the threshold masks the interrupt but not the claim; priority 0 never interrupts") {
  Bench bench;
  bench.simulate([&] {
    bench.enable(0, 0, (1U << 4) | (1U << 6));
    bench.drive(6, true);
    CHECK(bench.pending(0) == 1U << 6);
    CHECK_FALSE(bench.interrupt[0].read());
    CHECK(bench.claim() == 0);
    bench.set_priority(4, 3);
    bench.set_threshold(0, 3);
    bench.drive(4, true);
    CHECK_FALSE(bench.interrupt[0].read());
    bench.set_threshold(0, 2);
    bench.settle();
    CHECK(bench.interrupt[0].read());
    bench.set_threshold(0, 0xFFFFFFFF);
    CHECK(bench.read(regs::kThresholdOffset, 4) == 7);
    bench.settle();
    CHECK_FALSE(bench.interrupt[0].read());
    CHECK(bench.claim() == 4);
  });
}

TEST_CASE(
    "contexts have their own enables, and completion counts only where the source is enabled") {
  Bench bench({.sources = 127, .contexts = 2});
  bench.simulate([&] {
    bench.set_priority(1, 1);
    bench.enable(1, 0, 1U << 1);
    bench.drive(1, true);
    CHECK_FALSE(bench.interrupt[0].read());
    CHECK(bench.interrupt[1].read());
    CHECK(bench.claim(0) == 0);
    CHECK(bench.claim(1) == 1);
    bench.complete(1, 0);
    bench.complete(0, 1);
    bench.complete(128, 1);
    CHECK(bench.pending(0) == 0);
    bench.complete(1, 1);
    CHECK(bench.pending(0) == 2);
  });
}

TEST_CASE("sources and contexts that do not exist cannot be set up") {
  Bench bench({.sources = 39, .contexts = 2});
  bench.simulate([&] {
    bench.set_priority(0, 7);
    bench.set_priority(39, 0xFFFFFFFF);
    bench.set_priority(40, 7);
    CHECK(bench.read(regs::kPriorityOffset, 4) == 0);
    CHECK(bench.read(regs::kPriorityOffset + 4 * 39, 4) == 7);
    CHECK(bench.read(regs::kPriorityOffset + 4 * 40, 4) == 0);
    bench.enable(1, 0, 0xFFFFFFFF);
    bench.enable(1, 1, 0xFFFFFFFF);
    CHECK(bench.read(regs::kEnable0Offset + 0x80, 4) == 0xFFFFFFFE);
    CHECK(bench.read(regs::kEnable1Offset + 0x80, 4) == 0xFF);
    CHECK(bench.try_read(regs::kEnable0Offset + 0x100, 4) == tlm::TLM_ADDRESS_ERROR_RESPONSE);
    CHECK(bench.try_read(regs::kClaimOffset + 0x2000, 4) == tlm::TLM_ADDRESS_ERROR_RESPONSE);
    CHECK(bench.try_write(regs::kPendingOffset, 1, 4) == tlm::TLM_COMMAND_ERROR_RESPONSE);
    CHECK(bench.try_read(regs::kPriorityOffset, 8) == tlm::TLM_BURST_ERROR_RESPONSE);
    CHECK(bench.try_read(0x3FFFFC, 4) == tlm::TLM_ADDRESS_ERROR_RESPONSE);
  });
}

// The specification read off source by source, without the words and masks of the model.
struct NaivePlic {
  struct Source {
    bool level = false, pending = false, in_service = false;
    unsigned priority = 0;
  };
  std::vector<Source> sources{128};
  std::vector<std::vector<bool>> enabled{2, std::vector<bool>(128)};
  unsigned threshold[2] = {0, 0};

  void forward(unsigned source) {
    Source& one = sources[source];
    if (one.level && !one.in_service) one.pending = true;
  }
  unsigned best(unsigned context) const {
    unsigned found = 0;
    for (unsigned source = 1; source < 128; ++source) {
      const Source& one = sources[source];
      if (!one.pending || !enabled[context][source] || one.priority == 0) continue;
      if (found == 0 || one.priority > sources[found].priority) found = source;
    }
    return found;
  }
  bool interrupt(unsigned context) const {
    const unsigned source = best(context);
    return source != 0 && sources[source].priority > threshold[context];
  }
};

TEST_CASE("random operation agrees with a naive model of the specification") {
  const std::uint64_t seed = random_seed(2024);
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  unsigned changes = 0;
  PlicState plic({.sources = 127, .contexts = 2}, [&] { ++changes; });
  NaivePlic naive;
  const unsigned names[] = {1, 2, 31, 32, 33, 63, 64, 95, 96, 127};
  for (int step = 0; step < 50'000; ++step) {
    const unsigned source = names[random() % std::size(names)];
    const unsigned context = random() % 2;
    std::uint64_t value = 0;
    switch (random() % 6) {
      case 0:
        naive.sources[source].level = random() % 2;
        naive.forward(source);
        plic.set_source(source, naive.sources[source].level);
        break;
      case 1:
        naive.sources[source].priority = random() % 8;
        plic.write(regs::kPriorityOffset + 4 * source, 4, naive.sources[source].priority);
        break;
      case 2: {
        naive.enabled[context][source] = random() % 4 != 0;
        std::uint32_t word = 0;
        for (unsigned bit = 0; bit < 32; ++bit) {
          word |= std::uint32_t{naive.enabled[context][source / 32 * 32 + bit]} << bit;
        }
        plic.write(regs::kEnable0Offset + 0x80 * context + source / 32 * 4, 4, word);
        break;
      }
      case 3:
        naive.threshold[context] = random() % 8;
        plic.write(regs::kThresholdOffset + 0x1000 * context, 4, naive.threshold[context]);
        break;
      case 4: {
        const unsigned expected = naive.best(context);
        naive.sources[expected].pending = false;
        naive.sources[expected].in_service = true;
        REQUIRE(plic.read(regs::kClaimOffset + 0x1000 * context, 4, value) ==
                common::AccessResult::kOk);
        REQUIRE(value == expected);
        break;
      }
      case 5:
        if (naive.enabled[context][source]) {
          naive.sources[source].in_service = false;
          naive.forward(source);
        }
        plic.write(regs::kClaimOffset + 0x1000 * context, 4, source);
        break;
    }
    REQUIRE(plic.interrupt(0) == naive.interrupt(0));
    REQUIRE(plic.interrupt(1) == naive.interrupt(1));
  }
  CHECK(changes > 1000);
}

TEST_CASE("impossible PLIC configurations are refused") {
  CHECK_THROWS_AS(PlicState({.sources = 0}, [] {}), std::invalid_argument);
  CHECK_THROWS_AS(PlicState({.sources = 128}, [] {}), std::invalid_argument);
  CHECK_THROWS_AS(PlicState({.contexts = 17}, [] {}), std::invalid_argument);
}

}  // namespace
}  // namespace hpimvp::peripherals
