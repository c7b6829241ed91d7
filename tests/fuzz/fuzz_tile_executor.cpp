// Whatever stands in control memory, a program ends: halted, trapped or at the watchdog's limit. It
// takes the same time whether payload is real or not.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "models/sram_pim/encoding.h"
#include "models/sram_pim/tile_executor.h"

using namespace hpimvp::sram_pim;  // NOLINT: the subject of the test

namespace {

// Global memory of zeros up to 64 KiB.
class Port : public TransferPort {
 public:
  void start(const Request& request) override {
    request_ = request;
    const bool inside = request.address <= kBytes && request.bytes <= kBytes - request.address;
    good_ = inside;
    if (good_ && !request.write && request.data != nullptr) {
      std::memset(request.data, 0, request.bytes);
    }
  }
  Result finish(std::uint64_t latest_cycle) override {
    const std::uint64_t end = request_.start_cycle + 20 + request_.bytes / 32;
    if (end > latest_cycle) return {Status::kOverdue, latest_cycle};
    return {good_ ? Status::kDone : Status::kBusError, end};
  }

 private:
  static constexpr std::uint64_t kBytes = 0x10000;
  Request request_{};
  bool good_ = true;
};

// Half of the words as they are, the other half made into instructions: random ones are mostly
// illegal.
std::uint32_t to_word(std::uint64_t bits) {
  if ((bits >> 63) != 0) return static_cast<std::uint32_t>(bits);
  Instruction instruction;
  instruction.opcode = static_cast<Opcode>((bits >> 32) % std::size(kInstructions));
  const InstructionInfo& info = instruction_info(instruction.opcode);
  const auto field = [&](unsigned low) { return static_cast<std::uint8_t>(bits >> low & 31); };
  for (const char* operand = info.operands; *operand != '\0'; ++operand) {
    if (*operand == 'd') instruction.rd = field(0);
    if (*operand == 'a' || *operand == 'm') instruction.rs1 = field(5);
    if (*operand == 'b') instruction.rs2 = field(10);
    if (*operand == 'c') instruction.rs3 = field(15);
    if (*operand == 'i' || *operand == 'm' || *operand == 't') {
      instruction.immediate = static_cast<std::int32_t>(bits >> 20 & 0x7F) - 32;
    }
  }
  return encode(instruction);
}

struct End {
  TileExecutor::Result result;
  std::uint32_t pc;
};

End run(bool functional, const std::vector<std::uint32_t>& words,
        const std::vector<std::uint64_t>& arguments) {
  TileConfig config;
  config.activation_bytes = 4096;
  config.control_bytes = 4096;
  config.max_instructions = 2000;
  config.max_cycles = 1'000'000;
  Port port;
  TileExecutor tile(config, 3, functional, port);
  tile.write_control(0, reinterpret_cast<const std::uint8_t*>(words.data()), words.size() * 4);
  const TileExecutor::Result result = tile.run(0, arguments);
  return {result, tile.program_counter()};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // A byte for each of 31 registers, then 8 for each word.
  if (size < 31 + 8) return 0;
  std::vector<std::uint64_t> arguments;
  for (std::size_t i = 0; i < 31; ++i) {
    arguments.push_back(std::uint64_t{data[i]} << (i % 4 == 3 ? 4 : i % 4));
  }
  std::vector<std::uint32_t> words;
  for (std::size_t at = 31; at + 8 <= size && words.size() < 1024; at += 8) {
    std::uint64_t bits;
    std::memcpy(&bits, data + at, 8);
    words.push_back(to_word(bits));
  }
  const End real = run(true, words, arguments);
  const End timed = run(false, words, arguments);
  if (real.result.cycles != timed.result.cycles || real.pc != timed.pc ||
      real.result.trap.cause != timed.result.trap.cause ||
      real.result.trap.value != timed.result.trap.value) {
    std::abort();
  }
  // The watchdog's limit, and at most the instructions that were in flight then.
  if (real.result.cycles > 100'000'000) std::abort();
  return 0;
}
