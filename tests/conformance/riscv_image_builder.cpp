#include "tests/conformance/riscv_image_builder.h"

#include <fmt/format.h>

#include <stdexcept>

namespace hpimvp::conformance {
namespace {

// auipc or lui with a following signed 12-bit addition: the upper part that makes both add up.
std::int64_t upper_part(std::int64_t value) {
  const std::int64_t upper = (value + 0x800) & ~std::int64_t{0xfff};
  return static_cast<std::int32_t>(upper);
}

std::int64_t lower_part(std::int64_t value) {
  return (value & 0xfff) - (value & 0x800) * 2;
}

std::uint8_t number(int value) {
  return static_cast<std::uint8_t>(value);
}

}  // namespace

std::string to_text(const ListedInstruction& listed) {
  const int digits = listed.encoded.length_bytes == 2 ? 4 : 8;
  const std::string text =
      listed.instruction.form != nullptr
          ? to_text(listed.instruction)
          : fmt::format(".{}byte {:#x}", listed.encoded.length_bytes, listed.encoded.bits);
  return fmt::format("{:#x}: {:0{}x}  {}", listed.address, listed.encoded.bits, digits, text);
}

void ImageBuilder::write(std::uint64_t address, EncodedInstruction encoded) {
  const std::uint64_t offset = address - base_;
  for (unsigned i = 0; i < encoded.length_bytes; ++i) {
    bytes_[offset + i] = static_cast<std::uint8_t>(encoded.bits >> (8 * i));
  }
}

std::size_t ImageBuilder::emit(const Instruction& instruction) {
  const std::size_t index = emit_raw(encode(instruction));
  listing_[index].instruction = instruction;
  return index;
}

std::size_t ImageBuilder::emit_raw(EncodedInstruction encoded) {
  listing_.push_back({here(), {}, encoded, counted_});
  bytes_.resize(bytes_.size() + encoded.length_bytes);
  write(listing_.back().address, encoded);
  return listing_.size() - 1;
}

void ImageBuilder::emit_data(std::span<const std::uint8_t> bytes) {
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
}

void ImageBuilder::advance_to(std::uint64_t address) {
  if (address < here()) {
    throw std::logic_error(fmt::format("image already reaches {:#x}, past {:#x}", here(), address));
  }
  bytes_.resize(address - base_);
}

void ImageBuilder::align(std::uint64_t bytes) {
  advance_to((here() + bytes - 1) / bytes * bytes);
}

std::size_t ImageBuilder::op(std::string_view mnemonic) {
  Instruction in;
  in.form = &find_form(mnemonic);
  return emit(in);
}

std::size_t ImageBuilder::op(std::string_view mnemonic, int rd, int rs1, int rs2) {
  Instruction in;
  in.form = &find_form(mnemonic);
  in.rd = number(rd), in.rs1 = number(rs1), in.rs2 = number(rs2);
  return emit(in);
}

std::size_t ImageBuilder::op_immediate(std::string_view mnemonic, int rd, int rs1,
                                       std::int64_t immediate) {
  Instruction in;
  in.form = &find_form(mnemonic);
  in.rd = number(rd), in.rs1 = number(rs1), in.immediate = immediate;
  return emit(in);
}

std::size_t ImageBuilder::load(std::string_view mnemonic, int rd, std::int64_t offset, int base) {
  return op_immediate(mnemonic, rd, base, offset);
}

std::size_t ImageBuilder::store(std::string_view mnemonic, int source, std::int64_t offset,
                                int base) {
  Instruction in;
  in.form = &find_form(mnemonic);
  in.rs2 = number(source), in.rs1 = number(base), in.immediate = offset;
  return emit(in);
}

std::size_t ImageBuilder::csr(std::string_view mnemonic, int rd, int csr_number,
                              int source_or_immediate) {
  Instruction in;
  in.form = &find_form(mnemonic);
  in.rd = number(rd), in.csr = static_cast<std::uint16_t>(csr_number);
  in.rs1 = number(source_or_immediate), in.immediate = source_or_immediate;
  return emit(in);
}

void ImageBuilder::load_constant(int rd, std::uint64_t value) {
  const auto wide = static_cast<std::int64_t>(value);
  if (wide == static_cast<std::int32_t>(wide)) {
    const std::int64_t upper = upper_part(wide);
    const std::int64_t lower = lower_part(wide);
    if (upper == 0) {
      op_immediate("addi", rd, 0, lower);
      return;
    }
    op_immediate("lui", rd, 0, upper);
    if (lower != 0) op_immediate("addiw", rd, rd, lower);
    return;
  }
  const std::int64_t lower = lower_part(wide);
  // Unsigned on purpose: the top may wrap around, and the shift back drops what wrapped.
  const auto rest = static_cast<std::int64_t>(value - static_cast<std::uint64_t>(lower));
  load_constant(rd, static_cast<std::uint64_t>(rest >> 12));
  op_immediate("slli", rd, rd, 12);
  if (lower != 0) op_immediate("addi", rd, rd, lower);
}

ImageBuilder::Label ImageBuilder::new_label() {
  labels_.push_back(0);
  return {labels_.size() - 1};
}

void ImageBuilder::bind(Label label) {
  labels_[label.index] = here();
}

std::uint64_t ImageBuilder::address_of(Label label) const {
  if (labels_[label.index] == 0) throw std::logic_error("a label was never bound");
  return labels_[label.index];
}

std::size_t ImageBuilder::emit_to(Instruction instruction, Label label) {
  return emit_relative(instruction, label, here());
}

void ImageBuilder::jump_to(int link, Label label) {
  Instruction in;
  in.form = &find_form("jal");
  in.rd = number(link);
  emit_to(in, label);
}

void ImageBuilder::branch_to(std::string_view mnemonic, int rs1, int rs2, Label label) {
  Instruction in;
  in.form = &find_form(mnemonic);
  in.rs1 = number(rs1), in.rs2 = number(rs2);
  emit_to(in, label);
}

std::size_t ImageBuilder::emit_relative(Instruction instruction, Label label, std::uint64_t anchor,
                                        std::int64_t addend) {
  instruction.immediate = 0;
  const std::size_t index = emit(instruction);
  fixups_.push_back({index, label.index, anchor, addend, false});
  return index;
}

void ImageBuilder::load_address(int rd, Label label) {
  const std::uint64_t anchor = here();
  const std::size_t upper = op_immediate("auipc", rd, 0, 0);
  const std::size_t lower = op_immediate("addi", rd, rd, 0);
  fixups_.push_back({upper, label.index, anchor, 0, true});
  fixups_.push_back({lower, label.index, anchor, 0, false});
}

void ImageBuilder::load_address(int rd, std::uint64_t address) {
  const auto offset = static_cast<std::int64_t>(address - here());
  op_immediate("auipc", rd, 0, upper_part(offset));
  op_immediate("addi", rd, rd, lower_part(offset));
}

void ImageBuilder::overwrite_bytes(std::size_t listing_index, EncodedInstruction initial) {
  overwritten_.emplace(listing_index, initial);
}

std::vector<std::uint8_t> ImageBuilder::finish() {
  for (const Fixup& fixup : fixups_) {
    ListedInstruction& listed = listing_[fixup.listing_index];
    const std::uint64_t target = address_of({fixup.label_index});
    std::int64_t offset = static_cast<std::int64_t>(target - fixup.anchor) + fixup.addend;
    const bool pair = listed.instruction.form->mnemonic == "addi";
    if (fixup.upper) offset = upper_part(offset);
    if (pair) offset = lower_part(offset);
    listed.instruction.immediate = offset;
    listed.encoded = encode(listed.instruction);
    write(listed.address, listed.encoded);
  }
  for (const auto& [index, initial] : overwritten_) write(listing_[index].address, initial);
  return bytes_;
}

}  // namespace hpimvp::conformance
