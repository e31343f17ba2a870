#include "npu/transfer.hpp"

#include <algorithm>

namespace tessera::npu {

int64_t LocalTransfer::row_address(uint64_t z, uint64_t y) const {
  return static_cast<int64_t>(transfer_.local_address) +
         static_cast<int64_t>(z) * transfer_.z_local_stride +
         static_cast<int64_t>(y) * transfer_.y_local_stride;
}

uint64_t LocalTransfer::bytes() const {
  return static_cast<uint64_t>(transfer_.x_bytes) * transfer_.y_count * transfer_.z_count;
}

int64_t LocalTransfer::first_address() const {
  const uint64_t y = transfer_.y_count - 1;
  const uint64_t z = transfer_.z_count - 1;
  return std::min({row_address(0, 0), row_address(0, y), row_address(z, 0), row_address(z, y)});
}

AddressSpan LocalTransfer::span() const {
  const uint64_t y = transfer_.y_count - 1;
  const uint64_t z = transfer_.z_count - 1;
  const int64_t first = first_address();
  const int64_t last =
      std::max({row_address(0, 0), row_address(0, y), row_address(z, 0), row_address(z, y)});
  return {static_cast<uint64_t>(first), static_cast<uint64_t>(last - first) + transfer_.x_bytes};
}

std::optional<Fault> LocalTransfer::check(const LocalMemories& memories) const {
  const uint64_t y_count = transfer_.y_count;
  const uint64_t x_bytes = transfer_.x_bytes;
  if (y_count == 0 || x_bytes == 0 || transfer_.z_count == 0) return std::nullopt;
  if (y_count > abi::kLocalRegionBytes / x_bytes ||
      transfer_.z_count > abi::kLocalRegionBytes / (y_count * x_bytes)) {
    return Fault{abi::NpuError::kBadAddress, transfer_.local_address};
  }
  const int64_t first = first_address();
  if (first < 0) return Fault{abi::NpuError::kBadAddress, static_cast<uint32_t>(first)};
  const auto [address, bytes] = span();
  if (memories.memory_at(address, bytes)) return std::nullopt;
  return Fault{abi::NpuError::kBadAddress,
               static_cast<uint32_t>(memories.first_bad_address(address, bytes))};
}

Memory LocalTransfer::memory(const LocalMemories& memories) const {
  return memories.memory_at(transfer_.local_address, 1).value_or(Memory::kActivations);
}

}  // namespace tessera::npu
