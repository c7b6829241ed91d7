#include "tests/unit/firmware/complete_plan.h"

#include <vector>

#include "firmware/host/operator_scheduler.h"
#include "tests/unit/firmware/fake_machine.h"

namespace hpimvp::firmware {

using plan::DeviceKind;
using plan::Engine;
using plan::PatchSource;

PlanBuilder complete_builder() {
  PlanBuilder builder(2, 5);
  builder.add_device(DeviceKind::kHbmPimStack, 0);
  builder.add_device(DeviceKind::kHbmPimStack, 1);
  builder.add_device(DeviceKind::kSramPimDispatcher, 0);
  builder.add_device(DeviceKind::kDma, 0);
  builder.add_device(DeviceKind::kUart, 0);
  builder.add_boot_descriptor(2);
  builder.header.block_tokens = 4;
  builder.header.block_bytes = 64;
  builder.kv_regions = {{0x10'0000'0000, 640}, {0x18'0000'0000, 640}};
  builder.pieces = {"<unk>", "<s>", "a", "b", "cd"};
  builder.prompt = {1, 2};
  builder.replay = {3, 4};
  builder.header.request.output_tokens = 2;
  builder.header.request.flags |= plan::kRequestReplay;
  builder.add_operator({Engine::kDma, {3}, {}, {{PatchSource::kToken, 8, 0, 4}}});
  builder.add_operator({Engine::kHbmPim, {0, 1}, {0}, {}, 0, 0});
  builder.add_operator(
      {Engine::kSramPim, {2}, {0, 1}, {{PatchSource::kBlockTableAddress, 24, 0, 1}}, 0, 1});
  builder.add_operator({Engine::kHbmPim, {1}, {2}, {}, plan::kFlagNeedsLogits});
  builder.header.chunk_tokens = 4;
  builder.header.chunk_least_tokens = 2;
  builder.add_chunk_operator(
      {Engine::kSramPim,
       {2},
       {},
       {{PatchSource::kChunkTokensAddress, 16, 0, 1}, {PatchSource::kChunkTokenCount, 24, 0, 1}}});
  builder.add_chunk_operator({Engine::kHbmPim, {0, 1}, {}, {}, 0, 1});
  builder.add_chunk_operator({Engine::kSramPim,
                              {2},
                              {0, 1},
                              {{PatchSource::kBlockTableAddress, 24, 0, 1},
                               {PatchSource::kPosition, 8, 0, 1},
                               {PatchSource::kChunkTokenCount, 32, 0, 1}},
                              0,
                              1});
  return builder;
}

std::optional<PlanProblem> check_everything(const PlanView& plan) {
  if (const auto problem = check_plan_header(plan.header())) return problem;
  return check_plan(plan);
}

bool runs_to_its_end(const PlanView& plan, std::uint32_t seed) {
  FakeEngines engines(
      std::vector<std::uint32_t>(plan.devices().size(), plan::kMaxDeviceDescriptors), seed);
  TestMemory memory(1 << 16);
  OperatorScheduler scheduler(plan, engines, nullptr, memory.arena());
  const bool failed =
      scheduler.run_boot_descriptors() || scheduler.run_position({0, 0, true, {}}) ||
      (!plan.chunk_operators().empty() && scheduler.run_chunk({plan.prompt().first(1), 0, {}}));
  for (std::uint32_t token = 0; token < plan.model().vocabulary; ++token) plan.piece(token);
  for (const plan::Operator& op : plan.operator_table()) plan.operator_name(op);
  return !failed;
}

}  // namespace hpimvp::firmware
