// The tensor and the transpose unit as programs see them: values bit for bit, times, traps.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <random>

#include "models/common/pim_numerics.h"
#include "models/sram_pim/assembler.h"
#include "models/sram_pim/tile_executor.h"
#include "tests/unit/common/random_seed.h"

using namespace hpimvp::sram_pim;  // NOLINT: the subject of the test
namespace common = hpimvp::common;

namespace {

using Random = std::mt19937_64;
using Bytes = std::vector<std::uint8_t>;

class NoPort : public TransferPort {
 public:
  void start(const Request& request) override { end_ = request.start_cycle; }
  Result finish(std::uint64_t latest_cycle) override {
    if (endless) return {Status::kOverdue, latest_cycle};
    return {Status::kDone, end_ + 5};
  }

  bool endless = false;

 private:
  std::uint64_t end_ = 0;
};

struct Tile {
  explicit Tile(bool functional = true, TileConfig config = {})
      : executor(config, 0, functional, port) {}

  TileExecutor::Result run(const std::string& source,
                           const std::vector<std::uint64_t>& arguments = {}) {
    const Bytes image = assemble(source).bytes();
    REQUIRE(executor.write_control(0, image.data(), image.size()));
    return executor.run(0, arguments);
  }
  Bytes activation() const {
    Bytes bytes(executor.config().activation_bytes);
    executor.read_activation(0, bytes.data(), bytes.size());
    return bytes;
  }

  NoPort port;
  TileExecutor executor;
};

template <typename T>
T at(const Bytes& memory, std::uint64_t address) {
  T value;
  std::memcpy(&value, &memory[address], sizeof value);
  return value;
}

// FP16 values of similar exponents, where the order of additions shows, and odd ones.
std::uint16_t random_half(Random& random) {
  const std::uint64_t kind = random() % 64;
  const auto bits = static_cast<std::uint16_t>(random());
  if (kind == 0) return bits;
  if (kind == 1) return bits & 0x83FF;
  return static_cast<std::uint16_t>((bits & 0x83FF) | (13 + random() % 4) << 10);
}

struct Gemm {
  std::uint64_t rows, depth, columns;
  bool by_columns, half, accumulate;
  std::uint64_t a, w, c;                             // addresses
  std::uint64_t a_distance, w_distance, c_distance;  // bytes

  std::string mnemonic(const std::string& flow) const {
    return "tcu." + flow + (by_columns ? ".t" : "") + (half ? ".h" : "") +
           (accumulate ? ".acc" : "");
  }
  std::string program(const std::string& flow) const {
    const auto number = [](std::uint64_t value) { return std::to_string(value); };
    return "lc r1, " + number(rows) + "\nlc r2, " + number(depth) + "\nlc r3, " + number(columns) +
           "\ntcu.cfg r1, r2, r3\nlc r1, " + number(a_distance) + "\nlc r2, " + number(w_distance) +
           "\nlc r3, " + number(c_distance) + "\ntcu.dist r1, r2, r3\nlc r1, " + number(a) +
           "\nlc r2, " + number(w) + "\nlc r3, " + number(c) + "\n" + mnemonic(flow) +
           " r3, r1, r2\nhalt\n";
  }

  // C by the definition, with additions through double, which rounds to the same FP32 value.
  void reference(Bytes& memory) const {
    const Bytes old = memory;
    for (std::uint64_t i = 0; i < rows; ++i) {
      for (std::uint64_t j = 0; j < columns; ++j) {
        const std::uint64_t to = c + i * c_distance + j * (half ? 2 : 4);
        float sum = 0.0F;
        if (accumulate) {
          sum = half ? common::fp16_to_float(at<std::uint16_t>(old, to)) : at<float>(old, to);
        }
        for (std::uint64_t l = 0; l < depth; ++l) {
          const double x =
              common::fp16_to_float(at<std::uint16_t>(old, a + i * a_distance + 2 * l));
          const std::uint64_t from =
              by_columns ? w + j * w_distance + 2 * l : w + l * w_distance + 2 * j;
          const double y = common::fp16_to_float(at<std::uint16_t>(old, from));
          sum = static_cast<float>(double{sum} + x * y);
        }
        if (half) {
          const std::uint16_t value = common::float_to_fp16(sum);
          std::memcpy(&memory[to], &value, 2);
        } else {
          sum = common::canonical(sum);
          std::memcpy(&memory[to], &sum, 4);
        }
      }
    }
  }
};

Gemm random_gemm(Random& random, std::uint64_t largest) {
  Gemm g{};
  g.rows = 1 + random() % largest;
  g.depth = 1 + random() % largest;
  g.columns = 1 + random() % largest;
  g.by_columns = random() % 2 == 0;
  g.half = random() % 2 == 0;
  g.accumulate = random() % 2 == 0;
  g.a_distance = g.depth * 2 + random() % 3 * 2;
  g.w_distance = (g.by_columns ? g.depth : g.columns) * 2 + random() % 3 * 2;
  g.c_distance = g.columns * (g.half ? 2 : 4) + random() % 3 * 4;
  g.a = 2 * (random() % 50);
  g.w = 120'000 + 2 * (random() % 50);
  g.c = 240'000 + 4 * (random() % 50);
  return g;
}

Bytes random_memory(Random& random, std::size_t bytes) {
  Bytes memory(bytes);
  for (std::size_t i = 0; i < bytes; i += 2) {
    const std::uint16_t value = random_half(random);
    std::memcpy(&memory[i], &value, 2);
  }
  return memory;
}

std::size_t first_difference(const Bytes& a, const Bytes& b) {
  return static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin()).first - a.begin());
}

}  // namespace

TEST_CASE("matrix products are chains in the order of the inner index, in both dataflows") {
  const std::uint64_t seed = hpimvp::random_seed(71);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  Tile tile;
  const Bytes memory = random_memory(random, tile.executor.config().activation_bytes);
  for (int i = 0; i < 150; ++i) {
    const Gemm gemm = random_gemm(random, i % 10 == 0 ? 150 : 40);
    Bytes expected = memory;
    gemm.reference(expected);
    for (const char* flow : {"ws", "os"}) {
      INFO(gemm.program(flow));
      tile.executor.write_activation(0, memory.data(), memory.size());
      REQUIRE(tile.run(gemm.program(flow)).trap.cause == TrapCause::kNone);
      REQUIRE(first_difference(tile.activation(), expected) == memory.size());
    }
  }
}

TEST_CASE("a product in two parts of the inner dimension has the bits of one") {
  const std::uint64_t seed = hpimvp::random_seed(72);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  Tile tile;
  const Bytes memory = random_memory(random, tile.executor.config().activation_bytes);
  for (int i = 0; i < 30; ++i) {
    Gemm whole = random_gemm(random, 100);
    whole.depth += 1;
    whole.by_columns = true;
    whole.half = whole.accumulate = false;
    whole.a_distance = whole.w_distance = whole.depth * 2;
    whole.c_distance = whole.columns * 4;
    tile.executor.write_activation(0, memory.data(), memory.size());
    REQUIRE(tile.run(whole.program("ws")).trap.cause == TrapCause::kNone);
    const Bytes once = tile.activation();

    Gemm first = whole;
    first.depth = 1 + random() % (whole.depth - 1);
    Gemm second = whole;
    second.depth = whole.depth - first.depth;
    second.a += first.depth * 2;
    second.w += first.depth * 2;
    second.accumulate = true;
    tile.executor.write_activation(0, memory.data(), memory.size());
    REQUIRE(tile.run(first.program("os")).trap.cause == TrapCause::kNone);
    REQUIRE(tile.run(second.program("ws")).trap.cause == TrapCause::kNone);
    REQUIRE(first_difference(tile.activation(), once) == memory.size());
  }
}

TEST_CASE("a product takes the array's cycles, and the same in timing mode") {
  const std::uint64_t seed = hpimvp::random_seed(73);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  const TileConfig config;
  const ArrayShape array{64, 64, config.tcu_accumulator_rows, config.tcu_feedback_cycles};
  Tile functional(true);
  Tile timing(false);
  for (int i = 0; i < 50; ++i) {
    const Gemm gemm = random_gemm(random, 120);
    const MatrixProduct product{gemm.rows, gemm.depth, gemm.columns};
    for (const std::string flow : {"ws", "os"}) {
      const std::string empty = "tcu.cfg r1, r1, r1\ntcu.dist r1, r1, r1\nhalt";
      const TileExecutor::Result result = functional.run(gemm.program(flow));
      REQUIRE(result.cycles == timing.run(gemm.program(flow)).cycles);
      const std::uint64_t expected =
          config.tcu_latency + (flow == "ws"
                                    ? weight_stationary_cycles(array, product)
                                    : output_stationary_cycles(array, product, gemm.accumulate));
      // In front of it the program has instructions of a cycle each; halt is one.
      const std::uint64_t before = assemble(gemm.program(flow)).bytes().size() / 4 - 2;
      INFO(gemm.program(flow));
      REQUIRE(result.cycles >= before + expected + 1);
      // Ports: A and W may share a bank, of which a port gives what both take at full pace.
      REQUIRE(result.cycles <= before + expected + 1 + 8);
    }
  }
  CHECK(functional.executor.counters().tcu_macs == timing.executor.counters().tcu_macs);
  CHECK(functional.executor.counters().tcu_macs > 0);
}

TEST_CASE("the transpose unit transposes") {
  const std::uint64_t seed = hpimvp::random_seed(74);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  Tile tile;
  const Bytes memory = random_memory(random, tile.executor.config().activation_bytes);
  for (int i = 0; i < 100; ++i) {
    const std::uint64_t rows = 1 + random() % 200;
    const std::uint64_t columns = 1 + random() % 200;
    const std::uint64_t from_distance = columns * 2 + random() % 3 * 2;
    const std::uint64_t to_distance = rows * 2 + random() % 3 * 2;
    const std::uint64_t from = 2 * (random() % 100);
    const std::uint64_t to = 150'000 + 2 * (random() % 100);
    Bytes expected = memory;
    for (std::uint64_t r = 0; r < rows; ++r) {
      for (std::uint64_t c = 0; c < columns; ++c) {
        const auto value = at<std::uint16_t>(memory, from + r * from_distance + 2 * c);
        std::memcpy(&expected[to + c * to_distance + 2 * r], &value, 2);
      }
    }
    tile.executor.write_activation(0, memory.data(), memory.size());
    const TileExecutor::Result result = tile.run(
        "lc r6, " + std::to_string(to_distance) + "\ntrn.cfg r3, r4, r5\ntrn.h r1, r2, r6\nhalt",
        {to, from, rows, columns, from_distance});
    REQUIRE(result.trap.cause == TrapCause::kNone);
    REQUIRE(first_difference(tile.activation(), expected) == memory.size());
    // Rows in, columns out, of which neither can be hidden altogether.
    REQUIRE(result.cycles >=
            std::min<std::uint64_t>(rows, 64) + std::min<std::uint64_t>(columns, 64));
  }
}

TEST_CASE("the transpose unit moves a row in and a column out a cycle") {
  const TileConfig config;
  Tile tile;
  const auto cycles = [&](std::uint64_t rows, std::uint64_t columns) {
    // In different banks; load-constants and configuration before, halt after.
    return tile.run("lc r6, " + std::to_string(rows * 2) +
                        "\ntrn.cfg r3, r4, r5\ntrn.h r1, r2, r6\nhalt",
                    {196'608, 0, rows, columns, columns * 2})
               .cycles -
           3 - config.transpose_latency;
  };
  CHECK(cycles(64, 64) == 64 + 64);
  CHECK(cycles(10, 20) == 10 + 20);
  CHECK(cycles(64, 256) == 64 + 4 * 64);
  CHECK(cycles(256, 64) == 64 + 4 * 64);
  CHECK(cycles(32, 256) == 32 + 4 * 64);  // 64 columns leave a block for 32 rows that enter it
  CHECK(cycles(128, 65) == 64 + 64 + 64 + 64 + 1);
}

TEST_CASE("matrix units trap on what they cannot do") {
  struct Case {
    const char* source;
    TrapCause cause;
    std::uint64_t value;
  };
  const std::string shape = "li r1, 4\nli r2, 8\nli r3, 16\nlc r8, 0x8000\ntcu.cfg r1, r1, r1\n";
  const Case cases[] = {
      {"tcu.ws r0, r0, r0", TrapCause::kBadLength, 0},
      {"tcu.cfg r1, r0, r1", TrapCause::kBadLength, 0},
      {"li r4, 5\ntcu.dist r4, r1, r1", TrapCause::kMisaligned, 5},
      {"lc r4, 0x60002\ntcu.dist r4, r1, r1", TrapCause::kBadLength, 0x60002},
      {"tcu.ws r0, r0, r0", TrapCause::kBadLength, 0},                       // no distances
      {"tcu.dist r2, r2, r2\ntcu.ws r8, r0, r3", TrapCause::kBadLength, 8},  // rows of C overlap
      {"tcu.dist r1, r2, r3\ntcu.ws r8, r0, r3", TrapCause::kBadLength, 4},  // rows of A
      {"tcu.dist r2, r1, r3\ntcu.os.t r8, r0, r3", TrapCause::kBadLength, 4},
      {"li r4, 18\ntcu.dist r2, r2, r4\ntcu.ws r8, r0, r3", TrapCause::kMisaligned, 18},
      {"tcu.dist r2, r2, r3\nli r4, 2\ntcu.ws r4, r0, r3", TrapCause::kMisaligned, 2},
      {"tcu.dist r2, r2, r3\nli r4, 1\ntcu.ws r8, r4, r3", TrapCause::kMisaligned, 1},
      {"tcu.dist r2, r2, r3\nlc r4, 0x5FFFC\ntcu.os r4, r0, r3", TrapCause::kBadAddress, 0x5FFFC},
      {"tcu.dist r2, r2, r3\nlc r4, 0x5FFFC\ntcu.os r0, r8, r4", TrapCause::kBadAddress, 0x5FFFC},
      {"tcu.dist r2, r2, r3\ntcu.os r3, r3, r8", TrapCause::kHazard, 16},  // C is A
      {"tcu.dist r2, r2, r3\ntcu.os.acc r3, r8, r3", TrapCause::kHazard, 16},
      {"trn.h r0, r8, r1", TrapCause::kBadLength, 0},
      {"trn.cfg r0, r1, r1", TrapCause::kBadLength, 0},
      {"trn.cfg r1, r1, r2\ntrn.h r0, r8, r1", TrapCause::kBadLength, 4},
      {"trn.cfg r1, r1, r1\ntrn.h r0, r8, r2", TrapCause::kBadLength, 4},
      {"li r4, 9\ntrn.cfg r1, r1, r4", TrapCause::kMisaligned, 9},
      {"li r4, 9\ntrn.cfg r1, r1, r2\ntrn.h r0, r8, r4", TrapCause::kMisaligned, 9},
      {"trn.cfg r1, r1, r2\ntrn.h r8, r8, r2", TrapCause::kHazard, 0x8000},
      {"trn.cfg r1, r1, r2\nlc r4, 0x60000\ntrn.h r8, r4, r2", TrapCause::kBadAddress, 0x60000},
      // Between units, and what sync makes of it.
      {"tcu.dist r2, r2, r3\ntcu.ws r8, r0, r3\nvh.copy r8, r0, r1", TrapCause::kHazard, 0x8000},
      {"tcu.dist r2, r2, r3\ntcu.ws r8, r0, r3\nlc r5, 0x9000\nvh.copy r5, r8, r1",
       TrapCause::kHazard, 0x8000},
      {"tcu.dist r2, r2, r3\ntcu.ws r8, r0, r3\nsync TRN\nvh.copy r3, r0, r1", TrapCause::kHazard,
       16},
      {"trn.cfg r1, r1, r2\ntrn.h r8, r0, r2\nsync TCU\nvh.copy r8, r0, r1", TrapCause::kHazard,
       0x8000},
  };
  for (const Case& c : cases) {
    INFO(c.source);
    Tile tile;
    const TileExecutor::Result result = tile.run(shape + c.source + "\nhalt");
    CHECK(result.trap.cause == c.cause);
    CHECK(result.trap.value == c.value);
  }
  const char* safe[] = {
      "tcu.dist r2, r2, r3\ntcu.ws r8, r0, r3\nsync TCU\nvh.copy r8, r0, r1",
      "tcu.dist r2, r2, r3\ntcu.ws r8, r0, r3\ntcu.ws r8, r0, r3",
      "trn.cfg r1, r1, r2\ntrn.h r8, r0, r2\nsync TRN | VCU\nvh.copy r8, r0, r1",
      "sync 31",
  };
  for (const char* source : safe) {
    INFO(source);
    Tile tile;
    CHECK(tile.run(shape + source + "\nhalt").trap.cause == TrapCause::kNone);
  }
}

TEST_CASE("matrix units forget their shapes from run to run") {
  Tile tile;
  tile.run(
      "li r1, 8\nli r2, 16\ntcu.cfg r1, r1, r1\ntcu.dist r2, r2, r2\ntrn.cfg r1, r1, r2\nhalt");
  CHECK(tile.run("tcu.ws r0, r0, r0\nhalt").trap.cause == TrapCause::kBadLength);
  CHECK(tile.run("trn.h r0, r0, r0\nhalt").trap.cause == TrapCause::kBadLength);
}

TEST_CASE("units compete for the banks of activation memory, and the counters tell") {
  // The vector unit and the transpose unit read 16 KiB each: from the same bank, or from two.
  const auto run = [](std::uint64_t other, TileCounters& counters) {
    Tile tile;
    const std::uint64_t cycles =
        tile.run(
                "li r6, 64\nli r7, 128\ntrn.cfg r6, r6, r7\nvs.copy r1, r2, r3\n"
                "trn.h r4, r5, r7\nhalt",
                {0x30000, 0, 2048, 0x40000, other})
            .cycles;
    counters = tile.executor.counters();
    return cycles;
  };
  TileCounters apart{};
  TileCounters shared{};
  // The vector unit reads a port's 256 bytes in nearly each of its 36 cycles.
  const std::uint64_t without = run(0x6000, apart);
  const std::uint64_t with = run(0x2000, shared);
  CHECK(apart.port_conflict_cycles == 0);
  CHECK(shared.port_conflict_cycles > 0);
  CHECK(with == without + shared.port_conflict_cycles);
  CHECK(shared.transpose_cycles == apart.transpose_cycles + shared.port_conflict_cycles);
  CHECK(shared.vector_cycles == apart.vector_cycles);
}

TEST_CASE("waits are counted by their cause") {
  Tile tile;
  tile.run("li r1, 64\nvh.copy r0, r1, r1\nvh.copy r0, r1, r1\nsync VCU\nxlda r0, r0, r1\nhalt");
  const TileCounters& c = tile.executor.counters();
  CHECK(c.unit_busy_wait_cycles == 4);  // 5 cycles less the one of the hand-over
  CHECK(c.sync_wait_cycles == 4);
  CHECK(c.transfer_wait_cycles == TileConfig{}.transfer_setup_cycles + 5 - 1);
  CHECK(c.wait_cycles == c.unit_busy_wait_cycles + c.sync_wait_cycles + c.transfer_wait_cycles);
  CHECK(c.sram_read_bytes == 2 * 128);
  CHECK(c.sram_write_bytes == 2 * 128 + 64);
}

TEST_CASE("the watchdog ends a program by its cycles, and a transfer that does not end") {
  TileConfig config;
  config.max_cycles = 5000;
  {
    Tile tile(true, config);
    const TileExecutor::Result result =
        tile.run("lc r1, 100000\nloop: vh.copy r0, r0, r1\nsync VCU\nj loop");
    CHECK(result.trap.cause == TrapCause::kWatchdog);
    CHECK(result.trap.value >= 5000);
  }
  Tile tile(true, config);
  tile.port.endless = true;
  const TileExecutor::Result result = tile.run("li r1, 4\nxlda r0, r1, r1\nsync XFER\nhalt");
  CHECK(result.trap.cause == TrapCause::kWatchdog);
  CHECK(result.trap.value == 5000);
  CHECK(tile.executor.program_counter() == 8);
}
