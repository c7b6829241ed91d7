// Every instruction against a plain reference, then time, hazards and traps.
#include "models/sram_pim/tile_executor.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <random>

#include "models/common/pim_numerics.h"
#include "models/sram_pim/assembler.h"
#include "tests/unit/common/random_seed.h"

using namespace hpimvp::sram_pim;  // NOLINT: the subject of the test
namespace common = hpimvp::common;

namespace {

using Random = std::mt19937_64;
using Bytes = std::vector<std::uint8_t>;

// A global memory at address 0 of 1 MiB; a transfer takes 100 cycles and one for every 32 bytes.
class FakePort : public TransferPort {
 public:
  FakePort() : memory(1 << 20, 0) {}

  void start(const Request& request) override {
    requests.push_back(request);
    const bool inside = request.address + request.bytes <= memory.size();
    result_ = {inside ? Status::kDone : Status::kBusError,
               request.start_cycle + 100 + (request.bytes + 31) / 32};
    if (abandon) result_.status = Status::kAbandoned;
    if (!inside || request.data == nullptr) return;
    std::uint8_t* global = memory.data() + request.address;
    if (request.write) {
      std::memcpy(global, request.data, request.bytes);
    } else {
      std::memcpy(request.data, global, request.bytes);
    }
  }
  Result finish(std::uint64_t) override { return result_; }

  Bytes memory;
  std::vector<Request> requests;
  bool abandon = false;

 private:
  Result result_{};
};

struct Tile {
  explicit Tile(bool functional = true, TileConfig config = {})
      : executor(config, 5, functional, port) {}

  TileExecutor::Result run(std::string_view source, std::vector<std::uint64_t> arguments = {}) {
    const Bytes image = assemble(source).bytes();
    REQUIRE(executor.write_control(0, image.data(), image.size()));
    return executor.run(0, arguments);
  }
  std::uint64_t reg(unsigned index) const { return executor.registers()[index]; }
  Bytes activation() const {
    Bytes bytes(executor.config().activation_bytes);
    executor.read_activation(0, bytes.data(), bytes.size());
    return bytes;
  }

  FakePort port;
  TileExecutor executor;
};

// ------------------------------------------------------------------ reference of the vector unit

float half_at(const Bytes& m, std::uint64_t at) {
  std::uint16_t bits;
  std::memcpy(&bits, &m[at], 2);
  return common::fp16_to_float(bits);
}
float single_at(const Bytes& m, std::uint64_t at) {
  float value;
  std::memcpy(&value, &m[at], 4);
  return value;
}
void set_half(Bytes& m, std::uint64_t at, float value) {
  const std::uint16_t bits = common::float_to_fp16(value);
  std::memcpy(&m[at], &bits, 2);
}
void set_single(Bytes& m, std::uint64_t at, float value) {
  value = common::canonical(value);
  std::memcpy(&m[at], &value, 4);
}
// FP32 addition and multiplication through double, which rounds to the same FP32 value.
float plus(float a, float b) {
  return static_cast<float>(double{a} + double{b});
}
float times(float a, float b) {
  return static_cast<float>(double{a} * double{b});
}

float lanes_then_tree(const std::vector<float>& values, float start,
                      float (*combine)(float, float)) {
  std::vector<float> lanes(16, start);
  for (std::size_t i = 0; i < values.size(); ++i) lanes[i % 16] = combine(lanes[i % 16], values[i]);
  for (std::size_t width = 8; width > 0; width /= 2) {
    for (std::size_t i = 0; i < width; ++i) lanes[i] = combine(lanes[i], lanes[i + width]);
  }
  return lanes[0];
}

float larger(float a, float b) {
  if (std::isnan(a) || std::isnan(b)) return std::nanf("");
  if (a == b) return std::signbit(a) ? b : a;
  return a > b ? a : b;
}

// Executes one instruction on `m` by isa.h's sentence about it.
void reference(const std::string& name, Bytes& m, std::uint64_t d, std::uint64_t a, std::uint64_t b,
               std::uint64_t n) {
  const Bytes old = m;
  const auto ha = [&](std::uint64_t i) { return half_at(old, a + 2 * i); };
  const auto hb = [&](std::uint64_t i) { return half_at(old, b + 2 * i); };
  const auto sa = [&](std::uint64_t i) { return single_at(old, a + 4 * i); };
  const auto sb = [&](std::uint64_t i) { return single_at(old, b + 4 * i); };
  const float s = single_at(old, b);
  std::vector<float> values;
  for (std::uint64_t i = 0; i < n; ++i) {
    const std::uint64_t h = d + 2 * i;
    const std::uint64_t w = d + 4 * i;
    if (name == "vh.add") set_half(m, h, plus(ha(i), hb(i)));
    if (name == "vh.sub") set_half(m, h, plus(ha(i), -hb(i)));
    if (name == "vh.mul") set_half(m, h, times(ha(i), hb(i)));
    if (name == "vh.muls") set_half(m, h, times(ha(i), s));
    if (name == "vh.adds") set_half(m, h, plus(ha(i), s));
    if (name == "vh.mulsv") set_half(m, h, times(times(half_at(old, h), s), ha(i)));
    if (name == "vh.copy") set_half(m, h, ha(i));
    if (name == "vh.relu") set_half(m, h, larger(ha(i), 0.0F));
    if (name == "vh.gelu") set_half(m, h, common::vector_gelu(ha(i)));
    if (name == "vh.silu") set_half(m, h, common::vector_silu(ha(i)));
    if (name == "vh.silumul") set_half(m, h, times(common::vector_silu(ha(i)), hb(i)));
    if (name == "vs.add") set_single(m, w, plus(sa(i), sb(i)));
    if (name == "vs.mul") set_single(m, w, times(sa(i), sb(i)));
    if (name == "vs.muls") set_single(m, w, times(sa(i), s));
    if (name == "vs.adds") set_single(m, w, plus(sa(i), s));
    if (name == "vs.exps") set_single(m, w, common::vector_exp(plus(sa(i), -s)));
    if (name == "vs.copy") set_single(m, w, sa(i));
    if (name == "vc.h2s") set_single(m, w, ha(i));
    if (name == "vc.s2h") set_half(m, h, sa(i));
    if (name == "vc.s2h.muls") set_half(m, h, times(sa(i), s));
    if (name == "v.rope") {
      const std::uint64_t pair = i / 2;
      const float cosine = single_at(old, b + 8 * pair);
      const float sine = single_at(old, b + 8 * pair + 4);
      const float x0 = ha(2 * pair);
      const float x1 = ha(2 * pair + 1);
      set_half(m, h,
               i % 2 == 0 ? plus(times(x0, cosine), -times(x1, sine))
                          : plus(times(x0, sine), times(x1, cosine)));
    }
    if (name.starts_with("vr.")) values.push_back(name.ends_with(".h") ? ha(i) : sa(i));
  }
  if (name == "vr.sq.h") {
    for (float& value : values) value = times(value, value);
  }
  if (name.starts_with("vr.max")) {
    set_single(m, d, lanes_then_tree(values, -std::numeric_limits<float>::infinity(), larger));
  } else if (name.starts_with("vr.")) {
    set_single(m, d, lanes_then_tree(values, 0.0F, plus));
  }
  if (name == "ss.add") set_single(m, d, plus(sa(0), s));
  if (name == "ss.sub") set_single(m, d, plus(sa(0), -s));
  if (name == "ss.mul") set_single(m, d, times(sa(0), s));
  if (name == "ss.max") set_single(m, d, larger(sa(0), s));
  if (name == "ss.recip") set_single(m, d, static_cast<float>(1.0 / double{sa(0)}));
  if (name == "ss.rsqrt") {
    const auto root = static_cast<float>(std::sqrt(double{sa(0)}));
    set_single(m, d, static_cast<float>(1.0 / double{root}));
  }
  if (name == "ss.neg") set_single(m, d, -sa(0));
}

// Bytes that are plausible as FP16 and as FP32: even half words are mild FP16 values, which as the
// low half of an FP32 value are just mantissa bits.
Bytes random_memory(Random& random, std::size_t bytes) {
  Bytes memory(bytes);
  for (std::size_t at = 0; at < bytes; at += 2) {
    std::uint16_t half = (random() & 0x83FF) | (13 + random() % 4) << 10;
    if (random() % 200 == 0) half = static_cast<std::uint16_t>(random());
    if (random() % 500 == 0) half = 0x7E01;
    std::memcpy(&memory[at], &half, 2);
  }
  return memory;
}

std::size_t first_difference(const Bytes& a, const Bytes& b) {
  return static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin()).first - a.begin());
}

}  // namespace

TEST_CASE("every vector instruction computes what isa.h says") {
  const std::uint64_t seed = hpimvp::random_seed(41);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  Tile tile;
  const std::size_t bytes = tile.executor.config().activation_bytes;
  for (const InstructionInfo& info : kInstructions) {
    if (info.unit != Unit::kVector) continue;
    for (int i = 0; i < 12; ++i) {
      std::uint64_t n = 1 + random() % 300;
      if (info.id == Opcode::kVRope) n += n % 2;
      Bytes memory = random_memory(random, bytes);
      const std::uint64_t a = 4 * (random() % 1000);
      const std::uint64_t b = 8192 + 4 * (random() % 1000);
      // Now and then in place.
      const bool in_place = random() % 3 == 0 && info.id != Opcode::kVcHtoS &&
                            info.id != Opcode::kVcStoH && info.id != Opcode::kVcStoHMuls;
      const std::uint64_t d = in_place ? a : 16384 + 4 * (random() % 1000);
      tile.executor.write_activation(0, memory.data(), memory.size());
      const bool has_b = std::string_view(info.operands).find('b') != std::string_view::npos;
      const bool has_c = std::string_view(info.operands).find('c') != std::string_view::npos;
      const std::string source = std::string(info.mnemonic) + " r1, r2" + (has_b ? ", r3" : "") +
                                 (has_c ? ", r4" : "") + "\nhalt";
      const TileExecutor::Result result = tile.run(source, {d, a, b, n});
      INFO(source << " n=" << n << " d=" << d << " a=" << a << " b=" << b);
      REQUIRE(result.trap.cause == TrapCause::kNone);
      reference(info.mnemonic, memory, d, a, b, has_c ? n : 1);
      REQUIRE(first_difference(tile.activation(), memory) == memory.size());
    }
  }
}

TEST_CASE("in-array products are sums of 16-lane trees") {
  const std::uint64_t seed = hpimvp::random_seed(42);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  Tile tile;
  const auto tree_dot = [](float start, const std::vector<float>& products) {
    float accumulator = start;
    for (std::size_t first = 0; first < products.size(); first += 16) {
      std::vector<float> level(16, 0.0F);
      for (std::size_t i = 0; i < 16 && first + i < products.size(); ++i)
        level[i] = products[first + i];
      for (std::size_t width = 8; width > 0; width /= 2) {
        for (std::size_t i = 0; i < width; ++i) level[i] = plus(level[i], level[i + width]);
      }
      accumulator = plus(accumulator, level[0]);
    }
    return accumulator;
  };
  for (int i = 0; i < 150; ++i) {
    const std::uint64_t rows = 1 + random() % 70;
    const std::uint64_t columns = 1 + random() % 130;
    const std::uint64_t stride = columns * 2 + random() % 4 * 2;
    Bytes memory = random_memory(random, tile.executor.config().activation_bytes);
    const std::uint64_t d = 4 * (random() % 100);
    const std::uint64_t a = 1024 + 2 * (random() % 100);
    const std::uint64_t b = 4096 + 2 * (random() % 100);
    tile.executor.write_activation(0, memory.data(), memory.size());
    const char* name = i % 3 == 0 ? "pim.qk" : i % 3 == 1 ? "pim.sv" : "pim.svz";
    const std::string source =
        "lc r7, " + std::to_string(stride) + "\npim.cfg r4, r5, r7\n" + name + " r1, r2, r3\nhalt";
    const TileExecutor::Result result = tile.run(source, {d, a, b, rows, columns});
    REQUIRE(result.trap.cause == TrapCause::kNone);
    const Bytes old = memory;
    if (i % 3 == 0) {
      for (std::uint64_t j = 0; j < rows; ++j) {
        std::vector<float> products;
        for (std::uint64_t c = 0; c < columns; ++c) {
          products.push_back(times(half_at(old, a + 2 * c), half_at(old, b + j * stride + 2 * c)));
        }
        set_single(memory, d + 4 * j, tree_dot(0.0F, products));
      }
    } else {
      for (std::uint64_t c = 0; c < columns; ++c) {
        std::vector<float> products;
        for (std::uint64_t j = 0; j < rows; ++j) {
          products.push_back(times(half_at(old, a + 2 * j), half_at(old, b + j * stride + 2 * c)));
        }
        const float start = i % 3 == 1 ? single_at(old, d + 4 * c) : 0.0F;
        set_single(memory, d + 4 * c, tree_dot(start, products));
      }
    }
    INFO(source << " rows " << rows << " columns " << columns);
    REQUIRE(first_difference(tile.activation(), memory) == memory.size());
  }
}

TEST_CASE("scalar instructions compute on 64 bits") {
  const std::uint64_t seed = hpimvp::random_seed(43);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  Tile tile;
  for (int i = 0; i < 300; ++i) {
    const std::uint64_t a = random() >> random() % 64;
    const std::uint64_t b = (random() >> random() % 64) | 1;
    const TileExecutor::Result result = tile.run(R"(
      add r10, r1, r2
      sub r11, r1, r2
      mul r12, r1, r2
      and r13, r1, r2
      or  r14, r1, r2
      xor r15, r1, r2
      sll r16, r1, r2
      srl r17, r1, r2
      divu r18, r1, r2
      remu r19, r1, r2
      minu r20, r1, r2
      maxu r21, r1, r2
      addi r22, r1, -7
      shori r23, r1, 0x7FFF
      li r24, -3
      tileid r25
      tiles r26
      addi r0, r1, 1
      halt
    )",
                                                 {a, b});
    REQUIRE(result.trap.cause == TrapCause::kNone);
    REQUIRE(tile.reg(10) == a + b);
    REQUIRE(tile.reg(11) == a - b);
    REQUIRE(tile.reg(12) == a * b);
    REQUIRE(tile.reg(13) == (a & b));
    REQUIRE(tile.reg(14) == (a | b));
    REQUIRE(tile.reg(15) == (a ^ b));
    REQUIRE(tile.reg(16) == a << (b % 64));
    REQUIRE(tile.reg(17) == a >> (b % 64));
    REQUIRE(tile.reg(18) == a / b);
    REQUIRE(tile.reg(19) == a % b);
    REQUIRE(tile.reg(20) == (a < b ? a : b));
    REQUIRE(tile.reg(21) == (a < b ? b : a));
    REQUIRE(tile.reg(22) == a - 7);
    REQUIRE(tile.reg(23) == ((a << 15) | 0x7FFF));
    REQUIRE(tile.reg(24) == ~std::uint64_t{2});
    REQUIRE(tile.reg(25) == 5);
    REQUIRE(tile.reg(26) == 32);
    REQUIRE(tile.reg(0) == 0);
  }
}

TEST_CASE("branches compare unsigned, jumps link") {
  Tile tile;
  // Counts in r10 how many of the branches were taken as they should.
  tile.run(R"(
      li r1, -1
      li r2, 1
      bltu r2, r1, a
      halt
  a:  addi r10, r10, 1
      bltu r1, r2, bad
      bgeu r1, r2, b
      halt
  b:  addi r10, r10, 1
      bgeu r1, r1, c
      halt
  c:  addi r10, r10, 1
      beq r1, r2, bad
      bne r1, r1, bad
      bne r1, r2, d
      halt
  d:  addi r10, r10, 1
      jal r31, sub
      addi r10, r10, 1
      halt
  sub:
      addi r10, r10, 1
      jalr r0, 0(r31)
  bad: li r10, 0
      halt
  )");
  CHECK(tile.reg(10) == 6);
  CHECK(tile.reg(31) == 18 * 4);
}

TEST_CASE("control memory holds words and double words") {
  Tile tile;
  tile.run(R"(
      lc r1, 0x1122334455667788
      std r1, 0x400(r0)
      ldw r2, 0x404(r0)
      stw r1, 0x408(r0)
      ldd r3, 0x408(r0)
      ldd r4, 0x400(r0)
      halt
  )");
  CHECK(tile.reg(2) == 0x11223344);
  CHECK(tile.reg(3) == 0x55667788);
  CHECK(tile.reg(4) == 0x1122334455667788);
}

TEST_CASE("transfers move bytes and take the port's time") {
  Tile tile;
  for (std::size_t i = 0; i < 256; ++i) tile.port.memory[1000 + i] = static_cast<std::uint8_t>(i);
  const TileExecutor::Result result = tile.run(R"(
      li r1, 1000
      li r2, 16
      li r3, 64
      xlda r2, r1, r3      # 64 bytes to activation 16
      sync XFER
      li r4, 5000
      xsta r2, r4, r3      # and out again
      li r5, 0x800
      xldc r5, r1, r3      # and to control memory
      sync XFER
      ldw r6, 0x804(r0)
      halt
  )");
  REQUIRE(result.trap.cause == TrapCause::kNone);
  CHECK(std::equal(&tile.port.memory[1000], &tile.port.memory[1064], &tile.port.memory[5000]));
  CHECK(tile.reg(6) == 0x07060504);
  REQUIRE(tile.port.requests.size() == 3);
  const TileConfig config;
  const std::uint64_t duration = config.transfer_setup_cycles + 102;
  CHECK(tile.port.requests[0].start_cycle == 3 + config.transfer_setup_cycles);
  // The second waits for the sync, the third for the second.
  CHECK(tile.port.requests[1].start_cycle == 3 + duration + 1 + 1 + config.transfer_setup_cycles);
  CHECK(tile.port.requests[2].start_cycle == tile.port.requests[1].start_cycle + duration);
  CHECK(tile.executor.counters().read_bytes == 128);
  CHECK(tile.executor.counters().write_bytes == 64);
}

TEST_CASE("units work at the same time, and sync waits for them") {
  const TileConfig config;
  Tile tile;
  const std::uint64_t vector = config.vector_latency + 1000 / 64 + 1;
  const auto run = [&](const char* source) {
    return tile.run(source, {0, 4096, 8192, 1000, 100}).cycles;
  };
  CHECK(run("halt") == 1);
  CHECK(run("vh.copy r1, r2, r4\nhalt") == vector + 1);
  // The second waits for the unit, the third is not for it.
  CHECK(run("vh.copy r1, r2, r4\nvh.copy r1, r2, r4\nhalt") == 2 * vector + 1);
  CHECK(run("vh.copy r1, r2, r4\nli r6, 1\nhalt") == vector + 1);
  CHECK(run("vh.copy r1, r2, r4\nsync VCU\nli r6, 1\nhalt") == vector + 3);
  // A transfer of 100 bytes behind a vector instruction.
  CHECK(run("vh.copy r1, r2, r4\nxlda r3, r1, r5\nhalt") ==
        1 + config.transfer_setup_cycles + 104 + 1);
  CHECK(run("li r6, 3\nloop: addi r6, r6, -1\nbne r6, r0, loop\nhalt") ==
        1 + 3 * 2 + 2 * config.branch_penalty + 1);
}

TEST_CASE("durations are the same in timing mode") {
  const std::uint64_t seed = hpimvp::random_seed(44);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  for (int i = 0; i < 200; ++i) {
    std::string source =
        "li r10, 24\nli r11, 40\nli r12, 80\npim.cfg r10, r11, r12\n"
        "li r13, 160\ntcu.cfg r10, r11, r11\ntcu.dist r12, r12, r13\ntrn.cfg r10, r11, r12\n";
    for (int k = 0; k < 30; ++k) {
      const InstructionInfo& info = kInstructions[random() % std::size(kInstructions)];
      const std::string operands = info.operands;
      if (info.unit == Unit::kSequencer || operands == "abc") continue;  // abc: configurations
      source += std::string(info.mnemonic) + (operands == "da"    ? " r1, r2"
                                              : operands == "dab" ? " r1, r2, r3"
                                              : operands == "dac" ? " r1, r2, r4"
                                                                  : " r1, r2, r3, r4");
      if (info.unit == Unit::kTransfer) source.replace(source.size() - 2, 2, "r5");
      if (info.unit == Unit::kTranspose) source.replace(source.size() - 2, 2, "r12");
      source += random() % 2 == 0 ? "\nsync 31\n" : "\n";
    }
    source += "halt\n";
    const std::vector<std::uint64_t> arguments = {4 * (random() % 100), 4096, 16384,
                                                  2 + random() % 1000 * 2, 1 + random() % 900};
    Tile functional(true);
    Tile timing(false);
    const TileExecutor::Result a = functional.run(source, arguments);
    const TileExecutor::Result b = timing.run(source, arguments);
    REQUIRE(a.cycles == b.cycles);
    REQUIRE(a.trap.cause == b.trap.cause);
    REQUIRE(functional.port.requests.size() == timing.port.requests.size());
  }
}

TEST_CASE("timing mode stores no payload, but control memory is real") {
  Tile tile(false);
  tile.port.memory[100] = 42;
  tile.run(
      "li r1, 100\nli r2, 8\nxlda r0, r1, r2\nli r3, 0x200\nxldc r3, r1, r2\nsync 7\n"
      "ldd r4, 0x200(r0)\nhalt");
  CHECK(tile.reg(4) == 42);
  CHECK(tile.activation() == Bytes(tile.executor.config().activation_bytes, 0));
  CHECK(tile.port.requests[0].data == nullptr);
}

TEST_CASE("an instruction that touches what is in flight elsewhere traps") {
  const char* unsafe[] = {
      "vh.copy r1, r2, r4\nxsta r1, r5, r5",            // reads what the vector unit writes
      "vh.copy r1, r2, r4\nxlda r2, r5, r5",            // overwrites its operand
      "xlda r1, r5, r5\nvh.copy r3, r1, r4",            // reads what is being loaded
      "xlda r1, r5, r5\nvh.copy r1, r3, r4",            // two writers
      "xsta r1, r5, r5\nvh.copy r1, r3, r4",            // overwrites what is being stored
      "vh.copy r1, r2, r4\nsync PIM\nxsta r1, r5, r5",  // synchronised with another unit
      "pim.cfg r5, r5, r5\npim.qk r1, r2, r3\nvh.copy r3, r1, r4",
      "vh.copy r1, r2, r4\npim.cfg r5, r5, r5\npim.qk r3, r1, r2",
      "xldc r1, r5, r5\nldd r6, 0(r1)",  // the sequencer is a unit too
      "xldc r1, r5, r5\nstw r6, 0(r1)",
  };
  for (const char* source : unsafe) {
    INFO(source);
    Tile tile;
    const TileExecutor::Result result =
        tile.run(std::string(source) + "\nhalt", {1024, 4096, 8192, 10, 16});
    CHECK(result.trap.cause == TrapCause::kHazard);
  }
  const char* safe[] = {
      "vh.copy r1, r2, r4\nsync VCU\nxsta r1, r5, r5",
      "vh.copy r1, r2, r4\nvh.copy r3, r2, r4\nxsta r1, r5, r5",  // in order within the unit
      "vh.copy r1, r2, r4\nvh.copy r3, r1, r4",
      "xsta r1, r5, r5\nvh.copy r3, r1, r4",  // two readers
      "xldc r1, r5, r5\nvh.copy r1, r2, r4",  // separate address spaces
      "xldc r1, r5, r5\nldd r6, 0(r2)",
      "xlda r1, r5, r5\nldd r6, 0(r1)",
  };
  for (const char* source : safe) {
    INFO(source);
    Tile tile;
    const TileExecutor::Result result =
        tile.run(std::string(source) + "\nhalt", {1024, 4096, 8192, 10, 16});
    CHECK(result.trap.cause == TrapCause::kNone);
  }
}

TEST_CASE("each trap has its cause, value and place") {
  struct Case {
    const char* source;
    TrapCause cause;
    std::uint64_t value;
    std::uint32_t pc;
  };
  const Case cases[] = {
      {".word 0", TrapCause::kIllegalInstruction, 0, 0},
      {"li r1, 1\n.word 0xFFFFFFFF", TrapCause::kIllegalInstruction, 0xFFFFFFFF, 4},
      {"jalr r0, 2(r0)", TrapCause::kFetch, 2, 2},
      {"li r1, 0x8000\njalr r0, 0(r1)", TrapCause::kFetch, 0x8000, 0x8000},
      {"j -4 + 0x10000", TrapCause::kFetch, 0xFFFC, 0xFFFC},
      {"li r1, 7\ndivu r2, r1, r0", TrapCause::kDivideByZero, 7, 4},
      {"remu r2, r0, r0", TrapCause::kDivideByZero, 0, 0},
      {"ldd r1, 4(r0)", TrapCause::kMisaligned, 4, 0},
      {"ldw r1, 2(r0)", TrapCause::kMisaligned, 2, 0},
      {"ldw r1, -4(r0)", TrapCause::kBadAddress, 0xFFFFFFFFFFFFFFFC, 0},
      {"li r1, 0x8000\nstd r1, 0(r1)", TrapCause::kBadAddress, 0x8000, 4},
      {"vh.copy r0, r0, r0", TrapCause::kBadLength, 0, 0},
      {"li r1, 3\nv.rope r0, r0, r0, r1", TrapCause::kBadLength, 3, 4},
      {"li r1, 1\nvh.copy r1, r0, r1", TrapCause::kMisaligned, 1, 4},
      {"li r1, 2\nvs.copy r0, r1, r1", TrapCause::kMisaligned, 2, 4},
      {"li r1, 0x60000\nli r2, 1\nvh.copy r1, r0, r2", TrapCause::kBadAddress, 0x60000, 8},
      {"li r1, -1\nvh.copy r0, r0, r1", TrapCause::kBadAddress, 0, 4},
      {"pim.qk r0, r0, r0", TrapCause::kBadLength, 0, 0},
      {"li r1, 5\npim.cfg r1, r0, r1", TrapCause::kBadLength, 0, 4},
      {"li r1, 5\npim.cfg r1, r1, r1", TrapCause::kMisaligned, 5, 4},
      {"xlda r0, r0, r0", TrapCause::kBadLength, 0, 0},
      {"li r1, 0x60001\nxlda r0, r0, r1", TrapCause::kBadAddress, 0, 4},
      {"li r1, 0x5FFFF\nli r2, 2\nxsta r1, r0, r2", TrapCause::kBadAddress, 0x5FFFF, 8},
      {"li r1, 4\nlc r2, 0x100000\nxlda r0, r2, r1\nsync XFER", TrapCause::kBusError, 0x100000, 16},
      {"sync 32", TrapCause::kIllegalInstruction, 0x00400002, 0},
  };
  for (const Case& c : cases) {
    INFO(c.source);
    Tile tile;
    const TileExecutor::Result result = tile.run(std::string(c.source) + "\nhalt");
    CHECK(result.trap.cause == c.cause);
    CHECK(result.trap.value == c.value);
    CHECK(tile.executor.program_counter() == c.pc);
    CHECK(tile.executor.counters().traps == 1);
  }
}

TEST_CASE("a bus error shows at halt at the latest") {
  Tile tile;
  const auto result = tile.run("li r1, 4\nlc r2, 0x100000\nxlda r0, r2, r1\nhalt");
  CHECK(result.trap.cause == TrapCause::kBusError);
}

TEST_CASE("the watchdog ends an endless loop") {
  TileConfig config;
  config.max_instructions = 1000;
  Tile tile(true, config);
  const TileExecutor::Result result = tile.run("loop: j loop");
  CHECK(result.trap.cause == TrapCause::kWatchdog);
  CHECK(tile.executor.counters().instructions == 1000);
  CHECK(result.cycles == 1000 * (1 + config.branch_penalty));
}

TEST_CASE("an abandoned transfer ends the run without a trap") {
  Tile tile;
  tile.port.abandon = true;
  const TileExecutor::Result result =
      tile.run("li r1, 4\nxlda r0, r1, r1\nsync XFER\nloop: j loop");
  CHECK(result.abandoned);
  CHECK(result.trap.cause == TrapCause::kNone);
}

TEST_CASE("a run starts with arguments, cleared registers and no matrix") {
  Tile tile;
  tile.run("li r20, 5\npim.cfg r20, r20, r4\nhalt", {1, 2, 3, 4, 5});
  CHECK(tile.reg(5) == 5);
  CHECK(tile.reg(20) == 5);
  const TileExecutor::Result result = tile.run("pim.qk r0, r0, r0\nhalt", {9});
  CHECK(result.trap.cause == TrapCause::kBadLength);
  CHECK(tile.reg(1) == 9);
  CHECK(tile.reg(20) == 0);
}

TEST_CASE("a tile configuration that makes no sense is refused") {
  const auto refused = [](auto change) {
    TileConfig config;
    change(config);
    CHECK_THROWS_AS(check(config), std::invalid_argument);
  };
  CHECK_NOTHROW(check(TileConfig{}));
  refused([](TileConfig& c) { c.clock_period_ps = 0; });
  refused([](TileConfig& c) { c.tiles = 0; });
  refused([](TileConfig& c) { c.tiles = 65; });
  refused([](TileConfig& c) { c.activation_bytes = 0x80001; });
  refused([](TileConfig& c) { c.control_bytes = 12; });
  refused([](TileConfig& c) { c.vector_lanes = 0; });
  refused([](TileConfig& c) { c.special_lanes = 0; });
  refused([](TileConfig& c) { c.macro_groups = 0; });
  refused([](TileConfig& c) { c.multipliers_a_group = 0; });
  refused([](TileConfig& c) { c.port_bytes_per_cycle = 0; });
  refused([](TileConfig& c) { c.max_instructions = 0; });
}
