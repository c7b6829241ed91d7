// The conformance tests trust their own assembler; this test holds it against GNU as, byte for
// byte.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "tests/conformance/child_process.h"
#include "tests/conformance/riscv_operands.h"
#include "tests/conformance/test_settings.h"

namespace hpimvp::conformance {
namespace {

namespace fs = std::filesystem;

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (fs::temp_directory_path() / "hpimvp-as-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot create " + pattern);
    path_ = pattern;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  fs::path operator/(const char* name) const { return path_ / name; }

 private:
  fs::path path_;
};

std::string hex_bytes(const EncodedInstruction& encoded) {
  return encoded.length_bytes == 2 ? fmt::format("{:04x}", encoded.bits)
                                   : fmt::format("{:08x}", encoded.bits);
}

TEST_CASE("the test assembler encodes every instruction as GNU as does", "[conformance][riscv]") {
  if (run_process({"riscv64-unknown-elf-as", "--version"}, 30).exit_code != 0) {
    skip_test("riscv64-unknown-elf-as is not installed");
  }
  const std::uint64_t seed = seed_from_environment();
  RandomSource random(seed);
  std::vector<Instruction> instructions;
  constexpr int kSamplesPerForm = 40;
  for (const InstructionForm& form : instruction_forms()) {
    for (int i = 0; i < kSamplesPerForm; ++i) {
      instructions.push_back(random_operands(random, form));
      if (is_exact_conversion(form)) instructions.back().rounding = 0;
    }
  }

  const TemporaryFolder folder;
  {
    std::ofstream source(folder / "all.s");
    source << ".option norelax\n";
    for (const Instruction& instruction : instructions) {
      // Without "rvc" the assembler would keep 32-bit mnemonics, with it compress them.
      const bool compressed = encode(instruction).length_bytes == 2;
      source << (compressed ? ".option rvc\n" : ".option norvc\n") << to_text(instruction) << "\n";
    }
  }
  const ProcessResult assembled =
      run_process({"riscv64-unknown-elf-as", "-march=rv64gc_zfh_zba_zbb", "-o",
                   (folder / "all.o").string(), (folder / "all.s").string()},
                  60);
  INFO(assembled.output);
  REQUIRE(assembled.exit_code == 0);
  REQUIRE(run_process({"riscv64-unknown-elf-objcopy", "-O", "binary", "-j", ".text",
                       (folder / "all.o").string(), (folder / "all.bin").string()},
                      60)
              .exit_code == 0);

  std::ifstream binary(folder / "all.bin", std::ios::binary);
  for (const Instruction& instruction : instructions) {
    const EncodedInstruction ours = encode(instruction);
    EncodedInstruction theirs{0, ours.length_bytes};
    binary.read(reinterpret_cast<char*>(&theirs.bits), ours.length_bytes);
    INFO("seed " << seed << ": " << to_text(instruction));
    REQUIRE(hex_bytes(ours) == hex_bytes(theirs));
  }
  REQUIRE(binary.peek() == std::ifstream::traits_type::eof());
}

}  // namespace
}  // namespace hpimvp::conformance
