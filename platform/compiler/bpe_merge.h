// The merging loop of byte-pair encoding, in O(n log n).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <queue>
#include <vector>

namespace hpimvp::compiler {

struct BpeMerge {
  double rank = 0;  // lower merges earlier; the leftmost of equals first
  std::uint32_t token = 0;
};

// Replaces neighbours by their merge, best rank first, until `find_merge(left, right)`, which
// returns std::optional<BpeMerge>, knows none.
template <typename FindMerge>
void merge_symbols(std::vector<std::uint32_t>& symbols, const FindMerge& find_merge) {
  constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  struct Symbol {
    std::uint32_t token;
    std::size_t previous;
    std::size_t next;
    bool merged_away;
  };
  struct Candidate {
    BpeMerge merge;
    std::size_t left;
    std::uint32_t left_token;
    std::uint32_t right_token;
    // std::priority_queue serves the largest: the candidate to serve last is the smallest.
    bool operator<(const Candidate& other) const {
      if (merge.rank != other.merge.rank) return merge.rank > other.merge.rank;
      return left > other.left;
    }
  };

  std::vector<Symbol> list;
  for (std::size_t i = 0; i < symbols.size(); ++i) {
    list.push_back(
        {symbols[i], i == 0 ? kNone : i - 1, i + 1 < symbols.size() ? i + 1 : kNone, false});
  }
  std::priority_queue<Candidate> candidates;
  const auto offer = [&](std::size_t left) {
    if (left == kNone || list[left].next == kNone) return;
    const std::uint32_t right_token = list[list[left].next].token;
    if (const std::optional<BpeMerge> merge = find_merge(list[left].token, right_token)) {
      candidates.push({*merge, left, list[left].token, right_token});
    }
  };
  for (std::size_t i = 0; i < list.size(); ++i) offer(i);
  while (!candidates.empty()) {
    const Candidate best = candidates.top();
    candidates.pop();
    Symbol& left = list[best.left];
    // An earlier merge may have changed either side since.
    if (left.merged_away || left.token != best.left_token || left.next == kNone) continue;
    Symbol& right = list[left.next];
    if (right.token != best.right_token) continue;
    right.merged_away = true;
    left.token = best.merge.token;
    left.next = right.next;
    if (left.next != kNone) list[left.next].previous = best.left;
    offer(best.left);
    offer(left.previous);
  }
  symbols.clear();
  for (std::size_t i = list.empty() ? kNone : 0; i != kNone; i = list[i].next) {
    symbols.push_back(list[i].token);
  }
}

}  // namespace hpimvp::compiler
