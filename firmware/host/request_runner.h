// Serves the plan's request: runs the prompt, then generates token after token, prints and marks
// them.
//
// Prompt token i is the input at position i, generated token i at position prompt_count + i. Logits
// are needed from the last prompt position on. The last token to be generated is not run. Prompt
// tokens before the last run in chunks where the plan has operators for these (plan_format.h).
#pragma once

#include <cstdint>

#include "firmware/host/kv_cache.h"
#include "firmware/host/operator_scheduler.h"
#include "firmware/host/plan_view.h"
#include "firmware/host/progress.h"
#include "firmware/host/sampler.h"
#include "firmware/host/text_output.h"

namespace hpimvp::firmware {

struct RequestResult {
  enum class Outcome {
    kDone,
    kEngineFailure,
    kOutOfKvBlocks,
    kBadLogits,  // an infinity or a NaN
  };

  Outcome outcome;
  std::uint64_t position;  // of the failure; of a chunk the first
  EngineFailure failure;   // kEngineFailure
};

class RequestRunner {
 public:
  // What it works with; all outlive it. `cache` may be null if no operator uses a block table.
  struct Parts {
    OperatorScheduler& scheduler;
    KvCache* cache;
    Sampler& sampler;
    Progress& progress;
    TextOutput& output;
  };

  RequestRunner(const PlanView& plan, const Parts& parts) : plan_(plan), parts_(parts) {}

  RequestResult run();

 private:
  using Outcome = RequestResult::Outcome;

  bool prefill();
  bool generate();
  bool run_position(std::uint32_t token, bool needs_logits);
  bool prefill_chunks(std::span<const std::uint32_t> tokens);
  bool run_chunk(std::span<const std::uint32_t> tokens);
  bool reserve(std::uint64_t position);
  BlockTables block_tables() const;
  // Marks what the logits of the position that has just run predict.
  bool predict();
  void print(std::uint32_t token);
  // False, for `return fail(...)`.
  bool fail(Outcome outcome, std::uint64_t position);
  bool has_flag(std::uint32_t flag) const { return (plan_.request().flags & flag) != 0; }

  PlanView plan_;
  Parts parts_;
  std::uint64_t position_ = 0;  // the next to run
  std::uint32_t generated_ = 0;
  bool printed_ = false;  // the first piece is out
  RequestResult result_ = {Outcome::kDone, 0, {}};
};

}  // namespace hpimvp::firmware
