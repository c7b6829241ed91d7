#include <fmt/format.h>

#include "tests/conformance/riscv_directed_experiments.h"
#include "tests/conformance/riscv_experiment_script.h"

namespace hpimvp::conformance {
namespace {

constexpr std::uint64_t kRead = 1;
constexpr std::uint64_t kWrite = 2;
constexpr std::uint64_t kExecute = 4;
constexpr std::uint64_t kTopOfRange = 1 << 3;
constexpr std::uint64_t kFourBytes = 2 << 3;
constexpr std::uint64_t kPowerOfTwo = 3 << 3;
constexpr std::uint64_t kLock = 0x80;

std::uint64_t power_of_two_region(std::uint64_t base, std::uint64_t bytes) {
  return base >> 2 | ((bytes >> 3) - 1);
}

void set_entry(Script& s, int entry, std::uint64_t config, std::uint64_t address) {
  const int csr = kPmpcfg0 + entry / 8 * 2;
  const int shift = entry % 8 * 8;
  s.set(kPmpaddr0 + entry, address);
  s.clear_bits(csr, std::uint64_t{0xff} << shift);
  s.set_bits(csr, config << shift);
}

// Loads, stores and (when code is there) jumps from user mode, or as user mode through MPRV.
void probe_region(Script& s, const std::string& name, std::uint64_t address) {
  DirectedProgram& program = s.program();
  ImageBuilder& code = s.code();
  const auto access = [&](const char* mnemonic, bool store) {
    program.user_probe(fmt::format("{}: user {}", name, mnemonic), [&] {
      code.load_constant(5, address);
      store ? code.store(mnemonic, 6, 0, 5) : code.load(mnemonic, 6, 0, 5);
    });
    program.probe(fmt::format("{}: machine {} with MPRV", name, mnemonic), [&] {
      code.load_constant(5, address);
      s.clear_bits(kMstatus, kMpp);
      s.set_bits(kMstatus, kMprv);
      store ? code.store(mnemonic, 6, 0, 5) : code.load(mnemonic, 6, 0, 5);
    });
    s.clear_bits(kMstatus, kMprv);
    program.probe(fmt::format("{}: machine {}", name, mnemonic), [&] {
      code.load_constant(5, address);
      store ? code.store(mnemonic, 6, 0, 5) : code.load(mnemonic, 6, 0, 5);
    });
  };
  access("ld", false);
  access("lbu", false);
  access("sd", true);
  // The playground is zero, an illegal instruction when it may be fetched.
  program.user_probe(fmt::format("{}: user fetch", name), [&] {
    code.load_constant(5, address);
    code.op_immediate("jalr", 0, 5, 0);
  });
  program.probe(fmt::format("{}: machine fetch", name), [&] {
    code.load_constant(5, address);
    code.op_immediate("jalr", 0, 5, 0);
  });
}

void probe_permissions(Script& s) {
  constexpr std::uint64_t kPage = 4096;
  const std::uint64_t base = DirectedProgram::kPlayground;
  for (const std::uint64_t permissions : {std::uint64_t{0}, kRead, kRead | kWrite, kExecute,
                                          kRead | kExecute, kRead | kWrite | kExecute}) {
    set_entry(s, 0, kPowerOfTwo | permissions, power_of_two_region(base, kPage));
    probe_region(s, fmt::format("NAPOT page, permissions {}", permissions), base + 8);
  }
  set_entry(s, 0, kPowerOfTwo, power_of_two_region(base, kPage));
  probe_region(s, "behind the NAPOT page", base + kPage);
}

void probe_matching_modes(Script& s) {
  constexpr std::uint64_t kPage = 4096;
  const std::uint64_t base = DirectedProgram::kPlayground;
  set_entry(s, 0, 0, base >> 2);
  set_entry(s, 1, kTopOfRange | kRead, (base + 2 * kPage) >> 2);
  probe_region(s, "TOR first byte", base);
  probe_region(s, "TOR last word", base + 2 * kPage - 8);
  probe_region(s, "TOR behind the end", base + 2 * kPage);
  // A range whose top is not above its bottom matches nothing.
  set_entry(s, 0, 0, (base + 2 * kPage) >> 2);
  set_entry(s, 1, kTopOfRange, base >> 2);
  probe_region(s, "TOR upside down", base + 8);
  // Entry 0 as TOR starts at address zero; the entry behind it allows the program itself.
  set_entry(s, 0, kTopOfRange | kRead, kRamBase >> 2);
  set_entry(s, 1, 0, 0);
  probe_region(s, "TOR of entry 0 below", kUnmapped);

  set_entry(s, 0, kFourBytes | kRead, (base + 0x40) >> 2);
  s.program().log_csr("NA4 configuration", kPmpcfg0);
  probe_region(s, "NA4 and the bytes behind it", base + 0x40);
  set_entry(s, 0, kPowerOfTwo | kRead, power_of_two_region(base + 0x40, 8));
  probe_region(s, "NAPOT of eight bytes", base + 0x40);
  probe_region(s, "next to NAPOT of eight bytes", base + 0x48);

  // Priority: the lowest-numbered entry that matches decides.
  set_entry(s, 0, kPowerOfTwo | kRead, power_of_two_region(base, kPage));
  set_entry(s, 1, kPowerOfTwo | kRead | kWrite | kExecute, power_of_two_region(base, 4 * kPage));
  probe_region(s, "priority, first entry", base);
  probe_region(s, "priority, second entry", base + kPage);
  set_entry(s, 0, 0, 0);
  set_entry(s, 1, 0, 0);
}

void probe_partial_matches(Script& s) {
  // Section 3.7.1: an access that an entry matches only in part fails whatever the permissions.
  DirectedProgram& program = s.program();
  constexpr std::uint64_t kPage = 4096;
  const std::uint64_t base = DirectedProgram::kPlayground;
  set_entry(s, 0, kPowerOfTwo | kRead | kWrite, power_of_two_region(base + kPage, kPage));
  for (const std::uint64_t offset : {std::uint64_t{1}, std::uint64_t{4}, std::uint64_t{7}}) {
    const std::string name = fmt::format("user ld {} bytes before the region", offset);
    program.user_probe(name, [&] {
      s.code().load_constant(5, base + kPage - offset);
      s.code().load("ld", 6, 0, 5);
    });
    const std::string pieces =
        "section 3.7.1 fails partial matches; QEMU splits accesses that cross a page";
    program.specify(name + " cause", kLoadFault, pieces);
    for (const char* field : {" epc", " tval", " mstatus"})
      program.leave_open(name + field, pieces);
  }
  set_entry(s, 0, kFourBytes | kRead, (base + 0x44) >> 2);
  program.user_probe("user ld around an NA4 entry", [&] {
    s.code().load_constant(5, base + 0x42);
    s.code().load("ld", 6, 0, 5);
  });
  program.specify_trap("user ld around an NA4 entry", kLoadFault,
                       "section 3.7.1: the entry matches some bytes, so the access fails; QEMU 7.2 "
                       "looks at the first and the last byte");
  set_entry(s, 0, 0, 0);
}

void probe_locking(Script& s) {
  DirectedProgram& program = s.program();
  constexpr std::uint64_t kPage = 4096;
  const std::uint64_t base = DirectedProgram::kPlayground + 0x8000;
  // Locked entries bind machine mode too and ignore writes until reset.
  set_entry(s, 2, kLock | kPowerOfTwo | kRead, power_of_two_region(base, kPage));
  probe_region(s, "locked page", base);
  s.set_and_log("locked configuration after a write", kPmpcfg0, 0);
  s.set_and_log("locked address after a write", kPmpaddr0 + 2, 0);
  probe_region(s, "locked page after the writes", base);
  // A locked TOR entry locks the address below it as well.
  set_entry(s, 4, 0, (base + 2 * kPage) >> 2);
  set_entry(s, 5, kLock | kTopOfRange | kExecute, (base + 3 * kPage) >> 2);
  s.set_and_log("address below a locked TOR entry", kPmpaddr0 + 4, 0);
  program.specify("address below a locked TOR entry", (base + 2 * kPage) >> 2);
  probe_region(s, "locked TOR page", base + 2 * kPage);
}

}  // namespace

void add_memory_protection_experiments(DirectedProgram& program) {
  Script s(program);
  // MPRV with MPP = machine changes nothing; reserved bits of a configuration read as zero.
  s.set_and_log("pmpcfg0 of all permissions", kPmpcfg0, 0x1f1f1f1f1f1f1f1f);
  s.set_and_log("pmpcfg0 of reserved bits", kPmpcfg0, 0x6060606060606060);
  program.specify("pmpcfg0 of reserved bits", 0, "section 3.7.1: bits 5 and 6 are WARL zero");
  s.set_and_log("pmpcfg0 of write without read", kPmpcfg0, 0x02);
  program.specify("pmpcfg0 of write without read", 0,
                  "section 3.7.1 reserves R=0 W=1; the field is WARL");
  s.set_and_log("pmpcfg0 of zero", kPmpcfg0, 0);
  program.probe_cause("reading pmpcfg1", [&] { program.code().csr("csrrs", 6, kPmpcfg0 + 1, 0); });
  allow_everything_last(s);
  probe_permissions(s);
  probe_matching_modes(s);
  probe_partial_matches(s);
  probe_locking(s);
}

namespace {

constexpr int kRandomEntries = 4;
constexpr std::uint64_t kProtectionPlayground = DirectedProgram::kPlayground + 0x10000;

struct ProtectionSet {
  std::uint64_t config = 0;  // of entries 0 to 3, as in pmpcfg0
  std::uint64_t address[kRandomEntries] = {};
};

// Entries of all modes and legal permissions over a few KiB, so that they often overlap.
ProtectionSet random_protection(RandomSource& random) {
  constexpr std::uint64_t kPermissions[] = {
      0, kRead, kRead | kWrite, kExecute, kRead | kExecute, kRead | kWrite | kExecute};
  constexpr std::uint64_t kModes[] = {0, kTopOfRange, kFourBytes, kPowerOfTwo};
  ProtectionSet set;
  for (int entry = 0; entry < kRandomEntries; ++entry) {
    const std::uint64_t mode = random.pick(kModes);
    const std::uint64_t base = kProtectionPlayground + random.below(0x1000) * 4;
    set.config |= (mode | random.pick(kPermissions)) << (8 * entry);
    set.address[entry] =
        mode == kPowerOfTwo
            ? power_of_two_region(base & ~std::uint64_t{7}, std::uint64_t{8} << random.below(11))
            : base >> 2;
  }
  return set;
}

// An address near an entry's border or anywhere in the playground; inside one page, because QEMU
// checks the two halves of an access that crosses pages separately.
std::uint64_t random_probe_address(RandomSource& random, const ProtectionSet& set) {
  constexpr std::uint64_t kPage = 4096;
  std::uint64_t address = kProtectionPlayground + random.below(0x4000);
  if (random.chance(75)) {
    address = (set.address[random.below(kRandomEntries)] << 2) +
              static_cast<std::uint64_t>(random.between(-16, 16));
  }
  return address % kPage > kPage - 8 ? address - 8 : address;
}

}  // namespace

void add_random_memory_protection_experiments(DirectedProgram& program, RandomSource& random) {
  constexpr int kSets = 120;
  constexpr int kProbesPerSet = 12;
  constexpr const char* kAccesses[] = {"lb", "lh", "lw", "ld", "sb", "sh", "sw", "sd"};
  Script s(program);
  ImageBuilder& code = program.code();
  for (int i = 0; i < kSets; ++i) {
    // In half of the sets user mode may access what no earlier entry matches; the log it may
    // always.
    random.chance(50) ? allow_everything_last(s) : s.set(kPmpcfg0 + 2, 0);
    set_entry(s, 14, kPowerOfTwo | kRead | kWrite, power_of_two_region(0x80400000, 0x400000));
    const ProtectionSet set = random_protection(random);
    for (int entry = 0; entry < kRandomEntries; ++entry) {
      s.set(kPmpaddr0 + entry, set.address[entry]);
    }
    for (int probe = 0; probe < kProbesPerSet; ++probe) {
      const std::string mnemonic = random.pick(kAccesses);
      // At multiples of four: QEMU overlooks an entry that lies wholly inside an access.
      const std::uint64_t mask = mnemonic[1] == 'd' ? ~std::uint64_t{3} : ~std::uint64_t{0};
      const std::uint64_t address = random_probe_address(random, set) & mask;
      const bool as_user = random.chance(70);
      // Written again each time, which empties QEMU's translation buffer: version 7.2 remembers a
      // page without looking at the other entries in it.
      s.set(kPmpcfg0, set.config);
      program.probe_cause(
          fmt::format("set {} probe {}: {} at {:#x} as {}, pmpcfg {:#010x}, pmpaddr {:#x} {:#x} "
                      "{:#x} {:#x}",
                      i, probe, mnemonic, address, as_user ? "user" : "machine", set.config,
                      set.address[0], set.address[1], set.address[2], set.address[3]),
          [&] {
            code.load_constant(5, address);
            if (as_user) s.clear_bits(kMstatus, kMpp);
            if (as_user) s.set_bits(kMstatus, kMprv);
            mnemonic[0] == 's' ? code.store(mnemonic, 6, 0, 5) : code.load(mnemonic, 6, 0, 5);
          });
      s.clear_bits(kMstatus, kMprv);
    }
  }
}
}  // namespace hpimvp::conformance
