#include "models/interconnect/mesh_timing.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

using hpimvp::common::Initiator;
using hpimvp::common::SignalId;
using hpimvp::interconnect::MeshConfig;
using hpimvp::interconnect::MeshTiming;

namespace {

MeshConfig full_mesh(unsigned columns, unsigned rows) {
  MeshConfig config;
  config.columns = columns;
  config.rows = rows;
  for (unsigned y = 0; y < rows; ++y) {
    for (unsigned x = 0; x < columns; ++x) {
      config.nodes.push_back({"n" + std::to_string(x) + "_" + std::to_string(y), x, y});
    }
  }
  return config;
}

std::uint64_t value_of(const hpimvp::common::Statistics& statistics, const std::string& name) {
  for (const auto& [key, value] : statistics) {
    if (key == name) return value;
  }
  FAIL("no statistic " << name);
  return 0;
}

// Moves each flit of each message over each link of its route by itself. Shares nothing with
// MeshTiming but the rules in its header.
class FlitReference {
 public:
  explicit FlitReference(unsigned hop_cycles) : hop_cycles_(hop_cycles) {}

  // The cycle after which the last flit is out.
  std::uint64_t send(int from_x, int from_y, int to_x, int to_y, int flit_count,
                     std::uint64_t start_cycle) {
    std::vector<std::tuple<int, int, int, int>> route;
    route.emplace_back(-1, 0, from_x, from_y);
    while (from_x != to_x) {
      const int next = from_x + (to_x > from_x ? 1 : -1);
      route.emplace_back(from_x, from_y, next, from_y);
      from_x = next;
    }
    while (from_y != to_y) {
      const int next = from_y + (to_y > from_y ? 1 : -1);
      route.emplace_back(from_x, from_y, from_x, next);
      from_y = next;
    }
    route.emplace_back(to_x, to_y, -1, 0);

    std::uint64_t out = 0;
    std::vector<std::uint64_t> ready(static_cast<std::size_t>(flit_count), start_cycle);
    for (const auto& link : route) {
      for (std::uint64_t& flit : ready) {
        const std::uint64_t moved = std::max(flit, next_free_[link]);
        next_free_[link] = moved + 1;
        flit = moved + hop_cycles_;
        out = flit;
      }
    }
    return out;
  }

 private:
  unsigned hop_cycles_;
  std::map<std::tuple<int, int, int, int>, std::uint64_t> next_free_;
};

}  // namespace

TEST_CASE("payload is carried in whole flits, with a header for each packet") {
  const MeshTiming mesh(full_mesh(2, 2));
  CHECK(mesh.flits(0) == 1);
  CHECK(mesh.flits(1) == 2);
  CHECK(mesh.flits(32) == 2);
  CHECK(mesh.flits(33) == 3);
  CHECK(mesh.flits(256) == 1 + 8);
  CHECK(mesh.flits(257) == 2 + 9);
  CHECK(mesh.flits(4096) == 16 + 128);
}

TEST_CASE("an uncontended message takes two cycles a hop and one a flit") {
  MeshTiming mesh(full_mesh(8, 5));
  // From corner to corner: 7 + 4 mesh links, injection and ejection; 9 flits.
  const std::uint64_t cycles = (11 + 2) * 2 + 9 - 1;
  CHECK(mesh.hops(mesh.node("n0_0"), mesh.node("n7_4")) == 11);
  CHECK(mesh.send(mesh.node("n0_0"), mesh.node("n7_4"), 256, 0, Initiator::kTile) == cycles * 1250);
}

TEST_CASE("a message starts at the next clock edge") {
  MeshTiming mesh(full_mesh(2, 1));
  CHECK(mesh.send(0, 1, 0, 1, Initiator::kTile) == (1 + 3 * 2) * 1250);
}

TEST_CASE("a message inside a node costs nothing") {
  MeshTiming mesh(full_mesh(2, 1));
  CHECK(mesh.send(1, 1, 4096, 777, Initiator::kHost) == 777);
}

TEST_CASE("two flows over one link get half of it each") {
  MeshTiming mesh(full_mesh(3, 1));
  // Both cross the link from column 1 to column 2.
  const std::uint64_t first = mesh.send(0, 2, 256, 0, Initiator::kTile);
  const std::uint64_t second = mesh.send(1, 2, 256, 0, Initiator::kTile);
  CHECK(first == ((2 + 2) * 2 + 8) * 1250);
  // The first message's header reaches the shared link in cycle 4 and holds it for 9 cycles, so the
  // second, whose header has been there since cycle 2, goes on in cycle 13.
  CHECK(second == (13 + 2 * 2 + 8) * 1250);
  CHECK(value_of(mesh.statistics(), "tile_waiting_cycles") == 13 - 2);
}

TEST_CASE("flows that share no link do not disturb each other") {
  MeshTiming mesh(full_mesh(4, 1));
  const std::uint64_t alone = mesh.send(0, 1, 4096, 0, Initiator::kTile);
  CHECK(mesh.send(2, 3, 4096, 0, Initiator::kTile) == alone);
  CHECK(mesh.send(1, 0, 4096, 0, Initiator::kTile) == alone);
  CHECK(value_of(mesh.statistics(), "tile_waiting_cycles") == 0);
}

TEST_CASE("a saturated ejection link delivers one flit a cycle") {
  MeshTiming mesh(full_mesh(4, 4));
  std::uint64_t last = 0;
  int messages = 0;
  for (int round = 0; round < 10; ++round) {
    for (std::size_t node = 1; node < 16; ++node, ++messages) {
      last = std::max(last, mesh.send(node, 0, 1024, 0, Initiator::kTile));
    }
  }
  const std::uint64_t flits = static_cast<std::uint64_t>(messages) * (4 + 32);
  CHECK(last >= flits * 1250);
  CHECK(last <= (flits + 40) * 1250);
  CHECK(value_of(mesh.statistics(), "n0_0_ejection_busy_cycles") == flits);
}

TEST_CASE("random traffic arrives when a flit-by-flit simulation says so") {
  const unsigned seed = Catch::rngSeed() + 1;
  CAPTURE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 50; ++round) {
    MeshConfig config = full_mesh(1 + random() % 6, 1 + random() % 6);
    config.hop_cycles = 1 + random() % 4;
    MeshTiming mesh(config);
    FlitReference reference(config.hop_cycles);
    std::uint64_t cycle = 0;
    for (int i = 0; i < 100; ++i) {
      cycle += random() % 8;
      const std::size_t source = random() % config.nodes.size();
      const std::size_t destination = random() % config.nodes.size();
      if (source == destination) continue;
      const std::uint64_t bytes = random() % 600;
      const auto& from = config.nodes[source];
      const auto& to = config.nodes[destination];
      const std::uint64_t expected =
          reference.send(static_cast<int>(from.x), static_cast<int>(from.y), static_cast<int>(to.x),
                         static_cast<int>(to.y), static_cast<int>(mesh.flits(bytes)), cycle);
      // `expected` counts the last flit's full hop; it is out when its cycle begins.
      REQUIRE(mesh.send(source, destination, bytes, cycle * 1250, Initiator::kDma) ==
              expected * 1250);
    }
  }
}

TEST_CASE("traffic is counted by who caused it") {
  MeshTiming mesh(full_mesh(2, 1));
  mesh.send(0, 1, 100, 0, Initiator::kDma);
  mesh.send(0, 1, 28, 0, Initiator::kDma);
  mesh.send(1, 0, 7, 0, Initiator::kHbmStack);
  const auto statistics = mesh.statistics();
  CHECK(value_of(statistics, "dma_messages") == 2);
  CHECK(value_of(statistics, "dma_payload_bytes") == 128);
  CHECK(value_of(statistics, "dma_flits") == 5 + 2);
  CHECK(value_of(statistics, "hbm_stack_payload_bytes") == 7);
  CHECK(value_of(statistics, "busiest_link_x0y0_east_busy_cycles") == 7);
}

TEST_CASE("a node's busy signals follow its links") {
  struct Recorder : hpimvp::common::ActivitySink {
    std::vector<std::string> names;
    std::vector<std::tuple<SignalId, std::uint64_t, std::uint64_t>> changes;
    SignalId declare_signal(std::string_view name, unsigned bits,
                            const std::vector<std::string>& values) override {
      CHECK(bits == 1);
      CHECK(values.empty());
      names.emplace_back(name);
      return static_cast<SignalId>(names.size() - 1);
    }
    void change(SignalId signal, std::uint64_t time_ps, std::uint64_t value) override {
      changes.emplace_back(signal, time_ps, value);
    }
    std::uint32_t declare_engine(std::string_view) override { return 0; }
    void operation(std::uint32_t, std::uint32_t, std::uint64_t, std::uint64_t) override {}
  } recorder;
  MeshTiming mesh(full_mesh(2, 1));
  mesh.set_activity(&recorder, "noc");
  mesh.send(0, 1, 32, 0, Initiator::kDma);
  REQUIRE(recorder.names == std::vector<std::string>{"noc.n0_0.injecting", "noc.n0_0.ejecting",
                                                     "noc.n1_0.injecting", "noc.n1_0.ejecting"});
  using Change = std::tuple<SignalId, std::uint64_t, std::uint64_t>;
  CHECK(recorder.changes ==
        std::vector<Change>{{0, 0, 1}, {0, 2 * 1250, 0}, {3, 4 * 1250, 1}, {3, 6 * 1250, 0}});
}

TEST_CASE("a mesh that cannot be is refused with the reason") {
  MeshConfig config = full_mesh(2, 2);
  config.nodes.push_back({"extra", 2, 0});
  CHECK_THROWS_WITH(MeshTiming(config), "mesh: node extra at (2, 0) lies outside the 2 x 2 mesh");
  config.nodes.back() = {"extra", 1, 1};
  CHECK_THROWS_WITH(MeshTiming(config), "mesh: nodes n1_1 and extra are both at (1, 1)");
  config = full_mesh(2, 2);
  config.nodes[3].name = "n0_0";
  CHECK_THROWS_WITH(MeshTiming(config), "mesh: two nodes are called n0_0");
  config = full_mesh(2, 2);
  config.hop_cycles = 0;
  CHECK_THROWS(MeshTiming(config));
  CHECK_THROWS_WITH(MeshTiming(full_mesh(2, 2)).node("gone"), "mesh: no node is called gone");
}
