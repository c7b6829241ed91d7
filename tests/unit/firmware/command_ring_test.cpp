// The ring's positions against a plain queue, with a model of the registers HEAD and TAIL that a
// reset clears.
#include "firmware/host/command_ring.h"

#include <catch2/catch.hpp>
#include <deque>
#include <random>
#include <vector>

#include "tests/unit/common/random_seed.h"

namespace hpimvp::firmware {
namespace {

TEST_CASE("what is not complete survives a rewind, in its order") {
  const auto seed = static_cast<std::uint32_t>(random_seed(20260303));
  INFO("HPIMVP_SEED=" << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 200; ++round) {
    const std::uint32_t slots = 2u << random() % 6;
    std::vector<std::uint64_t> words(slots * CommandRing::kDescriptorWords);
    CommandRing ring(words.data(), slots);
    std::deque<std::uint64_t> expected;
    std::uint32_t head_register = 0;
    std::uint64_t next = 1;
    for (int step = 0; step < 300; ++step) {
      switch (random() % 5) {
        case 0:
        case 1: {
          if (expected.size() == ring.capacity()) break;
          for (std::uint32_t word = 0; word < 8; ++word) ring.next_slot()[word] = next * 8 + word;
          expected.push_back(next++);
          ring.advance_tail();
          break;
        }
        case 2:
        case 3: {
          const auto completed = static_cast<std::uint32_t>(random() % (expected.size() + 1));
          head_register = (head_register + completed) % slots;
          REQUIRE(ring.set_head(head_register) == completed);
          expected.erase(expected.begin(), expected.begin() + completed);
          break;
        }
        default:
          ring.rewind();
          head_register = 0;  // as the queue's reset does
      }
      REQUIRE(ring.head() == head_register);
      REQUIRE((ring.tail() - ring.head()) % slots == expected.size());
      for (std::size_t i = 0; i < expected.size(); ++i) {
        const std::size_t slot = (ring.head() + i) % slots;
        for (std::uint32_t word = 0; word < 8; ++word) {
          REQUIRE(words[slot * 8 + word] == expected[i] * 8 + word);
        }
      }
    }
  }
}

}  // namespace
}  // namespace hpimvp::firmware
