#include "npu/transfer.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace tessera::npu {

uint64_t LocalTransfer::row_bytes() const {
  return static_cast<uint64_t>(transfer_.pad_left) + transfer_.x_bytes + transfer_.pad_right;
}

uint64_t LocalTransfer::rows() const {
  return static_cast<uint64_t>(transfer_.pad_top) + transfer_.y_count + transfer_.pad_bottom;
}

int64_t LocalTransfer::row_address(uint64_t z, uint64_t y) const {
  return static_cast<int64_t>(transfer_.local_address) +
         static_cast<int64_t>(z) * transfer_.z_local_stride +
         static_cast<int64_t>(y) * transfer_.y_local_stride;
}

uint64_t LocalTransfer::copied_bytes() const {
  return static_cast<uint64_t>(transfer_.x_bytes) * transfer_.y_count * transfer_.z_count;
}

uint64_t LocalTransfer::frame_bytes() const {
  return row_bytes() * rows() * transfer_.z_count - copied_bytes();
}

std::optional<Fault> LocalTransfer::check(const LocalMemories& memories,
                                          bool padding_allowed) const {
  if (!padding_allowed) {
    const auto illegal = [](std::size_t offset) {
      return Fault{abi::NpuError::kIllegalMode, static_cast<uint32_t>(offset / 4)};
    };
    if (transfer_.pad_left != 0 || transfer_.pad_right != 0) {
      return illegal(offsetof(abi::Transfer, pad_left));
    }
    if (transfer_.pad_top != 0 || transfer_.pad_bottom != 0) {
      return illegal(offsetof(abi::Transfer, pad_top));
    }
  }
  if (rows() == 0 || row_bytes() == 0 || transfer_.z_count == 0) return std::nullopt;
  if (rows() > abi::kLocalRegionBytes / row_bytes() ||
      transfer_.z_count > abi::kLocalRegionBytes / (rows() * row_bytes())) {
    return Fault{abi::NpuError::kBadAddress, transfer_.local_address};
  }
  const auto corners = {row_address(0, 0), row_address(0, rows() - 1),
                        row_address(transfer_.z_count - 1, 0),
                        row_address(transfer_.z_count - 1, rows() - 1)};
  const int64_t first = std::min(corners);
  const int64_t last = std::max(corners);
  const uint64_t bytes = static_cast<uint64_t>(last - first) + row_bytes();
  if (first < 0) return Fault{abi::NpuError::kBadAddress, static_cast<uint32_t>(first)};
  const auto address = static_cast<uint64_t>(first);
  if (memories.memory_at(address, bytes)) return std::nullopt;
  return Fault{abi::NpuError::kBadAddress,
               static_cast<uint32_t>(memories.first_bad_address(address, bytes))};
}

void LocalTransfer::fill_frame(LocalMemories& memories) const {
  const auto zero = [&](int64_t address, uint64_t bytes) {
    if (bytes != 0) std::memset(memories.at(static_cast<uint64_t>(address)), 0, bytes);
  };
  for (uint64_t z = 0; z < transfer_.z_count; ++z) {
    for (uint64_t y = 0; y < rows(); ++y) {
      const int64_t row = row_address(z, y);
      const bool copied = y >= transfer_.pad_top && y - transfer_.pad_top < transfer_.y_count;
      if (copied) {
        zero(row, transfer_.pad_left);
        zero(row + transfer_.pad_left + transfer_.x_bytes, transfer_.pad_right);
      } else {
        zero(row, row_bytes());
      }
    }
  }
}

Memory LocalTransfer::memory(const LocalMemories& memories) const {
  return memories.memory_at(transfer_.local_address, 1).value_or(Memory::kActivations);
}

uint64_t LocalTransfer::first_copied_address() const {
  return static_cast<uint64_t>(row_address(0, transfer_.pad_top)) + transfer_.pad_left;
}

}  // namespace tessera::npu
