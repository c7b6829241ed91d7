// What the stages of the compiler hand on: dependencies, placement, memory, errors.
#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <map>
#include <random>
#include <set>

#include "platform/compiler/compiler.h"
#include "platform/compiler/model_error.h"
#include "platform/compiler/payload.h"
#include "tests/unit/hbm_pim/device_presets.h"

using namespace hpimvp;
using namespace hpimvp::compiler;
using Catch::Matchers::Contains;

namespace {

constexpr std::uint64_t kPlanAddress = 0x8800'0000;
constexpr std::uint64_t kHostEnd = 0x9000'0000;

ModelConfig preset(const std::string& name) {
  return load_model_preset(std::filesystem::path(HPIMVP_PRESETS) / "models" / (name + ".json"));
}

MachineShape machine(std::uint32_t stacks = 4, std::uint32_t tiles = 32) {
  return default_machine_shape(stacks, tiles, kPlanAddress, kHostEnd,
                               hpimvp::test_support::device_preset("hbm3_hpim"));
}

CompileRequest request(std::uint32_t prompt, std::uint32_t output) {
  CompileRequest result;
  result.prompt.assign(prompt, 1);
  result.output_tokens = output;
  return result;
}

std::set<std::string> predecessor_names(const OperatorGraph& graph, const std::string& name) {
  for (const GraphOperator& op : graph.operators) {
    if (op.name != name) continue;
    std::set<std::string> names;
    for (const std::uint32_t p : op.predecessors) names.insert(graph.operators[p].name);
    return names;
  }
  throw std::runtime_error("no operator " + name);
}

using Names = std::set<std::string>;

// Which operators follow each operator, directly or not.
std::vector<std::vector<bool>> reachability(const OperatorGraph& graph) {
  const std::size_t count = graph.operators.size();
  std::vector<std::vector<bool>> before(count, std::vector<bool>(count, false));
  for (std::size_t i = 0; i < count; ++i) {
    for (const std::uint32_t p : graph.operators[i].predecessors) {
      before[i][p] = true;
      for (std::size_t j = 0; j < count; ++j) before[i][j] = before[i][j] || before[p][j];
    }
  }
  return before;
}

struct Interval {
  std::uint64_t first;
  std::uint64_t end;
};

void check_disjoint(std::vector<Interval> intervals) {
  std::sort(intervals.begin(), intervals.end(),
            [](const Interval& a, const Interval& b) { return a.first < b.first; });
  for (std::size_t i = 1; i < intervals.size(); ++i) {
    REQUIRE(intervals[i - 1].end <= intervals[i].first);
  }
}

}  // namespace

TEST_CASE("operators wait for exactly what they need") {
  const OperatorGraph graph = build_operator_graph(preset("llama-2-7b"), {true, false});
  CHECK(predecessor_names(graph, "layer0.attention_norm") == Names{"embedding"});
  CHECK(predecessor_names(graph, "layer3.key") == Names{"layer3.attention_norm"});
  CHECK(predecessor_names(graph, "layer3.value") == Names{"layer3.attention_norm"});
  CHECK(predecessor_names(graph, "layer3.attention_keys") == Names{"layer3.key"});
  CHECK(predecessor_names(graph, "layer3.attention_scores") ==
        Names{"layer3.query", "layer3.attention_keys"});
  CHECK(predecessor_names(graph, "layer3.attention_values") ==
        Names{"layer3.value", "layer3.attention_scores"});
  CHECK(predecessor_names(graph, "layer3.ffn_norm") == Names{"layer3.projection"});
  CHECK(predecessor_names(graph, "layer3.activation") == Names{"layer3.gate", "layer3.up"});
  CHECK(predecessor_names(graph, "layer4.attention_norm") == Names{"layer3.down"});
  CHECK(predecessor_names(graph, "classifier") == Names{"final_norm"});

  const OperatorGraph opt = build_operator_graph(preset("opt-350m"), {false, false});
  CHECK(predecessor_names(opt, "embedding_sum") == Names{"embedding_projection", "position"});
  CHECK(predecessor_names(opt, "layer0.key") == Names{"embedding_sum"});
  CHECK(predecessor_names(opt, "layer0.attention") ==
        Names{"layer0.key", "layer0.query", "layer0.value"});
  CHECK(predecessor_names(opt, "output_projection") == Names{"layer23.ffn_norm"});
}

TEST_CASE("attention in HBM-PIM waits for what it needs and for nothing else") {
  AttentionOperators attention;
  attention.in_hbm_pim = true;
  const OperatorGraph llama = build_operator_graph(preset("llama-2-7b"), attention);
  CHECK(predecessor_names(llama, "layer0.attention_keys") == Names{"layer0.key"});
  CHECK(predecessor_names(llama, "layer0.attention_queries") == Names{"layer0.query"});
  CHECK(predecessor_names(llama, "layer0.attention_scores") ==
        Names{"layer0.attention_keys", "layer0.attention_queries"});
  CHECK(predecessor_names(llama, "layer0.attention_store_values") == Names{"layer0.value"});
  CHECK(predecessor_names(llama, "layer0.attention_softmax") ==
        Names{"layer0.attention_scores", "layer0.attention_store_values"});
  CHECK(predecessor_names(llama, "layer0.attention_values") == Names{"layer0.attention_softmax"});
  CHECK(predecessor_names(llama, "layer0.projection") == Names{"layer0.attention_values"});
  const OperatorGraph opt = build_operator_graph(preset("opt-1.3b"), attention);
  CHECK(predecessor_names(opt, "layer0.attention_scores") ==
        Names{"layer0.query", "layer0.attention_keys"});
}

TEST_CASE("a buffer is not overwritten before its last reader is done") {
  for (const char* name : {"llama-2-7b", "opt-350m", "opt-1.3b"}) {
    for (const AttentionOperators& attention :
         {AttentionOperators{true, false, false}, AttentionOperators{false, true, false},
          AttentionOperators{true, false, true}}) {
      CAPTURE(name, attention.pipelined, attention.in_hbm_pim);
      ModelConfig config = preset(name);
      config.layers = 3;
      const OperatorGraph graph = build_operator_graph(config, attention);
      const auto before = reachability(graph);
      for (std::size_t writer = 0; writer < graph.operators.size(); ++writer) {
        for (const std::uint32_t value : graph.operators[writer].writes) {
          const ValueKind kind = graph.values[value].kind;
          for (std::size_t other = 0; other < writer; ++other) {
            for (const std::uint32_t read : graph.operators[other].reads) {
              if (graph.values[read].kind == kind) REQUIRE(before[writer][other]);
            }
            for (const std::uint32_t written : graph.operators[other].writes) {
              if (graph.values[written].kind == kind) REQUIRE(before[writer][other]);
            }
          }
        }
      }
    }
  }
}

TEST_CASE("buffers that are needed at the same time do not overlap, others share space") {
  std::mt19937 random(5);
  for (int round = 0; round < 200; ++round) {
    const std::size_t count = 1 + random() % 20;
    std::vector<std::uint32_t> addresses(count, 0xFFFFFFFF);
    std::vector<TileBuffer> buffers;
    std::uint32_t total = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t bytes = 64 * (1 + random() % 50);
      total += bytes;
      buffers.push_back(
          {"b", bytes, 1 + static_cast<std::uint32_t>(random() % 255), &addresses[i]});
    }
    const std::uint32_t end = allocate_buffers(buffers);
    CHECK(end <= total);
    for (std::size_t i = 0; i < count; ++i) {
      CHECK(addresses[i] % 64 == 0);
      CHECK(addresses[i] + buffers[i].bytes <= end);
      for (std::size_t j = 0; j < i; ++j) {
        if ((buffers[i].phases & buffers[j].phases) == 0) continue;
        CHECK((addresses[i] + buffers[i].bytes <= addresses[j] ||
               addresses[j] + buffers[j].bytes <= addresses[i]));
      }
    }
  }
  std::uint32_t a = 1, b = 1;
  std::vector<TileBuffer> apart{{"a", 128, 1, &a}, {"b", 64, 2, &b}};
  CHECK(allocate_buffers(apart) == 128);
}

TEST_CASE("matrices are split over the stacks in whole groups of banks") {
  const CompiledPlan plan = compile(preset("opt-1.3b"), machine(3), request(4, 4));
  const std::uint32_t banks = plan.machine.device.organisation.banks();
  for (const GemvPlacement& gemv : plan.placement.gemvs) {
    std::uint32_t next = 0;
    for (const GemvSlice& slice : gemv.slices) {
      CHECK(slice.first_output == next);
      next += slice.outputs;
      if (&slice != &gemv.slices.back()) CHECK(slice.outputs % banks == 0);
    }
    CHECK(next == gemv.outputs);
  }
}

TEST_CASE("weights, tables and KV regions do not overlap, and lie inside the stacks") {
  for (const char* name : {"opt-350m", "llama-3.1-8b", "qwen2.5-7b"}) {
    CAPTURE(name);
    const CompiledPlan plan = compile(preset(name), machine(), request(16, 16));
    const auto& organisation = plan.machine.device.organisation;
    const std::uint64_t stripe =
        organisation.row_bytes() * organisation.banks() * organisation.pseudo_channels();
    std::vector<Interval> used;
    for (const GemvPlacement& gemv : plan.placement.gemvs) {
      for (const GemvSlice& slice : gemv.slices) {
        const std::uint64_t base = plan.machine.stacks[slice.stack].memory_base;
        // 32 banks of 32 pseudo-channels; columns of 16 inputs, 32 of them in a row.
        const bool by_rows = slice.slicing == hpimvp::hbm_pim::Slicing::kRows;
        const std::uint64_t slots = (slice.outputs + (by_rows ? 1023 : 31)) / (by_rows ? 1024 : 32);
        const std::uint64_t chunks =
            ((gemv.inputs + 15) / 16 + (by_rows ? 0 : 31)) / (by_rows ? 1 : 32);
        const std::uint64_t rows = (slots * chunks + 31) / 32;
        used.push_back(
            {base + slice.weight_row * stripe, base + (slice.weight_row + rows) * stripe});
      }
    }
    for (const TablePlacement& table : plan.placement.tables) {
      used.push_back({table.address, table.address + table.rows * table.row_bytes});
    }
    for (const plan::MemoryRegion& region : plan.placement.kv_regions) {
      used.push_back({region.address, region.address + region.bytes});
    }
    check_disjoint(used);
    for (const Interval& interval : used) {
      const bool inside = std::any_of(
          plan.machine.stacks.begin(), plan.machine.stacks.end(), [&](const StackShape& stack) {
            return interval.first >= stack.memory_base &&
                   interval.end <= stack.memory_base + organisation.stack_bytes();
          });
      CHECK(inside);
    }
  }
}

TEST_CASE("each stack has its own part of a bias") {
  const CompiledPlan plan = compile(preset("opt-1.3b"), machine(3), request(4, 4));
  const std::uint64_t stack_bytes = plan.machine.device.organisation.stack_bytes();
  std::size_t parts = 0;
  for (const GemvPlacement& gemv : plan.placement.gemvs) {
    CHECK(gemv.has_bias() == plan.graph.operators[gemv.operator_index].has_bias);
    for (const GemvSlice& slice : gemv.slices) {
      CHECK((slice.bias_address != 0) == gemv.has_bias());
      if (!gemv.has_bias()) continue;
      ++parts;
      const std::uint64_t offset =
          slice.bias_address - plan.machine.stacks[slice.stack].memory_base;
      CHECK(offset + std::uint64_t{slice.outputs} * 2 <= stack_bytes);
    }
  }
  CHECK(parts == plan.config.layers * 6 * 3);
}

TEST_CASE("vectors are shared by two pseudo-channels where one could have all of them") {
  MachineShape shape = machine();
  shape.mapping = "row:channel:pseudo_channel:stack_id:bank:bank_group:column";
  const CompiledPlan plan = compile(preset("opt-13b"), shape, request(4, 4));
  const hpimvp::hbm_pim::BitFieldMapping mapping(plan.machine.device.organisation,
                                                 plan.machine.mapping);
  std::map<std::uint32_t, std::set<std::uint32_t>> last_vector;  // of each stack
  for (const TablePlacement& table : plan.placement.tables) {
    if (table.kind != TableKind::kVector && table.kind != TableKind::kBias) continue;
    const std::uint64_t offset = table.address - plan.machine.stacks[table.stack].memory_base;
    std::map<std::uint32_t, std::uint32_t> bytes;  // by pseudo-channel
    for (std::uint32_t i = 0; i < table.row_bytes; i += 32) {
      bytes[mapping.map(offset + i).pseudo_channel] += 32;
    }
    CAPTURE(weight_name(table.weights), table.address, table.row_bytes);
    REQUIRE(bytes.size() == 2);
    for (const auto& [pseudo_channel, share] : bytes) {
      CHECK(share <= table.row_bytes / 2 + 64);
      CHECK(last_vector[table.stack].count(pseudo_channel) == 0);
    }
    last_vector[table.stack] = {bytes.begin()->first, bytes.rbegin()->first};
  }
  CHECK(last_vector.size() == shape.stacks.size());
}

TEST_CASE("every preset that fits becomes a plan; the others say how much is missing") {
  for (const char* name : {"opt-350m", "opt-1.3b", "opt-2.7b", "opt-6.7b", "opt-13b", "opt-30b",
                           "llama-2-7b", "llama-2-13b", "llama-3.1-8b", "qwen2.5-7b"}) {
    CAPTURE(name);
    const CompiledPlan plan = compile(preset(name), machine(), request(256, 768));
    CHECK(plan.statistics.tile_activation_bytes <= 384 * 1024);
    CHECK(plan.attention.pipelined);
    CHECK(plan.attention.heads_per_pass == plan.config.heads_per_kv_head());
    CHECK(plan.statistics.weight_bytes >=
          2 * (plan.statistics.parameters -
               std::uint64_t{plan.config.vocabulary} * plan.config.embedding * 2 -
               std::uint64_t{plan.config.max_positions} * plan.config.hidden * 2 -
               std::uint64_t{plan.config.layers} * 20 * (plan.config.hidden + plan.config.ffn)));
  }
  CHECK_THROWS_WITH(compile(preset("llama-2-70b"), machine(), request(4, 4)),
                    Contains("do not fit into HBM") && Contains("bytes more") &&
                        Contains("LLaMA-2 70B") && Contains("layer"));
  CHECK_NOTHROW(compile(preset("llama-2-70b"), machine(8), request(256, 768)));
}

TEST_CASE("long contexts fit by more tiles a head or passes over the heads, or are refused") {
  const ModelConfig config = preset("llama-3.1-8b");
  const auto attention = [&](std::uint32_t tiles, std::uint32_t context) {
    return compile(config, machine(4, tiles), request(context - 768, 768)).attention;
  };
  CHECK(attention(32, 1024).tiles_per_kv_head == 2);
  CHECK(attention(32, 32768).tiles_per_kv_head == 4);
  CHECK(attention(32, 32768).heads_per_pass == 4);
  CHECK(attention(32, 131072).heads_per_pass < 4);
  CHECK(attention(8, 32768).tiles_per_kv_head == 1);
  CHECK(attention(8, 32768).heads_per_pass < 4);
  CHECK_THROWS_WITH(compile(config, machine(4, 8), request(100000, 100)),
                    Contains("activation memory") && Contains("100100 positions") &&
                        Contains("attention scores"));
}

TEST_CASE("a KV cache that does not fit beside the weights is refused") {
  const ModelConfig config = preset("opt-350m");
  MachineShape shape = machine(1);
  const CompiledPlan plan = compile(config, shape, request(1000, 1000));
  const std::uint64_t kv_bytes = plan.statistics.kv_blocks_needed * 1024 * 2 * 64 * 2;
  const std::uint64_t kv_rows = (kv_bytes + (1 << 20) - 1) >> 20;
  const auto weight_rows = static_cast<std::uint32_t>(plan.placement.stacks[0].rows_used);
  shape.device.organisation.rows = weight_rows + static_cast<std::uint32_t>(kv_rows);
  CHECK_NOTHROW(compile(config, shape, request(1000, 1000)));
  shape.device.organisation.rows -= 1;
  CHECK_THROWS_WITH(compile(config, shape, request(1000, 1000)),
                    Contains("KV cache of 2000 positions") && Contains("too few"));
}

TEST_CASE("requests that the model cannot serve are refused") {
  const ModelConfig config = preset("opt-350m");
  const auto refuses = [&](const CompileRequest& bad, const char* part) {
    CHECK_THROWS_WITH(compile(config, machine(), bad), Contains(part));
  };
  refuses(request(0, 4), "no tokens");
  refuses(request(2049, 0), "2048 positions");
  refuses(request(2000, 50), "2048 positions");
  CHECK_NOTHROW(compile(config, machine(), request(2000, 49)));
  CompileRequest bad = request(2, 2);
  bad.prompt[1] = 50272;
  refuses(bad, "prompt token 1 is 50272");
  bad = request(2, 2);
  bad.replay = {1, 70000};
  refuses(bad, "replay token 1");
  bad = request(2, 2);
  bad.temperature = -1;
  refuses(bad, "temperature");
  bad = request(2, 2);
  bad.top_p = 0;
  refuses(bad, "top_p");
}

TEST_CASE("machines that make no sense are refused") {
  MachineShape shape = machine();
  SECTION("no stacks") {
    shape.stacks.clear();
  }
  SECTION("too many tiles") {
    shape.tiles.count = 65;
  }
  SECTION("a device that is another") {
    shape.dma_device = 0;
  }
  SECTION("too little host memory") {
    shape.free_memory_end = shape.plan_address + 4096;
  }
  SECTION("too little control memory") {
    shape.tiles.control_bytes = 256;
  }
  SECTION("too little activation memory") {
    shape.tiles.activation_bytes = 4096;
  }
  CHECK_THROWS_AS(compile(preset("opt-350m"), shape, request(4, 4)), ModelError);
}

TEST_CASE("a plan does not depend on weights and is the same every time") {
  const CompiledPlan first = compile(preset("opt-350m"), machine(), request(4, 4));
  const CompiledPlan second = compile(preset("opt-350m"), machine(), request(4, 4));
  CHECK(first.image == second.image);
}

TEST_CASE("LLaMA-3.1's RoPE keeps high frequencies and stretches low ones eightfold") {
  ModelConfig config = preset("llama-3.1-8b");
  const std::vector<float> scaled = rope_row(config, 1);
  config.rope_scaling.reset();
  const std::vector<float> plain = rope_row(config, 1);
  // Pair 0 turns by one radian a position: a wavelength of 6, far below 8192 / 4.
  CHECK(scaled[1] == plain[1]);
  CHECK(scaled[1] == Approx(0.8414709848));
  // The last pair's wavelength is 2.5 million positions, far above 8192.
  CHECK(scaled[127] == Approx(plain[127] / 8).epsilon(1e-5));
  // In between: wavelength 4096, half of 8192, so the ratio is 2 and the blend (2 - 1) / (4 - 1).
  ModelConfig middle = config;
  middle.head_dim = 4;
  middle.rope_theta = std::pow(4096 / (2 * 3.14159265358979), 2);
  const double frequency = 2 * 3.14159265358979 / 4096;
  middle.rope_scaling = preset("llama-3.1-8b").rope_scaling;
  CHECK(rope_row(middle, 1)[3] ==
        Approx(std::sin(frequency / 8 * 2 / 3 + frequency / 3)).epsilon(1e-5));
}

TEST_CASE("the slicing of Q, K and V can be asked for, that of the others is chosen") {
  CompileRequest plain = request(4, 4);
  const CompiledPlan chosen = compile(preset("opt-1.3b"), machine(), plain);
  for (const auto& [choice, slicing] :
       {std::pair(SlicingChoice::kRows, hbm_pim::Slicing::kRows),
        std::pair(SlicingChoice::kColumns, hbm_pim::Slicing::kColumns)}) {
    CompileRequest asked = plain;
    asked.qkv = choice;
    const CompiledPlan plan = compile(preset("opt-1.3b"), machine(), asked);
    REQUIRE(plan.placement.gemvs.size() == chosen.placement.gemvs.size());
    for (std::size_t i = 0; i < plan.placement.gemvs.size(); ++i) {
      const GemvPlacement& gemv = plan.placement.gemvs[i];
      const plan::OperatorKind kind = plan.graph.operators[gemv.operator_index].kind;
      const bool qkv = kind == plan::OperatorKind::kQuery || kind == plan::OperatorKind::kKey ||
                       kind == plan::OperatorKind::kValue;
      for (std::size_t s = 0; s < gemv.slices.size(); ++s) {
        REQUIRE(gemv.slices[s].slicing ==
                (qkv ? slicing : chosen.placement.gemvs[i].slices[s].slicing));
        REQUIRE(gemv.slices[s].decision.slicing == chosen.placement.gemvs[i].slices[s].slicing);
      }
    }
  }
}

TEST_CASE("the map of a tile's memory shows what was placed") {
  for (const char* name : {"opt-13b", "llama-3.1-8b", "opt-350m"}) {
    const CompiledPlan plan = compile(preset(name), machine(), request(600, 600));
    const auto places = tile_memory_map(plan.config, plan.machine, plan.attention);
    std::uint32_t end = 0;
    std::set<std::uint32_t> addresses;
    for (const TileBufferPlace& place : places) {
      end = std::max(end, place.address + place.bytes);
      addresses.insert(place.address);
      CHECK_FALSE(place.phases.empty());
    }
    CHECK(end == plan.tile_memory.bytes_used);
    for (const std::uint32_t address :
         {plan.tile_memory.hidden, plan.tile_memory.stream, plan.tile_memory.inner}) {
      CHECK(addresses.count(address) == 1);
    }
  }
}

TEST_CASE("a mapping that scatters rows is refused, another order below them is not") {
  MachineShape shape = machine();
  shape.mapping = "row:bank:stack_id:bank_group:channel:pseudo_channel:column";
  CHECK_NOTHROW(compile(preset("opt-350m"), shape, request(4, 4)));
  for (const char* mapping :
       {"stack_id:row:bank:column:bank_group:pseudo_channel:channel",
        "row:stack_id:bank:column:bank_group:pseudo_channel:row[3]:channel"}) {
    shape.mapping = mapping;
    CHECK_THROWS_WITH(compile(preset("opt-350m"), shape, request(4, 4)),
                      Contains("hbm.mapping") && Contains("most significant"));
  }
}
