// Memory for tables whose size is known at boot: handed out once, never given back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

namespace hpimvp::firmware {

class Arena {
 public:
  // Called when an allocation does not fit; does not return (the firmware reports and exits).
  using Exhausted = void (*)(std::uint64_t bytes_wanted, std::uint64_t bytes_left);

  Arena(std::uint64_t address, std::uint64_t bytes, Exhausted exhausted)
      : next_(address), end_(address + bytes), exhausted_(exhausted) {}

  // `count` objects, zeroed, aligned for T and to `alignment`.
  template <typename T>
  std::span<T> allocate(std::uint64_t count, std::uint64_t alignment = alignof(T)) {
    static_assert(std::is_trivially_copyable_v<T>);
    auto* objects = static_cast<T*>(allocate_bytes(count, sizeof(T), alignment));
    return {objects, count};
  }

  // One object for good: its destructor never runs.
  template <typename T, typename... Arguments>
  T& create(Arguments&&... arguments) {
    static_assert(std::is_trivially_destructible_v<T>);
    return *new (allocate_bytes(1, sizeof(T), alignof(T))) T(std::forward<Arguments>(arguments)...);
  }

  std::uint64_t bytes_left() const { return end_ - next_; }

 private:
  void* allocate_bytes(std::uint64_t count, std::uint64_t object_bytes, std::uint64_t alignment);

  std::uint64_t next_;
  std::uint64_t end_;
  Exhausted exhausted_;
};

}  // namespace hpimvp::firmware
