#include "models/interconnect/mesh_network.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "tests/unit/interconnect/flit_mesh.h"

using hpimvp::common::Initiator;
using hpimvp::common::SignalId;
using namespace hpimvp::interconnect;  // NOLINT: the subject of the tests

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

MeshNetwork::Message message(std::size_t source, std::size_t destination, std::uint64_t bytes,
                             std::uint32_t rank = 0, Initiator initiator = Initiator::kTile) {
  return {source, destination, bytes, rank, initiator};
}

// Sends all at their starts and looks as seldom as the network says it suffices.
std::vector<std::uint64_t> ends_of(MeshNetwork& network, std::vector<FlitMesh::Message> messages) {
  std::vector<std::uint64_t> ends(messages.size(), 0);
  struct Waiting {
    std::uint64_t look;
    std::size_t index;
    MeshNetwork::MessageId id;
  };
  std::vector<Waiting> waiting;
  std::size_t sent = 0;
  while (sent < messages.size() || !waiting.empty()) {
    std::uint64_t now = sent < messages.size() ? messages[sent].start : ~std::uint64_t{0};
    for (const Waiting& one : waiting) now = std::min(now, one.look);
    for (; sent < messages.size() && messages[sent].start == now; ++sent) {
      const FlitMesh::Message& m = messages[sent];
      const auto id =
          network.send(message(m.source, m.destination, m.payload_bytes, m.rank), m.start);
      waiting.push_back({now + 1, sent, id});
    }
    for (std::size_t i = 0; i < waiting.size();) {
      if (waiting[i].look > now) {
        ++i;
        continue;
      }
      const MeshNetwork::Progress progress = network.progress(waiting[i].id, now);
      if (!progress.ended) {
        REQUIRE(progress.cycle > now);
        waiting[i++].look = progress.cycle;
        continue;
      }
      // Known in time: nobody may learn of an end after it.
      REQUIRE(progress.cycle >= now);
      ends[waiting[i].index] = progress.cycle;
      waiting[i] = waiting.back();
      waiting.pop_back();
    }
  }
  return ends;
}

std::uint64_t end_of(MeshNetwork& network, const FlitMesh::Message& message) {
  return ends_of(network, {message}).front();
}

}  // namespace

TEST_CASE("payload is carried in whole flits, with a header for each packet") {
  const MeshConfig mesh = full_mesh(2, 2);
  CHECK(flits_of(mesh, 0) == 1);
  CHECK(flits_of(mesh, 1) == 2);
  CHECK(flits_of(mesh, 32) == 2);
  CHECK(flits_of(mesh, 33) == 3);
  CHECK(flits_of(mesh, 256) == 1 + 8);
  CHECK(flits_of(mesh, 257) == 2 + 9);
  CHECK(flits_of(mesh, 4096) == 16 + 128);
}

TEST_CASE("an uncontended message takes two cycles a hop and one a flit") {
  MeshNetwork mesh(full_mesh(8, 5));
  // From corner to corner: 7 + 4 mesh links, injection and ejection; 9 flits.
  const std::uint64_t cycles = (11 + 2) * 2 + 9 - 1;
  CHECK(end_of(mesh, {0, 39, 256, 0, 100}) == 100 + cycles);
  CHECK(value_of(mesh.statistics(), "tile_waiting_cycles") == 0);
}

TEST_CASE("two messages over one link follow each other") {
  MeshNetwork mesh(full_mesh(3, 1));
  // Both cross the link from column 1 to column 2. The second's header is there in cycle 2, the
  // first's, from column 0, in cycle 4, when the link has been won.
  const auto ends = ends_of(mesh, {{0, 2, 256, 0, 0}, {1, 2, 256, 1, 0}});
  CHECK(ends[1] == (1 + 2) * 2 + 8);
  CHECK(ends[0] == (2 + 9) + 2 * 2 + 8);
  CHECK(value_of(mesh.statistics(), "tile_waiting_cycles") == 11 - 4);
}

TEST_CASE("at the same cycle the lower rank goes first, whoever is sent first") {
  for (const bool swapped : {false, true}) {
    MeshNetwork mesh(full_mesh(2, 1));
    const std::uint32_t first_rank = swapped ? 1 : 0;
    const auto ends = ends_of(mesh, {{0, 1, 256, first_rank, 0}, {0, 1, 256, 1 - first_rank, 0}});
    CHECK(ends[swapped ? 1 : 0] == 3 * 2 + 8);
    CHECK(ends[swapped ? 0 : 1] == 3 * 2 + 8 + 9);
  }
}

TEST_CASE("flows that share no link do not disturb each other") {
  MeshNetwork mesh(full_mesh(4, 1));
  const auto ends = ends_of(mesh, {{0, 1, 4096, 0, 0}, {2, 3, 4096, 1, 0}, {1, 0, 4096, 2, 0}});
  CHECK(ends[0] == 3 * 2 + 144 - 1);
  CHECK(ends[1] == ends[0]);
  CHECK(ends[2] == ends[0]);
  CHECK(value_of(mesh.statistics(), "tile_waiting_cycles") == 0);
}

TEST_CASE("a blocked message holds the links behind it, but not the ways past it") {
  MeshConfig config = full_mesh(3, 2);
  config.buffer_flits = 4;
  MeshNetwork mesh(config);
  // The ejection link of (2, 0) is taken by the first. The second, to the same node from (0, 0),
  // stops with its flits in the buffers and its tail in (0, 0). The third wants to leave there too
  // and waits although its own way down is free; the fourth leaves (1, 0) by another link.
  const auto ends =
      ends_of(mesh, {{5, 2, 3200, 0, 0}, {0, 2, 1024, 1, 2}, {0, 3, 0, 2, 20}, {1, 4, 0, 3, 20}});
  const std::uint64_t first = flits_of(config, 3200);
  const std::uint64_t second = flits_of(config, 1024);
  CHECK(ends[0] == 3 * 2 + first - 1);
  CHECK(ends[1] == 2 * 2 + first + 2 + second - 1);
  CHECK(ends[3] == 20 + 3 * 2);
  CHECK(ends[2] > first);
}

TEST_CASE("a saturated ejection link delivers one flit a cycle") {
  MeshNetwork mesh(full_mesh(4, 4));
  std::vector<FlitMesh::Message> messages;
  for (int round = 0; round < 10; ++round) {
    for (std::size_t node = 1; node < 16; ++node) {
      messages.push_back({node, 0, 1024, static_cast<std::uint32_t>(node), 0});
    }
  }
  const auto ends = ends_of(mesh, messages);
  const std::uint64_t last = *std::max_element(ends.begin(), ends.end());
  const std::uint64_t flits = messages.size() * (4 + 32);
  CHECK(last >= flits);
  CHECK(last <= flits + 40);
  CHECK(value_of(mesh.statistics(), "n0_0_ejection_busy_cycles") == flits);
}

TEST_CASE("random traffic arrives when a flit-by-flit simulation says so") {
  const unsigned seed = Catch::rngSeed() + 1;
  CAPTURE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 400; ++round) {
    CAPTURE(round);
    MeshConfig config = full_mesh(1 + random() % 5, 1 + random() % 5);
    if (config.nodes.size() == 1) continue;
    config.hop_cycles = 1 + random() % 4;
    config.credit_cycles = 1 + random() % 3;
    config.buffer_flits = config.hop_cycles + config.credit_cycles + random() % 6;
    config.virtual_channels = 1 + random() % 3;
    const unsigned most_gap = 1 + random() % 20;
    const std::uint64_t most_bytes = random() % 2 == 0 ? 300 : 3000;
    // Half the rounds have a node that many want.
    const std::size_t wanted = random() % 2 == 0 ? random() % config.nodes.size() : ~std::size_t{0};
    std::vector<FlitMesh::Message> messages;
    std::uint64_t cycle = 0;
    while (messages.size() < 60) {
      cycle += random() % most_gap;
      FlitMesh::Message m;
      m.source = random() % config.nodes.size();
      m.destination = random() % config.nodes.size();
      if (wanted != ~std::size_t{0} && random() % 3 != 0) m.destination = wanted;
      if (m.source == m.destination) continue;
      m.payload_bytes = random() % 3 == 0 ? 0 : random() % most_bytes;
      m.rank = random() % 4;
      m.start = cycle;
      messages.push_back(m);
    }
    MeshNetwork network(config);
    const auto ends = ends_of(network, messages);
    REQUIRE(ends == FlitMesh(config).play(messages));
  }
}

TEST_CASE("traffic is counted by who caused it") {
  MeshNetwork mesh(full_mesh(2, 1));
  mesh.send(message(0, 1, 100, 0, Initiator::kDma), 0);
  mesh.send(message(0, 1, 28, 0, Initiator::kDma), 0);
  mesh.send(message(1, 0, 7, 0, Initiator::kHbmStack), 0);
  mesh.run(1000);
  const auto statistics = mesh.statistics();
  CHECK(value_of(statistics, "dma_messages") == 2);
  CHECK(value_of(statistics, "dma_payload_bytes") == 128);
  CHECK(value_of(statistics, "dma_flits") == 5 + 2);
  CHECK(value_of(statistics, "hbm_stack_payload_bytes") == 7);
  CHECK(value_of(statistics, "busiest_link_x0y0_east_busy_cycles") == 7);
}

TEST_CASE("energy counts the bits of every flit, in each router and over each link's length") {
  MeshConfig config = full_mesh(4, 3);
  config.energy = {0.5, 2, 3};
  MeshNetwork mesh(config);
  CHECK(mesh.energy() == hpimvp::common::Energies{{"router", 0}, {"link", 0}});
  end_of(mesh, {0, 11, 100, 0, 0});
  // 100 bytes: a header and 4 flits of 256 bits, over 5 links, so through 6 routers.
  const auto energy = mesh.energy();
  CHECK(energy[0].second == Approx(5 * 256 * 6 * 0.5));
  CHECK(energy[1].second == Approx(5 * 256 * 5 * 2 * 3));
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
  MeshNetwork mesh(full_mesh(2, 1));
  mesh.set_activity(&recorder, "noc");
  mesh.send(message(0, 1, 32), 0);
  mesh.run(5);
  REQUIRE(recorder.names == std::vector<std::string>{"noc.n0_0.injecting", "noc.n0_0.ejecting",
                                                     "noc.n1_0.injecting", "noc.n1_0.ejecting"});
  using Change = std::tuple<SignalId, std::uint64_t, std::uint64_t>;
  CHECK(recorder.changes ==
        std::vector<Change>{{0, 0, 1}, {0, 2 * 1250, 0}, {3, 4 * 1250, 1}, {3, 6 * 1250, 0}});
}

TEST_CASE("a mesh that cannot be is refused with the reason") {
  MeshConfig config = full_mesh(2, 2);
  config.nodes.push_back({"extra", 2, 0});
  CHECK_THROWS_WITH(check(config), "mesh: node extra at (2, 0) lies outside the 2 x 2 mesh");
  config.nodes.back() = {"extra", 1, 1};
  CHECK_THROWS_WITH(check(config), "mesh: nodes n1_1 and extra are both at (1, 1)");
  config = full_mesh(2, 2);
  config.nodes[3].name = "n0_0";
  CHECK_THROWS_WITH(check(config), "mesh: two nodes are called n0_0");
  config = full_mesh(2, 2);
  config.hop_cycles = 0;
  CHECK_THROWS(check(config));
  config = full_mesh(2, 2);
  CHECK(node_index(config, "n0_1") == 2);
  CHECK_THROWS_WITH(node_index(config, "gone"), "mesh: no node is called gone");
  config.buffer_flits = 2;
  CHECK_THROWS_WITH(check(config), Catch::Contains("buffers of 2 flits cannot keep a link busy"));
}
