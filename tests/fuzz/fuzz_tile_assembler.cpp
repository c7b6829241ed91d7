// Any text either assembles, or is refused with diagnostics; what assembles disassembles to text
// that assembles to the same words.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "models/sram_pim/assembler.h"

using namespace hpimvp::sram_pim;  // NOLINT: the subject of the test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::uint32_t> words;
  try {
    words = assemble({reinterpret_cast<const char*>(data), size}).words();
  } catch (const AssemblyError& error) {
    if (error.diagnostics().empty()) std::abort();
    return 0;
  }
  // Far from address 0, so that no branch target is negative.
  constexpr std::uint32_t kBase = 0x40000000;
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    text += disassemble(words[i], kBase + static_cast<std::uint32_t>(i) * 4) + "\n";
  }
  if (assemble(text, "disassembly", kBase).words() != words) std::abort();
  return 0;
}
