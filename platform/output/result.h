// The answer of a run: what result.json holds (contract 10 of the architecture), as typed data.
//
// Everything but `host` follows from the scenario alone and is the same on every run and every
// machine.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "models/common/statistics.h"
#include "platform/output/operation_log.h"
#include "platform/output/operator_profile.h"

namespace hpimvp::output {

inline constexpr int kResultVersion = 1;

using Json = nlohmann::ordered_json;

// How an operator of the plan is called, in the plan's order.
struct OperatorInfo {
  std::string name;
  std::string kind;
  std::optional<std::uint32_t> layer;
};

// The work of one operator, summed over its commands on all engines.
struct OperatorResult {
  OperatorInfo info;
  std::uint64_t commands = 0;
  double busy_s = 0;  // engine time: commands that ran at the same time count each
  double first_start_s = 0;
  double last_end_s = 0;
};

struct KindResult {
  std::string kind;
  std::uint64_t commands = 0;
  double busy_s = 0;
};

struct EngineResult {
  std::string name;
  std::uint64_t commands = 0;
  double busy_s = 0;
  double utilisation = 0;  // of the simulated time, from 0; above 1 if commands overlap
};

struct ComponentResult {
  std::string name;
  common::Statistics statistics;
};

struct EnergyResult {
  std::string name;  // of the component
  common::Energies energy;
};

// What an independent checker of DRAM commands had to say.
struct DramCheckResult {
  std::uint64_t commands = 0;
  std::uint64_t violations = 0;
  std::string first;  // violation
};

// Traffic over one link of the interconnect, in cycles of its clock.
struct LinkResult {
  std::string name;
  std::uint64_t messages = 0;
  std::uint64_t flits = 0;
  std::uint64_t held_cycles = 0;
  std::uint64_t waiting_cycles = 0;
  double utilisation = 0;  // flits to cycles of the run
};

struct TimeResult {
  double total_s = 0;
  std::uint64_t total_cycles = 0;  // of the host CPU's clock
  double boot_s = 0;               // until the firmware was ready for the request
  double first_token_s = 0;        // from the start of the request
  double mean_token_s = 0;         // of the tokens after the first
  std::vector<double> token_s;     // from one token to the next; the first from the request's start
};

struct FirmwareResult {
  std::uint64_t instructions = 0;
  std::uint64_t cycles = 0;
  std::uint32_t exit_code = 0;
};

struct HostResult {
  double wall_s = 0;
  std::uint64_t peak_memory_bytes = 0;
};

struct Result {
  std::string status;                    // "done", or why the run stopped
  std::string message;                   // details when it is not "done"
  std::vector<std::string> diagnostics;  // what blocks had to say, such as a trap of a tile
  Json scenario;                         // resolved
  Json machine;                          // HpimMachine::describe()
  Json model;                            // its configuration, as a preset's; null: none was run
  std::string text;
  std::vector<std::uint32_t> prompt_tokens;
  std::vector<std::uint32_t> tokens;
  // The likeliest token wherever logits were computed: at each generated token, and with
  // workload.all_logits at each prompt position before.
  std::vector<std::uint32_t> predictions;
  TimeResult time;
  FirmwareResult firmware;
  std::vector<KindResult> kinds;
  std::vector<OperatorResult> operators;
  std::optional<TokenProfile> per_token;  // from the second token on
  std::vector<EngineResult> engines;
  std::vector<ComponentResult> components;
  std::vector<LinkResult> links;
  std::vector<EnergyResult> energy;
  std::optional<DramCheckResult> dram_check;  // where it was asked for
  HostResult host;
};

// Fills kinds, operators and engines from what the engines reported. Commands of an operation that
// `operators` does not list count as kind "other".
void add_operations(Result& result, const OperationLog& log,
                    const std::vector<OperatorInfo>& operators, double total_s);

// Keys in a fixed order, numbers in their shortest exact form.
Json to_json(const Result& result);

// Writes `path` so that it is either the old file or the whole new one. Throws std::runtime_error
// naming the file.
void write_file(const std::string& path, const std::string& contents);
void write_result(const std::string& path, const Result& result);

// A screenful for a person.
std::string summary(const Result& result);

}  // namespace hpimvp::output
