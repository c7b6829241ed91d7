// Any bytes as an ELF file: an image that answers look-ups or an ElfError, nothing else.
#include <cstddef>
#include <cstdint>
#include <span>

#include "models/common/elf_loader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hpimvp::common;
  try {
    const ElfImage image = parse_elf(std::as_bytes(std::span(data, size)));
    image.symbol_at(image.entry);
    image.find_symbol("main");
  } catch (const ElfError&) {
  }
  return 0;
}
