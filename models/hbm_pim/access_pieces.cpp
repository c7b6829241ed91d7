#include "models/hbm_pim/access_pieces.h"

#include <algorithm>

namespace hpimvp::hbm_pim {

AccessSplitter::AccessSplitter(const BitFieldMapping& mapping) : mapping_(mapping) {
  for (std::uint32_t i = 0; i < mapping.pseudo_channels(); ++i) all_.set(i);
}

const std::vector<AccessPiece>& AccessSplitter::split(std::uint64_t offset, std::uint64_t length) {
  pieces_.clear();
  const std::uint64_t first = offset / mapping_.burst_bytes();
  const std::uint64_t end = (offset + length - 1) / mapping_.burst_bytes() + 1;
  if (mapping_.spreads_bursts()) {
    split_spread(first, end);
  } else {
    split_any(first, end);
  }
  return pieces_;
}

void AccessSplitter::split_spread(std::uint64_t first, std::uint64_t end) {
  const std::uint64_t width = mapping_.pseudo_channels();
  for (std::uint64_t run = first / width; run * width < end; ++run) {
    AccessPiece piece{mapping_.local_address(run), 1, all_};
    const std::uint64_t from = std::max(first, run * width);
    const std::uint64_t to = std::min(end, (run + 1) * width);
    if (to - from < width) {
      piece.pseudo_channels.reset();
      for (std::uint64_t burst = from; burst < to; ++burst) {
        piece.pseudo_channels.set(mapping_.local(burst).pseudo_channel);
      }
    }
    pieces_.push_back(piece);
  }
}

void AccessSplitter::split_any(std::uint64_t first, std::uint64_t end) {
  const std::uint64_t run = mapping_.bursts_together();
  runs_.clear();
  for (std::uint64_t burst = first; burst < end;) {
    const auto count = static_cast<std::uint32_t>(std::min(end, (burst / run + 1) * run) - burst);
    const LocalBurst local = mapping_.local(burst);
    runs_.push_back({local.number, count, local.pseudo_channel});
    burst += count;
  }
  std::sort(runs_.begin(), runs_.end());
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    const bool starts =
        i == 0 || runs_[i].number != runs_[i - 1].number || runs_[i].count != runs_[i - 1].count;
    if (starts) {
      pieces_.push_back({mapping_.local_address(runs_[i].number), runs_[i].count, {}});
    }
    pieces_.back().pseudo_channels.set(runs_[i].pseudo_channel);
  }
}

}  // namespace hpimvp::hbm_pim
