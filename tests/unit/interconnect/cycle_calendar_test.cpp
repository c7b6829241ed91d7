#include "models/interconnect/cycle_calendar.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <map>
#include <random>
#include <vector>

using hpimvp::interconnect::CycleCalendar;

namespace {

// What the calendar should hold, as a sorted map.
class Reference {
 public:
  void add(std::uint64_t cycle, std::uint32_t event) { events_.emplace(cycle, event); }
  std::uint64_t next() const {
    return events_.empty() ? CycleCalendar::kNever : events_.begin()->first;
  }
  std::vector<std::uint32_t> take_next() {
    const auto [first, last] = events_.equal_range(next());
    std::vector<std::uint32_t> events;
    for (auto event = first; event != last; ++event) events.push_back(event->second);
    events_.erase(first, last);
    std::sort(events.begin(), events.end());
    return events;
  }

 private:
  std::multimap<std::uint64_t, std::uint32_t> events_;
};

}  // namespace

TEST_CASE("an empty calendar has no next cycle") {
  CycleCalendar calendar;
  CHECK(calendar.next() == CycleCalendar::kNever);
  calendar.add(5, 1);
  std::vector<std::uint32_t> events;
  calendar.take(calendar.next(), events);
  CHECK(events == std::vector<std::uint32_t>{1});
  CHECK(calendar.next() == CycleCalendar::kNever);
}

TEST_CASE("events at the window's edges are taken in order") {
  constexpr std::uint64_t kWindow = CycleCalendar::kWindow;
  const std::uint64_t start = GENERATE(0, 1, 63, 64, 1000, 1023, 1024, 5000);
  CycleCalendar calendar;
  std::vector<std::uint32_t> events;
  if (start > 0) {
    calendar.add(start - 1, 9);
    calendar.take(calendar.next(), events);
  }
  calendar.add(start + kWindow, 2);
  calendar.add(start + kWindow - 1, 1);
  calendar.add(start, 0);
  for (const std::uint64_t expected : {start, start + kWindow - 1, start + kWindow}) {
    CHECK(calendar.next() == expected);
    calendar.take(calendar.next(), events);
    CHECK(events.size() == 1);
  }
}

TEST_CASE("an event of the heap and one of the ring in the same cycle are taken together") {
  CycleCalendar calendar;
  calendar.add(1500, 1);
  calendar.add(600, 2);
  std::vector<std::uint32_t> events;
  calendar.take(calendar.next(), events);
  calendar.add(1500, 3);
  calendar.take(calendar.next(), events);
  std::sort(events.begin(), events.end());
  CHECK(events == std::vector<std::uint32_t>{1, 3});
}

TEST_CASE("random events come as from a sorted map") {
  std::mt19937 random(Catch::rngSeed());
  CycleCalendar calendar;
  Reference reference;
  std::vector<std::uint32_t> events;
  std::uint64_t now = 0;
  std::uint32_t number = 0;
  for (int step = 0; step < 100'000; ++step) {
    // Near ones, such as over the window's edge, and far ones.
    const unsigned reach = std::vector<unsigned>{2, 70, 1030, 20'000}[random() % 4];
    if (random() % 2 == 0) {
      const std::uint64_t cycle = now + random() % reach;
      calendar.add(cycle, number);
      reference.add(cycle, number++);
    } else if (reference.next() != CycleCalendar::kNever) {
      REQUIRE(calendar.next() == reference.next());
      now = reference.next() + 1;
      calendar.take(calendar.next(), events);
      std::sort(events.begin(), events.end());
      REQUIRE(events == reference.take_next());
    }
  }
}
