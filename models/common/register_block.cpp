#include "models/common/register_block.h"

#include <algorithm>
#include <cstdio>
#include <stdexcept>
#include <utility>

namespace hpimvp::common {
namespace {

constexpr unsigned kHalfBytes = 4;
constexpr std::uint64_t kHalfMask = 0xFFFFFFFF;

std::uint64_t width_mask(unsigned bytes) {
  return bytes >= 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (8 * bytes)) - 1;
}

std::string hexadecimal(std::uint64_t value) {
  char text[20];
  std::snprintf(text, sizeof(text), "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

// Throws if two registers of the table share a byte, or one reaches outside the block.
void check_table(const BlockInfo& info) {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> spans;  // offset, bytes
  for (const RegisterInfo& one : info.registers) {
    for (std::uint32_t index = 0; index < one.count; ++index) {
      spans.emplace_back(one.offset + index * one.stride, one.width_bytes);
    }
  }
  std::sort(spans.begin(), spans.end());
  std::uint32_t end = 0;
  for (const auto& [offset, bytes] : spans) {
    if (offset < end || offset + bytes > info.size) {
      throw std::logic_error("registers of block " + std::string(info.name) +
                             " overlap or leave the block at " + hexadecimal(offset));
    }
    end = offset + bytes;
  }
}

}  // namespace

RegisterBlock::RegisterBlock(const BlockInfo& info)
    : info_(&info), storage_(info.registers.size()) {
  check_table(info);
  for (std::size_t i = 0; i < storage_.size(); ++i) {
    storage_[i].values.resize(info.registers[i].count);
  }
  reset();
}

void RegisterBlock::on_read(std::uint32_t offset, ReadHook hook) {
  storage_[require(offset).position].read_hook = std::move(hook);
}

void RegisterBlock::on_write(std::uint32_t offset, WriteHook hook) {
  storage_[require(offset).position].write_hook = std::move(hook);
}

void RegisterBlock::limit_array(std::uint32_t offset, std::uint32_t count) {
  Storage& storage = storage_[require(offset).position];
  if (count == 0 || count > storage.values.size()) {
    throw std::logic_error(std::string("block ")
                               .append(info_->name)
                               .append(": an array cannot be limited to ")
                               .append(std::to_string(count))
                               .append(" elements"));
  }
  storage.values.resize(count);
}

RegisterBlock::Place RegisterBlock::find(std::uint64_t offset) const {
  for (std::size_t i = 0; i < info_->registers.size(); ++i) {
    const RegisterInfo& one = info_->registers[i];
    if (offset < one.offset) break;
    const std::uint64_t distance = offset - one.offset;
    const std::uint64_t index = one.count > 1 ? distance / one.stride : 0;
    const std::uint64_t byte = distance - index * one.stride;
    if (index < storage_[i].values.size() && byte < one.width_bytes) {
      return {&one, i, static_cast<std::uint32_t>(index), static_cast<unsigned>(byte)};
    }
  }
  return {nullptr, 0, 0, 0};
}

RegisterBlock::Place RegisterBlock::require(std::uint32_t offset) const {
  const Place place = find(offset);
  if (place.info == nullptr || place.byte != 0) {
    throw std::logic_error("block " + std::string(info_->name) + " has no register at " +
                           hexadecimal(offset));
  }
  return place;
}

AccessResult RegisterBlock::check_shape(const Place& place, unsigned width_bytes) const {
  if (place.info == nullptr) return AccessResult::kAddressError;
  if (place.byte == 0 && width_bytes == place.info->width_bytes) return AccessResult::kOk;
  const bool half = width_bytes == kHalfBytes && place.byte % kHalfBytes == 0;
  return place.info->halves && half ? AccessResult::kOk : AccessResult::kSizeError;
}

AccessResult RegisterBlock::read(std::uint64_t offset, unsigned width_bytes,
                                 std::uint64_t& value) const {
  const Place place = find(offset);
  const AccessResult shape = check_shape(place, width_bytes);
  if (shape != AccessResult::kOk) return shape;
  if (place.info->access == Access::kWriteOnly) return AccessResult::kCommandError;
  const Storage& storage = storage_[place.position];
  const std::uint64_t stored =
      storage.read_hook ? storage.read_hook(place.index) : storage.values[place.index];
  value = ((stored & place.info->read_mask) >> (8 * place.byte)) & width_mask(width_bytes);
  return AccessResult::kOk;
}

AccessResult RegisterBlock::write(std::uint64_t offset, unsigned width_bytes, std::uint64_t value) {
  const Place place = find(offset);
  const AccessResult shape = check_shape(place, width_bytes);
  if (shape != AccessResult::kOk) return shape;
  if (place.info->access == Access::kReadOnly) return AccessResult::kCommandError;
  Storage& storage = storage_[place.position];
  const std::uint64_t previous =
      storage.read_hook ? storage.read_hook(place.index) : storage.values[place.index];
  std::uint64_t written = value & width_mask(width_bytes);
  std::uint64_t cleared = written;
  if (width_bytes < place.info->width_bytes) {
    // The other half keeps its value, and none of its bits is written 1.
    written <<= 8 * place.byte;
    cleared = written;
    written |= previous & ~(kHalfMask << (8 * place.byte));
  }
  storage.values[place.index] =
      ((previous & ~place.info->store_mask) | (written & place.info->store_mask)) &
      ~(cleared & place.info->clear_mask);
  if (!storage.write_hook) return AccessResult::kOk;
  const AccessResult result = storage.write_hook({written, previous, place.index});
  if (result != AccessResult::kOk) storage.values[place.index] = previous;
  return result;
}

std::uint64_t RegisterBlock::get(std::uint32_t offset) const {
  const Place place = require(offset);
  return storage_[place.position].values[place.index];
}

void RegisterBlock::set(std::uint32_t offset, std::uint64_t value) {
  const Place place = require(offset);
  storage_[place.position].values[place.index] = value & width_mask(place.info->width_bytes);
}

void RegisterBlock::reset() {
  for (std::size_t i = 0; i < storage_.size(); ++i) {
    std::fill(storage_[i].values.begin(), storage_[i].values.end(), info_->registers[i].reset);
  }
}

std::string RegisterBlock::name_at(std::uint64_t offset) const {
  const Place place = find(offset);
  if (place.info == nullptr) return std::string("offset ").append(hexadecimal(offset));
  std::string name(place.info->name);
  if (place.info->count > 1) name.append("[").append(std::to_string(place.index)).append("]");
  return name;
}

}  // namespace hpimvp::common
