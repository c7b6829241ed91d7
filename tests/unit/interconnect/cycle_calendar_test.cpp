#include "models/interconnect/cycle_calendar.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <random>
#include <vector>

using hpimvp::interconnect::CycleCalendar;

namespace {

using Items = std::vector<std::uint32_t>;
constexpr std::uint64_t kNever = CycleCalendar::kNever;
constexpr std::uint64_t kWindow = CycleCalendar::kWindow;

// The items of the next cycle, sorted; `cycle` is that cycle, kNever if there is none.
Items take_next(CycleCalendar& calendar, std::uint64_t& cycle) {
  Items items;
  cycle = calendar.next();
  if (cycle == kNever) return items;
  calendar.take(cycle, [&](std::uint32_t item) { items.push_back(item); });
  std::sort(items.begin(), items.end());
  return items;
}

}  // namespace

TEST_CASE("an empty calendar has no next cycle") {
  CycleCalendar calendar(2);
  CHECK(calendar.next() == kNever);
  calendar.bring_forward(1, 5);
  std::uint64_t cycle = 0;
  CHECK(take_next(calendar, cycle) == Items{1});
  CHECK(cycle == 5);
  CHECK(calendar.next() == kNever);
}

TEST_CASE("an event moves to earlier cycles only") {
  // From the ring and from the heap, into the ring and into the heap.
  for (const std::uint64_t late : {std::uint64_t{70}, kWindow + 10, 10 * kWindow}) {
    for (const std::uint64_t early : {std::uint64_t{3}, std::uint64_t{69}, kWindow + 1}) {
      if (early >= late) continue;
      CycleCalendar calendar(3);
      calendar.bring_forward(1, late);
      calendar.bring_forward(2, late);
      calendar.bring_forward(1, early);
      calendar.bring_forward(1, late);
      std::uint64_t cycle = 0;
      CHECK(take_next(calendar, cycle) == Items{1});
      CHECK(cycle == early);
      CHECK(take_next(calendar, cycle) == Items{2});
      CHECK(cycle == late);
      CHECK(take_next(calendar, cycle).empty());
    }
  }
}

TEST_CASE("events at the window's edges are taken in order") {
  const std::uint64_t start = GENERATE(0, 1, 63, 64, 1000, 1023, 1024, 5000);
  CycleCalendar calendar(3);
  std::uint64_t cycle = 0;
  if (start > 0) {
    calendar.bring_forward(0, start - 1);
    take_next(calendar, cycle);
  }
  calendar.bring_forward(2, start + kWindow);
  calendar.bring_forward(1, start + kWindow - 1);
  calendar.bring_forward(0, start);
  for (const std::uint64_t expected : {start, start + kWindow - 1, start + kWindow}) {
    CHECK(take_next(calendar, cycle).size() == 1);
    CHECK(cycle == expected);
  }
}

TEST_CASE("an event of the heap and one of the ring in the same cycle are taken together") {
  CycleCalendar calendar(4);
  calendar.bring_forward(1, 1500);
  calendar.bring_forward(2, 600);
  std::uint64_t cycle = 0;
  take_next(calendar, cycle);
  calendar.bring_forward(3, 1500);
  CHECK(take_next(calendar, cycle) == Items{1, 3});
}

TEST_CASE("an action may bring forward its own item and those of the same cycle") {
  CycleCalendar calendar(3);
  for (const std::uint32_t item : {0, 1, 2}) calendar.bring_forward(item, 10);
  Items acted;
  calendar.take(10, [&](std::uint32_t item) {
    acted.push_back(item);
    for (const std::uint32_t other : {0, 1, 2}) calendar.bring_forward(other, 12);
  });
  CHECK(acted.size() == 3);
  // Each from its own action on: before, it still was in the cycle that was being taken.
  std::uint64_t cycle = 0;
  CHECK(take_next(calendar, cycle) == Items{0, 1, 2});
  CHECK(cycle == 12);
}

TEST_CASE("random events come in the order of their cycles") {
  constexpr std::uint32_t kItems = 60;
  std::mt19937 random(Catch::rngSeed());
  CycleCalendar calendar(kItems);
  std::vector<std::uint64_t> expected(kItems, kNever);
  std::uint64_t now = 0;
  for (int step = 0; step < 100'000; ++step) {
    if (random() % 2 == 0) {
      // Near ones, such as over the window's edge, and far ones.
      const unsigned reach = std::vector<unsigned>{2, 70, 1030, 20'000}[random() % 4];
      const std::uint32_t item = random() % kItems;
      const std::uint64_t cycle = now + random() % reach;
      calendar.bring_forward(item, cycle);
      expected[item] = std::min(expected[item], cycle);
      continue;
    }
    const std::uint64_t next = *std::min_element(expected.begin(), expected.end());
    Items items;
    for (std::uint32_t item = 0; item < kItems && next != kNever; ++item) {
      if (expected[item] != next) continue;
      items.push_back(item);
      expected[item] = kNever;
    }
    std::uint64_t cycle = 0;
    REQUIRE(take_next(calendar, cycle) == items);
    REQUIRE(cycle == next);
    if (next != kNever) now = next + 1;
  }
}
