#include "tests/conformance/riscv_random_program.h"

#include <algorithm>
#include <stdexcept>
#include <string_view>

#include "tests/conformance/qemu_riscv.h"
#include "tests/conformance/riscv_form_catalog.h"
#include "tests/conformance/riscv_operands.h"

namespace hpimvp::conformance {
namespace {

// Memory layout of a program.
constexpr std::uint64_t kPoolAddress = kRamBase + 0x200000;  // operand groups, only read
constexpr int kPoolGroups = 4096;
constexpr std::uint64_t kPasses = 2;
constexpr std::uint64_t kDataBytes = 4096;
// The data area straddles a page border, so that some misaligned accesses cross it.
constexpr std::uint64_t kDataAddress = kRamBase + 0x240800;
constexpr std::uint64_t kDataPointer = kDataAddress + kDataBytes / 2;
constexpr std::uint64_t kPassCounterAddress = kRamBase + 0x260000;
constexpr std::uint64_t kLogAddress = kRamBase + 0x280000;

// Registers that the experiment reads but never writes.
constexpr int kDataPointerRegister = 29;  // = kDataPointer
constexpr int kScratchRegister = 30;      // link of the dump routine, scratch of the trap handler
constexpr int kLogRegister = 31;          // where the next log record goes
constexpr int kFirstReservedRegister = 29;
constexpr int kNoRegister = -1;

constexpr int kFflags = 0x001;
constexpr int kFrm = 0x002;
constexpr int kFcsr = 0x003;
constexpr int kMstatus = 0x300;
constexpr int kMie = 0x304;
constexpr int kMtvec = 0x305;
constexpr int kMscratch = 0x340;
constexpr int kMepc = 0x341;
constexpr int kMcause = 0x342;
constexpr int kMtval = 0x343;

// An address where both machines have nothing: accesses fault.
constexpr std::int64_t kUnmappedAddress = 0x200000;

class RandomProgramGenerator {
 public:
  RandomProgramGenerator(RandomSource& random, std::size_t counted_instructions)
      : random_(random), wanted_(counted_instructions) {}

  RandomProgram generate();

 private:
  // Scaffolding.
  void emit_prologue();
  void emit_dump_routine();
  void emit_trap_handler();
  void emit_next_pass(ImageBuilder::Label body);
  void emit_epilogue();
  void emit_pool_and_data();
  void emit_block();
  void refresh_operands();

  // Experiments; each emits one to a few counted instructions.
  void emit_item();
  void emit_simple();
  void emit_integer();
  int emit_nonzero_word(int source);
  void emit_compressed();
  void emit_float();
  void emit_memory();
  void emit_compressed_memory();
  void emit_atomic();
  void emit_reservation();
  void emit_branch();
  void emit_jump();
  void emit_register_jump();
  void emit_loop();
  void emit_dense();
  void emit_dense_step(const std::uint8_t (&registers)[4]);
  void emit_indexed_load(std::uint8_t index, std::uint8_t address);
  void emit_csr();
  void emit_trap();
  void emit_access_fault();
  void emit_fence();
  void emit_self_modification();
  void emit_random_encoding();
  void emit_random_compressed_encoding();

  bool may_write(int reg) const { return reg < kFirstReservedRegister && reg != protected_; }
  // Random operands that leave reserved registers alone.
  Instruction operands_for(const InstructionForm& form);
  int writable_register();        // x1..x28
  int writable_prime_register();  // x8..x15
  std::uint8_t float_operand();
  std::int64_t data_offset(std::int64_t low, unsigned bytes, unsigned aligned_percent);
  // addi base, x29, ...: lets base + displacement be the data area's byte `offset`.
  void point_at_data(int base, std::int64_t offset, std::int64_t displacement);
  std::size_t emit_counted(const Instruction& instruction);
  void note_store(std::size_t listing_index, std::int64_t offset);
  void skip_ahead(ImageBuilder::Label target, unsigned most);

  RandomSource& random_;
  std::size_t wanted_;
  std::size_t counted_ = 0;
  FormCatalog forms_;
  ImageBuilder builder_{kRamBase};
  RandomProgram program_;
  ImageBuilder::Label dump_routine_ = builder_.new_label();
  ImageBuilder::Label trap_handler_ = builder_.new_label();
  int protected_ = kNoRegister;  // the counter of the loop being emitted

  // What refresh_operands() loaded for this block.
  FloatWidth width_ = FloatWidth::kDouble;
  std::uint8_t fresh_float_[3] = {};
  std::uint8_t fresh_integer_ = 1;
};

RandomProgram RandomProgramGenerator::generate() {
  constexpr std::size_t kMostCounted = 40000;
  if (wanted_ > kMostCounted) throw std::invalid_argument("too many instructions for one program");
  emit_prologue();
  const ImageBuilder::Label body = builder_.new_label();
  builder_.bind(body);
  while (counted_ < wanted_) emit_block();
  emit_next_pass(body);
  emit_epilogue();
  emit_pool_and_data();
  program_.image = builder_.finish();
  program_.listing = builder_.listing();
  program_.data_address = kDataAddress;
  program_.data_bytes = kDataBytes;
  program_.log_address = kLogAddress;
  return std::move(program_);
}

void RandomProgramGenerator::emit_prologue() {
  const ImageBuilder::Label start = builder_.new_label();
  builder_.jump_to(0, start);
  emit_dump_routine();
  emit_trap_handler();
  builder_.bind(start);
  builder_.load_address(5, trap_handler_);
  builder_.csr("csrrw", 0, kMtvec, 5);
  constexpr std::uint64_t kFloatStateOn = 0x6000;  // mstatus.FS, Privileged ISA section 3.1.6.6
  builder_.load_constant(5, kFloatStateOn);
  builder_.csr("csrrs", 0, kMstatus, 5);
  builder_.csr("csrrwi", 0, kFcsr, 0);
  builder_.load_address(kDataPointerRegister, kDataPointer);
  builder_.load_address(kLogRegister, kLogAddress);
  builder_.load_address(kScratchRegister, kPoolAddress);
  // Operand groups are four words: three floating-point ones and an integer.
  for (int i = 0; i < 32; ++i) {
    builder_.load("fld", i, (i / 3) * 32 + (i % 3) * 8, kScratchRegister);
  }
  for (int i = 1; i < kFirstReservedRegister; ++i) {
    builder_.load("ld", i, i * 32 + 24, kScratchRegister);
  }
  builder_.jump_to(kScratchRegister, dump_routine_);
}

// Appends a state record to the log and clears the exception flags, so that each block shows its
// own.
void RandomProgramGenerator::emit_dump_routine() {
  builder_.bind(dump_routine_);
  int slot = 1;
  for (int i = 1; i <= kScratchRegister; ++i) builder_.store("sd", i, 8 * slot++, kLogRegister);
  for (int i = 0; i < 32; ++i) builder_.store("fsd", i, 8 * slot++, kLogRegister);
  builder_.csr("csrrs", kScratchRegister, kFcsr, 0);
  builder_.store("sd", kScratchRegister, 8 * slot, kLogRegister);
  builder_.csr("csrrwi", 0, kFflags, 0);
  builder_.load_constant(kScratchRegister, kStateTag);
  builder_.store("sd", kScratchRegister, 0, kLogRegister);
  builder_.load("ld", kScratchRegister, 8 * kScratchRegister, kLogRegister);
  builder_.op_immediate("addi", kLogRegister, kLogRegister, 8 * kStateWords);
  builder_.op_immediate("jalr", 0, kScratchRegister, 0);
}

// Logs the trap and continues behind the instruction that caused it.
void RandomProgramGenerator::emit_trap_handler() {
  builder_.align(4);
  builder_.bind(trap_handler_);
  const int t = kScratchRegister;
  const int u = kDataPointerRegister;
  int slot = 1;
  for (const int csr : {kMcause, kMepc, kMtval}) {
    builder_.csr("csrrs", t, csr, 0);
    builder_.store("sd", t, 8 * slot++, kLogRegister);
  }
  builder_.load_constant(t, kTrapTag);
  builder_.store("sd", t, 0, kLogRegister);
  builder_.op_immediate("addi", kLogRegister, kLogRegister, 8 * kTrapWords);
  builder_.csr("csrrs", t, kMepc, 0);
  builder_.load("lhu", u, 0, t);
  builder_.op_immediate("andi", u, u, 3);
  builder_.op_immediate("addi", u, u, -3);
  const ImageBuilder::Label compressed = builder_.new_label();
  builder_.branch_to("bne", u, 0, compressed);
  builder_.op_immediate("addi", t, t, 2);
  builder_.bind(compressed);
  builder_.op_immediate("addi", t, t, 2);
  builder_.csr("csrrw", 0, kMepc, t);
  builder_.load_address(kDataPointerRegister, kDataPointer);
  builder_.op("mret");
}

// The second pass finds the code decoded, or translated, and the registers and data changed.
void RandomProgramGenerator::emit_next_pass(ImageBuilder::Label body) {
  const int count = kDataPointerRegister;
  const ImageBuilder::Label done = builder_.new_label();
  builder_.load_address(kScratchRegister, kPassCounterAddress);
  builder_.load("ld", count, 0, kScratchRegister);
  builder_.op_immediate("addi", count, count, -1);
  builder_.store("sd", count, 0, kScratchRegister);
  builder_.op_immediate("addi", kScratchRegister, count, 0);
  builder_.load_address(kDataPointerRegister, kDataPointer);
  builder_.branch_to("beq", kScratchRegister, 0, done);
  builder_.jump_to(0, body);
  builder_.bind(done);
}

void RandomProgramGenerator::emit_epilogue() {
  builder_.csr("csrrwi", 0, kMie, 0);
  builder_.load_constant(5, kFinisherPass);
  builder_.load_constant(6, kFinisherAddress);
  builder_.store("sw", 5, 0, 6);
  const ImageBuilder::Label forever = builder_.new_label();
  builder_.bind(forever);
  builder_.op("wfi");
  builder_.jump_to(0, forever);
}

void RandomProgramGenerator::emit_pool_and_data() {
  builder_.advance_to(kPoolAddress);
  const auto emit_word = [this](std::uint64_t word) {
    std::uint8_t bytes[8];
    for (int i = 0; i < 8; ++i) bytes[i] = static_cast<std::uint8_t>(word >> (8 * i));
    builder_.emit_data(bytes);
  };
  constexpr FloatWidth kWidths[] = {FloatWidth::kHalf, FloatWidth::kSingle, FloatWidth::kDouble};
  for (int i = 0; i < kPoolGroups; ++i) {
    // Group i serves width i % 3; refresh_operands() relies on it.
    const OperandGroup group = operand_group(random_, kWidths[i % 3]);
    for (const std::uint64_t word : {group.a, group.b, group.c, group.integer}) emit_word(word);
  }
  builder_.advance_to(kDataAddress);
  for (std::uint64_t i = 0; i < kDataBytes / 8; ++i) emit_word(interesting_integer(random_));
  builder_.advance_to(kPassCounterAddress);
  emit_word(kPasses);
}

void RandomProgramGenerator::refresh_operands() {
  constexpr FloatWidth kWidths[] = {FloatWidth::kHalf, FloatWidth::kSingle, FloatWidth::kDouble};
  const auto kind = static_cast<int>(random_.below(3));
  width_ = kWidths[kind];
  const auto group = static_cast<std::uint64_t>(random_.below(kPoolGroups / 3)) * 3 +
                     static_cast<std::uint64_t>(kind);
  builder_.load_address(kScratchRegister, kPoolAddress + group * 32);
  for (int i = 0; i < 3; ++i) {
    fresh_float_[i] = static_cast<std::uint8_t>(random_.below(32));
    builder_.load("fld", fresh_float_[i], 8 * i, kScratchRegister);
  }
  fresh_integer_ = static_cast<std::uint8_t>(writable_register());
  builder_.load("ld", fresh_integer_, 24, kScratchRegister);
  if (random_.chance(60)) builder_.csr("csrrwi", 0, kFrm, static_cast<int>(random_.below(5)));
}

void RandomProgramGenerator::emit_block() {
  const std::size_t first = builder_.listing().size();
  refresh_operands();
  builder_.set_counted(true);
  const auto items = random_.between(1, 4);
  for (std::int64_t i = 0; i < items; ++i) emit_item();
  builder_.set_counted(false);
  program_.blocks.push_back({first, builder_.listing().size()});
  builder_.jump_to(kScratchRegister, dump_routine_);
}

void RandomProgramGenerator::emit_item() {
  struct Choice {
    unsigned weight;
    void (RandomProgramGenerator::*emit)();
  };
  static constexpr Choice kChoices[] = {
      {20, &RandomProgramGenerator::emit_integer},
      {9, &RandomProgramGenerator::emit_compressed},
      {38, &RandomProgramGenerator::emit_float},
      {8, &RandomProgramGenerator::emit_memory},
      {6, &RandomProgramGenerator::emit_compressed_memory},
      {5, &RandomProgramGenerator::emit_atomic},
      {1, &RandomProgramGenerator::emit_reservation},
      {3, &RandomProgramGenerator::emit_branch},
      {1, &RandomProgramGenerator::emit_jump},
      {1, &RandomProgramGenerator::emit_register_jump},
      {1, &RandomProgramGenerator::emit_loop},
      {6, &RandomProgramGenerator::emit_dense},
      {2, &RandomProgramGenerator::emit_csr},
      {1, &RandomProgramGenerator::emit_trap},
      {1, &RandomProgramGenerator::emit_access_fault},
      {1, &RandomProgramGenerator::emit_fence},
      {1, &RandomProgramGenerator::emit_self_modification},
      {1, &RandomProgramGenerator::emit_random_encoding},
  };
  unsigned total = 0;
  for (const Choice& choice : kChoices) total += choice.weight;
  auto ticket = random_.below(total);
  for (const Choice& choice : kChoices) {
    if (ticket < choice.weight) return (this->*choice.emit)();
    ticket -= choice.weight;
  }
}

void RandomProgramGenerator::emit_simple() {
  switch (random_.below(3)) {
    case 0:
      return emit_integer();
    case 1:
      return emit_compressed();
    default:
      return emit_float();
  }
}

std::size_t RandomProgramGenerator::emit_counted(const Instruction& instruction) {
  ++counted_;
  return builder_.emit(instruction);
}

Instruction RandomProgramGenerator::operands_for(const InstructionForm& form) {
  Instruction in = random_operands(random_, form);
  while (writes_integer_register(form.format) && !may_write(in.rd)) {
    in = random_operands(random_, form);
  }
  return in;
}

int RandomProgramGenerator::writable_register() {
  int reg = protected_;
  while (!may_write(reg)) reg = static_cast<int>(random_.between(1, kFirstReservedRegister - 1));
  return reg;
}

int RandomProgramGenerator::writable_prime_register() {
  int reg = protected_;
  while (!may_write(reg) || reg < 8) reg = static_cast<int>(random_.between(8, 15));
  return reg;
}

void RandomProgramGenerator::emit_integer() {
  Instruction in = operands_for(*random_.pick(forms_.integer));
  if (random_.chance(40)) in.rs1 = fresh_integer_;
  if (random_.chance(10)) in.rs2 = in.rs1;
  if (in.form->mnemonic == "ctzw") in.rs1 = static_cast<std::uint8_t>(emit_nonzero_word(in.rs1));
  emit_counted(in);
}

// QEMU 7.2 counts on into the upper half when the lower word is zero (see the directed
// experiments), so that case is kept out of the random programs: a copy of the register with bit 31
// set.
int RandomProgramGenerator::emit_nonzero_word(int source) {
  Instruction sign;
  sign.form = &find_form("lui");
  sign.rd = static_cast<std::uint8_t>(writable_register());
  while (sign.rd == source) sign.rd = static_cast<std::uint8_t>(writable_register());
  sign.immediate = -(std::int64_t{1} << 31);
  emit_counted(sign);
  Instruction both;
  both.form = &find_form("or");
  both.rd = both.rs1 = sign.rd;
  both.rs2 = static_cast<std::uint8_t>(source);
  emit_counted(both);
  return sign.rd;
}

void RandomProgramGenerator::emit_compressed() {
  emit_counted(operands_for(*random_.pick(forms_.compressed)));
}

std::uint8_t RandomProgramGenerator::float_operand() {
  return random_.chance(80) ? random_.pick(fresh_float_)
                            : static_cast<std::uint8_t>(random_.below(32));
}

void RandomProgramGenerator::emit_float() {
  Instruction in = operands_for(*random_.pick(forms_.of_width(width_)));
  const Format format = in.form->format;
  if (format == Format::kIntToFp || format == Format::kIntMoveToFp) {
    if (random_.chance(80)) in.rs1 = fresh_integer_;
  } else {
    in.rs1 = float_operand();
    in.rs2 = float_operand();
    in.rs3 = float_operand();
  }
  // Modes 5 and 6 are reserved: an illegal instruction. Half of the rest is dynamic.
  if (has_rounding_field(in.form->format)) {
    in.rounding = random_.chance(50) ? std::uint8_t{kRoundDynamic}
                                     : static_cast<std::uint8_t>(random_.below(5));
    if (random_.chance(1)) in.rounding = static_cast<std::uint8_t>(random_.between(5, 6));
  }
  emit_counted(in);
}

std::int64_t RandomProgramGenerator::data_offset(std::int64_t low, unsigned bytes,
                                                 unsigned aligned_percent) {
  const std::int64_t offset = random_.between(low, static_cast<std::int64_t>(kDataBytes) - 16);
  if (!random_.chance(aligned_percent)) return offset;
  return (offset + bytes - 1) / bytes * bytes;
}

void RandomProgramGenerator::point_at_data(int base, std::int64_t offset,
                                           std::int64_t displacement) {
  Instruction in;
  in.form = &find_form("addi");
  in.rd = static_cast<std::uint8_t>(base);
  in.rs1 = kDataPointerRegister;
  in.immediate = offset - displacement - static_cast<std::int64_t>(kDataBytes / 2);
  emit_counted(in);
}

void RandomProgramGenerator::note_store(std::size_t listing_index, std::int64_t offset) {
  const InstructionForm& form = *builder_.listing()[listing_index].instruction.form;
  program_.stores.push_back(
      {listing_index, kDataAddress + static_cast<std::uint64_t>(offset), access_bytes(form)});
}

void RandomProgramGenerator::emit_memory() {
  Instruction in = operands_for(*random_.pick(forms_.memory));
  const std::int64_t offset = data_offset(0, access_bytes(*in.form), 70);
  const std::int64_t from_pointer = offset - static_cast<std::int64_t>(kDataBytes / 2);
  if (random_.chance(30)) {
    in.rs1 = kDataPointerRegister;
    in.immediate = from_pointer;
  } else {
    in.rs1 = static_cast<std::uint8_t>(writable_register());
    // Both the displacement and what is left for addi must fit twelve bits.
    const std::int64_t low = std::max<std::int64_t>(-2048, from_pointer - 2047);
    const std::int64_t high = std::min<std::int64_t>(2047, from_pointer + 2048);
    in.immediate = random_.between(low, high);
    point_at_data(in.rs1, offset, in.immediate);
  }
  const std::size_t index = emit_counted(in);
  if (is_store(in.form->format)) note_store(index, offset);
}

void RandomProgramGenerator::emit_compressed_memory() {
  Instruction in = operands_for(*random_.pick(forms_.compressed_memory));
  const bool stack = uses_stack_pointer(in.form->format);
  in.rs1 = static_cast<std::uint8_t>(stack ? 2 : writable_prime_register());
  const std::int64_t offset = data_offset(in.immediate, access_bytes(*in.form), 80);
  point_at_data(in.rs1, offset, in.immediate);
  const std::size_t index = emit_counted(in);
  if (is_store(in.form->format)) note_store(index, offset);
}

void RandomProgramGenerator::emit_atomic() {
  Instruction in = operands_for(*random_.pick(forms_.atomic));
  in.rs1 = static_cast<std::uint8_t>(writable_register());
  const std::int64_t offset = data_offset(0, access_bytes(*in.form), 100);
  point_at_data(in.rs1, offset, 0);
  note_store(emit_counted(in), offset);
}

// LR and SC with nothing between them that could lose the reservation, to the same word (succeeds)
// or to one far away (fails), sometimes followed by a second SC (fails).
void RandomProgramGenerator::emit_reservation() {
  const bool wide = random_.chance(50);
  const unsigned bytes = wide ? 8 : 4;
  const int base = writable_register();
  const std::int64_t offset = data_offset(0, bytes, 100);
  point_at_data(base, offset, 0);
  Instruction reserve = operands_for(find_form(wide ? "lr.d" : "lr.w"));
  while (reserve.rd == base) reserve = operands_for(*reserve.form);
  reserve.rs1 = static_cast<std::uint8_t>(base);
  emit_counted(reserve);

  protected_ = base;
  for (auto i = random_.below(3); i > 0; --i) emit_integer();
  protected_ = kNoRegister;

  const auto conditional_store = [&](std::int64_t where) {
    Instruction store = operands_for(find_form(wide ? "sc.d" : "sc.w"));
    while (store.rd == base) store = operands_for(*store.form);
    store.rs1 = static_cast<std::uint8_t>(base);
    note_store(emit_counted(store), where);
  };
  if (random_.chance(25)) {
    const std::int64_t far = (offset + static_cast<std::int64_t>(kDataBytes) / 2) %
                             static_cast<std::int64_t>(kDataBytes);
    point_at_data(base, far, 0);
    conditional_store(far);
    return;
  }
  conditional_store(offset);
  if (random_.chance(30)) conditional_store(offset);
}

void RandomProgramGenerator::skip_ahead(ImageBuilder::Label target, unsigned most) {
  for (auto i = random_.below(most + 1); i > 0; --i) emit_simple();
  builder_.bind(target);
}

void RandomProgramGenerator::emit_branch() {
  Instruction in = operands_for(*random_.pick(forms_.branches));
  if (random_.chance(25)) in.rs2 = in.rs1;
  const ImageBuilder::Label target = builder_.new_label();
  ++counted_;
  builder_.emit_to(in, target);
  skip_ahead(target, 3);
}

void RandomProgramGenerator::emit_jump() {
  const ImageBuilder::Label target = builder_.new_label();
  const Instruction in = operands_for(find_form(random_.chance(50) ? "jal" : "c.j"));
  ++counted_;
  builder_.emit_to(in, target);
  skip_ahead(target, 3);
}

void RandomProgramGenerator::emit_register_jump() {
  const int base = writable_register();
  const ImageBuilder::Label target = builder_.new_label();
  const std::uint64_t anchor = builder_.here();
  Instruction here;
  here.form = &find_form("auipc");
  here.rd = static_cast<std::uint8_t>(base);
  emit_counted(here);
  // JALR clears the lowest bit of its target (Unprivileged ISA section 2.5).
  const std::int64_t odd = random_.chance(30) ? 1 : 0;
  const auto kind = random_.below(3);
  Instruction jump = operands_for(find_form(kind == 0 ? "jalr" : kind == 1 ? "c.jr" : "c.jalr"));
  jump.rs1 = static_cast<std::uint8_t>(base);
  ++counted_;
  if (kind == 0) {
    builder_.emit_relative(jump, target, anchor, odd);
  } else {
    Instruction add;
    add.form = &find_form("addi");
    add.rd = add.rs1 = static_cast<std::uint8_t>(base);
    builder_.emit_relative(add, target, anchor, odd);
    emit_counted(jump);
  }
  skip_ahead(target, 3);
}

void RandomProgramGenerator::emit_loop() {
  const int counter =
      random_.chance(50) ? writable_prime_register() : static_cast<int>(random_.between(5, 28));
  Instruction step;
  step.form = &find_form("addi");
  step.rd = static_cast<std::uint8_t>(counter);
  step.immediate = random_.between(2, 5);
  emit_counted(step);
  protected_ = counter;
  const ImageBuilder::Label top = builder_.new_label();
  builder_.bind(top);
  for (auto i = random_.between(1, 4); i > 0; --i) emit_simple();
  protected_ = kNoRegister;
  step.rs1 = step.rd;
  step.immediate = -1;
  emit_counted(step);
  Instruction again;
  again.form = &find_form(counter >= 8 && counter <= 15 ? "c.bnez" : "bne");
  again.rs1 = static_cast<std::uint8_t>(counter);
  ++counted_;
  builder_.emit_to(again, top);
}

// What compiled code looks like: short chains on few registers, each result used at once, loads and
// stores between them and a branch at the end; sometimes in a loop. Simulators treat frequent
// sequences specially, and independent random instructions rarely form them.
void RandomProgramGenerator::emit_dense() {
  const int counter = random_.chance(30) ? writable_register() : kNoRegister;
  const ImageBuilder::Label top = builder_.new_label();
  if (counter != kNoRegister) {
    Instruction start;
    start.form = &find_form("addi");
    start.rd = static_cast<std::uint8_t>(counter);
    start.immediate = 3;
    emit_counted(start);
    builder_.bind(top);
  }
  protected_ = counter;
  std::uint8_t registers[4];
  for (std::uint8_t& reg : registers) reg = static_cast<std::uint8_t>(writable_register());
  for (auto i = random_.between(2, 7); i > 0; --i) emit_dense_step(registers);
  Instruction branch = operands_for(*random_.pick(forms_.branches));
  if (branch.form->format == Format::kBranch) {
    branch.rs1 = random_.pick(registers);
    branch.rs2 = random_.chance(50) ? std::uint8_t{0} : random_.pick(registers);
  }
  const ImageBuilder::Label target = builder_.new_label();
  ++counted_;
  builder_.emit_to(branch, target);
  emit_dense_step(registers);
  builder_.bind(target);
  protected_ = kNoRegister;
  if (counter == kNoRegister) return;
  Instruction step;
  step.form = &find_form("addi");
  step.rd = step.rs1 = static_cast<std::uint8_t>(counter);
  step.immediate = -1;
  emit_counted(step);
  Instruction again;
  again.form = &find_form("bne");
  again.rs1 = static_cast<std::uint8_t>(counter);
  ++counted_;
  builder_.emit_to(again, top);
}

void RandomProgramGenerator::emit_dense_step(const std::uint8_t (&registers)[4]) {
  static constexpr std::string_view kCommon[] = {
      "addi", "addi",  "addiw",  "add",    "addw",   "subw", "mulw", "and", "andi",   "xor", "slli",
      "srli", "srliw", "zext.h", "sh2add", "sh3add", "lui",  "ld",   "ld",  "lw",     "lw",  "lh",
      "lbu",  "sd",    "sd",     "sw",     "sw",     "mv",   "mv",   "li",  "lui+add"};
  const std::string_view name = random_.pick(kCommon);
  if (random_.chance(10))
    return emit_indexed_load(random_.pick(registers), random_.pick(registers));
  const bool plain_addi = name == "mv" || name == "li";
  const std::string_view mnemonic = plain_addi ? "addi" : name == "lui+add" ? "lui" : name;
  Instruction in = random_operands(random_, find_form(mnemonic));
  in.rd = random_.pick(registers);
  in.rs1 = random_.pick(registers);
  in.rs2 = random_.pick(registers);
  if (name == "mv") in.immediate = 0;
  if (name == "li") in.rs1 = 0;
  const bool memory = in.form->format == Format::kLoad || in.form->format == Format::kStore;
  const std::int64_t offset = memory ? data_offset(0, access_bytes(*in.form), 80) : 0;
  if (memory) {
    in.rs1 = kDataPointerRegister;
    in.immediate = offset - static_cast<std::int64_t>(kDataBytes / 2);
  }
  const std::size_t index = emit_counted(in);
  if (in.form->format == Format::kStore) note_store(index, offset);
  if (name != "lui+add") return;
  Instruction low = random_operands(random_, find_form(random_.chance(50) ? "addi" : "addiw"));
  low.rd = low.rs1 = in.rd;
  emit_counted(low);
}

// base[index] as compilers write it; the index is first cut to what the data area holds.
void RandomProgramGenerator::emit_indexed_load(std::uint8_t index, std::uint8_t address) {
  static constexpr std::string_view kSteps[] = {"add", "sh2add", "sh3add"};
  static constexpr std::string_view kLoads[] = {"ld", "lw", "lbu", "lh"};
  Instruction cut;
  cut.form = &find_form("andi");
  cut.rd = cut.rs1 = index;
  cut.immediate = 0xff;
  emit_counted(cut);
  Instruction sum;
  sum.form = &find_form(random_.pick(kSteps));
  sum.rd = address, sum.rs1 = index, sum.rs2 = kDataPointerRegister;
  emit_counted(sum);
  Instruction load;
  load.form = &find_form(random_.pick(kLoads));
  load.rd = index, load.rs1 = address;
  load.immediate = random_.between(-2048, -2048 + 1000);
  emit_counted(load);
}

void RandomProgramGenerator::emit_csr() {
  constexpr std::uint16_t kRegisters[] = {kFflags, kFrm, kFcsr, kMscratch};
  Instruction in = operands_for(*random_.pick(forms_.csr));
  in.csr = random_.pick(kRegisters);
  emit_counted(in);
}

void RandomProgramGenerator::emit_trap() {
  switch (random_.below(4)) {
    case 0:
      emit_counted(operands_for(find_form("ecall")));
      return;
    case 1:
      emit_counted(operands_for(find_form("ebreak")));
      return;
    case 2:
      emit_counted(operands_for(find_form("c.ebreak")));
      return;
    default:
      return emit_random_compressed_encoding();
  }
}

void RandomProgramGenerator::emit_access_fault() {
  Instruction base;
  base.form = &find_form("lui");
  base.rd = static_cast<std::uint8_t>(writable_register());
  base.immediate = kUnmappedAddress;
  emit_counted(base);
  Instruction in = operands_for(*random_.pick(forms_.memory));
  in.rs1 = base.rd;
  // Aligned: QEMU reports the wrong address for misaligned ones (see the directed experiments).
  const auto bytes = static_cast<std::int64_t>(access_bytes(*in.form));
  in.immediate = random_.between(0, 2047) / bytes * bytes;
  emit_counted(in);
}

void RandomProgramGenerator::emit_fence() {
  emit_counted(operands_for(find_form(random_.chance(50) ? "fence" : "fence.i")));
}

// Stores another instruction over one that follows, synchronises with FENCE.I and runs it.
void RandomProgramGenerator::emit_self_modification() {
  const Instruction replacement = operands_for(find_form("xor"));
  const Instruction original = operands_for(find_form("add"));
  const int base = writable_register();
  int word = base;
  while (word == base) word = writable_register();
  const std::uint64_t anchor = builder_.here();
  Instruction here;
  here.form = &find_form("auipc");
  here.rd = static_cast<std::uint8_t>(base);
  emit_counted(here);
  builder_.load_constant(word, static_cast<std::uint64_t>(static_cast<std::int64_t>(
                                   static_cast<std::int32_t>(encode(replacement).bits))));
  const ImageBuilder::Label slot = builder_.new_label();
  Instruction store;
  store.form = &find_form("sw");
  store.rs1 = static_cast<std::uint8_t>(base);
  store.rs2 = static_cast<std::uint8_t>(word);
  ++counted_;
  builder_.emit_relative(store, slot, anchor);
  emit_counted(operands_for(find_form("fence.i")));
  builder_.bind(slot);
  builder_.overwrite_bytes(emit_counted(replacement), encode(original));
}

// A 32-bit word with a computational opcode and mostly random fields, often reserved: both machines
// must agree whether it is an instruction.
void RandomProgramGenerator::emit_random_encoding() {
  constexpr std::uint32_t kOpcodes[] = {0x13, 0x1b, 0x33, 0x3b, 0x53, 0x43, 0x47, 0x4b, 0x4f, 0x0f};
  std::uint32_t word = static_cast<std::uint32_t>(random_.bits());
  if (random_.chance(70)) {
    // A valid instruction with one or two flipped bits.
    const FormList& list = random_.chance(50) ? forms_.integer : forms_.of_width(width_);
    word = encode(operands_for(*random_.pick(list))).bits;
    word ^= 1U << random_.between(12, 31);
    if (random_.chance(50)) word ^= 1U << random_.between(25, 31);
  } else {
    word = (word & ~0x7fU) | random_.pick(kOpcodes);
  }
  constexpr std::uint32_t kUnaryFields = 0xfff0707f;  // all but rd and rs1
  if ((word & kUnaryFields) == find_form("ctzw").match) word &= ~(0x1fU << 20);
  if (!may_write(static_cast<int>(word >> 7 & 31))) word &= ~(0x1fU << 7);
  ++counted_;
  builder_.emit_raw({word, 4});
}

void RandomProgramGenerator::emit_random_compressed_encoding() {
  // Reserved encodings of the three quadrants (Unprivileged ISA tables 16.5 to 16.7); the mask says
  // which bits are free.
  struct Reserved {
    std::uint16_t match;
    std::uint16_t free;
  };
  constexpr Reserved kReserved[] = {
      {0x0000, 0x0000},  // the defined illegal instruction
      {0x0000, 0x001c},  // C.ADDI4SPN without an immediate
      {0x8000, 0x1ffc},  // quadrant 0, funct3 100
      {0x2001, 0x107c},  // C.ADDIW to x0
      {0x6101, 0x0000},  // C.ADDI16SP without an immediate
      {0x6081, 0x0c00},  // C.LUI without an immediate
      {0x9c41, 0x039c},  // quadrant 1, reserved arithmetic
      {0x9c61, 0x039c},  // quadrant 1, reserved arithmetic
      {0x4002, 0x107c},  // C.LWSP to x0
      {0x6002, 0x107c},  // C.LDSP to x0
      {0x8002, 0x0000},  // C.JR x0
  };
  const Reserved& choice = random_.pick(kReserved);
  ++counted_;
  builder_.emit_raw({choice.match | (static_cast<std::uint32_t>(random_.bits()) & choice.free), 2});
}

}  // namespace

RandomProgram generate_random_program(RandomSource& random, std::size_t counted_instructions) {
  return RandomProgramGenerator(random, counted_instructions).generate();
}

}  // namespace hpimvp::conformance
