#include "models/hbm_pim/crf_kernel.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "models/common/fp16.h"

namespace hpimvp::hbm_pim {

namespace {

constexpr std::uint32_t kBurst = PimCells::kBurstBytes;
constexpr std::uint32_t kLanes = 16;
constexpr std::uint32_t kEntriesPerBurst = 8;
using Vector = std::array<std::uint16_t, kLanes>;
static_assert(sizeof(Vector) == kBurst);

constexpr const char* kNames[] = {"",          "ACTIVATE",    "PRECHARGE",   "READ",
                                  "WRITE",     "WRITE_GRF_A", "WRITE_GRF_B", "READ_GRF_A",
                                  "READ_GRF_B"};

bool is_known(std::uint8_t opcode) {
  return opcode >= 1 && opcode < std::size(kNames);
}

bool is_bank(CrfOperand operand) {
  return operand == CrfOperand::kEvenBank || operand == CrfOperand::kOddBank;
}
bool is_grf(CrfOperand operand) {
  return operand == CrfOperand::kGrfA || operand == CrfOperand::kGrfB;
}
bool is_srf(CrfOperand operand) {
  return operand == CrfOperand::kSrfM || operand == CrfOperand::kSrfA;
}

// Sources of the instruction, in order; the others mean nothing.
unsigned sources_of(CrfOpcode opcode) {
  switch (opcode) {
    case CrfOpcode::kAdd:
    case CrfOpcode::kMul:
    case CrfOpcode::kMac:
      return 2;
    case CrfOpcode::kMad:
      return 3;
    case CrfOpcode::kMov:
    case CrfOpcode::kFill:
      return 1;
    default:
      return 0;
  }
}

struct Sources {
  std::array<CrfOperand, 3> operands;
  unsigned count;

  explicit Sources(const CrfInstruction& instruction)
      : operands{instruction.source0, instruction.source1, instruction.source2},
        count(sources_of(instruction.opcode)) {}
  bool have_bank() const {
    return std::any_of(operands.begin(), operands.begin() + count, is_bank);
  }
};

// Registers into cells.
bool stores(const CrfInstruction& instruction) {
  return instruction.opcode == CrfOpcode::kNop ||
         (sources_of(instruction.opcode) == 1 && is_bank(instruction.destination));
}

Refusal refuse(ProgramErrorReason reason, std::string text) {
  return {reason, std::move(text)};
}

// What an instruction may not do at all.
std::optional<Refusal> check_operands(const CrfInstruction& instruction) {
  const auto unfit = [](const char* what) {
    return refuse(ProgramErrorReason::kInstruction, what);
  };
  const Sources sources(instruction);
  if (sources.count == 0) return std::nullopt;
  const bool moves = sources.count == 1;
  const CrfOperand destination = instruction.destination;
  const bool writable =
      is_grf(destination) || (moves && (is_bank(destination) || is_srf(destination)));
  if (!writable) return unfit("it cannot write its destination");
  for (unsigned i = 0; i < sources.count; ++i) {
    const CrfOperand source = sources.operands[i];
    if (!is_grf(source) && !is_bank(source) && !is_srf(source)) {
      return unfit("a source is a latch of the pipeline");
    }
    const bool scalar_allowed = i > 0 || moves || instruction.opcode == CrfOpcode::kAdd;
    if (is_srf(source) && !scalar_allowed) return unfit("its first source is a scalar register");
  }
  if (is_bank(destination) && sources.have_bank()) return unfit("it moves from bank to bank");
  if (instruction.destination_index >= kGrfRegisters ||
      instruction.source0_index >= kGrfRegisters || instruction.source1_index >= kGrfRegisters) {
    return unfit("it numbers a register above 7");
  }
  return std::nullopt;
}

}  // namespace

std::string column_command_name(std::uint8_t opcode) {
  return is_known(opcode) ? kNames[opcode] : fmt::format("opcode {}", opcode);
}

// --- Loading

class CrfKernel::Loader {
 public:
  Loader(CrfKernel& kernel, std::uint32_t input_bytes, std::uint32_t output_bytes)
      : kernel_(kernel),
        device_(kernel.device_),
        input_bytes_(input_bytes),
        output_bytes_(output_bytes),
        sequencer_(words_of(kernel.image_)) {}

  std::optional<Refusal> check_device() const {
    const auto unfit = [this](const char* what) {
      return refuse(ProgramErrorReason::kDevice, fmt::format("device {} {}", device_.name, what));
    };
    if (device_.pim.programming_model != ProgrammingModel::kSamsung) {
      return unfit("is programmed by lists of PIM commands, not by microkernels");
    }
    if (device_.organisation.burst_bytes != kBurst) return unfit("has no bursts of 32 bytes");
    if (device_.pim.numerics != Numerics::kFp16Lanes) {
      return unfit("does not round each product and sum, as microkernels do");
    }
    if (device_.pim.banks_per_unit > 2) return unfit("has units of more than two banks");
    return std::nullopt;
  }

  // The registers' contents, over the data bus.
  std::optional<Refusal> begin() {
    const auto& words = kernel_.image_.instructions;
    std::uint32_t entries = kCrfEntries;
    while (entries > 0 && words[entries - 1] == 0) --entries;
    const auto is_set = [](std::uint16_t value) { return value != 0; };
    const bool scalars = std::any_of(kernel_.image_.srf_m, kernel_.image_.srf_m + 8, is_set) ||
                         std::any_of(kernel_.image_.srf_a, kernel_.image_.srf_a + 8, is_set);
    constexpr std::uint32_t kMode = 1;
    PimRun run;
    run.command = DramCommand::kWriteBuffer;
    run.count = (entries + kEntriesPerBurst - 1) / kEntriesPerBurst + (scalars ? 1 : 0) + kMode;
    return add_run(run);
  }

  std::optional<Refusal> add(const PimColumnCommand& command) {
    if (!is_known(command.opcode)) return refuse(ProgramErrorReason::kOpcode, "no such opcode");
    if (command.count == 0) return refuse(ProgramErrorReason::kRange, "a count of 0");
    const auto trigger = static_cast<std::uint32_t>(kernel_.triggers_.size());
    kernel_.steps_.push_back({command, 0, trigger, engine_commands_});
    switch (command.opcode) {
      case PimColumnCommand::kActivate:
      case PimColumnCommand::kPrecharge:
        return add_row_command(command);
      case PimColumnCommand::kRead:
      case PimColumnCommand::kWrite:
        return add_triggers(command);
      case PimColumnCommand::kWriteGrfA:
      case PimColumnCommand::kWriteGrfB:
        return add_register_write(command);
      default:
        return add_register_read(command);
    }
  }

 private:
  static std::array<std::uint32_t, kCrfEntries> words_of(const PimKernelImage& image) {
    std::array<std::uint32_t, kCrfEntries> words;
    std::copy(std::begin(image.instructions), std::end(image.instructions), words.begin());
    return words;
  }

  std::optional<Refusal> add_run(PimRun run) {
    if (auto refusal = kernel_.check_.add(run)) return refusal;
    engine_commands_ += run.count;
    if (!kernel_.runs_.empty() && follows(kernel_.runs_.back(), run)) {
      kernel_.runs_.back().count += run.count;
    } else {
      kernel_.runs_.push_back(run);
    }
    return std::nullopt;
  }

  static bool follows(const PimRun& run, const PimRun& next) {
    return run.command == next.command && run.command != DramCommand::kActivateBanks &&
           run.first.bank == next.first.bank && run.first.row == next.first.row &&
           run.first.column + run.count == next.first.column;
  }

  static std::optional<Refusal> require_zero(
      std::initializer_list<std::pair<const char*, std::uint64_t>> fields) {
    for (const auto& [name, value] : fields) {
      if (value != 0) {
        return refuse(ProgramErrorReason::kRange, fmt::format("{} must be 0", name));
      }
    }
    return std::nullopt;
  }

  std::optional<Refusal> check_banks(const PimColumnCommand& command) const {
    if (command.banks < device_.operand_groups()) return std::nullopt;
    return refuse(ProgramErrorReason::kRange,
                  fmt::format("banks {} of {}", command.banks, device_.operand_groups()));
  }

  std::optional<Refusal> add_row_command(const PimColumnCommand& command) {
    if (auto refusal = check_banks(command)) return refusal;
    const bool activates = command.opcode == PimColumnCommand::kActivate;
    if (auto refusal = require_zero({{"column", command.column},
                                     {"register_index", command.register_index},
                                     {"offset", command.offset},
                                     {"row", activates ? 0 : command.row}})) {
      return refusal;
    }
    if (command.count != 1) return refuse(ProgramErrorReason::kRange, "a count other than 1");
    PimRun run;
    run.command = activates ? DramCommand::kActivateBanks : DramCommand::kPrechargeBanks;
    run.first.bank = command.banks;
    run.first.row = command.row;
    run.count = activates ? device_.activate_groups() / device_.operand_groups() : 1;
    return add_run(run);
  }

  std::optional<Refusal> add_triggers(const PimColumnCommand& command) {
    if (auto refusal = check_banks(command)) return refusal;
    const bool write = command.opcode == PimColumnCommand::kWrite;
    if (auto refusal = require_zero({{"register_index", command.register_index},
                                     {"row", command.row},
                                     {"offset", write ? 0 : command.offset}})) {
      return refusal;
    }
    if (std::uint32_t{command.column} + command.count > device_.organisation.columns) {
      return refuse(ProgramErrorReason::kRange,
                    fmt::format("column {} of {}", command.column + command.count - 1,
                                device_.organisation.columns));
    }
    const auto row = kernel_.check_.open_row(command.banks);
    if (!row) {
      return refuse(
          ProgramErrorReason::kRowClosed,
          fmt::format("no open row in all {} banks", command.banks == 0 ? "even" : "odd"));
    }
    kernel_.steps_.back().row = *row;
    for (std::uint32_t i = 0; i < command.count; ++i) {
      if (auto refusal = add_trigger(command, i)) return refusal;
    }
    return std::nullopt;
  }

  std::optional<Refusal> add_trigger(const PimColumnCommand& command, std::uint32_t i) {
    const CrfSequencer::Step step = sequencer_.next();
    switch (step.status) {
      case CrfSequencer::Status::kRuns:
        break;
      case CrfSequencer::Status::kEnded:
        return refuse(ProgramErrorReason::kKernelEnded,
                      fmt::format("column {}: the microkernel has ended", command.column + i));
      case CrfSequencer::Status::kUndefined:
        return refuse(ProgramErrorReason::kInstruction,
                      fmt::format("entry {} of the CRF is no instruction", step.entry));
      case CrfSequencer::Status::kLost:
        return refuse(ProgramErrorReason::kInstruction,
                      fmt::format("the JUMP in entry {} of the CRF leads nowhere", step.entry));
    }
    const CrfInstruction& instruction = sequencer_.instruction(step.entry);
    const auto refusal = check_trigger(command, i, instruction);
    if (refusal) {
      return refuse(refusal->reason, fmt::format("entry {} of the CRF, {}: {}", step.entry,
                                                 disassemble(encode(instruction)), refusal->text));
    }
    kernel_.triggers_.push_back(static_cast<std::uint8_t>(step.entry));
    return add_run(run_of(command, i, instruction));
  }

  std::optional<Refusal> check_trigger(const PimColumnCommand& command, std::uint32_t i,
                                       const CrfInstruction& instruction) const {
    if (auto refusal = check_operands(instruction)) return refusal;
    const bool write = command.opcode == PimColumnCommand::kWrite;
    const Sources sources(instruction);
    const CrfOperand other = command.banks == 0 ? CrfOperand::kOddBank : CrfOperand::kEvenBank;
    const auto end = sources.operands.begin() + sources.count;
    const bool mismatch =
        sources.count > 0 && (std::find(sources.operands.begin(), end, other) != end ||
                              instruction.destination == other);
    if (mismatch) {
      return refuse(
          ProgramErrorReason::kInstruction,
          fmt::format("the command is to the {} banks", command.banks == 0 ? "even" : "odd"));
    }
    if (!write && sources.count > 0 && is_bank(instruction.destination)) {
      return refuse(ProgramErrorReason::kInstruction, "a READ cannot write a bank");
    }
    if (write && sources.have_bank()) return check_data(command.offset, i, input_bytes_, "input");
    return std::nullopt;
  }

  static std::optional<Refusal> check_data(std::uint32_t offset, std::uint32_t last,
                                           std::uint32_t size, const char* name) {
    if (offset % 2 != 0) {
      return refuse(ProgramErrorReason::kData,
                    fmt::format("offset {} in the {} buffer is odd", offset, name));
    }
    const std::uint64_t end = offset + (std::uint64_t{last} + 1) * kBurst;
    if (end <= size) return std::nullopt;
    return refuse(ProgramErrorReason::kData,
                  fmt::format("byte {} is not in the {} buffer of {}", end - 1, name, size));
  }

  PimRun run_of(const PimColumnCommand& command, std::uint32_t i,
                const CrfInstruction& instruction) {
    PimRun run;
    run.first.column = static_cast<std::uint16_t>(command.column + i);
    if (command.opcode == PimColumnCommand::kRead) {
      run.command = DramCommand::kMac;
      run.first.bank = command.banks;
      run.use = CellUse::kRead;
      computed_ = true;
    } else if (stores(instruction)) {
      run.command = DramCommand::kElementAdd;
      run.first.bank = command.banks;
      run.use = CellUse::kWrite;
    } else {
      run.command = DramCommand::kWriteBuffer;
    }
    return run;
  }

  std::optional<Refusal> check_registers(const PimColumnCommand& command,
                                         std::uint32_t last) const {
    if (command.register_index + last < kGrfRegisters) return std::nullopt;
    return refuse(ProgramErrorReason::kRange,
                  fmt::format("register {} of 8", command.register_index + last));
  }

  std::optional<Refusal> add_register_write(const PimColumnCommand& command) {
    const std::uint32_t last = command.count - 1u;
    if (auto refusal = require_zero(
            {{"banks", command.banks}, {"column", command.column}, {"row", command.row}})) {
      return refusal;
    }
    if (auto refusal = check_registers(command, last)) return refusal;
    if (auto refusal = check_data(command.offset, last, input_bytes_, "input")) {
      return refusal;
    }
    const bool sums = command.opcode == PimColumnCommand::kWriteGrfB;
    computed_ = computed_ || sums;
    PimRun run;
    run.command = sums ? DramCommand::kWriteBias : DramCommand::kWriteBuffer;
    run.count = command.count;
    run.first.column = command.register_index;
    return add_run(run);
  }

  std::optional<Refusal> add_register_read(const PimColumnCommand& command) {
    const std::uint32_t last = command.count - 1u;
    if (auto refusal = require_zero({{"banks", command.banks}, {"row", command.row}})) {
      return refusal;
    }
    if (auto refusal = check_registers(command, 0)) return refusal;
    if (command.column + last >= device_.units()) {
      return refuse(ProgramErrorReason::kRange,
                    fmt::format("unit {} of {}", command.column + last, device_.units()));
    }
    if (!computed_) {
      return refuse(ProgramErrorReason::kOperand,
                    "nothing was read from banks or written to GRF_B before");
    }
    if (auto refusal = check_data(command.offset, last, output_bytes_, "output")) {
      return refusal;
    }
    PimRun run;
    run.command = DramCommand::kReadResult;
    run.count = command.count;
    run.first.row = command.register_index;
    run.first.column = command.column;
    return add_run(run);
  }

  CrfKernel& kernel_;
  const DeviceDescription& device_;
  std::uint32_t input_bytes_;
  std::uint32_t output_bytes_;
  CrfSequencer sequencer_;
  bool computed_ = false;              // something may be in the registers
  std::uint64_t engine_commands_ = 0;  // in the kernel's runs
};

CrfKernel::CrfKernel(const DeviceDescription& device) : device_(device), check_(device) {}

std::optional<ProgramError> CrfKernel::load(const PimKernelImage& image,
                                            std::span<const PimColumnCommand> commands,
                                            std::uint32_t input_bytes, std::uint32_t output_bytes) {
  image_ = image;
  steps_.clear();
  triggers_.clear();
  runs_.clear();
  check_.restart();
  Loader loader(*this, input_bytes, output_bytes);
  const auto failed = [this](const Refusal& refusal, std::size_t word, const std::string& place) {
    steps_.clear();
    triggers_.clear();
    runs_.clear();
    return ProgramError{refusal.reason, static_cast<std::uint32_t>(word), place + refusal.text};
  };
  if (auto refusal = loader.check_device()) return failed(*refusal, commands.size(), "");
  if (auto refusal = loader.begin()) return failed(*refusal, commands.size(), "");
  for (std::size_t i = 0; i < commands.size(); ++i) {
    if (auto refusal = loader.add(commands[i])) {
      return failed(*refusal, i,
                    fmt::format("command {} ({}): ", i, column_command_name(commands[i].opcode)));
    }
  }
  if (auto refusal = check_.finish()) return failed(*refusal, commands.size(), "");
  return std::nullopt;
}

// --- Execution

class CrfKernel::Execution {
 public:
  Execution(const CrfKernel& kernel, const PimCells& cells, std::span<const std::uint8_t> input,
            std::span<std::uint8_t> output)
      : kernel_(kernel),
        cells_(cells),
        input_(input),
        output_(output),
        units_(kernel.device_.units()) {
    for (std::uint32_t i = 0; i < kCrfEntries; ++i) {
      if (const auto decoded = decode(kernel.image_.instructions[i])) instructions_[i] = *decoded;
    }
    for (Unit& unit : units_) {
      std::copy_n(kernel.image_.srf_m, kSrfRegisters, unit.srf.begin());
      std::copy_n(kernel.image_.srf_a, kSrfRegisters, unit.srf.begin() + kSrfRegisters);
    }
  }

  // Its commands before command `end` of the engine's.
  void step(const Step& step, std::uint64_t end) {
    const PimColumnCommand& command = step.command;
    for (std::uint32_t i = 0; i < command.count && step.first_command + i < end; ++i) {
      const std::uint32_t offset = command.offset + i * kBurst;
      switch (command.opcode) {
        case PimColumnCommand::kRead:
        case PimColumnCommand::kWrite:
          trigger(step, i);
          break;
        case PimColumnCommand::kWriteGrfA:
        case PimColumnCommand::kWriteGrfB:
          for (Unit& unit : units_) {
            auto& file = command.opcode == PimColumnCommand::kWriteGrfA ? unit.a : unit.b;
            std::memcpy(&file[command.register_index + i], &input_[offset], kBurst);
          }
          break;
        case PimColumnCommand::kReadGrfA:
        case PimColumnCommand::kReadGrfB: {
          const Unit& unit = units_[command.column + i];
          const auto& file = command.opcode == PimColumnCommand::kReadGrfA ? unit.a : unit.b;
          std::memcpy(&output_[offset], &file[command.register_index], kBurst);
          break;
        }
        default:
          break;
      }
    }
  }

 private:
  struct Unit {
    std::array<Vector, kGrfRegisters> a{};
    std::array<Vector, kGrfRegisters> b{};
    Vector srf{};  // SRF_M, SRF_A
  };

  // Where a trigger acts.
  struct Place {
    std::uint32_t bank = 0;
    std::uint32_t row = 0;
    std::uint32_t column = 0;
    const std::uint8_t* data = nullptr;  // of a WRITE: in place of the cells
  };

  void trigger(const Step& step, std::uint32_t i) {
    const PimColumnCommand& command = step.command;
    const CrfInstruction& instruction = instructions_[kernel_.triggers_[step.first_trigger + i]];
    Place place{0, step.row, command.column + i, nullptr};
    const bool write = command.opcode == PimColumnCommand::kWrite;
    if (write && Sources(instruction).have_bank()) {
      place.data = &input_[command.offset + i * kBurst];
    }
    for (std::uint32_t unit = 0; unit < units_.size(); ++unit) {
      place.bank = unit * kernel_.device_.pim.banks_per_unit + command.banks;
      if (instruction.opcode != CrfOpcode::kNop) {
        execute(units_[unit], instruction, place);
      } else if (write) {
        // As in Samsung's kernels: GRF_A into the even banks, GRF_B into the odd ones.
        const auto& file = command.banks == 0 ? units_[unit].a : units_[unit].b;
        store(place, file[place.column % kGrfRegisters]);
      }
    }
  }

  void store(const Place& place, const Vector& value) {
    cells_.write(place.bank, place.row, place.column,
                 reinterpret_cast<const std::uint8_t*>(value.data()));
  }

  // Registers are numbered by the instruction or by the address: by the low bits of the column, and
  // for MAC's GRF_A by the bits above them with the lowest of the row, so that 8 sums go with each
  // of 8 inputs in two rows of 32 columns.
  static std::uint32_t index_of(const CrfInstruction& instruction, CrfOperand operand,
                                std::uint32_t index, const Place& place) {
    const bool automatic = instruction.aam || instruction.opcode == CrfOpcode::kFill;
    if (!automatic || is_srf(operand)) return index;
    if (instruction.opcode == CrfOpcode::kMac && operand == CrfOperand::kGrfA) {
      return (place.row & 1) << 2 | (place.column >> 3 & 3);
    }
    return place.column % kGrfRegisters;
  }

  Vector read(const Unit& unit, const CrfInstruction& instruction, CrfOperand operand,
              std::uint32_t encoded_index, const Place& place) const {
    const std::uint32_t index = index_of(instruction, operand, encoded_index, place);
    Vector value{};
    switch (operand) {
      case CrfOperand::kEvenBank:
      case CrfOperand::kOddBank:
        if (place.data != nullptr) {
          std::memcpy(value.data(), place.data, kBurst);
        } else {
          cells_.read(place.bank, place.row, place.column,
                      reinterpret_cast<std::uint8_t*>(value.data()));
        }
        break;
      case CrfOperand::kGrfA:
        return unit.a[index];
      case CrfOperand::kGrfB:
        return unit.b[index];
      case CrfOperand::kSrfM:
        value.fill(unit.srf[index]);
        break;
      case CrfOperand::kSrfA:
        value.fill(unit.srf[kSrfRegisters + index]);
        break;
      default:
        break;
    }
    return value;
  }

  void write(Unit& unit, const CrfInstruction& instruction, const Place& place,
             const Vector& value) {
    const CrfOperand operand = instruction.destination;
    const std::uint32_t index =
        index_of(instruction, operand, instruction.destination_index, place);
    if (operand == CrfOperand::kGrfA) {
      unit.a[index] = value;
    } else if (operand == CrfOperand::kGrfB) {
      unit.b[index] = value;
    } else if (is_srf(operand)) {
      unit.srf = value;  // both scalar files at once
    } else {
      store(place, value);
    }
  }

  static std::uint16_t add(std::uint16_t a, std::uint16_t b) {
    return common::float_to_fp16(common::fp16_to_float(a) + common::fp16_to_float(b));
  }
  static std::uint16_t multiply(std::uint16_t a, std::uint16_t b) {
    return common::float_to_fp16(common::fp16_to_float(a) * common::fp16_to_float(b));
  }

  void execute(Unit& unit, const CrfInstruction& instruction, const Place& place) {
    const unsigned sources = sources_of(instruction.opcode);
    const Vector a = read(unit, instruction, instruction.source0, instruction.source0_index, place);
    Vector b{};
    Vector c{};
    if (sources >= 2) {
      b = read(unit, instruction, instruction.source1, instruction.source1_index, place);
    }
    if (instruction.opcode == CrfOpcode::kMac) {
      c = read(unit, instruction, instruction.destination, instruction.destination_index, place);
    } else if (sources >= 3) {
      c = read(unit, instruction, instruction.source2, instruction.source1_index, place);
    }
    Vector result{};
    for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
      switch (instruction.opcode) {
        case CrfOpcode::kAdd:
          result[lane] = add(a[lane], b[lane]);
          break;
        case CrfOpcode::kMul:
          result[lane] = multiply(a[lane], b[lane]);
          break;
        case CrfOpcode::kMac:
        case CrfOpcode::kMad:
          result[lane] = add(multiply(a[lane], b[lane]), c[lane]);
          break;
        default:  // MOV, FILL; ReLU drops whatever has a sign
          result[lane] = instruction.relu && (a[lane] & 0x8000) != 0 ? 0 : a[lane];
          break;
      }
    }
    write(unit, instruction, place, result);
  }

  const CrfKernel& kernel_;
  const PimCells& cells_;
  std::span<const std::uint8_t> input_;
  std::span<std::uint8_t> output_;
  std::array<CrfInstruction, kCrfEntries> instructions_{};
  std::vector<Unit> units_;
};

void CrfKernel::execute(const PimCells& cells, std::span<const std::uint8_t> input,
                        std::span<std::uint8_t> output, std::uint64_t end) const {
  Execution execution(*this, cells, input, output);
  for (const Step& step : steps_) execution.step(step, end);
}

}  // namespace hpimvp::hbm_pim
