// A damaged plan is refused by the firmware's checks, or can be run: neither reads a byte outside
// it.
#include <sanitizer/asan_interface.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#include "tests/unit/firmware/complete_plan.h"
#include "tests/unit/firmware/fake_machine.h"

using namespace hpimvp::firmware;  // NOLINT: the subject of the test
namespace plan = hpimvp::plan;

namespace {

// What an input is made of: `width` bytes of the plan get a value, or an address near the plan's.
struct Damage {
  std::uint16_t place;
  std::uint8_t width;  // 1, 2, 4 or 8 bytes, by its lowest two bits
  std::uint8_t kind;   // even: the value; odd: an address, `value` bytes from the plan's begin
  std::uint64_t value;
};

void apply(const Damage& damage, std::uint8_t* begin, std::size_t bytes) {
  const std::size_t width = std::size_t{1} << (damage.width & 3);
  const std::size_t place = damage.place % (bytes / width) * width;
  std::uint64_t value = damage.value;
  if (damage.kind % 2 != 0) value = reinterpret_cast<std::uint64_t>(begin) + value % (2 * bytes);
  std::memcpy(begin + place, &value, width);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static PlanBuilder builder = complete_builder();
  const PlanView view = builder.build();
  auto* const begin = reinterpret_cast<std::uint8_t*>(&builder.built_header());
  const std::size_t bytes = builder.header.total_bytes;
  for (; size >= sizeof(Damage); data += sizeof(Damage), size -= sizeof(Damage)) {
    Damage damage{};
    std::memcpy(&damage, data, sizeof damage);
    apply(damage, begin, bytes);
  }
  // How large the plan is must be believed: what lies behind it may be a plan's as well.
  plan::PlanHeader& header = builder.built_header();
  header.total_bytes = std::min<std::uint64_t>(header.total_bytes, bytes);

  constexpr std::size_t kBehind = 4096;
  ASAN_POISON_MEMORY_REGION(begin + bytes, kBehind);
  const auto problem = check_everything(view);
  if (problem) {
    RecordedText text;
    text << *problem;
    if (text.text.empty()) std::abort();
  } else {
    try {
      if (!runs_to_its_end(view, static_cast<std::uint32_t>(size))) std::abort();
    } catch (const std::bad_alloc&) {
      // The plan's free memory is too small: the firmware says so and ends.
    }
  }
  ASAN_UNPOISON_MEMORY_REGION(begin + bytes, kBehind);
  return 0;
}
