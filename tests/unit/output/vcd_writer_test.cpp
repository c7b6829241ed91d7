#include "platform/output/vcd_writer.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

using hpimvp::output::VcdOptions;
using hpimvp::output::VcdWriter;

namespace {

// Everything that a command prints, on either stream, and whether it succeeded.
std::pair<bool, std::string> run(const std::string& command) {
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string output;
  std::array<char, 4096> buffer;
  std::size_t count = 0;
  while ((count = fread(buffer.data(), 1, buffer.size(), pipe)) != 0) {
    output.append(buffer.data(), count);
  }
  return {pclose(pipe) == 0, output};
}

// A small reader of value change dumps, enough for what the writer writes: for each variable (with
// its scopes) the list of time and value text.
using Waves = std::map<std::string, std::vector<std::pair<std::uint64_t, std::string>>>;
Waves read_waves(const std::string& text) {
  std::istringstream stream(text);
  std::map<std::string, std::string> names;
  std::vector<std::string> scopes;
  std::string word;
  Waves waves;
  std::uint64_t time = 0;
  while (stream >> word) {
    if (word == "$scope") {
      stream >> word >> word;
      scopes.push_back(word);
    } else if (word == "$upscope") {
      scopes.pop_back();
    } else if (word == "$var") {
      std::string type, bits, id, name;
      stream >> type >> bits >> id >> name;
      std::string full;
      for (const std::string& scope : scopes) full += scope + ".";
      names[id] = full + name;
      while (stream >> word && word != "$end") {
      }
    } else if (word == "$comment" || word == "$version" || word == "$timescale" ||
               word == "$date") {
      while (stream >> word && word != "$end") {
      }
    } else if (word[0] == '#') {
      const std::uint64_t next = std::stoull(word.substr(1));
      REQUIRE(next >= time);
      time = next;
    } else if (word[0] == 'b' || word[0] == 's') {
      std::string id;
      stream >> id;
      waves[names.at(id)].emplace_back(time, word.substr(1));
    } else if (word[0] == '0' || word[0] == '1') {
      waves[names.at(word.substr(1))].emplace_back(time, word.substr(0, 1));
    }
  }
  return waves;
}

}  // namespace

TEST_CASE("a small waveform is written as expected") {
  std::ostringstream stream;
  {
    VcdWriter writer(stream, {});
    const auto state = writer.declare_signal("hbm.stack0.state", 2, {"idle", "all bank"});
    const auto busy = writer.declare_signal("dma.busy", 1);
    const auto level = writer.declare_signal("hbm.stack0.level", 12);
    const auto engine = writer.declare_engine("dma");
    writer.set_operation_names({"layer0.query"});
    writer.change(level, 2000, 5);  // ahead of time
    writer.change(busy, 1000, 1);
    writer.operation(engine, 0, 1000, 1500);
    writer.change(state, 1500, 1);
    writer.change(busy, 1500, 0);
    writer.finish(3000);
  }
  CHECK(stream.str() ==
        "$version hpim-vp $end\n"
        "$timescale 1 ps $end\n"
        "$scope module dma $end\n"
        "$var wire 1 \" busy $end\n"
        "$var string 1 $ operation $end\n"
        "$upscope $end\n"
        "$scope module hbm $end\n"
        "$scope module stack0 $end\n"
        "$var wire 12 # level [11:0] $end\n"
        "$var string 1 ! state $end\n"
        "$upscope $end\n"
        "$upscope $end\n"
        "$enddefinitions $end\n"
        "#0\n$dumpvars\nsidle !\n0\"\nb0 #\ns- $\n$end\n"
        "#1000\n1\"\nslayer0.query $\n"
        "#1500\ns- $\nsall_bank !\n0\"\n"
        "#2000\nb101 #\n"
        "#3000\n");
}

TEST_CASE("the window starts with the values of its time and ends with its end") {
  std::ostringstream stream;
  VcdWriter writer(stream, {.start_ps = 100, .stop_ps = 200});
  const auto a = writer.declare_signal("a", 8);
  for (std::uint64_t time = 0; time <= 400; time += 10) writer.change(a, time, time / 10);
  writer.finish(400);
  const auto wave = read_waves(stream.str()).at("a");
  CHECK(wave.front() == std::pair<std::uint64_t, std::string>(100, "1010"));
  CHECK(wave.back() == std::pair<std::uint64_t, std::string>(200, "10100"));
  CHECK(wave.size() == 11);
}

TEST_CASE("a clock toggles through the window from its value at the start") {
  std::ostringstream stream;
  VcdWriter writer(stream, {.start_ps = 1000, .stop_ps = 3000});
  writer.declare_clock("clock", 769);  // odd: halves are cut to whole picoseconds
  writer.finish(3000);
  const auto wave = read_waves(stream.str()).at("clock");
  // Rising edges at 0, 769, 1538, 2307; falling ones at 384, 1153, 1922, 2691.
  const std::vector<std::pair<std::uint64_t, std::string>> expected = {
      {1000, "1"}, {1153, "0"}, {1538, "1"}, {1922, "0"}, {2307, "1"}, {2691, "0"}};
  CHECK(wave == expected);
}

TEST_CASE("a clock of an endless window is left out and the file says so") {
  std::ostringstream stream;
  VcdWriter writer(stream, {});
  writer.declare_clock("clock", 1000);
  writer.finish(10'000);
  CHECK(read_waves(stream.str()).empty());
  CHECK_THAT(stream.str(), Catch::Contains("$comment clock clock of 1000 ps is left out"));
}

TEST_CASE("random changes come out sorted and complete") {
  const unsigned seed = Catch::rngSeed() + 1;
  CAPTURE(seed);
  std::mt19937 random(seed);
  std::ostringstream stream;
  VcdWriter writer(stream, {});
  std::vector<std::uint64_t> last(200, 0);
  std::vector<std::map<std::uint64_t, std::uint64_t>> expected(200);
  std::vector<std::tuple<std::uint64_t, int, std::uint64_t>> reports;
  for (int i = 0; i < 200; ++i) writer.declare_signal("s" + std::to_string(i), 64);
  for (int i = 0; i < 5000; ++i) {
    const int signal = static_cast<int>(random() % 200);
    last[signal] += 1 + random() % 100;
    const std::uint64_t value = (static_cast<std::uint64_t>(random()) << 32) | random();
    expected[signal][last[signal]] = value;
    reports.emplace_back(last[signal], signal, value);
  }
  std::shuffle(reports.begin(), reports.end(), random);
  for (const auto& [time, signal, value] : reports) {
    writer.change(static_cast<hpimvp::common::SignalId>(signal), time, value);
  }
  writer.finish();
  CHECK(writer.late_changes() == 0);
  const Waves waves = read_waves(stream.str());
  for (int i = 0; i < 200; ++i) {
    const auto& wave = waves.at("s" + std::to_string(i));
    REQUIRE(wave.size() == expected[i].size() + 1);
    std::size_t k = 1;
    for (const auto& [time, value] : expected[i]) {
      REQUIRE(wave[k].first == time);
      REQUIRE(std::stoull(wave[k].second, nullptr, 2) == value);
      ++k;
    }
  }
}

TEST_CASE("what waits is bounded, and a change that comes too late is counted") {
  std::ostringstream stream;
  VcdWriter writer(stream, {.buffered_changes = 4});
  const auto a = writer.declare_signal("a", 8);
  const auto b = writer.declare_signal("b", 8);
  for (std::uint64_t i = 1; i <= 10; ++i) writer.change(a, i * 10, i);
  CHECK_THAT(stream.str(), Catch::Contains("#60\n"));
  writer.change(b, 5, 1);
  writer.finish();
  CHECK(writer.late_changes() == 1);
  CHECK(read_waves(stream.str()).at("b").back().first == 60);
}

TEST_CASE("advance writes what is certain and keeps the rest") {
  std::ostringstream stream;
  VcdWriter writer(stream, {});
  const auto a = writer.declare_signal("a", 8);
  writer.change(a, 100, 1);
  writer.change(a, 200, 2);
  writer.advance(200);
  CHECK_THAT(stream.str(), Catch::EndsWith("#100\nb1 !\n"));
  writer.finish();
  CHECK_THAT(stream.str(), Catch::EndsWith("#200\nb10 !\n"));
}

TEST_CASE("a file at its size limit ends with a comment") {
  std::ostringstream stream;
  VcdWriter writer(stream, {.max_bytes = 1000});
  const auto a = writer.declare_signal("a", 8);
  for (std::uint64_t i = 1; i <= 1000; ++i) writer.change(a, i * 10, i);
  writer.finish();
  CHECK(writer.truncated());
  CHECK(stream.str().size() < 1100);
  CHECK_THAT(stream.str(),
             Catch::EndsWith("$comment the waveform ends here: it has reached 1000 bytes $end\n"));
}

TEST_CASE("declarations that cannot be are refused") {
  std::ostringstream stream;
  VcdWriter writer(stream, {});
  const auto a = writer.declare_signal("a", 8);
  CHECK_THROWS_WITH(writer.declare_signal("a", 8), "waveform: signal a is declared twice");
  CHECK_THROWS_WITH(writer.declare_signal("b", 65),
                    "waveform: signal b has 65 bits; 1 to 64 are possible");
  writer.change(a, 5, 1);
  writer.advance(10);
  CHECK_THROWS_WITH(writer.declare_signal("c", 1),
                    "waveform: signal c is declared after the start");
}

TEST_CASE("GTKWave's converter takes the file without a word") {
  if (!run("command -v vcd2fst").first) {
    WARN("skipped: vcd2fst (package gtkwave) is not installed");
    std::exit(77);
  }
  const std::string base = "/tmp/hpimvp_vcd_writer_test_" + std::to_string(getpid());
  {
    std::ofstream file(base + ".vcd", std::ios::binary);
    VcdWriter writer(file, {.start_ps = 0, .stop_ps = 100'000});
    const auto state = writer.declare_signal("hbm.stack0.pc3.state", 3, {"idle", "row open"});
    const auto count = writer.declare_signal("hbm.stack0.count", 17);
    writer.declare_clock("host.clock", 1000);
    const auto engine = writer.declare_engine("hbm.stack0");
    for (std::uint64_t i = 0; i < 100; ++i) {
      writer.change(state, i * 1000, i % 2);
      writer.change(count, i * 1000 + 500, i * 1000);
      writer.operation(engine, static_cast<std::uint32_t>(i), i * 1000, i * 1000 + 700);
    }
    writer.finish(100'000);
  }
  const auto [converted, words] = run("vcd2fst " + base + ".vcd " + base + ".fst");
  CHECK(converted);
  CHECK(words.empty());
  const auto [back, text] = run("fst2vcd " + base + ".fst");
  CHECK(back);
  const Waves waves = read_waves(text);
  CHECK(waves.at("hbm.stack0.pc3.state").back() ==
        std::pair<std::uint64_t, std::string>(99'000, "row_open"));
  CHECK(waves.at("hbm.stack0.operation").back().second == "-");
  CHECK(waves.at("host.clock").size() == 201);
  std::remove((base + ".vcd").c_str());
  std::remove((base + ".fst").c_str());
}
