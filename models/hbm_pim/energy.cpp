#include "models/hbm_pim/energy.h"

namespace hpimvp::hbm_pim {

namespace {

constexpr double kBitsPerByte = 8;
constexpr double kBytesPerValue = 2;  // FP16

// Picojoules of a burst on each segment, and of the broadcast of one.
struct BurstEnergy {
  double cell, bank_group, global_io, tsv, interposer, buffer, broadcast;
};

BurstEnergy burst_energy(const DeviceDescription& device) {
  const DeviceEnergy& energy = device.energy;
  const DeviceOrganisation& organisation = device.organisation;
  const double bits = organisation.burst_bytes * kBitsPerByte;
  const double bank_groups = double{1} * organisation.stack_ids * organisation.bank_groups;
  return {
      bits * energy.cell_pj_per_bit,
      bits * energy.bank_to_group_pj_per_bit,
      bits * energy.group_to_global_pj_per_bit,
      bits * energy.tsv_pj_per_bit,
      bits * energy.interposer_pj_per_bit,
      bits * energy.buffer_pj_per_bit,
      bits * (energy.group_to_global_pj_per_bit + bank_groups * energy.bank_to_group_pj_per_bit)};
}

void add_rows(const DeviceDescription& device, const CommandCounts& counts, EnergyBreakdown& sum) {
  const double rows =
      static_cast<double>(counts[DramCommand::kActivate]) +
      static_cast<double>(counts[DramCommand::kActivateBanks]) *
          device.pim.banks_per_activate_group +
      static_cast<double>(counts[DramCommand::kPimEnter] + counts[DramCommand::kPimExit]);
  sum.activate = rows * device.energy.activate_pj;
  const double refreshes =
      static_cast<double>(counts[DramCommand::kRefresh]) * device.organisation.banks() +
      static_cast<double>(counts[DramCommand::kRefreshBank]);
  sum.refresh = refreshes * device.energy.refresh_bank_pj;
}

void add_bursts(const DeviceDescription& device, const CommandCounts& counts,
                EnergyBreakdown& sum) {
  const BurstEnergy burst = burst_energy(device);
  const double units = device.units();
  const auto number = [&counts](DramCommand command) {
    return static_cast<double>(counts[command]);
  };
  const double accesses = number(DramCommand::kRead) + number(DramCommand::kWrite);
  const double macs = number(DramCommand::kMac);
  const double elements = number(DramCommand::kElementAdd) + number(DramCommand::kElementMultiply);
  const double unit_transfers = number(DramCommand::kWriteBias) + number(DramCommand::kReadResult);
  const double buffer_writes = number(DramCommand::kWriteBuffer);
  const double copies_in = number(DramCommand::kCopyToBuffer);
  const double copies = copies_in + number(DramCommand::kCopyFromBuffer);

  sum.cell = burst.cell * (accesses + copies + units * (macs + 2 * elements));
  sum.bank_group = burst.bank_group * (accesses + unit_transfers + copies);
  sum.global_io = burst.global_io * (accesses + unit_transfers + copies);
  sum.tsv = burst.tsv * (accesses + unit_transfers + buffer_writes);
  sum.interposer = burst.interposer * (accesses + unit_transfers + buffer_writes);
  sum.mac = units * (macs + elements) * device.organisation.burst_bytes / kBytesPerValue *
            device.energy.mac_pj;
  if (device.pim.programming_model == ProgrammingModel::kSamsung) {
    sum.broadcast = burst.broadcast * (buffer_writes + copies_in);
    sum.buffer = burst.buffer *
                 (units * (buffer_writes + copies_in + macs + elements) + (copies - copies_in));
  } else {
    sum.broadcast = burst.broadcast * (macs + elements);
    sum.buffer = burst.buffer * (buffer_writes + copies + macs + elements);
  }
}

}  // namespace

CommandCounts& CommandCounts::operator+=(const CommandCounts& other) {
  for (unsigned i = 0; i < kDramCommands; ++i) commands[i] += other.commands[i];
  cycles += other.cycles;
  power_down_cycles += other.power_down_cycles;
  return *this;
}

CommandCounts CommandCounter::counts(std::uint64_t end) const {
  CommandCounts counts = counts_;
  counts.cycles = end;
  if (powered_down_ && end > power_down_since_) {
    counts.power_down_cycles += end - power_down_since_;
  }
  return counts;
}

double EnergyBreakdown::total() const {
  double sum = 0;
  for_each([&sum](const char*, double picojoules) { sum += picojoules; });
  return sum;
}

EnergyBreakdown& EnergyBreakdown::operator+=(const EnergyBreakdown& other) {
  activate += other.activate;
  cell += other.cell;
  bank_group += other.bank_group;
  global_io += other.global_io;
  tsv += other.tsv;
  interposer += other.interposer;
  broadcast += other.broadcast;
  buffer += other.buffer;
  mac += other.mac;
  refresh += other.refresh;
  background += other.background;
  return *this;
}

EnergyBreakdown energy_of(const DeviceDescription& device, const CommandCounts& counts) {
  EnergyBreakdown sum;
  add_rows(device, counts, sum);
  add_bursts(device, counts, sum);
  // A milliwatt for a nanosecond is a picojoule.
  const double cycle_ns = static_cast<double>(device.clock_period_ps) / 1000;
  const double awake = static_cast<double>(counts.cycles - counts.power_down_cycles);
  sum.background =
      cycle_ns * (awake * device.energy.background_mw +
                  static_cast<double>(counts.power_down_cycles) * device.energy.power_down_mw);
  return sum;
}

}  // namespace hpimvp::hbm_pim
