#include "models/hbm_pim/pim_program.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "models/common/pim_numerics.h"

namespace hpimvp::hbm_pim {

namespace {

constexpr std::uint32_t kBurst = PimCells::kBurstBytes;
constexpr std::uint32_t kLanes = common::kPimLanes;
using Halves = std::array<std::uint16_t, kLanes>;
static_assert(sizeof(Halves) == kBurst);

// What an opcode is, and which fields of the word it names.
struct OpcodeInfo {
  DramCommand command = DramCommand::kCount;
  bool bank = false;
  bool column = false;
  bool buffer_entry = false;
  bool accumulator = false;
  bool operand = false;
};

constexpr std::uint8_t kOpcodes = PimCommandWord::kCpBank + 1;

constexpr std::array<OpcodeInfo, kOpcodes> make_opcodes() {
  std::array<OpcodeInfo, kOpcodes> table{};
  table[PimCommandWord::kWrGb] = {DramCommand::kWriteBuffer, false, false, true, false, true};
  table[PimCommandWord::kWrBias] = {DramCommand::kWriteBias, false, true, false, true, true};
  table[PimCommandWord::kActAb] = {DramCommand::kActivateBanks, true, false, false, false, true};
  table[PimCommandWord::kMacAb] = {DramCommand::kMac, true, true, true, true, false};
  table[PimCommandWord::kRdMac] = {DramCommand::kReadResult, false, true, false, true, true};
  table[PimCommandWord::kPreAb] = {DramCommand::kPrechargeBanks, true, false, false, false, false};
  table[PimCommandWord::kEwaddAb] = {DramCommand::kElementAdd, true, true, true, false, false};
  table[PimCommandWord::kEwmulAb] = {DramCommand::kElementMultiply, true, true, true, false, false};
  table[PimCommandWord::kCpGb] = {DramCommand::kCopyToBuffer, true, true, true, false, false};
  table[PimCommandWord::kCpBank] = {DramCommand::kCopyFromBuffer, true, true, true, false, false};
  return table;
}
constexpr std::array<OpcodeInfo, kOpcodes> kOpcodeTable = make_opcodes();

bool is_known(std::uint8_t opcode) {
  return opcode < kOpcodes && kOpcodeTable[opcode].command != DramCommand::kCount;
}

Refusal refuse(ProgramErrorReason reason, std::string text) {
  return {reason, std::move(text)};
}

}  // namespace

std::string word_name(std::uint8_t opcode) {
  if (!is_known(opcode)) return fmt::format("opcode {}", opcode);
  return command_name(kOpcodeTable[opcode].command);
}

// --- Loading

class PimProgram::Loader {
 public:
  Loader(PimProgram& program, std::uint32_t input_bytes, std::uint32_t output_bytes)
      : program_(program),
        device_(program.device_),
        input_bytes_(input_bytes),
        output_bytes_(output_bytes),
        entries_(device_.pim.buffer_bytes / kBurst, 0),
        accumulators_(device_.pim.accumulators, 0) {}

  std::optional<Refusal> check_device() const {
    const auto unfit = [this](const char* what) {
      return refuse(ProgramErrorReason::kDevice, fmt::format("device {} {}", device_.name, what));
    };
    if (device_.pim.programming_model != ProgrammingModel::kNative) {
      return unfit("is programmed by microkernels, not by lists of PIM commands");
    }
    if (device_.organisation.burst_bytes != kBurst) return unfit("has no bursts of 32 bytes");
    if (device_.pim.numerics != Numerics::kFp32Tree) {
      return unfit("rounds each product and sum, which is for microkernels");
    }
    if (device_.pim.result_bytes != 2 && device_.pim.result_bytes != 4) {
      return unfit("has results of neither 2 nor 4 bytes");
    }
    return std::nullopt;
  }

  std::optional<Refusal> add(const PimCommandWord& word) {
    if (!is_known(word.opcode)) return refuse(ProgramErrorReason::kOpcode, "no such opcode");
    const OpcodeInfo& info = kOpcodeTable[word.opcode];
    if (auto refusal = check_fields(word, info)) return refusal;
    if (auto refusal = check_operands(word, info)) return refusal;
    PimRun run = run_of(word, info);
    if (auto refusal = program_.check_.add(run)) return refusal;
    program_.words_.push_back(word);
    program_.runs_.push_back(run);
    return std::nullopt;
  }

 private:
  static std::optional<Refusal> check_fields(const PimCommandWord& word, const OpcodeInfo& info) {
    const auto unused = [](const char* name) {
      return refuse(ProgramErrorReason::kRange, fmt::format("{} must be 0", name));
    };
    if (word.count == 0) return refuse(ProgramErrorReason::kRange, "a count of 0");
    if (!info.bank && word.bank != 0) return unused("bank");
    if (!info.column && word.column != 0) return unused("column");
    if (!info.buffer_entry && word.buffer_entry != 0) return unused("buffer_entry");
    if (!info.accumulator && word.accumulator != 0) return unused("accumulator");
    if (!info.operand && word.operand != 0) return unused("operand");
    if (word.reserved != 0) return unused("reserved");
    return std::nullopt;
  }

  // Buffer, accumulators and data.
  std::optional<Refusal> check_operands(const PimCommandWord& word, const OpcodeInfo& info) {
    if (info.command == DramCommand::kPrechargeBanks && word.count != 1) {
      return refuse(ProgramErrorReason::kRange, "a count other than 1");
    }
    const bool copies =
        info.command == DramCommand::kCopyToBuffer || info.command == DramCommand::kCopyFromBuffer;
    if (copies && word.bank >= device_.organisation.banks()) {
      return refuse(ProgramErrorReason::kRange,
                    fmt::format("bank {} of {}", word.bank, device_.organisation.banks()));
    }
    if (info.buffer_entry) {
      if (auto refusal = check_buffer(word, info.command)) return refusal;
    }
    if (info.accumulator) {
      if (auto refusal = check_accumulator(word, info.command)) return refusal;
    }
    if (info.operand && info.command != DramCommand::kActivateBanks) {
      return check_data(word, info.command == DramCommand::kReadResult);
    }
    return std::nullopt;
  }

  std::optional<Refusal> check_buffer(const PimCommandWord& word, DramCommand command) {
    const std::size_t end = std::size_t{word.buffer_entry} + word.count;
    if (end > entries_.size()) {
      return refuse(ProgramErrorReason::kRange,
                    fmt::format("buffer entry {} of {}", end - 1, entries_.size()));
    }
    const auto first = entries_.begin() + word.buffer_entry;
    const auto last = entries_.begin() + static_cast<std::ptrdiff_t>(end);
    if (command == DramCommand::kWriteBuffer || command == DramCommand::kCopyToBuffer) {
      std::fill(first, last, 1);
      return std::nullopt;
    }
    const auto empty = std::find(first, last, 0);
    if (empty == last) return std::nullopt;
    return refuse(
        ProgramErrorReason::kOperand,
        fmt::format("buffer entry {} is used before it is written", empty - entries_.begin()));
  }

  std::optional<Refusal> check_accumulator(const PimCommandWord& word, DramCommand command) {
    if (word.accumulator >= accumulators_.size()) {
      return refuse(ProgramErrorReason::kRange,
                    fmt::format("accumulator {} of {}", word.accumulator, accumulators_.size()));
    }
    if (command != DramCommand::kReadResult) {
      accumulators_[word.accumulator] = 1;
    } else if (accumulators_[word.accumulator] == 0) {
      return refuse(
          ProgramErrorReason::kOperand,
          fmt::format("accumulator {} is read before anything is in it", word.accumulator));
    }
    if (command == DramCommand::kMac) return std::nullopt;
    const std::uint32_t bursts = (device_.units() * device_.pim.result_bytes + kBurst - 1) / kBurst;
    if (std::uint32_t{word.column} + word.count <= bursts) return std::nullopt;
    return refuse(ProgramErrorReason::kRange,
                  fmt::format("burst {} of an accumulator's {}",
                              std::uint32_t{word.column} + word.count - 1, bursts));
  }

  std::optional<Refusal> check_data(const PimCommandWord& word, bool output) const {
    const std::uint32_t size = output ? output_bytes_ : input_bytes_;
    const char* const name = output ? "output" : "input";
    if (word.operand % 2 != 0) {
      return refuse(ProgramErrorReason::kData,
                    fmt::format("offset {} in the {} buffer is odd", word.operand, name));
    }
    if (word.operand + std::uint64_t{word.count} * kBurst <= size) return std::nullopt;
    return refuse(ProgramErrorReason::kData,
                  fmt::format("{} bytes from offset {} on are not in the {} buffer of {}",
                              word.count * kBurst, word.operand, name, size));
  }

  static CellUse use_of(DramCommand command) {
    switch (command) {
      case DramCommand::kMac:
      case DramCommand::kCopyToBuffer:
        return CellUse::kRead;
      case DramCommand::kCopyFromBuffer:
        return CellUse::kWrite;
      case DramCommand::kElementAdd:
      case DramCommand::kElementMultiply:
        return CellUse::kReadAndWrite;
      default:
        return CellUse::kNone;
    }
  }

  PimRun run_of(const PimCommandWord& word, const OpcodeInfo& info) const {
    PimRun run{info.command, {}, word.count, use_of(info.command)};
    run.first.bank = word.bank;
    run.first.column = word.column;
    switch (info.command) {
      case DramCommand::kActivateBanks:
        run.first.row = word.operand;
        break;
      case DramCommand::kCopyToBuffer:
      case DramCommand::kCopyFromBuffer:
        run.first = device_.organisation.bank_address(word.bank);
        run.first.column = word.column;
        break;
      case DramCommand::kWriteBuffer:  // for readers of traces
        run.first.column = word.buffer_entry;
        break;
      case DramCommand::kWriteBias:
      case DramCommand::kReadResult:
        run.first.row = word.accumulator;
        break;
      default:
        break;
    }
    return run;
  }

  PimProgram& program_;
  const DeviceDescription& device_;
  std::uint32_t input_bytes_;
  std::uint32_t output_bytes_;
  std::vector<std::uint8_t> entries_;       // written
  std::vector<std::uint8_t> accumulators_;  // have been added to
};

PimProgram::PimProgram(const DeviceDescription& device) : device_(device), check_(device) {}

std::optional<ProgramError> PimProgram::load(std::span<const PimCommandWord> words,
                                             std::uint32_t input_bytes,
                                             std::uint32_t output_bytes) {
  words_.clear();
  runs_.clear();
  check_.restart();
  Loader loader(*this, input_bytes, output_bytes);
  const auto failed = [this](const Refusal& refusal, std::size_t word, const std::string& place) {
    words_.clear();
    runs_.clear();
    return ProgramError{refusal.reason, static_cast<std::uint32_t>(word), place + refusal.text};
  };
  if (auto refusal = loader.check_device()) return failed(*refusal, words.size(), "");
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (auto refusal = loader.add(words[i])) {
      return failed(*refusal, i, fmt::format("word {} ({}): ", i, word_name(words[i].opcode)));
    }
  }
  if (auto refusal = check_.finish()) return failed(*refusal, words.size(), "");
  return std::nullopt;
}

// --- Execution

class PimProgram::Execution {
 public:
  Execution(const PimProgram& program, const PimCells& cells, std::span<const std::uint8_t> input,
            std::span<std::uint8_t> output)
      : device_(program.device_),
        cells_(cells),
        input_(input),
        output_(output),
        units_(device_.units()),
        buffer_(device_.pim.buffer_bytes / kBurst, Halves{}),
        accumulators_(std::size_t{units_} * device_.pim.accumulators, 0.0F) {}

  // The first `count` commands of the word.
  void step(const PimCommandWord& word, const PimRun& run, std::uint64_t count) {
    for (std::uint32_t i = 0; i < count; ++i) {
      switch (run.command) {
        case DramCommand::kWriteBuffer:
          std::memcpy(&buffer_[word.buffer_entry + i], &input_[word.operand + i * kBurst], kBurst);
          break;
        case DramCommand::kWriteBias:
          write_bias(word, i);
          break;
        case DramCommand::kReadResult:
          read_result(word, i);
          break;
        case DramCommand::kMac:
          multiply(word, run.first.row, i);
          break;
        case DramCommand::kElementAdd:
        case DramCommand::kElementMultiply:
          element(word, run, i);
          break;
        case DramCommand::kCopyToBuffer:
          cells_.read(word.bank, run.first.row, word.column + i,
                      reinterpret_cast<std::uint8_t*>(&buffer_[word.buffer_entry + i]));
          break;
        case DramCommand::kCopyFromBuffer:
          cells_.write(word.bank, run.first.row, word.column + i,
                       reinterpret_cast<const std::uint8_t*>(&buffer_[word.buffer_entry + i]));
          break;
        default:
          break;
      }
    }
  }

 private:
  float& accumulator(std::uint32_t unit, std::uint32_t index) {
    return accumulators_[std::size_t{index} * units_ + unit];
  }
  std::uint32_t units_in_burst() const { return kBurst / device_.pim.result_bytes; }
  std::uint32_t bank_of(std::uint32_t unit, std::uint32_t operand_group) const {
    return unit * device_.pim.banks_per_unit + operand_group;
  }

  // use(accumulator, offset in the burst) for the units of burst `burst`.
  template <typename Use>
  void for_each_in_burst(const PimCommandWord& word, std::uint32_t burst, Use&& use) {
    const std::uint32_t first = burst * units_in_burst();
    const std::uint32_t end = std::min(units_, first + units_in_burst());
    for (std::uint32_t unit = first; unit < end; ++unit) {
      use(accumulator(unit, word.accumulator), (unit - first) * device_.pim.result_bytes);
    }
  }

  void write_bias(const PimCommandWord& word, std::uint32_t i) {
    const std::uint8_t* const data = &input_[word.operand + i * kBurst];
    for_each_in_burst(word, word.column + i, [&](float& sum, std::uint32_t offset) {
      if (device_.pim.result_bytes == 4) {
        std::memcpy(&sum, data + offset, sizeof sum);
      } else {
        std::uint16_t half = 0;
        std::memcpy(&half, data + offset, sizeof half);
        sum = common::fp16_to_float(half);
      }
    });
  }

  void read_result(const PimCommandWord& word, std::uint32_t i) {
    std::uint8_t* const data = &output_[word.operand + i * kBurst];
    std::memset(data, 0, kBurst);
    for_each_in_burst(word, word.column + i, [&](float& sum, std::uint32_t offset) {
      if (device_.pim.result_bytes == 4) {
        const float result = common::canonical(sum);
        std::memcpy(data + offset, &result, sizeof result);
      } else {
        const std::uint16_t half = common::pim_read_out(sum);
        std::memcpy(data + offset, &half, sizeof half);
      }
      sum = 0.0F;
    });
  }

  void multiply(const PimCommandWord& word, std::uint32_t row, std::uint32_t i) {
    std::array<float, kLanes> x;
    common::fp16_to_float(buffer_[word.buffer_entry + i].data(), x.data(), kLanes);
    std::array<std::uint8_t, kBurst> weights;
    for (std::uint32_t unit = 0; unit < units_; ++unit) {
      cells_.read(bank_of(unit, word.bank), row, word.column + i, weights.data());
      float& sum = accumulator(unit, word.accumulator);
      sum = common::pim_dot(sum, weights.data(), x.data(), 1);
    }
  }

  void element(const PimCommandWord& word, const PimRun& run, std::uint32_t i) {
    const Halves& operand = buffer_[word.buffer_entry + i];
    const bool adds = run.command == DramCommand::kElementAdd;
    for (std::uint32_t unit = 0; unit < units_; ++unit) {
      const std::uint32_t bank = bank_of(unit, word.bank);
      Halves values;
      auto* const bytes = reinterpret_cast<std::uint8_t*>(values.data());
      cells_.read(bank, run.first.row, word.column + i, bytes);
      for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
        // As if rounded once: FP32 holds products exactly, and its 24 bits are at least twice
        // FP16's 11 and 2, which is enough for sums.
        const float a = common::fp16_to_float(values[lane]);
        const float b = common::fp16_to_float(operand[lane]);
        values[lane] = common::float_to_fp16(adds ? a + b : a * b);
      }
      cells_.write(bank, run.first.row, word.column + i, bytes);
    }
  }

  const DeviceDescription& device_;
  const PimCells& cells_;
  std::span<const std::uint8_t> input_;
  std::span<std::uint8_t> output_;
  std::uint32_t units_;
  std::vector<Halves> buffer_;
  std::vector<float> accumulators_;
};

void PimProgram::execute(const PimCells& cells, std::span<const std::uint8_t> input,
                         std::span<std::uint8_t> output, std::uint64_t end) const {
  Execution execution(*this, cells, input, output);
  for (std::size_t i = 0; i < words_.size() && end > 0; ++i) {
    const std::uint64_t count = std::min<std::uint64_t>(words_[i].count, end);
    execution.step(words_[i], runs_[i], count);
    end -= count;
  }
}

}  // namespace hpimvp::hbm_pim
