// Builds a bare-metal RV64 memory image instruction by instruction, with labels, and keeps a
// listing of what was emitted where.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tests/conformance/riscv_assembler.h"

namespace hpimvp::conformance {

struct ListedInstruction {
  std::uint64_t address = 0;
  Instruction instruction;  // form is null for a raw encoding
  EncodedInstruction
      encoded;           // what executes there (self-modifying code changes the image's bytes)
  bool counted = false;  // part of the experiment rather than of its scaffolding
};

std::string to_text(const ListedInstruction& listed);

class ImageBuilder {
 public:
  struct Label {
    std::size_t index;
  };

  explicit ImageBuilder(std::uint64_t base) : base_(base) {}

  std::uint64_t here() const { return base_ + bytes_.size(); }

  // Instructions emitted from now on are marked as counted or not.
  void set_counted(bool counted) { counted_ = counted; }

  // Appends an instruction; returns its index in the listing.
  std::size_t emit(const Instruction& instruction);
  std::size_t emit_raw(EncodedInstruction encoded);
  void emit_data(std::span<const std::uint8_t> bytes);
  // Pads with zeros up to an address at or after here(); throws std::logic_error when it is behind.
  void advance_to(std::uint64_t address);
  void align(std::uint64_t bytes);

  // Short forms of emit() for hand-written code; operands in assembler order.
  std::size_t op(std::string_view mnemonic);                            // mret
  std::size_t op(std::string_view mnemonic, int rd, int rs1, int rs2);  // add
  std::size_t op_immediate(std::string_view mnemonic, int rd, int rs1, std::int64_t immediate);
  std::size_t load(std::string_view mnemonic, int rd, std::int64_t offset, int base);
  std::size_t store(std::string_view mnemonic, int source, std::int64_t offset, int base);
  std::size_t csr(std::string_view mnemonic, int rd, int csr_number, int source_or_immediate);
  // The shortest usual sequence of lui, addi(w) and slli that puts a constant into a register.
  void load_constant(int rd, std::uint64_t value);

  Label new_label();
  void bind(Label label);
  // The address of a bound label.
  std::uint64_t address_of(Label label) const;
  // Emits a jump or branch whose offset is the label's.
  std::size_t emit_to(Instruction instruction, Label label);
  void jump_to(int link, Label label);
  void branch_to(std::string_view mnemonic, int rs1, int rs2, Label label);
  // Emits an instruction whose immediate is the label's address minus `anchor`, plus `addend`.
  std::size_t emit_relative(Instruction instruction, Label label, std::uint64_t anchor,
                            std::int64_t addend = 0);
  // auipc and addi: the label's address.
  void load_address(int rd, Label label);
  void load_address(int rd, std::uint64_t address);

  // Replaces the bytes of an emitted instruction by another of the same length; the listing keeps
  // the first, which is what the program executes after patching itself.
  void overwrite_bytes(std::size_t listing_index, EncodedInstruction initial);

  // Fills in all label offsets and gives the image. Throws std::logic_error when a label is unbound
  // and std::invalid_argument when an offset does not fit.
  std::vector<std::uint8_t> finish();

  const std::vector<ListedInstruction>& listing() const { return listing_; }

 private:
  struct Fixup {
    std::size_t listing_index;
    std::size_t label_index;
    std::uint64_t anchor;
    std::int64_t addend;
    bool upper;  // the part that auipc adds
  };

  void write(std::uint64_t address, EncodedInstruction encoded);

  std::uint64_t base_;
  bool counted_ = false;
  std::vector<std::uint8_t> bytes_;
  std::vector<ListedInstruction> listing_;
  std::vector<std::uint64_t> labels_;  // addresses; 0 while unbound
  std::vector<Fixup> fixups_;
  std::unordered_map<std::size_t, EncodedInstruction> overwritten_;
};

}  // namespace hpimvp::conformance
