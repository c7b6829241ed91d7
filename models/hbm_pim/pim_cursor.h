// A place in a stream of PIM commands that several pseudo-channels may be working through, each at
// its own place: the stream is shared and never changes, a copy of a cursor goes on by itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "models/hbm_pim/gemv_stream.h"
#include "models/hbm_pim/pim_command_source.h"

namespace hpimvp::hbm_pim {

class PimCursor {
 public:
  PimCursor() = default;
  explicit PimCursor(std::shared_ptr<const GemvProgram> program);
  explicit PimCursor(std::shared_ptr<const std::vector<PimCommand>> list);

  // Goes on, from the start of a program, at a repetition of a block.
  void go_to(std::size_t block, std::uint32_t repetition);
  // Of the program: where the next piece comes from.
  std::size_t block() const { return block_; }
  std::uint32_t repetition() const { return repetition_; }

  // The next piece of the stream; empty: it has ended. What the last call returned stays valid for
  // this cursor and for copies that were made since, until their next call.
  std::span<const PimCommand> next();

  // Columns that the units have yet to work through in pieces that next() has not returned.
  std::uint64_t columns_left() const { return columns_left_; }

  // The rest of the stream. Refers to this object.
  PimCommandSource source();

 private:
  std::shared_ptr<const GemvProgram> program_;
  std::size_t block_ = 0;
  std::uint32_t repetition_ = 0;
  // A list, or the piece of the program that next() returned last.
  std::shared_ptr<const std::vector<PimCommand>> commands_;
  bool list_taken_ = false;
  std::uint64_t columns_left_ = 0;
};

// A GEMV's stream that can be had again from its start.
class GemvStream {
 public:
  GemvStream(const DeviceDescription& device, const PseudoChannelGemv& gemv)
      : program_(std::make_shared<const GemvProgram>(device, gemv)) {}

  // From the start. Refers to this object, until it is called again.
  PimCommandSource source() {
    cursor_ = PimCursor(program_);
    return cursor_.source();
  }
  const GemvProgram& program() const { return *program_; }

 private:
  std::shared_ptr<const GemvProgram> program_;
  PimCursor cursor_;
};

}  // namespace hpimvp::hbm_pim
