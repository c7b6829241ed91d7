// Microkernels: their encoding, their control flow, and their values against a scalar model.
#include "models/hbm_pim/crf.h"

#include <catch2/catch.hpp>
#include <random>

#include "models/hbm_pim/crf_kernel.h"
#include "models/hbm_pim/program_errors.h"
#include "tests/unit/common/random_seed.h"
#include "tests/unit/hbm_pim/device_presets.h"
#include "tests/unit/hbm_pim/program_support.h"

using namespace hpimvp::hbm_pim;       // NOLINT: the subject of the test
using namespace hpimvp::test_support;  // NOLINT

namespace {

using Random = std::mt19937_64;
using Command = PimColumnCommand;

PimKernelImage kernel_of(const std::vector<std::string>& lines) {
  PimKernelImage image{};
  REQUIRE(lines.size() <= kCrfEntries);
  for (std::size_t i = 0; i < lines.size(); ++i) image.instructions[i] = assemble(lines[i]);
  return image;
}

Command command(std::uint32_t opcode, std::uint32_t banks = 0, std::uint32_t column = 0,
                std::uint32_t count = 1, std::uint32_t offset = 0) {
  Command result{};
  result.opcode = static_cast<std::uint8_t>(opcode);
  result.banks = static_cast<std::uint8_t>(banks);
  result.column = static_cast<std::uint16_t>(column);
  result.count = static_cast<std::uint16_t>(count);
  result.offset = offset;
  return result;
}
Command activate(std::uint32_t banks, std::uint32_t row) {
  Command result = command(Command::kActivate, banks);
  result.row = row;
  return result;
}
Command precharge(std::uint32_t banks) {
  return command(Command::kPrecharge, banks);
}
// Registers: of GRF_A or GRF_B, from the input buffer or to the output buffer.
Command grf(std::uint32_t opcode, std::uint32_t index, std::uint32_t first_unit,
            std::uint32_t count, std::uint32_t offset) {
  Command result = command(opcode, 0, first_unit, count, offset);
  result.register_index = static_cast<std::uint16_t>(index);
  return result;
}

// What the entries are that successive triggers execute; -1: no more.
std::vector<int> entries(const std::vector<std::string>& lines, int triggers) {
  std::array<std::uint32_t, kCrfEntries> words{};
  const PimKernelImage image = kernel_of(lines);
  std::copy(std::begin(image.instructions), std::end(image.instructions), words.begin());
  CrfSequencer sequencer(words);
  std::vector<int> result;
  for (int i = 0; i < triggers; ++i) {
    const CrfSequencer::Step step = sequencer.next();
    result.push_back(step.status == CrfSequencer::Status::kRuns ? static_cast<int>(step.entry)
                                                                : -1);
  }
  return result;
}

void require_loaded(const std::optional<ProgramError>& error) {
  if (error) FAIL(error->text);
}

}  // namespace

TEST_CASE("Instructions have the published encoding") {
  // Field by field: opcode << 28 | dst << 25 | src0 << 22 | src1 << 19 | src2 << 16 | A << 15 | ...
  CHECK(assemble("MAC GRF_B[0], GRF_A[0], EVEN_BANK, AAM") == 0x3B108000);
  CHECK(assemble("FILL GRF_A[0], EVEN_BANK") == 0x98800000);
  CHECK(assemble("ADD GRF_B[1], GRF_B[2], ODD_BANK") == 0x1B580120);
  CHECK(assemble("MUL GRF_A[7], GRF_A[6], SRF_M[5]") == 0x29300765);
  CHECK(assemble("MAD GRF_A[0], EVEN_BANK, SRF_M[3], SRF_A[3]") == 0x48B70003);
  CHECK(assemble("MOV ODD_BANK, GRF_B[3], RELU") == 0x87401030);
  CHECK(assemble("JUMP 7, 2") == 0xE0003802);
  CHECK(assemble("JUMP 131071, 2047") == 0xEFFFFFFF);
  CHECK(assemble("NOP 7") == 0x00000007);
  CHECK(assemble("  EXIT ") == 0xF0000000);
}

TEST_CASE("Instructions survive encoding, decoding and the assembler") {
  const std::uint64_t seed = hpimvp::random_seed(0xC4F1);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  std::uint32_t undefined = 0;
  for (int i = 0; i < 20000; ++i) {
    const auto word = static_cast<std::uint32_t>(random());
    const std::optional<CrfInstruction> decoded = decode(word);
    if (!decoded) {
      ++undefined;
      CHECK(disassemble(word).find(".word") == 0);
      continue;
    }
    const std::uint32_t canonical = encode(*decoded);
    REQUIRE((canonical & ~word) == 0);  // only unused bits are dropped
    REQUIRE(decode(canonical) == decoded);
    // Text has no numbers for operands without one.
    const std::string text = disassemble(canonical);
    INFO(text);
    REQUIRE(disassemble(assemble(text)) == text);
  }
  CHECK(undefined > 0);
  for (const char* text :
       {"FROB", "MAC GRF_B[0], GRF_A[0]", "MAC GRF_B, GRF_A[0], EVEN_BANK", "NOP", "NOP 2048",
        "JUMP 1", "EXIT 1", "MOV GRF_C[0], EVEN_BANK", "MOV GRF_A[16], EVEN_BANK",
        "MOV GRF_A[x], EVEN_BANK", "MOV GRF_A[1, EVEN_BANK",
        "ADD GRF_A[0], GRF_A[0], GRF_A[0], RELU", "MAD GRF_A[0], EVEN_BANK, SRF_M[1], SRF_A[2]",
        "MOV EVEN_BANK[1], GRF_A[0]", ""}) {
    INFO(text);
    CHECK_THROWS_AS(assemble(text), std::invalid_argument);
  }
}

TEST_CASE("Jumps take no trigger; NOP, FILL and AAM take several") {
  CHECK(entries({"NOP 2", "MOV GRF_A[0], EVEN_BANK", "EXIT"}, 5) ==
        std::vector<int>{0, 0, 0, 1, -1});
  CHECK(entries({"FILL GRF_A[0], EVEN_BANK", "EXIT"}, 9) ==
        std::vector<int>{0, 0, 0, 0, 0, 0, 0, 0, -1});
  CHECK(entries({"NOP 0", "JUMP 2, 2", "MOV GRF_A[0], EVEN_BANK", "EXIT"}, 5) ==
        std::vector<int>{0, 0, 0, 2, -1});
  CHECK(entries({"JUMP 0, 1", "NOP 0", "EXIT"}, 2) == std::vector<int>{1, -1});
  // Loops within loops, the inner one anew each time.
  CHECK(entries({"NOP 0", "MOV GRF_A[0], EVEN_BANK", "JUMP 1, 2", "JUMP 1, 4", "EXIT"}, 7) ==
        std::vector<int>{0, 1, 1, 0, 1, 1, -1});
  // Nowhere: before the start, round in a circle, behind the end.
  CHECK(entries({"NOP 0", "JUMP 1, 3"}, 2) == std::vector<int>{0, -1});
  CHECK(entries({"JUMP 131071, 1"}, 1) == std::vector<int>{-1});
  CHECK(entries(std::vector<std::string>(32, "NOP 0"), 33).back() == -1);
}

TEST_CASE("A GEMV as Samsung's microkernel rounds twice a MAC, in every lane") {
  const std::uint64_t seed = hpimvp::random_seed(0xC4F2);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  const DeviceDescription device = device_preset("hbm2_samsung_pim");
  const std::uint32_t units = device.units();
  constexpr std::uint32_t kBlocks = 2;  // of 8 outputs a unit
  constexpr std::uint32_t kTiles = 3;   // of 128 inputs; two in even banks, one in odd ones
  constexpr std::uint32_t kRow = 100;
  std::vector<std::uint32_t> rows;
  for (std::uint32_t i = 0; i < 4 * kBlocks; ++i) rows.push_back(kRow + i);
  CellArray cells(device, rows);
  cells.randomise(random);
  // The tiles of x, then 8 zeros for GRF_B.
  std::vector<std::uint8_t> input((kTiles + 1) * 256, 0);
  fill_random(input, random);
  std::fill(input.end() - 256, input.end(), 0);
  std::vector<std::uint8_t> output(std::size_t{kBlocks} * 8 * units * 32, 0xEE);

  // A tile takes two rows: GRF_A's number has the row's lowest bit.
  const PimKernelImage image =
      kernel_of({"MAC GRF_B[0], GRF_A[0], EVEN_BANK, AAM", "JUMP 15, 2",
                 "MAC GRF_B[0], GRF_A[0], ODD_BANK, AAM", "JUMP 7, 2", "JUMP 1, 5", "EXIT"});
  std::vector<Command> commands;
  const auto row_of = [](std::uint32_t block, std::uint32_t tile) {
    return kRow + 4 * block + (tile == 1 ? 2 : 0);
  };
  for (std::uint32_t block = 0; block < kBlocks; ++block) {
    commands.push_back(grf(Command::kWriteGrfB, 0, 0, 8, kTiles * 256));
    for (std::uint32_t tile = 0; tile < kTiles; ++tile) {
      const std::uint32_t banks = tile == 2 ? 1 : 0;
      commands.push_back(grf(Command::kWriteGrfA, 0, 0, 8, tile * 256));
      for (std::uint32_t half = 0; half < 2; ++half) {
        commands.push_back(activate(banks, row_of(block, tile) + half));
        commands.push_back(command(Command::kRead, banks, 0, 32));
        commands.push_back(precharge(banks));
      }
    }
    for (std::uint32_t sum = 0; sum < 8; ++sum) {
      commands.push_back(grf(Command::kReadGrfB, sum, 0, units, (block * 8 + sum) * units * 32));
    }
  }
  CrfKernel kernel(device);
  require_loaded(kernel.load(image, commands, static_cast<std::uint32_t>(input.size()),
                             static_cast<std::uint32_t>(output.size())));
  hpimvp::common::SparseMemory memory(device.organisation.stack_bytes());
  const BitFieldMapping mapping(device.organisation);
  const PimCells stored(memory, mapping, device.organisation, 5);
  cells.store(stored);
  kernel.execute(stored, input, output);
  cells.require_stored(stored);

  for (std::uint32_t block = 0; block < kBlocks; ++block) {
    for (std::uint32_t unit = 0; unit < units; ++unit) {
      for (std::uint32_t sum = 0; sum < 8; ++sum) {
        Burst lanes{};
        for (std::uint32_t tile = 0; tile < kTiles; ++tile) {
          for (std::uint32_t a = 0; a < 8; ++a) {
            const Burst x = burst_at(input, tile * 256 + a * 32);
            const Burst& w = cells.at(2 * unit + (tile == 2 ? 1 : 0), row_of(block, tile) + a / 4,
                                      a % 4 * 8 + sum);
            for (int i = 0; i < 16; ++i) {
              lanes[i] = half_sum(half_product(w[i], x[i]), lanes[i]);
            }
          }
        }
        INFO("block " << block << ", unit " << unit << ", sum " << sum);
        REQUIRE(burst_at(output, ((block * 8 + sum) * units + unit) * 32) == lanes);
      }
    }
  }
  const GemvResult result = run_checked(device, kernel.commands(), random);
  CHECK(result[DramCommand::kMac] == kBlocks * kTiles * 64);
  CHECK(result[DramCommand::kWriteBuffer] == 1 + 1 + kBlocks * kTiles * 8);  // CRF, mode, x
  CHECK(result[DramCommand::kReadResult] == kBlocks * 8 * units);
}

TEST_CASE("Samsung's elementwise kernels add, multiply and clamp columns of all banks") {
  const std::uint64_t seed = hpimvp::random_seed(0xC4F3);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  const DeviceDescription device = device_preset("hbm2_samsung_pim");
  const std::string relu = "RELU";
  for (const std::string& operation : {std::string("ADD"), std::string("MUL"), relu}) {
    INFO(operation);
    std::vector<std::string> lines;
    std::uint32_t triggers = 0;
    for (const char* side : {"A", "B"}) {
      const std::string file = std::string("GRF_") + side + "[0]";
      const std::string bank = *side == 'A' ? "EVEN_BANK" : "ODD_BANK";
      lines.push_back("FILL " + file + ", " + bank + (operation == relu ? ", RELU" : ""));
      if (operation != relu)
        lines.push_back(operation + " " + file + ", " + file + ", " + bank + ", AAM");
      lines.push_back("NOP 7");
    }
    triggers = static_cast<std::uint32_t>(lines.size());
    lines.push_back("JUMP 1, " + std::to_string(triggers + 1));
    lines.push_back("EXIT");
    const std::vector<std::uint32_t> rows = {9, 10};
    CellArray cells(device, rows);
    cells.randomise(random);
    std::vector<Command> commands;
    for (const std::uint32_t row : rows) {
      for (std::uint32_t banks = 0; banks < 2; ++banks) {
        commands.push_back(activate(banks, row));
        commands.push_back(command(Command::kRead, banks, 0, operation == relu ? 8 : 16));
        commands.push_back(command(Command::kWrite, banks, 16, 8));
        commands.push_back(precharge(banks));
      }
    }
    CrfKernel kernel(device);
    require_loaded(kernel.load(kernel_of(lines), commands, 0, 0));
    hpimvp::common::SparseMemory memory(device.organisation.stack_bytes());
    const BitFieldMapping mapping(device.organisation);
    const PimCells stored(memory, mapping, device.organisation, 0);
    cells.store(stored);
    kernel.execute(stored, {}, {});
    for (const std::uint32_t row : rows) {
      for (std::uint32_t bank = 0; bank < device.organisation.banks(); ++bank) {
        for (std::uint32_t c = 0; c < 8; ++c) {
          const Burst a = cells.at(bank, row, c);
          const Burst b = cells.at(bank, row, 8 + c);
          Burst& result = cells.at(bank, row, 16 + c);
          for (int i = 0; i < 16; ++i) {
            result[i] = operation == "ADD"     ? half_sum(a[i], b[i])
                        : operation == "MUL"   ? half_product(a[i], b[i])
                        : (a[i] & 0x8000) != 0 ? Half{0}
                                               : a[i];
          }
        }
      }
    }
    cells.require_stored(stored);
    const GemvResult result = run_checked(device, kernel.commands(), random);
    CHECK(result[DramCommand::kElementAdd] == 4 * 8);  // the writes that store
  }
}

TEST_CASE("Microkernels take data from the bus, scalars and moves") {
  const std::uint64_t seed = hpimvp::random_seed(0xC4F4);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  const DeviceDescription device = device_preset("hbm2_samsung_pim");
  const std::uint32_t units = device.units();
  PimKernelImage image = kernel_of({
      "MOV GRF_A[3], EVEN_BANK",                      // from the bus
      "MAD GRF_B[1], EVEN_BANK, SRF_M[2], SRF_A[2]",  // from the cells
      "ADD GRF_B[1], GRF_B[1], SRF_A[7]",             //
      "MUL GRF_A[4], GRF_A[3], GRF_B[1]",             //
      "MOV EVEN_BANK, GRF_A[4]",                      // into the cells
      "MOV SRF_M[0], EVEN_BANK",                      // both scalar files
      "MAC GRF_B[1], GRF_A[3], SRF_M[1]",             //
      "EXIT",
  });
  for (Half& scalar : image.srf_m) scalar = random_half(random);
  for (Half& scalar : image.srf_a) scalar = random_half(random);
  CellArray cells(device, {50});
  cells.randomise(random);
  std::vector<std::uint8_t> input(96);
  fill_random(input, random);
  std::vector<std::uint8_t> output(std::size_t{units} * 32);
  const std::vector<Command> commands = {
      activate(0, 50),
      command(Command::kWrite, 0, 0, 1, 64),
      command(Command::kRead, 0, 7),
      command(Command::kRead, 0, 8, 2),
      command(Command::kWrite, 0, 11),
      command(Command::kRead, 0, 12, 2),
      precharge(0),
      grf(Command::kReadGrfB, 1, 0, units, 0),
  };
  CrfKernel kernel(device);
  require_loaded(kernel.load(image, commands, 96, static_cast<std::uint32_t>(output.size())));
  hpimvp::common::SparseMemory memory(device.organisation.stack_bytes());
  const BitFieldMapping mapping(device.organisation);
  const PimCells stored(memory, mapping, device.organisation, 15);
  cells.store(stored);
  kernel.execute(stored, input, output);
  const Burst bus = burst_at(input, 64);
  for (std::uint32_t unit = 0; unit < units; ++unit) {
    const Burst& cell = cells.at(2 * unit, 50, 7);
    const Burst& scalars = cells.at(2 * unit, 50, 12);
    Burst& stored_cell = cells.at(2 * unit, 50, 11);
    Burst expected{};
    for (int i = 0; i < 16; ++i) {
      Half b = half_sum(half_product(cell[i], image.srf_m[2]), image.srf_a[2]);
      b = half_sum(b, image.srf_a[7]);
      stored_cell[i] = half_product(bus[i], b);
      expected[i] = half_sum(half_product(bus[i], scalars[1]), b);
    }
    INFO("unit " << unit);
    REQUIRE(burst_at(output, unit * 32) == expected);
  }
  cells.require_stored(stored);
  run_checked(device, kernel.commands(), random);
}

TEST_CASE("A bad microkernel is refused, and the error says which command and why") {
  using Reason = ProgramErrorReason;
  struct Bad {
    const char* text;
    Reason reason;
    std::uint32_t at;
    std::vector<std::string> lines;
    std::vector<Command> commands;
  };
  const Command read = command(Command::kRead);
  const Command write = command(Command::kWrite);
  const Command open = activate(0, 1);
  const std::string load = "MOV GRF_A[0], EVEN_BANK";
  Command zero = read;
  zero.count = 0;
  const std::vector<Bad> cases = {
      {"command 0 (opcode 9): no such opcode", Reason::kOpcode, 0, {load}, {command(9)}},
      {"a count of 0", Reason::kRange, 1, {load}, {open, zero}},
      {"banks 2 of 2", Reason::kRange, 0, {load}, {activate(2, 1)}},
      {"row 16384 of 16384", Reason::kRange, 0, {load}, {activate(0, 16384)}},
      {"column 32 of 32", Reason::kRange, 1, {load}, {open, command(Command::kRead, 0, 32)}},
      {"no open row in all even banks", Reason::kRowClosed, 0, {load}, {read}},
      {"no open row in all odd banks",
       Reason::kRowClosed,
       1,
       {load},
       {open, command(Command::kRead, 1)}},
      {"has an open row already", Reason::kRowOpen, 1, {load}, {open, open}},
      {"the microkernel has ended", Reason::kKernelEnded, 2, {load, "EXIT"}, {open, read, read}},
      {"entry 0 of the CRF, MOV GRF_A[0], EVEN_BANK: the command is to the odd banks",
       Reason::kInstruction,
       1,
       {load},
       {activate(1, 1), command(Command::kRead, 1)}},
      {"a READ cannot write a bank",
       Reason::kInstruction,
       1,
       {"MOV EVEN_BANK, GRF_A[0]"},
       {open, read}},
      {"it moves from bank to bank",
       Reason::kInstruction,
       1,
       {"MOV EVEN_BANK, EVEN_BANK"},
       {open, write}},
      {"it cannot write its destination",
       Reason::kInstruction,
       1,
       {"ADD EVEN_BANK, GRF_A[0], GRF_A[1]"},
       {open, write}},
      {"its first source is a scalar",
       Reason::kInstruction,
       1,
       {"MUL GRF_A[0], SRF_M[0], GRF_A[1]"},
       {open, read}},
      {"a source is a latch", Reason::kInstruction, 1, {"MOV GRF_A[0], A_OUT"}, {open, read}},
      {"it numbers a register above 7",
       Reason::kInstruction,
       1,
       {"MOV GRF_A[8], EVEN_BANK"},
       {open, read}},
      {"the JUMP in entry 0 of the CRF leads nowhere",
       Reason::kInstruction,
       1,
       {"JUMP 1, 2"},
       {open, read}},
      {"byte 63 is not in the input buffer of 32",
       Reason::kData,
       1,
       {load, load},
       {open, command(Command::kWrite, 0, 0, 2)}},
      {"register 8 of 8", Reason::kRange, 0, {load}, {grf(Command::kWriteGrfA, 8, 0, 1, 0)}},
      {"unit 8 of 8", Reason::kRange, 2, {load}, {open, read, grf(Command::kReadGrfA, 0, 8, 1, 0)}},
      {"nothing was read from banks",
       Reason::kOperand,
       0,
       {load},
       {grf(Command::kReadGrfB, 0, 0, 1, 0)}},
      {"not in the output buffer of 64",
       Reason::kData,
       2,
       {load},
       {open, read, grf(Command::kReadGrfB, 0, 0, 3, 0)}},
      {"the list ends with open rows", Reason::kLeftOpen, 1, {load}, {open}},
  };
  const DeviceDescription device = device_preset("hbm2_samsung_pim");
  CrfKernel kernel(device);
  for (const Bad& bad : cases) {
    INFO(bad.text);
    const auto error = kernel.load(kernel_of(bad.lines), bad.commands, 32, 64);
    REQUIRE(error);
    CAPTURE(error->text);
    CHECK(error->text.find(bad.text) != std::string::npos);
    CHECK(error->reason == bad.reason);
    CHECK(error->word == bad.at);
    CHECK(kernel.commands().empty());
  }
  PimKernelImage image{};
  image.instructions[0] = 0x50000000;
  const auto undefined = kernel.load(image, std::vector<Command>{open, read}, 0, 0);
  REQUIRE(undefined);
  CHECK(undefined->text.find("entry 0 of the CRF is no instruction") != std::string::npos);
  CrfKernel native(device_preset("hbm3_hpim"));
  const auto refused = native.load(image, {}, 0, 0);
  REQUIRE(refused);
  CHECK(refused->reason == Reason::kDevice);
}

namespace {

constexpr std::uint32_t kErrorRow = 12;

struct WrongCell {
  std::uint32_t bank;
  std::uint32_t column;
  std::uint32_t bits;
};

// A kernel that copies columns 0 to 7 of all even banks to 16 to 23, and those to 24 to 31; with
// stored errors in pseudo-channel 9.
struct CopyKernel {
  DeviceDescription device = device_preset("hbm2_samsung_pim");
  BitFieldMapping mapping{device.organisation};
  CellArray cells{device, {kErrorRow}};
  hpimvp::common::SparseMemory memory{device.organisation.stack_bytes()};
  PimCells stored{memory, mapping, device.organisation, 9};
  CrfKernel kernel{device};

  explicit CopyKernel(std::uint64_t seed) {
    Random random(seed);
    cells.randomise(random);
    cells.store(stored);
    const std::vector<Command> commands = {activate(0, kErrorRow),
                                           command(Command::kRead, 0, 0, 8),
                                           command(Command::kWrite, 0, 16, 8),
                                           command(Command::kRead, 0, 16, 8),
                                           command(Command::kWrite, 0, 24, 8),
                                           precharge(0)};
    require_loaded(kernel.load(
        kernel_of({"FILL GRF_A[0], EVEN_BANK", "NOP 7", "JUMP 1, 3", "EXIT"}), commands, 0, 0));
  }

  ErrorModel errors(std::initializer_list<WrongCell> list) const {
    ErrorConfig config;
    for (const WrongCell& wrong : list) {
      MappedAddress at{9, device.organisation.bank_address(wrong.bank)};
      at.address.row = kErrorRow;
      at.address.column = static_cast<std::uint16_t>(wrong.column);
      ErrorInjection one;
      one.bits = wrong.bits;
      one.kind = ErrorKind::kStored;
      one.offset = mapping.offset_of(at);
      config.list.push_back(one);
    }
    return ErrorModel(config, 0);
  }
  ProgramEcc run(ErrorModel& errors) {
    errors.start_program(0);
    const ProgramEcc ecc = read_program(errors, kernel.runs(), device, mapping, 9);
    kernel.execute(stored, {}, {}, ecc.end);
    return ecc;
  }
};

}  // namespace

TEST_CASE("A microkernel's READs correct wrong bits, and its storing WRITEs make them right",
          "[error]") {
  CopyKernel bench(1);
  // Read once; read in an odd bank by nobody; written before it is read, by all even banks.
  ErrorModel errors = bench.errors({{4, 3, 1}, {5, 3, 2}, {4, 7, 1}, {6, 16, 2}, {6, 24, 2}});
  const ProgramEcc ecc = bench.run(errors);
  CHECK(ecc.found.corrected == 2);
  CHECK(ecc.found.uncorrected == 0);
  CHECK(ecc.end == kAllCommands);
  CHECK(errors.stored_words() == 3);  // nobody has written columns 3 and 7
  for (std::uint32_t bank = 0; bank < bench.device.organisation.banks(); bank += 2) {
    for (std::uint32_t c = 0; c < 8; ++c) {
      bench.cells.at(bank, kErrorRow, 16 + c) = bench.cells.at(bank, kErrorRow, c);
      bench.cells.at(bank, kErrorRow, 24 + c) = bench.cells.at(bank, kErrorRow, c);
    }
  }
  bench.cells.require_stored(bench.stored);
}

TEST_CASE("A microkernel that reads two wrong bits of a word stores nothing any more", "[error]") {
  CopyKernel bench(2);
  ErrorModel errors = bench.errors({{8, 5, 2}, {6, 16, 2}, {0, 20, 1}});
  const ProgramEcc ecc = bench.run(errors);
  CHECK(ecc.end == 2 + 1 + 5);  // CRF and mode, ACTIVATE, READ of columns 0 to 4
  // Column 16 was not made right, and is read after that.
  CHECK(ecc.found.uncorrected == 2);
  CHECK(ecc.found.corrected == 1);
  MappedAddress at{9, bench.device.organisation.bank_address(8)};
  at.address.row = kErrorRow;
  at.address.column = 5;
  CHECK(ecc.found.failed_offset == bench.mapping.offset_of(at));
  bench.cells.require_stored(bench.stored);
}
