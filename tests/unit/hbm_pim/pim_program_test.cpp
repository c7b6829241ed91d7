// Lists of PIM commands: values against a scalar model written here, times under the checker.
#include "models/hbm_pim/pim_program.h"

#include <array>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <map>
#include <random>

#include "firmware/host/pim_program_builder.h"
#include "models/common/pim_numerics.h"
#include "models/hbm_pim/device_description.h"
#include "models/hbm_pim/pim_cursor.h"
#include "models/hbm_pim/program_errors.h"
#include "tests/unit/common/random_seed.h"
#include "tests/unit/hbm_pim/device_presets.h"
#include "tests/unit/hbm_pim/program_support.h"
#include "tests/unit/hbm_pim/random_mappings.h"

using namespace hpimvp::hbm_pim;       // NOLINT: the subject of the test
using namespace hpimvp::test_support;  // NOLINT

namespace {

using Random = std::mt19937_64;
using Word = PimCommandWord;

Word word(std::uint32_t opcode) {
  Word result{};
  result.opcode = static_cast<std::uint8_t>(opcode);
  result.count = 1;
  return result;
}

std::uint32_t pick(Random& random, std::uint64_t end) {
  return static_cast<std::uint32_t>(random() % end);
}

std::vector<DeviceDescription> native_devices() {
  std::vector<DeviceDescription> devices;
  for (const std::string& name : device_preset_names()) {
    DeviceDescription device = device_preset(name);
    if (device.pim.programming_model == ProgrammingModel::kNative) devices.push_back(device);
  }
  DeviceDescription variant = device_preset("hbm3_hpim");
  variant.name = "two banks a unit, FP32 results, three accumulators";
  variant.pim.banks_per_unit = 2;
  variant.pim.accumulators = 3;
  variant.pim.result_bytes = 4;
  variant.pim.buffer_bytes = 256;
  check(variant);
  devices.push_back(variant);
  return devices;
}

// The opcodes' meaning, element by element, with nothing of the models but the register
// description.
class ScalarModel {
 public:
  ScalarModel(const DeviceDescription& device, CellArray& cells,
              const std::vector<std::uint8_t>& input, std::vector<std::uint8_t>& output)
      : device_(device), cells_(cells), input_(input), output_(output) {}

  void execute(const Word& word) {
    for (std::uint32_t i = 0; i < word.count; ++i) step(word, i);
  }

 private:
  void step(const Word& word, std::uint32_t i) {
    const std::uint32_t banks = device_.organisation.banks();
    const std::uint32_t groups = device_.pim.banks_per_unit;
    const std::uint32_t data = word.operand + 32 * i;
    switch (word.opcode) {
      case Word::kWrGb:
        buffer_[word.buffer_entry + i] = burst_at(input_, data);
        break;
      case Word::kActAb: {
        const std::uint32_t group = word.bank + i * groups;
        for (std::uint32_t k = 0; k < device_.pim.banks_per_activate_group; ++k) {
          const std::uint32_t unit = group / groups * device_.pim.banks_per_activate_group + k;
          rows_[unit * groups + group % groups] = word.operand;
        }
        break;
      }
      case Word::kPreAb:
        for (std::uint32_t bank = word.bank; bank < banks; bank += groups) rows_.erase(bank);
        break;
      case Word::kMacAb:
        for (std::uint32_t unit = 0; unit * groups < banks; ++unit) {
          mac(sums_[{unit, word.accumulator}], cell(unit * groups + word.bank, word.column + i),
              buffer_.at(word.buffer_entry + i));
        }
        break;
      case Word::kEwaddAb:
      case Word::kEwmulAb:
        for (std::uint32_t bank = word.bank; bank < banks; bank += groups) {
          Burst& burst = cell(bank, word.column + i);
          const Burst& other = buffer_.at(word.buffer_entry + i);
          for (std::size_t lane = 0; lane < 16; ++lane) {
            burst[lane] = word.opcode == Word::kEwaddAb ? half_sum(burst[lane], other[lane])
                                                        : half_product(burst[lane], other[lane]);
          }
        }
        break;
      case Word::kCpGb:
        buffer_[word.buffer_entry + i] = cell(word.bank, word.column + i);
        break;
      case Word::kCpBank:
        cell(word.bank, word.column + i) = buffer_.at(word.buffer_entry + i);
        break;
      default:
        transfer(word, word.column + i, data);
        break;
    }
  }

  void transfer(const Word& word, std::uint32_t burst, std::uint32_t data) {
    const std::uint32_t bytes = device_.pim.result_bytes;
    const std::uint32_t units = device_.organisation.banks() / device_.pim.banks_per_unit;
    for (std::uint32_t k = 0; k < 32 / bytes; ++k) {
      const std::uint32_t unit = burst * (32 / bytes) + k;
      float* sum = unit < units ? &sums_[{unit, word.accumulator}] : nullptr;
      const std::uint32_t at = data + k * bytes;
      if (word.opcode == Word::kWrBias) {
        if (sum == nullptr) continue;
        Half half = 0;
        std::memcpy(&half, &input_.at(at), 2);
        *sum = static_cast<float>(half_value(half));
        if (bytes == 4) std::memcpy(sum, &input_.at(at), 4);
        continue;
      }
      const float value = sum == nullptr ? 0.0F : *sum;
      Half half = half_of(value);
      std::uint32_t whole = 0;
      std::memcpy(&whole, &value, 4);
      if (value != value) whole = 0x7FC00000;
      std::memcpy(&output_.at(at), bytes == 4 ? static_cast<void*>(&whole) : &half, bytes);
      if (sum != nullptr) *sum = 0.0F;
    }
  }

  static void mac(float& sum, const Burst& weights, const Burst& x) {
    float terms[16];
    for (int i = 0; i < 16; ++i) {
      terms[i] = static_cast<float>(half_value(weights[i])) * static_cast<float>(half_value(x[i]));
    }
    for (int width = 8; width > 0; width /= 2) {
      for (int i = 0; i < width; ++i) terms[i] = terms[i] + terms[i + width];
    }
    sum = sum + terms[0];
  }

  Burst& cell(std::uint32_t bank, std::uint32_t column) {
    return cells_.at(bank, rows_.at(bank), column);
  }

  const DeviceDescription& device_;
  CellArray& cells_;
  const std::vector<std::uint8_t>& input_;
  std::vector<std::uint8_t>& output_;
  std::map<std::uint32_t, Burst> buffer_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, float> sums_;
  std::map<std::uint32_t, std::uint32_t> rows_;  // open, by bank
};

// Legal lists of every kind of command.
class ListGenerator {
 public:
  ListGenerator(const DeviceDescription& device, std::vector<std::uint32_t> rows,
                std::uint32_t input_bytes, std::uint32_t output_bytes, Random& random)
      : device_(device),
        rows_(std::move(rows)),
        input_bytes_(input_bytes),
        output_bytes_(output_bytes),
        random_(random),
        entries_(std::min(device.pim.buffer_bytes / 32, 24u)),
        bursts_((device.units() * device.pim.result_bytes + 31) / 32) {}

  std::vector<Word> make() {
    words_.clear();
    Word fill = word(Word::kWrGb);
    fill.count = static_cast<std::uint16_t>(entries_);
    words_.push_back(fill);
    for (std::uint32_t a = 0; a < device_.pim.accumulators; ++a) add_transfer(Word::kWrBias, a);
    for (std::uint32_t blocks = 1 + pick(random_, 5); blocks > 0; --blocks) {
      for (std::uint32_t left = pick(random_, 3); left > 0; --left) add_without_row();
      add_block();
    }
    return words_;
  }

 private:
  void add_block() {
    const std::uint32_t groups = device_.operand_groups();
    std::vector<std::uint32_t> open;
    for (std::uint32_t group = 0; group < groups; ++group) {
      if (open.empty() || pick(random_, 2) == 0) open.push_back(group);
    }
    for (const std::uint32_t group : open) activate(group);
    for (std::uint32_t left = pick(random_, 12); left > 0; --left) {
      if (pick(random_, 4) == 0) {
        add_without_row();
      } else {
        add_column(open[pick(random_, open.size())]);
      }
    }
    for (const std::uint32_t group : open) {
      Word close = word(Word::kPreAb);
      close.bank = static_cast<std::uint8_t>(group);
      words_.push_back(close);
    }
  }

  // At once, or one activate group after the other.
  void activate(std::uint32_t operand_group) {
    const std::uint32_t groups = device_.operand_groups();
    Word open = word(Word::kActAb);
    open.operand = rows_[pick(random_, rows_.size())];
    open.bank = static_cast<std::uint8_t>(operand_group);
    const std::uint32_t count = device_.activate_groups() / groups;
    if (pick(random_, 2) == 0) {
      open.count = static_cast<std::uint16_t>(count);
      words_.push_back(open);
      return;
    }
    for (std::uint32_t i = 0; i < count; ++i) {
      open.bank = static_cast<std::uint8_t>(operand_group + i * groups);
      words_.push_back(open);
    }
  }

  void add_column(std::uint32_t operand_group) {
    constexpr std::uint32_t kOpcodes[] = {Word::kMacAb,   Word::kMacAb, Word::kEwaddAb,
                                          Word::kEwmulAb, Word::kCpGb,  Word::kCpBank};
    Word column = word(kOpcodes[pick(random_, 6)]);
    const std::uint32_t most = std::min(entries_, device_.organisation.columns);
    column.count = static_cast<std::uint16_t>(1 + pick(random_, most));
    column.column =
        static_cast<std::uint16_t>(pick(random_, device_.organisation.columns - column.count + 1));
    column.buffer_entry = static_cast<std::uint16_t>(pick(random_, entries_ - column.count + 1));
    column.bank = static_cast<std::uint8_t>(operand_group);
    if (column.opcode == Word::kMacAb) {
      column.accumulator = static_cast<std::uint16_t>(pick(random_, device_.pim.accumulators));
    } else if (column.opcode == Word::kCpGb || column.opcode == Word::kCpBank) {
      column.bank = static_cast<std::uint8_t>(operand_group + device_.operand_groups() *
                                                                  pick(random_, device_.units()));
    }
    words_.push_back(column);
  }

  void add_without_row() {
    if (pick(random_, 3) == 0) {
      Word fill = word(Word::kWrGb);
      fill.count = static_cast<std::uint16_t>(1 + pick(random_, entries_));
      fill.buffer_entry = static_cast<std::uint16_t>(pick(random_, entries_ - fill.count + 1));
      fill.operand = 2 * pick(random_, (input_bytes_ - 32 * fill.count) / 2 + 1);
      words_.push_back(fill);
    } else {
      add_transfer(pick(random_, 3) == 0 ? Word::kWrBias : Word::kRdMac,
                   pick(random_, device_.pim.accumulators));
    }
  }

  void add_transfer(std::uint32_t opcode, std::uint32_t accumulator) {
    Word transfer = word(opcode);
    transfer.accumulator = static_cast<std::uint16_t>(accumulator);
    transfer.count = static_cast<std::uint16_t>(1 + pick(random_, bursts_));
    transfer.column = static_cast<std::uint16_t>(pick(random_, bursts_ - transfer.count + 1));
    const std::uint32_t size = opcode == Word::kRdMac ? output_bytes_ : input_bytes_;
    transfer.operand = 2 * pick(random_, (size - 32 * transfer.count) / 2 + 1);
    words_.push_back(transfer);
  }

  const DeviceDescription& device_;
  std::vector<std::uint32_t> rows_;
  std::uint32_t input_bytes_;
  std::uint32_t output_bytes_;
  Random& random_;
  std::uint32_t entries_;
  std::uint32_t bursts_;
  std::vector<Word> words_;
};

constexpr std::uint32_t kInputBytes = 2000;
constexpr std::uint32_t kOutputBytes = 1000;

void require_loaded(const std::optional<ProgramError>& error) {
  if (error) FAIL(error->text);
}

std::uint64_t random_cases(std::uint64_t cases) {
  const char* text = std::getenv("HPIMVP_PROGRAM_CASES");
  return text != nullptr ? cases * std::stoull(text) : cases;
}

}  // namespace

TEST_CASE("A command list computes what its commands say one by one, in legal times") {
  const std::uint64_t seed = hpimvp::random_seed(0x9A01);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  std::array<std::uint64_t, kDramCommands> seen{};
  for (const DeviceDescription& device : native_devices()) {
    const BitFieldMapping mapping(device.organisation);
    const std::vector<std::uint32_t> rows = {0, 5, device.organisation.rows - 1};
    PimProgram program(device);
    for (std::uint64_t i = 0; i < random_cases(20); ++i) {
      INFO(device.name << ", case " << i);
      CellArray cells(device, rows);
      cells.randomise(random);
      std::vector<std::uint8_t> input(kInputBytes);
      fill_random(input, random);
      std::vector<std::uint8_t> output(kOutputBytes, 0xA5);
      std::vector<std::uint8_t> expected = output;
      hpimvp::common::SparseMemory memory(device.organisation.stack_bytes());
      const PimCells stored(memory, mapping, device.organisation,
                            pick(random, device.organisation.pseudo_channels()));
      cells.store(stored);

      const std::vector<Word> words =
          ListGenerator(device, rows, kInputBytes, kOutputBytes, random).make();
      require_loaded(program.load(words, kInputBytes, kOutputBytes));
      program.execute(stored, input, output);
      ScalarModel model(device, cells, input, expected);
      for (const Word& one : words) model.execute(one);
      require_same_bytes(output, expected);
      cells.require_stored(stored);

      const GemvResult result = run_checked(device, program.commands(), random);
      std::uint64_t commands = 0;
      for (const Word& one : words) commands += one.count;
      REQUIRE(result.all_commands() - result[DramCommand::kPimEnter] -
                  result[DramCommand::kPimExit] - result[DramCommand::kRefresh] ==
              commands);
      for (unsigned c = 0; c < kDramCommands; ++c) seen[c] += result.commands[c];
    }
  }
  for (const DramCommand command :
       {DramCommand::kWriteBuffer, DramCommand::kWriteBias, DramCommand::kActivateBanks,
        DramCommand::kMac, DramCommand::kReadResult, DramCommand::kPrechargeBanks,
        DramCommand::kElementAdd, DramCommand::kElementMultiply, DramCommand::kCopyToBuffer,
        DramCommand::kCopyFromBuffer}) {
    INFO(command_name(command));
    CHECK(seen[static_cast<unsigned>(command)] > 0);
  }
}

TEST_CASE("A cursor on a command list hands out its commands, and a copy does so anew") {
  const std::uint64_t seed = hpimvp::random_seed(0x9A02);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  const DeviceDescription device = device_preset("hbm3_hpim");
  PimProgram program(device);
  std::vector<Word> words;
  for (int i = 0; i < 20; ++i) {
    const std::vector<Word> more =
        ListGenerator(device, {1, 2}, kInputBytes, kOutputBytes, random).make();
    words.insert(words.end(), more.begin(), more.end());
  }
  Word long_word = word(Word::kWrGb);
  long_word.count = 1500;
  words.push_back(long_word);
  require_loaded(program.load(words, 48000, kOutputBytes));
  const std::vector<PimCommand> all = program.commands();
  const auto list = std::make_shared<const std::vector<PimCommand>>(all);
  const auto require_all = [&](PimCursor cursor) {
    const PimCommandSource source = cursor.source();
    const std::span<const PimCommand> piece = source.next(source.context);
    REQUIRE(piece.size() == all.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
      REQUIRE(piece[i].command == all[i].command);
      REQUIRE(piece[i].address.bank == all[i].address.bank);
      REQUIRE(piece[i].address.row == all[i].address.row);
      REQUIRE(piece[i].address.column == all[i].address.column);
    }
    REQUIRE(source.next(source.context).empty());
  };
  const PimCursor start(list);
  require_all(start);
  require_all(start);  // copies go on by themselves
}

namespace {

// A GEMV of one pseudo-channel as a list: output m in bank m % banks as its slot m / banks, the
// slots' columns one after the other from `row` on.
std::vector<Word> gemv_list(const DeviceDescription& device, std::uint32_t chunks,
                            std::uint32_t outputs, std::uint32_t row) {
  const std::uint32_t banks = device.organisation.banks();
  const std::uint32_t columns = device.organisation.columns;
  const std::uint32_t slot_bytes = (banks * 2 + 31) / 32 * 32;
  std::vector<Word> words;
  Word send = word(Word::kWrGb);
  send.count = static_cast<std::uint16_t>(chunks);
  words.push_back(send);
  for (std::uint32_t slot = 0; slot * banks < outputs; ++slot) {
    Word bias = word(Word::kWrBias);
    bias.count = static_cast<std::uint16_t>(slot_bytes / 32);
    bias.operand = chunks * 32 + slot * slot_bytes;
    words.push_back(bias);
    for (std::uint32_t chunk = 0; chunk < chunks;) {
      const std::uint32_t column = slot * chunks + chunk;
      Word open = word(Word::kActAb);
      open.count = static_cast<std::uint16_t>(device.activate_groups());
      open.operand = row + column / columns;
      words.push_back(open);
      Word mac = word(Word::kMacAb);
      mac.column = static_cast<std::uint16_t>(column % columns);
      mac.count = static_cast<std::uint16_t>(std::min(columns - column % columns, chunks - chunk));
      mac.buffer_entry = static_cast<std::uint16_t>(chunk);
      words.push_back(mac);
      words.push_back(word(Word::kPreAb));
      chunk += mac.count;
    }
    Word read = word(Word::kRdMac);
    read.count = static_cast<std::uint16_t>(slot_bytes / 32);
    read.operand = slot * slot_bytes;
    words.push_back(read);
  }
  return words;
}

}  // namespace

TEST_CASE("A GEMV as a command list gives the sums that the numerics define") {
  const std::uint64_t seed = hpimvp::random_seed(0x9A03);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  for (const char* name : {"hbm3_hpim", "hbm3_attacc"}) {
    const DeviceDescription device = device_preset(name);
    const std::uint32_t banks = device.organisation.banks();
    const std::uint32_t inputs = 1 + pick(random, 900);
    const std::uint32_t outputs = 1 + pick(random, 3 * banks);
    const std::uint32_t chunks = (inputs + 15) / 16;
    const std::uint32_t slots = (outputs + banks - 1) / banks;
    INFO(name << ", " << inputs << " inputs, " << outputs << " outputs");
    std::vector<Half> x(std::size_t{chunks} * 16, 0);
    for (std::uint32_t k = 0; k < inputs; ++k) x[k] = random_half(random);
    std::vector<Half> bias(std::size_t{slots} * banks, 0);
    for (std::uint32_t m = 0; m < outputs; ++m) bias[m] = random_half(random);
    std::vector<Half> weights(std::size_t{outputs} * chunks * 16, 0);
    for (std::uint32_t m = 0; m < outputs; ++m) {
      for (std::uint32_t k = 0; k < inputs; ++k) {
        weights[std::size_t{m} * chunks * 16 + k] = random_half(random);
      }
    }
    hpimvp::common::SparseMemory memory(device.organisation.stack_bytes());
    const BitFieldMapping mapping(device.organisation);
    const PimCells cells(memory, mapping, device.organisation, 3);
    constexpr std::uint32_t kRow = 77;
    for (std::uint32_t m = 0; m < outputs; ++m) {
      for (std::uint32_t chunk = 0; chunk < chunks; ++chunk) {
        const std::uint32_t column = m / banks * chunks + chunk;
        cells.write(m % banks, kRow + column / 32, column % 32,
                    reinterpret_cast<const std::uint8_t*>(
                        &weights[(std::size_t{m} * chunks + chunk) * 16]));
      }
    }
    std::vector<std::uint8_t> input(x.size() * 2 + bias.size() * 2);
    std::memcpy(input.data(), x.data(), x.size() * 2);
    std::memcpy(input.data() + x.size() * 2, bias.data(), bias.size() * 2);
    std::vector<std::uint8_t> output(std::size_t{slots} * banks * 2);

    PimProgram program(device);
    require_loaded(program.load(gemv_list(device, chunks, outputs, kRow),
                                static_cast<std::uint32_t>(input.size()),
                                static_cast<std::uint32_t>(output.size())));
    program.execute(cells, input, output);
    for (std::uint32_t m = 0; m < outputs; ++m) {
      float sum = hpimvp::common::fp16_to_float(bias[m]);
      for (std::uint32_t chunk = 0; chunk < chunks; ++chunk) {
        sum = hpimvp::common::pim_accumulate(
            sum, hpimvp::common::pim_dot16(&weights[(std::size_t{m} * chunks + chunk) * 16],
                                           &x[std::size_t{chunk} * 16]));
      }
      Half result = 0;
      std::memcpy(&result, &output[std::size_t{m} * 2], 2);
      INFO("output " << m);
      REQUIRE(result == hpimvp::common::pim_read_out(sum));
    }
    run_checked(device, program.commands(), random);
  }
}

TEST_CASE("A list may keep rows open as long as refresh can wait, and no longer") {
  const std::uint64_t seed = hpimvp::random_seed(0x9A04);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  for (const DeviceDescription& device : native_devices()) {
    INFO(device.name);
    PimProgram program(device);
    const auto list = [&device](std::uint32_t columns) {
      std::vector<Word> words = {word(Word::kWrGb)};
      words[0].count = 8;
      Word open = word(Word::kActAb);
      open.count = static_cast<std::uint16_t>(device.activate_groups() / device.operand_groups());
      words.push_back(open);
      for (std::uint32_t done = 0; done < columns; done += 8) {
        Word mac = word(Word::kMacAb);
        mac.count = static_cast<std::uint16_t>(std::min(8u, columns - done));
        words.push_back(mac);
      }
      words.push_back(word(Word::kPreAb));
      return words;
    };
    // The most columns that are accepted.
    std::uint32_t fits = 0;
    for (std::uint32_t step = 4096; step > 0; step /= 2) {
      if (!program.load(list(fits + step), 256, 0)) fits += step;
    }
    CHECK(fits * device[Parameter::kTMAC] > device[Parameter::kTREFI] / 2);
    require_loaded(program.load(list(fits), 256, 0));
    // So often that a stretch begins at every point of a refresh interval.
    run_checked(device, program.commands(), random, 400);
    const auto error = program.load(list(fits + 1), 256, 0);
    REQUIRE(error);
    CHECK(error->reason == ProgramErrorReason::kTooLong);
    CHECK(error->text.find("rows have been open for more than") != std::string::npos);
  }
}

namespace {

struct BadList {
  const char* text;  // stands in the message
  ProgramErrorReason reason;
  std::uint32_t at;
  std::vector<Word> words;
};

Word with(Word base, std::uint8_t Word::*field, std::uint8_t value) {
  base.*field = value;
  return base;
}
Word with(Word base, std::uint16_t Word::*field, std::uint16_t value) {
  base.*field = value;
  return base;
}
Word with_operand(Word base, std::uint32_t value) {
  base.operand = value;
  return base;
}

std::vector<BadList> bad_lists(const DeviceDescription& device) {
  const Word fill = word(Word::kWrGb);
  const Word open = with(word(Word::kActAb), &Word::count, 8);
  const Word mac = word(Word::kMacAb);
  const Word close = word(Word::kPreAb);
  const Word add = word(Word::kEwaddAb);
  const Word copy = word(Word::kCpGb);
  const Word read = word(Word::kRdMac);
  const Word bias = word(Word::kWrBias);
  using Reason = ProgramErrorReason;
  return {
      {"word 0 (opcode 0): no such opcode", Reason::kOpcode, 0, {word(0)}},
      {"word 1 (opcode 11): no such opcode", Reason::kOpcode, 1, {fill, word(11)}},
      {"word 0 (WR_GB): a count of 0", Reason::kRange, 0, {with(fill, &Word::count, 0)}},
      {"a count other than 1", Reason::kRange, 1, {open, with(close, &Word::count, 2)}},
      {"bank must be 0", Reason::kRange, 0, {with(fill, &Word::bank, 1)}},
      {"column must be 0", Reason::kRange, 0, {with(open, &Word::column, 1)}},
      {"buffer_entry must be 0", Reason::kRange, 0, {with(open, &Word::buffer_entry, 1)}},
      {"accumulator must be 0", Reason::kRange, 0, {with(fill, &Word::accumulator, 1)}},
      {"operand must be 0", Reason::kRange, 2, {fill, open, with_operand(mac, 2)}},
      {"reserved must be 0", Reason::kRange, 0, {with(fill, &Word::reserved, 1)}},
      {"row 24576 of 24576", Reason::kRange, 0, {with_operand(open, 24576)}},
      {"activate group 8 of 8", Reason::kRange, 0, {with(open, &Word::count, 9)}},
      {"operand group 1 of 1", Reason::kRange, 2, {fill, open, with(mac, &Word::bank, 1)}},
      {"operand group 1 of 1", Reason::kRange, 1, {open, with(close, &Word::bank, 1)}},
      {"column 32 of 32", Reason::kRange, 2, {fill, open, with(mac, &Word::column, 32)}},
      {"bank 32 of 32", Reason::kRange, 1, {open, with(copy, &Word::bank, 32)}},
      {"buffer entry 2048 of 2048", Reason::kRange, 0, {with(fill, &Word::buffer_entry, 2048)}},
      {"accumulator 1 of 1", Reason::kRange, 0, {with(bias, &Word::accumulator, 1)}},
      {"burst 2 of an accumulator's 2", Reason::kRange, 0, {with(bias, &Word::column, 2)}},
      {"operand group 0 has no open row in all its banks", Reason::kRowClosed, 1, {fill, mac}},
      {"operand group 0 has no open row in all its banks",
       Reason::kRowClosed,
       2,
       {fill, with(open, &Word::count, 7), add}},
      {"operand group 0 has different rows open",
       Reason::kRowClosed,
       3,
       {fill, with(open, &Word::count, 7),
        with_operand(with(with(open, &Word::bank, 7), &Word::count, 1), 5), mac}},
      {"the bank has no open row", Reason::kRowClosed, 0, {copy}},
      {"operand group 0 has no open row to close", Reason::kRowClosed, 0, {close}},
      {"activate group 0 has an open row already", Reason::kRowOpen, 1, {open, open}},
      {"buffer entry 1 is used before it is written",
       Reason::kOperand,
       2,
       {fill, open, with(mac, &Word::count, 2)}},
      {"accumulator 0 is read before anything is in it", Reason::kOperand, 0, {read}},
      {"offset 1 in the input buffer is odd", Reason::kData, 0, {with_operand(fill, 1)}},
      {"32 bytes from offset 2000 on are not in the input buffer of 2000",
       Reason::kData,
       0,
       {with_operand(fill, 2000)}},
      {"not in the output buffer of 1000", Reason::kData, 1, {bias, with_operand(read, 970)}},
      {"the list ends with open rows",
       Reason::kLeftOpen,
       2,
       {fill, with_operand(open, device.organisation.rows - 1)}},
      {"more than 1048576 commands", Reason::kTooLong, 524288,
       std::vector<Word>(1 << 20, with(fill, &Word::count, 2))},
  };
}

}  // namespace

TEST_CASE("A bad command list is refused, and the error says which command and why") {
  const DeviceDescription device = device_preset("hbm3_hpim");
  PimProgram program(device);
  for (const BadList& bad : bad_lists(device)) {
    INFO(bad.text);
    const auto error = program.load(bad.words, kInputBytes, kOutputBytes);
    REQUIRE(error);
    CAPTURE(error->text);
    CHECK(error->text.find(bad.text) != std::string::npos);
    CHECK(error->reason == bad.reason);
    CHECK(error->word == bad.at);
    CHECK(program.commands().empty());
  }
  PimProgram samsung(device_preset("hbm2_samsung_pim"));
  const auto error = samsung.load({}, 0, 0);
  REQUIRE(error);
  CHECK(error->reason == ProgramErrorReason::kDevice);
  CHECK(error->text.find("programmed by microkernels") != std::string::npos);
  // A program is as good as new after a bad one.
  const std::vector<Word> good = {word(Word::kWrGb)};
  CHECK_FALSE(program.load(good, 32, 0));
  CHECK(program.commands().size() == 1);
}

TEST_CASE("The firmware's builder makes lists that load and compute") {
  using hpimvp::firmware::PimProgramBuilder;
  const DeviceDescription device = device_preset("hbm3_hpim");
  hpimvp::common::SparseMemory memory(device.organisation.stack_bytes());
  const BitFieldMapping mapping(device.organisation);
  const PimCells cells(memory, mapping, device.organisation, 0);
  Burst twos;
  twos.fill(half_of(2));
  for (std::uint32_t bank = 0; bank < device.organisation.banks(); ++bank) {
    cells.write(bank, 4, 0, reinterpret_cast<const std::uint8_t*>(twos.data()));
  }
  std::vector<PimProgramBuilder::Word> storage(16);
  PimProgramBuilder builder(storage);
  builder.write_buffer(0, 1, 0);
  builder.write_bias(0, 0, 2, 32);
  builder.activate(4, 0, 8);
  builder.multiply(0, 0, 0, 1);  // before the sum is stored: 16 lanes of 3 x 2
  builder.add(0, 0, 0, 1);       // 3 + 2
  builder.scale(0, 0, 0, 1);     // x 3
  builder.copy_to_buffer(7, 0, 1, 1);
  builder.copy_to_bank(7, 1, 1, 1);
  builder.precharge();
  builder.read_result(0, 0, 2, 0);
  REQUIRE_FALSE(builder.overflowed());
  std::vector<Word> words(builder.words().size());
  static_assert(sizeof(Word) == sizeof(PimProgramBuilder::Word));
  std::memcpy(words.data(), builder.words().data(), words.size() * sizeof(Word));
  std::vector<std::uint8_t> input(96);
  const Half three = half_of(3);
  const Half one = half_of(1);
  for (std::size_t i = 0; i < 48; ++i) std::memcpy(&input[2 * i], i < 16 ? &three : &one, 2);
  std::vector<std::uint8_t> output(64);
  PimProgram program(device);
  require_loaded(program.load(words, 96, 64));
  program.execute(cells, input, output);
  for (std::size_t unit = 0; unit < 32; ++unit) {
    CHECK(half_value(burst_at(output, unit / 16 * 32)[unit % 16]) == 1 + 16 * 6);
  }
  Burst burst;
  cells.read(7, 4, 1, reinterpret_cast<std::uint8_t*>(burst.data()));
  for (const Half half : burst) CHECK(half_value(half) == 15);

  const std::span<PimProgramBuilder::Word> one_word(storage.data(), 1);
  PimProgramBuilder small(one_word);
  small.precharge();
  CHECK_FALSE(small.overflowed());
  small.precharge();
  CHECK(small.overflowed());
  CHECK(small.words().size() == 1);
}

namespace {

// Command `i` of a word, as a word of its own.
Word nth(const Word& word, std::uint32_t i, std::uint32_t operand_groups) {
  Word one = word;
  one.count = 1;
  switch (word.opcode) {
    case Word::kActAb:
      one.bank = static_cast<std::uint8_t>(word.bank + i * operand_groups);
      break;
    case Word::kWrGb:
      one.buffer_entry = static_cast<std::uint16_t>(word.buffer_entry + i);
      one.operand += 32 * i;
      break;
    case Word::kWrBias:
    case Word::kRdMac:
      one.column = static_cast<std::uint16_t>(word.column + i);
      one.operand += 32 * i;
      break;
    default:
      one.column = static_cast<std::uint16_t>(word.column + i);
      one.buffer_entry = static_cast<std::uint16_t>(word.buffer_entry + i);
      break;
  }
  return one;
}

// Which bursts of a pseudo-channel are wrong, by bank, row and column; what a list's commands find,
// bank by bank.
class ScalarErrors {
 public:
  using Place = std::array<std::uint32_t, 3>;
  struct Wrong {
    std::uint32_t bits = 1;
    bool stored = true;
  };

  explicit ScalarErrors(const DeviceDescription& device) : device_(device) {}

  std::map<Place, Wrong> wrong;
  std::uint64_t corrected = 0;
  std::uint64_t uncorrected = 0;
  bool ended = false;

  // Before the values are computed: whether the command has an effect.
  bool step(const Word& word) {
    const std::uint32_t groups = device_.pim.banks_per_unit;
    const std::uint32_t banks = device_.organisation.banks();
    if (word.opcode == Word::kActAb) {
      const std::uint32_t size = device_.pim.banks_per_activate_group;
      for (std::uint32_t k = 0; k < size; ++k) {
        const std::uint32_t unit = word.bank / groups * size + k;
        rows_[unit * groups + word.bank % groups] = word.operand;
      }
    }
    std::vector<std::uint32_t> touched;
    if (word.opcode == Word::kCpGb || word.opcode == Word::kCpBank) {
      touched = {word.bank};
    } else if (word.opcode == Word::kMacAb || word.opcode == Word::kEwaddAb ||
               word.opcode == Word::kEwmulAb) {
      for (std::uint32_t bank = word.bank; bank < banks; bank += groups) touched.push_back(bank);
    }
    const bool reads = word.opcode != Word::kCpBank;
    const bool writes = word.opcode != Word::kMacAb && word.opcode != Word::kCpGb;
    for (const std::uint32_t bank : touched) {
      if (reads) read({bank, rows_.at(bank), word.column});
    }
    for (const std::uint32_t bank : touched) {
      const auto found = wrong.find({bank, rows_.at(bank), word.column});
      if (writes && !ended && found != wrong.end() && found->second.stored) wrong.erase(found);
    }
    return !ended;
  }

 private:
  void read(const Place& place) {
    const auto found = wrong.find(place);
    if (found == wrong.end()) return;
    if (found->second.bits == 1) ++corrected;
    if (found->second.bits == 2) ++uncorrected;
    ended = ended || found->second.bits == 2;
    if (!found->second.stored) wrong.erase(found);
  }

  const DeviceDescription& device_;
  std::map<std::uint32_t, std::uint32_t> rows_;
};

// Errors in random places of the rows, in both forms: `config` for the model.
void random_errors(const DeviceDescription& device, const BitFieldMapping& mapping,
                   const std::vector<std::uint32_t>& rows, std::uint32_t pseudo_channel,
                   std::uint32_t count, std::uint32_t percent_double, Random& random,
                   ScalarErrors& errors, ErrorConfig& config) {
  while (errors.wrong.size() < count) {
    const ScalarErrors::Place place = {pick(random, device.organisation.banks()),
                                       rows[pick(random, rows.size())],
                                       pick(random, device.organisation.columns)};
    if (errors.wrong.contains(place)) continue;
    const ScalarErrors::Wrong wrong{pick(random, 100) < percent_double ? 2u : 1u,
                                    pick(random, 2) == 0};
    errors.wrong[place] = wrong;
    MappedAddress at{pseudo_channel, device.organisation.bank_address(place[0])};
    at.address.row = place[1];
    at.address.column = static_cast<std::uint16_t>(place[2]);
    ErrorInjection one;
    one.bits = wrong.bits;
    one.kind = wrong.stored ? ErrorKind::kStored : ErrorKind::kTransient;
    one.offset = mapping.offset_of(at) + pick(random, 32);
    config.list.push_back(one);
  }
}

}  // namespace

TEST_CASE("Wrong bits in the columns of a list are corrected, or end its effect", "[error]") {
  const std::uint64_t seed = hpimvp::random_seed(0x9A05);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  std::uint64_t corrected = 0;
  std::uint64_t failed = 0;
  std::uint64_t repaired = 0;
  for (const DeviceDescription& device : native_devices()) {
    const std::vector<std::uint32_t> rows = {0, 5};
    PimProgram program(device);
    for (std::uint64_t i = 0; i < random_cases(30); ++i) {
      const std::string fields = random_mapping(device, random);
      INFO(device.name << ", case " << i << ", mapping " << fields);
      const BitFieldMapping mapping(device.organisation, fields);
      CellArray cells(device, rows);
      cells.randomise(random);
      std::vector<std::uint8_t> input(kInputBytes);
      fill_random(input, random);
      std::vector<std::uint8_t> output(kOutputBytes, 0xA5);
      std::vector<std::uint8_t> expected = output;
      hpimvp::common::SparseMemory memory(device.organisation.stack_bytes());
      const std::uint32_t pseudo_channel = pick(random, device.organisation.pseudo_channels());
      const PimCells stored(memory, mapping, device.organisation, pseudo_channel);
      cells.store(stored);
      ScalarErrors scalar(device);
      ErrorConfig config;
      random_errors(device, mapping, rows, pseudo_channel, 1 + pick(random, 60), i % 3 == 0 ? 3 : 0,
                    random, scalar, config);
      const std::uint64_t begun = scalar.wrong.size();
      ErrorModel errors(config, 0);

      const std::vector<Word> words =
          ListGenerator(device, rows, kInputBytes, kOutputBytes, random).make();
      require_loaded(program.load(words, kInputBytes, kOutputBytes));
      errors.start_program(0);
      const ProgramEcc ecc = read_program(errors, program.runs(), device, mapping, pseudo_channel);
      program.execute(stored, input, output, ecc.end);

      ScalarModel model(device, cells, input, expected);
      std::uint64_t effective = 0;
      for (const Word& one : words) {
        for (std::uint32_t n = 0; n < one.count; ++n) {
          const Word single = nth(one, n, device.operand_groups());
          if (!scalar.step(single)) continue;
          model.execute(single);
          ++effective;
        }
      }
      REQUIRE(ecc.found.corrected == scalar.corrected);
      REQUIRE(ecc.found.uncorrected == scalar.uncorrected);
      REQUIRE(ecc.end == (scalar.ended ? effective : kAllCommands));
      REQUIRE(errors.log().corrected == scalar.corrected);
      std::uint64_t left = 0;
      for (const auto& [place, wrong] : scalar.wrong) left += wrong.stored ? 1 : 0;
      REQUIRE(errors.stored_words() == left);
      require_same_bytes(output, expected);
      cells.require_stored(stored);
      corrected += scalar.corrected;
      failed += scalar.ended ? 1 : 0;
      repaired += begun - scalar.wrong.size();
    }
  }
  CHECK(corrected > 100);
  CHECK(failed > 5);
  CHECK(repaired > 20);
}

TEST_CASE("Random errors come to a list as often as to reads of as many words", "[error]") {
  const std::uint64_t seed = hpimvp::random_seed(0x9A06);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  const DeviceDescription device = device_preset("hbm3_hpim");
  const BitFieldMapping mapping(device.organisation);
  ErrorConfig config;
  config.rate = 1e9;  // one in a thousand bits
  PimProgram program(device);
  for (std::uint64_t i = 0; i < 10; ++i) {
    config.seed = random();
    const std::vector<Word> words =
        ListGenerator(device, {1, 2}, kInputBytes, kOutputBytes, random).make();
    require_loaded(program.load(words, kInputBytes, kOutputBytes));
    std::uint64_t reads = 0;
    for (const Word& one : words) {
      if (one.opcode == Word::kCpGb) reads += one.count;
      if (one.opcode == Word::kMacAb || one.opcode == Word::kEwaddAb ||
          one.opcode == Word::kEwmulAb) {
        reads += std::uint64_t{one.count} * device.units();
      }
    }
    if (reads == 0) continue;
    ErrorModel errors(config, 0);
    errors.start_program(0);
    const ProgramEcc ecc = read_program(errors, program.runs(), device, mapping, 3);
    // The same draws; words hit twice would count once in a read of all of them at a time.
    ErrorModel plain(config, 0);
    std::uint64_t corrected = 0;
    std::uint64_t uncorrected = 0;
    for (std::uint64_t n = 0; n < reads; ++n) {
      const EccOutcome outcome = plain.read(0, 32 * n, 32);
      corrected += outcome.corrected;
      uncorrected += outcome.uncorrected;
    }
    CHECK(ecc.found.corrected == corrected);
    CHECK(ecc.found.uncorrected == uncorrected);
    CHECK(ecc.found.corrected + ecc.found.uncorrected > 0);
  }
}
