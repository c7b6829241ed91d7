// The rule of bank_ports.h against a simulation of every cycle.
#include "models/sram_pim/bank_ports.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <random>
#include <vector>

#include "tests/unit/common/random_seed.h"

using namespace hpimvp::sram_pim;  // NOLINT: the subject of the test

namespace {

using Random = std::mt19937_64;

constexpr std::uint64_t kBank = 384 * 1024 / 16;

OperandRanges ranges(std::initializer_list<MemoryRange> reads, MemoryRange write) {
  OperandRanges result(384 * 1024);
  for (const MemoryRange& range : reads) result.read(range.begin, range.end - range.begin, 1);
  if (write.end > write.begin) result.write(write.begin, write.end - write.begin, 1);
  REQUIRE(result.good());
  return result;
}

MemoryRange in_bank(std::uint64_t bank, std::uint64_t bytes) {
  return {bank * kBank, bank * kBank + bytes};
}

struct Job {
  unsigned unit;
  std::uint64_t start;
  std::uint64_t cycles;
  std::vector<MemoryRange> reads;
  MemoryRange write;
};

// Every cycle each port has its bytes; instructions, the oldest first, advance by as much of a
// cycle's work as their ports still allow.
std::vector<std::uint64_t> simulate(const std::vector<Job>& jobs) {
  constexpr double kPort = 256;
  struct State {
    std::map<int, double> bytes;  // of each port, writing ones from 100 on
    double alone = 0;
    double left = 0;
    std::uint64_t end = 0;
  };
  std::vector<State> states;
  for (const Job& job : jobs) {
    State state;
    const auto add = [&](const MemoryRange& range, int first) {
      for (std::uint64_t at = range.begin; at < range.end; ++at) {
        state.bytes[first + static_cast<int>(at / kBank)] += 1;
      }
    };
    for (const MemoryRange& range : job.reads) add(range, 0);
    add(job.write, 100);
    state.alone = static_cast<double>(job.cycles);
    for (const auto& [port, bytes] : state.bytes) {
      state.alone = std::max(state.alone, std::ceil(bytes / kPort));
    }
    state.left = state.alone;
    states.push_back(state);
  }
  std::size_t unfinished = jobs.size();
  for (std::uint64_t now = 0; unfinished > 0; ++now) {
    std::map<int, double> taken;
    for (std::size_t i = 0; i < jobs.size(); ++i) {  // in the order of their starts
      State& state = states[i];
      if (now < jobs[i].start || state.left <= 0) continue;
      double advance = std::min(1.0, state.left);
      for (const auto& [port, bytes] : state.bytes) {
        advance = std::min(advance, (kPort - taken[port]) / (bytes / state.alone));
      }
      for (const auto& [port, bytes] : state.bytes) taken[port] += advance * bytes / state.alone;
      state.left -= advance;
      if (state.left <= 1e-6) {
        state.left = 0;
        state.end = now + 1;
        --unfinished;
      }
    }
  }
  std::vector<std::uint64_t> durations;
  for (std::size_t i = 0; i < jobs.size(); ++i) durations.push_back(states[i].end - jobs[i].start);
  return durations;
}

std::vector<std::uint64_t> by_rule(const std::vector<Job>& jobs) {
  BankPorts ports{TileConfig{}};
  std::vector<std::uint64_t> durations;
  for (const Job& job : jobs) {
    OperandRanges operands(384 * 1024);
    for (const MemoryRange& range : job.reads) {
      operands.read(range.begin, range.end - range.begin, 1);
    }
    operands.write(job.write.begin, job.write.end - job.write.begin, 1);
    durations.push_back(ports.begin(job.unit, job.start, job.cycles, operands));
  }
  return durations;
}

std::vector<Job> random_jobs(Random& random, unsigned count) {
  std::vector<Job> jobs;
  std::uint64_t start = 0;
  for (unsigned unit = 0; unit < count; ++unit) {
    const auto range = [&] {
      // Few banks, so that they meet.
      const std::uint64_t begin = random() % (3 * kBank);
      return MemoryRange{begin, begin + 1 + random() % 20'000};
    };
    Job job{unit, start, 20 + random() % 200, {range()}, range()};
    if (random() % 2 == 0) job.reads.push_back(range());
    jobs.push_back(job);
    start += random() % 60;
  }
  return jobs;
}

}  // namespace

TEST_CASE("operands in different banks do not meet") {
  BankPorts ports{TileConfig{}};
  // Each takes all that a port gives.
  CHECK(ports.begin(0, 0, 50, ranges({in_bank(0, 50 * 256)}, in_bank(1, 50 * 256))) == 50);
  CHECK(ports.begin(1, 0, 50, ranges({in_bank(2, 50 * 256)}, in_bank(3, 50 * 256))) == 50);
  // One reads what the other writes' bank: different ports.
  CHECK(ports.begin(2, 10, 50, ranges({in_bank(1, 50 * 256)}, in_bank(0, 50 * 256))) == 50);
}

TEST_CASE("operands in the same bank slow the younger instruction down") {
  BankPorts ports{TileConfig{}};
  const auto reads = [](std::uint64_t bytes) { return ranges({in_bank(4, bytes)}, {}); };
  // The older one takes the whole port for 50 cycles: the younger one waits 40 of them.
  CHECK(ports.begin(0, 0, 50, reads(50 * 256)) == 50);
  CHECK(ports.begin(1, 10, 30, reads(30 * 256)) == 40 + 30);
  // Half of the port each: no one waits. A quarter more: half of three quarters' pace.
  ports.reset();
  CHECK(ports.begin(0, 0, 80, reads(80 * 128)) == 80);
  CHECK(ports.begin(1, 0, 20, reads(20 * 128)) == 20);
  CHECK(ports.begin(2, 20, 30, reads(30 * 192)) == 45);
}

TEST_CASE("an instruction that wants more than a port gives is slowed by itself") {
  BankPorts ports{TileConfig{}};
  CHECK(ports.begin(0, 0, 10, ranges({in_bank(0, 2560), in_bank(0, 2560)}, {})) == 20);
  CHECK(ports.begin(0, 20, 10, ranges({in_bank(0, 2560), in_bank(1, 2560)}, {})) == 10);
}

TEST_CASE("two instructions take what a simulation of every cycle says") {
  const std::uint64_t seed = hpimvp::random_seed(61);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  unsigned slowed = 0;
  for (int i = 0; i < 200; ++i) {
    const std::vector<Job> jobs = random_jobs(random, 2);
    const std::vector<std::uint64_t> expected = simulate(jobs);
    const std::vector<std::uint64_t> found = by_rule(jobs);
    REQUIRE(found[0] == expected[0]);
    // An end inside a cycle costs the simulation up to that cycle.
    REQUIRE(found[1] <= expected[1] + 1);
    REQUIRE(expected[1] <= found[1] + 1);
    if (found[1] > jobs[1].cycles) ++slowed;
  }
  CHECK(slowed > 50);
}

TEST_CASE("four instructions take what a simulation of every cycle says") {
  const std::uint64_t seed = hpimvp::random_seed(62);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  for (int i = 0; i < 300; ++i) {
    const std::vector<Job> jobs = random_jobs(random, 4);
    const std::vector<std::uint64_t> expected = simulate(jobs);
    const std::vector<std::uint64_t> found = by_rule(jobs);
    for (std::size_t k = 0; k < jobs.size(); ++k) {
      // A change of pace inside a cycle costs the simulation part of it, for each that is older.
      REQUIRE(found[k] <= expected[k] + k);
      REQUIRE(expected[k] <= found[k] + 1 + 2 * k);
    }
  }
}
