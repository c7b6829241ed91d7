#include "firmware/host/request_runner.h"

#include <algorithm>

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
  const auto before_last = prompt.first(prompt.size() - 1);
  // Chunks make no logits.
  if (!all_logits && !prefill_chunks(before_last)) return false;
  for (const std::uint32_t token : before_last.subspan(position_)) {
    if (!run_position(token, all_logits)) return false;
    if (all_logits && !predict()) return false;
  }
  if (!run_position(prompt.back(), all_logits || generates)) return false;
  return generates || !all_logits || predict();
}

// As many of the tokens as make chunks. Each begins at a multiple of chunk_tokens, because all
// before it are full.
bool RequestRunner::prefill_chunks(std::span<const std::uint32_t> tokens) {
  if (plan_.chunk_operators().empty()) return true;
  while (tokens.size() - position_ >= plan_.header().chunk_least_tokens) {
    const std::uint64_t count =
        std::min<std::uint64_t>(tokens.size() - position_, plan_.header().chunk_tokens);
    if (!run_chunk(tokens.subspan(position_, count))) return false;
  }
  return true;
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
  if (!reserve(position_)) return fail(Outcome::kOutOfKvBlocks, position_);
  const PositionInputs inputs = {token, position_, needs_logits, block_tables()};
  if (const auto failure = parts_.scheduler.run_position(inputs)) {
    result_.failure = *failure;
    return fail(Outcome::kEngineFailure, position_);
  }
  ++position_;
  return true;
}

bool RequestRunner::run_chunk(std::span<const std::uint32_t> tokens) {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (!reserve(position_ + i)) return fail(Outcome::kOutOfKvBlocks, position_);
  }
  if (const auto failure = parts_.scheduler.run_chunk({tokens, position_, block_tables()})) {
    result_.failure = *failure;
    return fail(Outcome::kEngineFailure, position_);
  }
  position_ += tokens.size();
  return true;
}

bool RequestRunner::reserve(std::uint64_t position) {
  return parts_.cache == nullptr || parts_.cache->reserve_position(position);
}

BlockTables RequestRunner::block_tables() const {
  if (parts_.cache == nullptr) return {};
  return {parts_.cache->table_address(0), parts_.cache->table_stride()};
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
