#include "models/sram_pim/bank_ports.h"

#include <algorithm>
#include <cmath>

namespace hpimvp::sram_pim {
namespace {

constexpr double kRounding = 1e-6;  // cycles: traces of rounding must not cost a whole one

}  // namespace

BankPorts::BankPorts(const TileConfig& config)
    : banks_(config.banks),
      bank_bytes_(static_cast<double>(config.activation_bytes) / config.banks),
      port_(config.bank_port_bytes) {}

void BankPorts::reset() {
  for (Load& load : loads_) load.end = 0;
}

std::uint64_t BankPorts::begin(unsigned unit, std::uint64_t start, std::uint64_t cycles,
                               const OperandRanges& ranges) {
  Load& load = loads_[unit];
  load.read_count = ranges.reads().size();
  for (std::size_t i = 0; i < load.read_count; ++i) {
    load.reads[i] = ranges.reads()[i];
    load.read_traffic[i] = ranges.read_traffic(i);
  }
  load.write = ranges.written();
  load.write_traffic = ranges.write_traffic();
  load.known = false;
  load.end = start + cycles;
  std::uint64_t alone = cycles;
  // Most instructions could even take everything from one bank.
  const double most =
      static_cast<double>(std::max(ranges.read_traffic(), ranges.write_traffic())) / port_;
  if (most > static_cast<double>(cycles)) {
    const double busiest = largest(port_bytes(load)) / port_;
    alone = std::max(alone, static_cast<std::uint64_t>(std::ceil(busiest)));
  }
  bool others = false;
  for (unsigned other = 0; other < kMaxUnits; ++other) {
    others = others || (other != unit && loads_[other].end > start);
  }
  load.alone = static_cast<double>(alone);
  load.segments[0] = {static_cast<double>(start + alone), 1.0};
  load.segment_count = 1;
  const std::uint64_t taken = others ? slowed(unit, start) : alone;
  load.end = start + taken;
  return taken;
}

double BankPorts::largest(const PortBytes& bytes) const {
  double result = 0;
  for (unsigned port = 0; port < 2 * banks_; ++port) result = std::max(result, bytes[port]);
  return result;
}

const BankPorts::PortBytes& BankPorts::port_bytes(Load& load) const {
  if (load.known) return load.bytes;
  load.known = true;
  std::fill_n(load.bytes.begin(), 2 * banks_, 0.0);
  for (std::size_t i = 0; i < load.read_count; ++i) {
    spread(load.reads[i], load.read_traffic[i], load.bytes.data());
  }
  spread(load.write, load.write_traffic, load.bytes.data() + banks_);
  return load.bytes;
}

void BankPorts::spread(const MemoryRange& range, std::uint64_t traffic, double* banks) const {
  if (range.begin == range.end) return;
  const auto begin = static_cast<double>(range.begin);
  const auto end = static_cast<double>(range.end);
  const double density = static_cast<double>(traffic) / (end - begin);
  for (auto bank = static_cast<std::uint32_t>(begin / bank_bytes_);
       bank < banks_ && bank * bank_bytes_ < end; ++bank) {
    const double low = std::max(begin, bank * bank_bytes_);
    const double high = std::min(end, (bank + 1) * bank_bytes_);
    banks[bank] += std::max(0.0, high - low) * density;
  }
}

// Works the instruction off from one change of the others' pace to the next.
std::uint64_t BankPorts::slowed(unsigned unit, std::uint64_t start) {
  Load& load = loads_[unit];
  auto time = static_cast<double>(start);
  double left = load.alone;
  load.segment_count = 0;
  double recorded = time;  // what the segments cover
  double recorded_left = left;
  while (left > kRounding) {
    double until = INFINITY;
    const double speed = speed_at(unit, time, until);
    if (speed * (until - time) >= left) {
      time += left / speed;
      left = 0;
    } else {
      left -= speed * (until - time);
      time = until;
    }
    if (load.segment_count + 1 < kSegments) {
      load.segments[load.segment_count++] = {time, speed};
      recorded = time;
      recorded_left = left;
    }
  }
  if (recorded < time) {
    load.segments[load.segment_count++] = {time, recorded_left / (time - recorded)};
  }
  const double taken = std::ceil(time - static_cast<double>(start) - kRounding);
  return std::max(static_cast<std::uint64_t>(load.alone), static_cast<std::uint64_t>(taken));
}

// Null if the instruction has done its work.
const BankPorts::Segment* BankPorts::segment_at(const Load& load, double time) {
  for (std::size_t i = 0; i < load.segment_count; ++i) {
    if (time < load.segments[i].end) return &load.segments[i];
  }
  return nullptr;
}

// The share of its pace that the instruction of `unit` reaches at `time`; `until`: when that ends.
double BankPorts::speed_at(unsigned unit, double time, double& until) {
  struct Older {
    const PortBytes* bytes;
    double share;  // of a port, for each byte
  };
  std::array<Older, kMaxUnits> older{};
  std::size_t count = 0;
  for (unsigned other = 0; other < kMaxUnits; ++other) {
    Load& load = loads_[other];
    if (other == unit || static_cast<double>(load.end) <= time) continue;
    const Segment* const segment = segment_at(load, time);
    if (segment == nullptr) continue;
    until = std::min(until, segment->end);
    older[count++] = {&port_bytes(load), segment->speed / (port_ * load.alone)};
  }
  double speed = 1;
  if (count == 0) return speed;
  const PortBytes& wanted = port_bytes(loads_[unit]);
  const double pace_bytes = port_ * loads_[unit].alone;
  for (unsigned port = 0; port < 2 * banks_; ++port) {
    if (wanted[port] == 0) continue;
    double free = 1;
    for (std::size_t i = 0; i < count; ++i) free -= (*older[i].bytes)[port] * older[i].share;
    speed = std::min(speed, std::max(0.0, free) * pace_bytes / wanted[port]);
  }
  return speed;
}

}  // namespace hpimvp::sram_pim
