#include "models/common/sparse_memory.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>
#include <string>

namespace hpimvp::common {
namespace {

using Page = std::array<std::uint8_t, SparseMemory::kPageBytes>;

bool all_zero(const std::uint8_t* data, std::size_t length) {
  return length == 0 || (data[0] == 0 && std::memcmp(data, data + 1, length - 1) == 0);
}

// Calls piece(address, position in the span, bytes) for each page that the span touches.
template <typename Piece>
void for_each_page(std::uint64_t address, std::size_t length, Piece piece) {
  std::size_t done = 0;
  while (done < length) {
    const std::size_t in_page = (address + done) % SparseMemory::kPageBytes;
    const std::size_t bytes = std::min(length - done, SparseMemory::kPageBytes - in_page);
    piece(address + done, done, bytes);
    done += bytes;
  }
}

}  // namespace

struct SparseMemory::Directory {
  std::array<std::unique_ptr<Page>, kPagesPerDirectory> pages;
};

SparseMemory::SparseMemory(std::uint64_t size, bool store) : size_(size), store_(store) {
  if (size == 0 || size > kMaxBytes) {
    throw std::invalid_argument("sparse memory of " + std::to_string(size) +
                                " bytes: allowed are 1 to 2^40");
  }
  constexpr std::uint64_t kDirectoryBytes = kPageBytes * kPagesPerDirectory;
  directories_.resize((size + kDirectoryBytes - 1) / kDirectoryBytes);
}

SparseMemory::SparseMemory(SparseMemory&&) noexcept = default;
SparseMemory& SparseMemory::operator=(SparseMemory&&) noexcept = default;
SparseMemory::~SparseMemory() = default;

void SparseMemory::require(std::uint64_t address, std::uint64_t length) const {
  if (!contains(address, length)) {
    throw std::out_of_range("sparse memory: " + std::to_string(length) + " bytes at " +
                            std::to_string(address) + " of " + std::to_string(size_));
  }
}

const std::uint8_t* SparseMemory::page(std::uint64_t address) const {
  require(address, 1);
  const std::uint64_t number = address / kPageBytes;
  const auto& directory = directories_[number / kPagesPerDirectory];
  if (!directory) return nullptr;
  const auto& page = directory->pages[number % kPagesPerDirectory];
  return page ? page->data() : nullptr;
}

std::uint8_t* SparseMemory::page_for_write(std::uint64_t address) {
  require(address, 1);
  if (!store_) return nullptr;
  const std::uint64_t number = address / kPageBytes;
  auto& directory = directories_[number / kPagesPerDirectory];
  if (!directory) directory = std::make_unique<Directory>();
  auto& page = directory->pages[number % kPagesPerDirectory];
  if (!page) {
    page = std::make_unique<Page>();
    ++allocated_pages_;
  }
  return page->data();
}

void SparseMemory::read(std::uint64_t address, std::uint8_t* data, std::size_t length) const {
  require(address, length);
  for_each_page(address, length, [&](std::uint64_t at, std::size_t position, std::size_t bytes) {
    if (const std::uint8_t* source = page(at)) {
      std::memcpy(data + position, source + at % kPageBytes, bytes);
    } else {
      std::memset(data + position, 0, bytes);
    }
  });
}

void SparseMemory::write(std::uint64_t address, const std::uint8_t* data, std::size_t length) {
  require(address, length);
  if (!store_) return;
  for_each_page(address, length, [&](std::uint64_t at, std::size_t position, std::size_t bytes) {
    if (page(at) == nullptr && all_zero(data + position, bytes)) return;
    std::memcpy(page_for_write(at) + at % kPageBytes, data + position, bytes);
  });
}

void SparseMemory::clear() {
  for (auto& directory : directories_) directory.reset();
  allocated_pages_ = 0;
}

}  // namespace hpimvp::common
