#include "firmware/host/operator_scheduler.h"

#include <algorithm>
#include <bit>

#include "hal/command_queue.h"

namespace hpimvp::firmware {
namespace {

using hal::command_queue::CommandHeader;

constexpr std::uint32_t kWords = 8;  // of 64 bits in a descriptor

// The first word of a descriptor, made to interrupt at completion and attributed to an operator.
std::uint64_t header_for(std::uint64_t template_word, std::uint32_t op) {
  auto header = std::bit_cast<CommandHeader>(template_word);
  header.flags |= CommandHeader::kFlagInterrupt;
  header.operation = op;
  return std::bit_cast<std::uint64_t>(header);
}

constexpr std::uint32_t source_index(plan::PatchSource source) {
  return static_cast<std::uint32_t>(source);
}

class Work {
 public:
  explicit Work(EngineAccess& engines) : engines_(engines) { engines_.begin_work(); }
  ~Work() { engines_.end_work(); }
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;

 private:
  EngineAccess& engines_;
};

// The words of a template; check_plan() made sure of their alignment.
const std::uint64_t* template_words(const plan::DescriptorTemplate& descriptor) {
  return reinterpret_cast<const std::uint64_t*>(descriptor.descriptor);
}

}  // namespace

OperatorScheduler::OperatorScheduler(const PlanView& plan, EngineAccess& engines,
                                     Progress* progress, Arena& arena)
    : plan_(plan),
      operators_(plan.operator_table()),
      descriptors_(plan.descriptors()),
      engines_(engines),
      progress_(progress),
      states_(arena.allocate<OperatorState>(operators_.size())),
      ready_(arena.allocate<std::uint32_t>(operators_.size())),
      in_flight_(arena.allocate<InFlight>(plan.devices().size())),
      one_at_a_time_(plan.request().policy == plan::SchedulePolicy::kSerial) {
  build_successors(arena);
  for (std::uint32_t device = 0; device < in_flight_.size(); ++device) {
    const std::uint32_t capacity = engines.ring_capacity(device);
    const std::uint32_t slots = std::bit_ceil(capacity);
    if (capacity != 0) smallest_ring_ = std::min(smallest_ring_, capacity);
    in_flight_[device] = {.operators = arena.allocate<std::uint32_t>(slots).data(),
                          .mask = slots - 1,
                          .capacity = capacity,
                          .begin = 0,
                          .end = 0,
                          .wanted = 0,
                          .is_stopped = false};
  }
}

// Calls visit(predecessor, operator), indices in the table, for each operator in order.
template <typename Visit>
void OperatorScheduler::for_each_dependency(const Visit& visit) const {
  const std::uint32_t first_of_chunk = plan_.header().operator_count;
  for (std::uint32_t index = 0; index < operators_.size(); ++index) {
    const plan::Operator& op = operators_[index];
    const std::uint32_t first_of_list = index < first_of_chunk ? 0 : first_of_chunk;
    for (std::uint32_t p = 0; p < op.predecessor_count; ++p) {
      visit(first_of_list + op.predecessors[p], index);
    }
  }
}

void OperatorScheduler::build_successors(Arena& arena) {
  std::uint64_t edges = 0;
  for_each_dependency([&](std::uint32_t predecessor, std::uint32_t) {
    ++states_[predecessor].successor_count;
    ++edges;
  });
  successors_ = arena.allocate<std::uint32_t>(edges);
  std::uint32_t next = 0;
  for (OperatorState& state : states_) {
    state.first_successor = next;
    next += state.successor_count;
    state.successor_count = 0;  // counted again while filling
  }
  for_each_dependency([&](std::uint32_t predecessor, std::uint32_t index) {
    OperatorState& state = states_[predecessor];
    successors_[state.first_successor + state.successor_count++] = index;
  });
}

std::optional<EngineFailure> OperatorScheduler::run_boot_descriptors() {
  const Work work(engines_);
  for (const auto& descriptor : descriptors_.first(plan_.header().boot_descriptor_count)) {
    std::uint64_t* const slot = engines_.next_slot(descriptor.device);
    std::copy_n(template_words(descriptor), kWords, slot);
    slot[0] = header_for(slot[0], CommandHeader::kNoOperation);
    engines_.submit(descriptor.device);
    for (bool complete = false; !complete;) {
      const DeviceEvent event = engines_.wait().front();  // nothing else is in flight
      if (event.failed && !engines_.retry(event.device)) {
        return EngineFailure{event.device, EngineFailure::kBootDescriptor};
      }
      complete = event.completed != 0;
    }
  }
  return {};
}

std::optional<EngineFailure> OperatorScheduler::run_position(const PositionInputs& inputs) {
  needs_logits_ = inputs.needs_logits;
  patch_values_[source_index(plan::PatchSource::kToken)] = inputs.token;
  return run({0, plan_.header().operator_count}, inputs.position, inputs.tables);
}

std::optional<EngineFailure> OperatorScheduler::run_chunk(const ChunkInputs& inputs) {
  patch_values_[source_index(plan::PatchSource::kChunkTokensAddress)] =
      reinterpret_cast<std::uint64_t>(inputs.tokens.data());
  patch_values_[source_index(plan::PatchSource::kChunkTokenCount)] = inputs.tokens.size();
  return run(
      {plan_.header().operator_count, static_cast<std::uint32_t>(plan_.operator_table_size())},
      inputs.position, inputs.tables);
}

std::optional<EngineFailure> OperatorScheduler::run(OperatorList list, std::uint64_t position,
                                                    const BlockTables& tables) {
  const Work work(engines_);
  patch_values_[source_index(plan::PatchSource::kPosition)] = position;
  patch_values_[source_index(plan::PatchSource::kPositionUpperHalf)] = position << 32;
  tables_ = tables;
  start(list);
  for (;;) {
    issue_ready();
    if (incomplete_ == 0) return {};
    for (const DeviceEvent& event : engines_.wait()) collect(event);
    if (failure_) return finish_others();
  }
}

// What the other devices have begun comes to its end; nothing new begins.
std::optional<EngineFailure> OperatorScheduler::finish_others() {
  while (in_flight_count_ != 0) {
    for (const DeviceEvent& event : engines_.wait()) collect(event);
  }
  return failure_;
}

void OperatorScheduler::start(OperatorList list) {
  incomplete_ = list.end - list.begin;
  ready_begin_ = 0;
  ready_end_ = 0;
  for (std::uint32_t index = list.begin; index < list.end; ++index) {
    states_[index].pending_predecessors = operators_[index].predecessor_count;
    if (operators_[index].predecessor_count == 0) ready_[ready_end_++] = index;
  }
}

void OperatorScheduler::issue_ready() {
  while (ready_begin_ != ready_end_) {
    const std::uint32_t index = ready_[ready_begin_];
    const plan::Operator& op = operators_[index];
    const bool skipped = (op.flags & plan::kFlagNeedsLogits) != 0 && !needs_logits_;
    if (skipped || op.descriptor_count == 0) {
      ++ready_begin_;
      complete(index);
      continue;
    }
    if (!may_start(op)) return;  // a completion changes that
    ++ready_begin_;
    issue(index);
  }
}

bool OperatorScheduler::may_start(const plan::Operator& op) {
  return one_at_a_time_ ? in_flight_count_ == 0 : has_room(op);
}

bool OperatorScheduler::has_room(const plan::Operator& op) {
  // Even if all were on one device.
  if (in_flight_count_ + op.descriptor_count <= smallest_ring_) return true;
  const auto descriptors = descriptors_.subspan(op.first_descriptor, op.descriptor_count);
  bool room = true;
  for (const plan::DescriptorTemplate& descriptor : descriptors) {
    InFlight& device = in_flight_[descriptor.device];
    room = room && device.end - device.begin + ++device.wanted <= device.capacity;
  }
  for (const plan::DescriptorTemplate& descriptor : descriptors) {
    in_flight_[descriptor.device].wanted = 0;
  }
  return room;
}

void OperatorScheduler::issue(std::uint32_t index) {
  const plan::Operator& op = operators_[index];
  if (progress_ != nullptr) progress_->operator_start(index);
  states_[index].incomplete_descriptors = op.descriptor_count;
  in_flight_count_ += op.descriptor_count;
  patch_values_[source_index(plan::PatchSource::kBlockTableAddress)] =
      tables_.first + op.layer * tables_.stride;
  for (std::uint32_t d = 0; d < op.descriptor_count; ++d) {
    submit(descriptors_[op.first_descriptor + d], index);
  }
}

void OperatorScheduler::submit(const plan::DescriptorTemplate& descriptor, std::uint32_t index) {
  std::uint64_t* const slot = engines_.next_slot(descriptor.device);
  const auto* const words = template_words(descriptor);
  slot[0] = header_for(words[0], index);
#pragma GCC unroll 7
  for (std::uint32_t word = 1; word < kWords; ++word) slot[word] = words[word];
  for (std::uint32_t p = 0; p < descriptor.patch_count; ++p) {
    const plan::Patch& patch = descriptor.patches[p];
    slot[patch.field_offset / 8] += patch_values_[source_index(patch.source)] * patch.scale;
  }
  InFlight& device = in_flight_[descriptor.device];
  device.operators[device.end++ & device.mask] = index;
  engines_.submit(descriptor.device);
}

void OperatorScheduler::complete(std::uint32_t index) {
  --incomplete_;
  const OperatorState& state = states_[index];
  for (std::uint32_t s = 0; s < state.successor_count; ++s) {
    const std::uint32_t successor = successors_[state.first_successor + s];
    if (--states_[successor].pending_predecessors == 0) ready_[ready_end_++] = successor;
  }
}

void OperatorScheduler::collect(const DeviceEvent& event) {
  in_flight_count_ -= event.completed;
  InFlight& device = in_flight_[event.device];
  for (std::uint32_t i = 0; i < event.completed; ++i) {
    const std::uint32_t index = device.operators[device.begin++ & device.mask];
    if (--states_[index].incomplete_descriptors != 0) continue;
    if (progress_ != nullptr) progress_->operator_done(index);
    complete(index);
  }
  if (event.failed && !device.is_stopped && !engines_.retry(event.device)) stop(event.device);
}

void OperatorScheduler::stop(std::uint32_t index) {
  InFlight& device = in_flight_[index];
  device.is_stopped = true;
  in_flight_count_ -= device.end - device.begin;
  if (!failure_) failure_ = EngineFailure{index, device.operators[device.begin & device.mask]};
}

}  // namespace hpimvp::firmware
