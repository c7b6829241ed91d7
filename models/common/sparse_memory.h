// Byte memory of up to 2^40 bytes that costs host memory only where something other than zero was
// written. In timing mode (store = false) it drops writes and reads as zero.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace hpimvp::common {

class SparseMemory {
 public:
  static constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 40;
  static constexpr std::size_t kPageBytes = 64 * 1024;

  // Throws std::invalid_argument if size is 0 or more than kMaxBytes.
  explicit SparseMemory(std::uint64_t size, bool store = true);
  SparseMemory(SparseMemory&&) noexcept;
  SparseMemory& operator=(SparseMemory&&) noexcept;
  ~SparseMemory();

  std::uint64_t size() const { return size_; }
  bool stores() const { return store_; }
  bool contains(std::uint64_t address, std::uint64_t length) const {
    return address <= size_ && length <= size_ - address;
  }

  // Any span inside the memory; throw std::out_of_range outside (callers on bus paths ask
  // contains() first and answer with an address error).
  void read(std::uint64_t address, std::uint8_t* data, std::size_t length) const;
  void write(std::uint64_t address, const std::uint8_t* data, std::size_t length);

  // The host memory of the page that holds `address` (kPageBytes from a multiple of kPageBytes),
  // for inner loops. Null: the page reads as zero. Pointers stay valid until clear() or
  // destruction.
  const std::uint8_t* page(std::uint64_t address) const;
  // Allocates the page. Null only in a memory that stores nothing.
  std::uint8_t* page_for_write(std::uint64_t address);

  // Everything back to zero; frees the pages.
  void clear();
  std::uint64_t allocated_bytes() const { return allocated_pages_ * kPageBytes; }

 private:
  static constexpr std::size_t kPagesPerDirectory = 4096;  // 256 MiB
  struct Directory;

  void require(std::uint64_t address, std::uint64_t length) const;

  std::uint64_t size_;
  bool store_;
  std::uint64_t allocated_pages_ = 0;
  std::vector<std::unique_ptr<Directory>> directories_;  // null: all zero
};

}  // namespace hpimvp::common
