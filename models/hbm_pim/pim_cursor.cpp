#include "models/hbm_pim/pim_cursor.h"

#include <algorithm>
#include <utility>

namespace hpimvp::hbm_pim {

namespace {

bool uses_column(DramCommand command) {
  return command == DramCommand::kMac || command == DramCommand::kElementAdd ||
         command == DramCommand::kElementMultiply;
}

std::uint64_t columns_of(std::span<const PimCommand> commands) {
  return static_cast<std::uint64_t>(
      std::count_if(commands.begin(), commands.end(),
                    [](const PimCommand& command) { return uses_column(command.command); }));
}

std::uint64_t columns_of(const GemvProgram& program, const CommandBlock& block) {
  std::uint64_t columns = 0;
  for (const CommandRun& run : program.runs(block)) {
    if (uses_column(run.command)) columns += run.count;
  }
  return columns;
}

}  // namespace

PimCursor::PimCursor(std::shared_ptr<const GemvProgram> program) : program_(std::move(program)) {
  for (const CommandBlock& block : program_->blocks()) {
    columns_left_ += columns_of(*program_, block) * block.repetitions;
  }
}

void PimCursor::go_to(std::size_t block, std::uint32_t repetition) {
  const std::span<const CommandBlock> blocks = program_->blocks();
  columns_left_ = 0;
  for (std::size_t i = block; i < blocks.size(); ++i) {
    columns_left_ += columns_of(*program_, blocks[i]) * blocks[i].repetitions;
  }
  if (repetition > 0) columns_left_ -= columns_of(*program_, blocks[block]) * repetition;
  block_ = block;
  repetition_ = repetition;
}

PimCursor::PimCursor(std::shared_ptr<const std::vector<PimCommand>> list)
    : commands_(std::move(list)), columns_left_(columns_of(*commands_)) {}

PimCommandSource PimCursor::source() {
  return {[](void* context) { return static_cast<PimCursor*>(context)->next(); }, this};
}

std::span<const PimCommand> PimCursor::next() {
  if (program_ == nullptr) {
    if (list_taken_ || commands_ == nullptr) return {};
    list_taken_ = true;
    columns_left_ = 0;
    return *commands_;
  }
  const std::span<const CommandBlock> blocks = program_->blocks();
  if (block_ == blocks.size()) return {};
  const CommandBlock& block = blocks[block_];
  // A new vector each time, because copies of this cursor may still read the old one.
  auto commands = std::make_shared<std::vector<PimCommand>>();
  if (commands_ != nullptr) commands->reserve(commands_->size());
  for (CommandRun run : program_->runs(block)) {
    run.row += repetition_;
    expand(run, program_->operand_groups(),
           [&commands](DramCommand command, const CommandAddress& address) {
             commands->push_back({command, address});
           });
  }
  if (++repetition_ == block.repetitions) {
    repetition_ = 0;
    ++block_;
  }
  columns_left_ -= columns_of(*commands);
  commands_ = std::move(commands);
  return *commands_;
}

}  // namespace hpimvp::hbm_pim
