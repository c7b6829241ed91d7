// What an HBM or HBM-PIM device is: organisation, timing parameters, processing units, energy, and
// the table of timing constraints between its commands. Comes from a JSON preset
// (scenarios/presets/hbm, read by platform/config/device_reader.h); no device is built into code.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/hbm_pim/dram_command.h"

namespace hpimvp::hbm_pim {

// Timing parameters, in whole cycles of the DRAM clock (CK). Half-cycle commands of HBM3 are
// rounded up to a cycle of their bus. Names as in JESD235/JESD238.
enum class Parameter : std::uint8_t {
  kTRCDRD,   // ACT to RD, same bank
  kTRCDWR,   // ACT to WR, same bank
  kTRP,      // PRE to ACT, same bank
  kTRAS,     // ACT to PRE, same bank
  kTRC,      // ACT to ACT, same bank
  kTCCDS,    // column to column command, different bank groups
  kTCCDL,    // the same within a bank group
  kTCCDR,    // RD to RD of different stack IDs
  kTRRDS,    // ACT to ACT, different bank groups
  kTRRDL,    // the same within a bank group
  kTFAW,     // four activates
  kTWR,      // end of write data to PRE, same bank
  kTWTRS,    // end of write data to RD, different bank groups
  kTWTRL,    // the same within a bank group
  kTRTW,     // RD to WR
  kTRTP,     // RD to PRE, same bank
  kTPPD,     // PRE to PRE
  kTRL,      // RD to first data
  kTWL,      // WR to first data
  kTBL,      // a burst on the data bus
  kTRFC,     // REFab to any
  kTRFCpb,   // REFpb to ACT or REFpb, same bank
  kTRREFD,   // REFpb to ACT or REFpb of another bank
  kTREFI,    // average interval of REFab
  kTREFIpb,  // average interval of REFpb over all banks of the pseudo-channel
  kTPD,      // PDE to PDX: shortest power-down
  kTXP,      // PDX to any
  kTACTBUS,  // row command bus: cycles of an ACT (1.5 CK in HBM3)
  kTROWBUS,  // row command bus: cycles of any other row command
  kTCOLBUS,  // column command bus: cycles of a column command
  // PIM
  kTMAC,     // MAC_AB to MAC_AB (also EWADD_AB, EWMUL_AB): the all-bank column period
  kTMACL,    // MAC_AB to RD_MAC, PRE of its result, or anything that needs the accumulators
  kTRCDMAC,  // ACT_AB to MAC_AB, same operand group
  kTFAWAB,   // window of the power supply for ACT_AB, see PimDescription
  kTRRDAB,   // ACT_AB to ACT_AB
  kTGBW,     // WR_GB to WR_GB, WR_BIAS to WR_BIAS: period of writes over the data bus
  kTGBL,     // WR_GB to the MAC_AB that uses it, WR_BIAS to MAC_AB
  kTRDMAC,   // RD_MAC to RD_MAC
  kTCOPY,    // copy between bank and buffer: to the next copy, and until the copy has ended
  kTPIMIN,   // PIM mode entry to the first PIM command
  kTPIMOUT,  // PIM mode exit to the first ordinary command
  kCount,
};
inline constexpr unsigned kParameters = static_cast<unsigned>(Parameter::kCount);

// "tRCDRD", ...
const char* parameter_name(Parameter parameter);

struct DeviceOrganisation {
  std::uint32_t channels = 0;
  std::uint32_t pseudo_channels_per_channel = 0;
  std::uint32_t stack_ids = 0;
  std::uint32_t bank_groups = 0;  // of a stack ID
  std::uint32_t banks_per_group = 0;
  std::uint32_t rows = 0;          // need not be a power of two
  std::uint32_t columns = 0;       // bursts of a row
  std::uint32_t burst_bytes = 32;  // of a pseudo-channel

  std::uint32_t pseudo_channels() const { return channels * pseudo_channels_per_channel; }
  std::uint32_t banks() const { return stack_ids * bank_groups * banks_per_group; }
  std::uint64_t row_bytes() const { return std::uint64_t{columns} * burst_bytes; }
  std::uint64_t stack_bytes() const { return row_bytes() * rows * banks() * pseudo_channels(); }
  // Number of a bank within its pseudo-channel.
  std::uint32_t bank_index(const CommandAddress& address) const {
    return (address.stack_id * bank_groups + address.bank_group) * banks_per_group + address.bank;
  }
  CommandAddress bank_address(std::uint32_t bank_index) const;

  friend bool operator==(const DeviceOrganisation&, const DeviceOrganisation&) = default;
};

// How GEMVs are programmed.
enum class ProgrammingModel : std::uint8_t {
  kNative,   // global buffer, MAC_AB into accumulators, RD_MAC
  kSamsung,  // CRF microkernel, GRF registers, modes by accesses to reserved rows
};

// How units compute (models/common/pim_numerics.h).
enum class Numerics : std::uint8_t {
  kFp32Tree,   // exact products, FP32 tree and accumulator, one rounding at the read-out
  kFp16Lanes,  // products and sums rounded to FP16 in every lane, then an FP16 tree
};

// What a unit with that interface does unless its preset says otherwise.
constexpr Numerics default_numerics(ProgrammingModel model) {
  return model == ProgrammingModel::kSamsung ? Numerics::kFp16Lanes : Numerics::kFp32Tree;
}

// The processing units. They form `banks_per_unit` operand groups: operand group g is every bank
// whose index modulo banks_per_unit is g, and a MAC_AB (or EW*_AB, PRE_AB) with `address.bank` = g
// acts on the banks of operand group g, one for each unit. With one unit a bank there is one group,
// number 0, of all banks.
//
// ACT_AB with `address.bank` = a opens a row in activate group a, which holds
// `banks_per_activate_group` banks of operand group a % banks_per_unit: those at the positions
// from (a / banks_per_unit) * banks_per_activate_group on, in ascending order of the bank index.
// Within a window of tFAWAB at most `activate_groups_per_window` ACT_AB may be issued.
struct PimDescription {
  ProgrammingModel programming_model = ProgrammingModel::kNative;
  Numerics numerics = Numerics::kFp32Tree;
  std::uint32_t lanes = 0;           // FP16 multipliers of a unit
  std::uint32_t unit_clock_mhz = 0;  // for the reader; timing is in tMAC, tMACL
  std::uint32_t banks_per_unit = 0;
  std::uint32_t banks_per_activate_group = 0;
  std::uint32_t activate_groups_per_window = 0;
  std::string activation_reason;   // why no more banks may be activated at once
  std::uint32_t buffer_bytes = 0;  // of the global buffer of a pseudo-channel
  std::uint32_t accumulators = 0;  // of a unit: partial sums kept at once
  // Bytes that one unit contributes to RD_MAC for one accumulator (2: FP16).
  std::uint32_t result_bytes = 2;

  friend bool operator==(const PimDescription&, const PimDescription&) = default;
};

// Energies in picojoules. A bit read from a bank passes cell, bank group, global I/O, TSV and
// interposer; a bit that a processing unit consumes only the first segment.
struct DeviceEnergy {
  double activate_pj = 0;      // ACT and PRE of one bank's row
  double cell_pj_per_bit = 0;  // cell array to the bank's edge, where a unit sits
  double bank_to_group_pj_per_bit = 0;
  double group_to_global_pj_per_bit = 0;
  double tsv_pj_per_bit = 0;
  double interposer_pj_per_bit = 0;
  double mac_pj = 0;             // one FP16 multiply-accumulate
  double buffer_pj_per_bit = 0;  // access to the global buffer
  double refresh_bank_pj = 0;    // one REFpb; a REFab is this times the number of banks
  double background_mw = 0;      // of a pseudo-channel, clock running
  double power_down_mw = 0;      // of a pseudo-channel in power-down

  friend bool operator==(const DeviceEnergy&, const DeviceEnergy&) = default;
};

enum class ConstraintLevel : std::uint8_t {
  kPseudoChannel,
  kStackId,
  kBankGroup,
  kBank,
  kOperandGroup,   // MAC_AB, EW*_AB, PRE_AB, and ACT_AB of one of the group's activate groups
  kActivateGroup,  // ACT_AB
  kCount,
};
inline constexpr unsigned kConstraintLevels = static_cast<unsigned>(ConstraintLevel::kCount);

const char* level_name(ConstraintLevel level);

// A row of the table: a command of `after` comes no earlier than `latency` cycles behind the
// `window`-th last command of `before` on the same instance of `level`.
struct ConstraintRow {
  std::string name;  // "tFAW"
  ConstraintLevel level = ConstraintLevel::kPseudoChannel;
  std::uint32_t before = 0;  // bit n: DramCommand n
  std::uint32_t after = 0;
  std::uint32_t latency = 0;
  std::uint32_t window = 1;
  // `after` on another instance of the level in the pseudo-channel, in place of the same (tCCD_R).
  bool other_instances = false;

  friend bool operator==(const ConstraintRow&, const ConstraintRow&) = default;
};

constexpr std::uint32_t command_bit(DramCommand command) {
  return 1u << static_cast<unsigned>(command);
}

struct DeviceDescription {
  std::string name;
  std::string description;
  std::uint64_t clock_period_ps = 0;
  DeviceOrganisation organisation;
  std::array<std::uint32_t, kParameters> parameters{};
  PimDescription pim;
  DeviceEnergy energy;
  std::vector<ConstraintRow> constraints;

  std::uint32_t operator[](Parameter parameter) const {
    return parameters[static_cast<unsigned>(parameter)];
  }
  std::uint32_t operand_groups() const { return pim.banks_per_unit; }
  std::uint32_t activate_groups() const {
    return organisation.banks() / pim.banks_per_activate_group;
  }
  std::uint32_t units() const { return organisation.banks() / pim.banks_per_unit; }
  // The activate group that a bank belongs to.
  std::uint32_t activate_group_of(std::uint32_t bank_index) const {
    return bank_index % pim.banks_per_unit +
           bank_index / pim.banks_per_unit / pim.banks_per_activate_group * pim.banks_per_unit;
  }
};

// How many instances of a level a pseudo-channel has.
std::uint32_t instances_of(const DeviceDescription& device, ConstraintLevel level);

// Whether a command acts on one instance of a level, so that a constraint may name both together.
// Every command acts on its pseudo-channel.
bool acts_on(DramCommand command, ConstraintLevel level);

// Throws std::invalid_argument naming the first value that makes no sense: zero sizes, more than
// CommandAddress can hold, groups that do not divide the banks, rows without commands.
void check(const DeviceDescription& device);

}  // namespace hpimvp::hbm_pim
