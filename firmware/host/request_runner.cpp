#include "firmware/host/request_runner.h"

namespace hpimvp::firmware {

RequestResult RequestRunner::run() {
  parts_.progress.prefill_start(plan_.request().prompt_count);
  for (const std::uint32_t token : plan_.prompt()) print(token);
  if (prefill() && generate()) {
    if (has_flag(plan::kRequestPrintText)) parts_.output.write("\n");
    parts_.progress.request_done(generated_);
  }
  return result_;
}

bool RequestRunner::prefill() {
  const bool all_logits = has_flag(plan::kRequestAllLogits);
  const bool generates = plan_.request().output_tokens != 0;
  const auto prompt = plan_.prompt();
  for (const std::uint32_t token : prompt.first(prompt.size() - 1)) {
    if (!run_position(token, all_logits)) return false;
    if (all_logits && !predict()) return false;
  }
  if (!run_position(prompt.back(), all_logits || generates)) return false;
  return generates || !all_logits || predict();
}

bool RequestRunner::generate() {
  const plan::Request& request = plan_.request();
  const auto replay = plan_.replay();
  while (generated_ < request.output_tokens) {
    const std::optional<Sample> sample = parts_.sampler.choose(plan_.logits());
    if (!sample) return fail(Outcome::kBadLogits, position_ - 1);
    const std::uint32_t token = generated_ < replay.size() ? replay[generated_] : sample->token;
    ++generated_;
    parts_.progress.prediction(sample->best);
    parts_.progress.token(token);
    if (token == plan_.model().end_token && !has_flag(plan::kRequestIgnoreEnd)) return true;
    print(token);
    if (generated_ < request.output_tokens && !run_position(token, true)) return false;
  }
  return true;
}

bool RequestRunner::run_position(std::uint32_t token, bool needs_logits) {
  PositionInputs inputs = {token, position_, needs_logits, 0, 0};
  if (parts_.cache != nullptr) {
    if (!parts_.cache->reserve_position(position_)) return fail(Outcome::kOutOfKvBlocks, position_);
    inputs.first_block_table = parts_.cache->table_address(0);
    inputs.block_table_stride = parts_.cache->table_stride();
  }
  if (const auto failure = parts_.scheduler.run_position(inputs)) {
    result_.failure = *failure;
    return fail(Outcome::kEngineFailure, position_);
  }
  ++position_;
  return true;
}

bool RequestRunner::predict() {
  const std::optional<std::uint32_t> best = parts_.sampler.best(plan_.logits());
  if (!best) return fail(Outcome::kBadLogits, position_ - 1);
  parts_.progress.prediction(*best);
  return true;
}

void RequestRunner::print(std::uint32_t token) {
  if (!has_flag(plan::kRequestPrintText)) return;
  std::string_view piece = plan_.piece(token);
  if (piece.empty()) return;
  const bool drops_space = !printed_ && has_flag(plan::kRequestDropFirstSpace);
  if (drops_space && piece.front() == ' ') piece.remove_prefix(1);
  printed_ = true;
  parts_.output.write(piece);
}

bool RequestRunner::fail(Outcome outcome, std::uint64_t position) {
  result_.outcome = outcome;
  result_.position = position;
  return false;
}

}  // namespace hpimvp::firmware
