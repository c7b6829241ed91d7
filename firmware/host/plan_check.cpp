#include <cmath>

#include "firmware/host/plan_view.h"

namespace hpimvp::firmware {
namespace {

using Problem = std::optional<PlanProblem>;

// Descriptor templates are copied in 64-bit words.
constexpr std::uint64_t kDescriptorAlignment = 8;

PlanProblem in_header(std::string_view what, std::uint64_t value) {
  return {what, {}, 0, value};
}

bool is_inside(std::uint64_t address, std::uint64_t bytes, std::uint64_t begin, std::uint64_t end) {
  return address >= begin && address <= end && bytes <= end - address;
}

// The part of the plan that an array takes must lie in the plan.
bool in_plan(const plan::PlanHeader& header, std::uint64_t address, std::uint64_t count,
             std::uint64_t element_bytes, std::uint64_t alignment) {
  const auto begin = reinterpret_cast<std::uint64_t>(&header);
  return address % alignment == 0 &&
         is_inside(address, count * element_bytes, begin, begin + header.total_bytes);
}

template <typename T>
bool in_plan(const plan::PlanHeader& header, std::uint64_t address, std::uint64_t count) {
  return count == 0 || in_plan(header, address, count, sizeof(T), alignof(T));
}

bool executes(plan::DeviceKind kind, plan::Engine engine) {
  switch (engine) {
    case plan::Engine::kHbmPim:
      return kind == plan::DeviceKind::kHbmPimStack;
    case plan::Engine::kSramPim:
      return kind == plan::DeviceKind::kSramPimDispatcher;
    case plan::Engine::kDma:
      return kind == plan::DeviceKind::kDma;
  }
  return false;
}

Problem check_arrays(const PlanView& view) {
  const plan::PlanHeader& header = view.header();
  if (!in_plan<plan::Operator>(header, header.operators_address, view.operator_table_size())) {
    return in_header("operators lie outside the plan", header.operators_address);
  }
  if (!in_plan(header, header.descriptors_address, header.descriptor_count,
               sizeof(plan::DescriptorTemplate), kDescriptorAlignment)) {
    return in_header("descriptors lie outside the plan or are not aligned",
                     header.descriptors_address);
  }
  if (!in_plan<plan::MemoryRegion>(header, header.kv_regions_address, header.kv_region_count)) {
    return in_header("KV regions lie outside the plan", header.kv_regions_address);
  }
  if (header.strings_address != 0 && !in_plan(header, header.strings_address, 0, 1, 1)) {
    return in_header("strings lie outside the plan", header.strings_address);
  }
  if (header.boot_descriptor_count > header.descriptor_count) {
    return in_header("more boot descriptors than descriptors", header.boot_descriptor_count);
  }
  return {};
}

Problem check_devices(const PlanView& view) {
  constexpr std::size_t kMostDevices = 1024;
  const auto devices = view.devices();
  if (devices.size() > kMostDevices) return in_header("too many devices", devices.size());
  for (std::size_t i = 0; i < devices.size(); ++i) {
    const auto problem = [&](std::string_view what, std::uint64_t value) {
      return PlanProblem{what, "device", i, value};
    };
    if (devices[i].register_address == 0) return problem("has no register address", 0);
    if (takes_commands(devices[i].kind) && devices[i].interrupt == 0) {
      return problem("takes commands and has no interrupt", 0);
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (devices[j].kind == devices[i].kind && devices[j].index == devices[i].index) {
        return problem("has the kind and index of device", j);
      }
      if (devices[i].interrupt != 0 && devices[j].interrupt == devices[i].interrupt) {
        return problem("has the interrupt of device", j);
      }
    }
  }
  return {};
}

Problem check_descriptors(const PlanView& view) {
  const auto descriptors = view.descriptors();
  const auto devices = view.devices();
  for (std::size_t i = 0; i < descriptors.size(); ++i) {
    const plan::DescriptorTemplate& descriptor = descriptors[i];
    const auto problem = [&](std::string_view what, std::uint64_t value) {
      return PlanProblem{what, "descriptor", i, value};
    };
    if (descriptor.device >= devices.size()) {
      return problem("device is not in the device table", descriptor.device);
    }
    if (!takes_commands(devices[descriptor.device].kind)) {
      return problem("device takes no commands", descriptor.device);
    }
    if (descriptor.patch_count > std::size(descriptor.patches)) {
      return problem("too many patches", descriptor.patch_count);
    }
    if (i < view.header().boot_descriptor_count && descriptor.patch_count != 0) {
      return problem("patches in a boot descriptor", descriptor.patch_count);
    }
    for (std::uint32_t p = 0; p < descriptor.patch_count; ++p) {
      const plan::Patch& patch = descriptor.patches[p];
      const auto source = static_cast<std::uint32_t>(patch.source);
      if (source < 1 || source > 6) return problem("unknown patch source", source);
      if (patch.field_offset % 8 != 0 || patch.field_offset < 8 || patch.field_offset > 56) {
        return problem("patch of what is no 64-bit field after the header", patch.field_offset);
      }
    }
  }
  return {};
}

bool patches_block_table(const PlanView& view, const plan::Operator& op) {
  for (const auto& descriptor :
       view.descriptors().subspan(op.first_descriptor, op.descriptor_count)) {
    for (std::uint32_t p = 0; p < descriptor.patch_count; ++p) {
      if (descriptor.patches[p].source == plan::PatchSource::kBlockTableAddress) return true;
    }
  }
  return false;
}

bool allows(bool in_chunk, plan::PatchSource source) {
  switch (source) {
    case plan::PatchSource::kToken:
      return !in_chunk;
    case plan::PatchSource::kPosition:
    case plan::PatchSource::kPositionUpperHalf:
    case plan::PatchSource::kBlockTableAddress:
      return true;
    case plan::PatchSource::kChunkTokensAddress:
    case plan::PatchSource::kChunkTokenCount:
      return in_chunk;
  }
  return false;
}

// More for the last one's device than an operator may have.
bool is_too_much(std::span<const plan::DescriptorTemplate> descriptors) {
  std::uint32_t count = 0;
  for (const plan::DescriptorTemplate& descriptor : descriptors) {
    if (descriptor.device == descriptors.back().device) ++count;
  }
  return count > plan::kMaxDeviceDescriptors;
}

// `index`: in the table of both lists.
Problem check_operator_descriptors(const PlanView& view, std::size_t index) {
  const plan::Operator& op = view.operator_table()[index];
  const bool in_chunk = index >= view.operators().size();
  const auto problem = [&](std::string_view what, std::uint64_t value) {
    return PlanProblem{what, "operator", index, value};
  };
  if (!is_inside(op.first_descriptor, op.descriptor_count, 0, view.header().descriptor_count)) {
    return problem("descriptors are not in the table", op.first_descriptor);
  }
  const auto descriptors = view.descriptors().subspan(op.first_descriptor, op.descriptor_count);
  for (std::size_t d = 0; d < descriptors.size(); ++d) {
    const std::uint32_t device = descriptors[d].device;
    if (!executes(view.devices()[device].kind, op.engine)) {
      return problem("engine is not that of its device", device);
    }
    if (d >= plan::kMaxDeviceDescriptors && is_too_much(descriptors.first(d + 1))) {
      return problem("too many descriptors for device", device);
    }
    for (std::uint32_t p = 0; p < descriptors[d].patch_count; ++p) {
      const plan::PatchSource source = descriptors[d].patches[p].source;
      if (!allows(in_chunk, source)) {
        return problem(in_chunk ? "patch source is only for operators of a token"
                                : "patch source is only for operators of a chunk",
                       static_cast<std::uint64_t>(source));
      }
    }
  }
  if (patches_block_table(view, op) &&
      (op.layer == plan::kNoLayer || view.header().block_tokens == 0)) {
    return problem("uses a block table, and its layer has none", op.layer);
  }
  return {};
}

Problem check_operators(const PlanView& view) {
  const std::size_t first_of_chunk = view.operators().size();
  if (first_of_chunk == 0) return in_header("no operators", 0);
  const auto operators = view.operator_table();
  for (std::size_t i = 0; i < operators.size(); ++i) {
    const plan::Operator& op = operators[i];
    const bool in_chunk = i >= first_of_chunk;
    const std::size_t index_in_list = in_chunk ? i - first_of_chunk : i;
    const auto problem = [&](std::string_view what, std::uint64_t value) {
      return PlanProblem{what, "operator", i, value};
    };
    const auto engine = static_cast<std::uint32_t>(op.engine);
    if (engine < 1 || engine > 3) return problem("unknown engine", engine);
    if (op.layer != plan::kNoLayer && op.layer >= view.model().layers) {
      return problem("no such layer", op.layer);
    }
    if (op.predecessor_count > plan::kMaxPredecessors) {
      return problem("too many predecessors", op.predecessor_count);
    }
    for (std::uint32_t p = 0; p < op.predecessor_count; ++p) {
      if (op.predecessors[p] >= index_in_list) {
        return problem("a predecessor does not come before it", op.predecessors[p]);
      }
    }
    if (in_chunk && (op.flags & plan::kFlagNeedsLogits) != 0) {
      return problem("a chunk makes no logits", op.flags);
    }
    if (const Problem found = check_operator_descriptors(view, i)) return found;
  }
  return {};
}

Problem check_chunks(const PlanView& view) {
  const plan::PlanHeader& header = view.header();
  if (header.chunk_operator_count == 0) {
    if (header.chunk_tokens != 0) {
      return in_header("chunks without operators", header.chunk_tokens);
    }
    if (header.chunk_least_tokens != 0) {
      return in_header("chunks without operators", header.chunk_least_tokens);
    }
    return {};
  }
  if (header.chunk_tokens == 0 || header.chunk_tokens != header.block_tokens) {
    return in_header("a chunk is not a KV block", header.chunk_tokens);
  }
  if (header.chunk_least_tokens == 0 || header.chunk_least_tokens > header.chunk_tokens) {
    return in_header("impossible least number of tokens of a chunk", header.chunk_least_tokens);
  }
  return {};
}

Problem check_kv(const PlanView& view) {
  const plan::PlanHeader& header = view.header();
  if (header.block_tokens == 0) return {};  // no operator uses a block table, see above
  const plan::ModelShape& model = header.model;
  const std::uint64_t needed =
      std::uint64_t{4} * model.kv_heads * header.block_tokens * model.head_dim;
  if (header.block_bytes == 0 || header.block_bytes < needed) {
    return in_header("KV blocks are smaller than what they hold", header.block_bytes);
  }
  const auto regions = view.kv_regions();
  for (std::size_t i = 0; i < regions.size(); ++i) {
    const std::uint64_t end = regions[i].address + regions[i].bytes;
    if (regions[i].address == 0 || end < regions[i].address) {
      return PlanProblem{"is no range of addresses", "KV region", i, regions[i].address};
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (regions[i].address < regions[j].address + regions[j].bytes && regions[j].address < end) {
        return PlanProblem{"overlaps KV region", "KV region", i, j};
      }
    }
  }
  return {};
}

Problem check_tokens(const PlanView& view, std::string_view where,
                     std::span<const std::uint32_t> tokens) {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] >= view.model().vocabulary) {
      return PlanProblem{"is not in the vocabulary", where, i, tokens[i]};
    }
  }
  return {};
}

Problem check_request(const PlanView& view) {
  const plan::Request& request = view.request();
  constexpr std::uint32_t kKnownFlags = plan::kRequestReplay | plan::kRequestPrintText |
                                        plan::kRequestIgnoreEnd | plan::kRequestAllLogits |
                                        plan::kRequestMarkOperators | plan::kRequestDropFirstSpace;
  if ((request.flags & ~kKnownFlags) != 0) {
    return in_header("unknown request flags", request.flags);
  }
  if (request.prompt_count == 0) return in_header("empty prompt", 0);
  if (!in_plan<std::uint32_t>(view.header(), request.prompt_address, request.prompt_count)) {
    return in_header("prompt lies outside the plan", request.prompt_address);
  }
  if (!in_plan<std::uint32_t>(view.header(), request.replay_address, view.replay().size())) {
    return in_header("replay tokens lie outside the plan", request.replay_address);
  }
  if (const Problem found = check_tokens(view, "prompt token", view.prompt())) return found;
  if (const Problem found = check_tokens(view, "replay token", view.replay())) return found;
  // The last generated token is not run.
  const std::uint64_t generated = request.output_tokens == 0 ? 0 : request.output_tokens - 1;
  if (request.prompt_count + generated > view.model().max_positions) {
    return in_header("prompt and output need more positions than the model has",
                     request.prompt_count + generated);
  }
  if (!(request.temperature >= 0.0f) || std::isinf(request.temperature)) {
    return in_header("temperature is not 0 or positive", 0);
  }
  if (!(request.top_p > 0.0f && request.top_p <= 1.0f)) {
    return in_header("top-p is not above 0 and at most 1", 0);
  }
  if (request.policy > plan::SchedulePolicy::kSerial) {
    return in_header("unknown schedule policy", static_cast<std::uint64_t>(request.policy));
  }
  return {};
}

Problem check_vocabulary(const PlanView& view) {
  const plan::PlanHeader& header = view.header();
  const std::uint64_t vocabulary = header.model.vocabulary;
  constexpr std::uint64_t kMostTokens = 1u << 23;  // sampler.h
  if (vocabulary == 0) return in_header("empty vocabulary", 0);
  if (vocabulary > kMostTokens) return in_header("vocabulary too large", vocabulary);
  if (header.logits_address == 0 || header.logits_address % 2 != 0) {
    return in_header("no logits address", header.logits_address);
  }
  if (header.piece_offsets_address == 0) return {};
  if (!in_plan<std::uint32_t>(header, header.piece_offsets_address, vocabulary + 1)) {
    return in_header("piece offsets lie outside the plan", header.piece_offsets_address);
  }
  const auto* offsets = reinterpret_cast<const std::uint32_t*>(header.piece_offsets_address);
  for (std::uint64_t i = 0; i < vocabulary; ++i) {
    if (offsets[i] > offsets[i + 1]) {
      return PlanProblem{"ends before it begins", "piece", i, offsets[i]};
    }
  }
  if (!in_plan<char>(header, header.pieces_address, offsets[vocabulary])) {
    return in_header("pieces lie outside the plan", header.pieces_address);
  }
  return {};
}

}  // namespace

TextOutput& operator<<(TextOutput& out, const PlanProblem& problem) {
  if (!problem.where.empty()) out << problem.where << " " << problem.index << ": ";
  return out << problem.what << " (" << problem.value << ")";
}

std::optional<PlanProblem> check_plan_header(const plan::PlanHeader& header) {
  if (header.magic != plan::kMagic) return in_header("wrong magic number", header.magic);
  if (header.version != plan::kVersion) return in_header("unknown version", header.version);
  const auto begin = reinterpret_cast<std::uint64_t>(&header);
  if (header.total_bytes < sizeof header || begin + header.total_bytes < begin) {
    return in_header("impossible size", header.total_bytes);
  }
  if (!in_plan<plan::Device>(header, header.devices_address, header.device_count)) {
    return in_header("device table lies outside the plan", header.devices_address);
  }
  return {};
}

std::optional<PlanProblem> check_plan(const PlanView& view) {
  if (const Problem found = check_arrays(view)) return found;
  if (const Problem found = check_devices(view)) return found;
  if (const Problem found = check_descriptors(view)) return found;
  if (const Problem found = check_operators(view)) return found;
  if (const Problem found = check_chunks(view)) return found;
  if (const Problem found = check_kv(view)) return found;
  if (const Problem found = check_vocabulary(view)) return found;
  return check_request(view);
}

std::optional<PlanProblem> check_plan_memory(const PlanView& view, std::uint64_t image_end) {
  const plan::PlanHeader& header = view.header();
  const auto begin = reinterpret_cast<std::uint64_t>(&header);
  const std::uint64_t end = begin + header.total_bytes;
  if (begin < image_end) return in_header("the plan overlaps the firmware", begin);
  const std::uint64_t free_begin = header.free_memory_address;
  const std::uint64_t free_end = free_begin + header.free_memory_bytes;
  if (free_begin < image_end || free_end < free_begin) {
    return in_header("the free memory overlaps the firmware", free_begin);
  }
  if (free_begin < end && begin < free_end) {
    return in_header("the free memory overlaps the plan", free_begin);
  }
  return {};
}

}  // namespace hpimvp::firmware
