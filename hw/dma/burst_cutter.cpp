#include "dma/burst_cutter.hpp"

#include <algorithm>

namespace tessera::dma {

namespace {

/// The same bytes in the same order with as few rows as possible.
Descriptor3d merge_rows(Descriptor3d d) {
  const auto promote_planes = [&d] {
    d.y_count = d.z_count;
    d.y_stride = d.z_stride;
    d.z_count = 1;
  };
  const auto rows_touch = [&d] { return static_cast<uint64_t>(d.y_stride) == d.x_bytes; };
  for (int dimension = 0; dimension < 2; ++dimension) {
    if (d.y_count == 1) promote_planes();
    if (d.y_count > 1 && rows_touch()) {
      d.x_bytes *= d.y_count;
      promote_planes();
    }
  }
  return d;
}

}  // namespace

BurstCutter::BurstCutter(const Descriptor3d& descriptor, uint32_t burst_bytes)
    : runs_(descriptor), burst_bytes_(burst_bytes), total_bytes_(descriptor.bytes()) {
  if (total_bytes_ != 0) runs_ = merge_rows(descriptor);
}

bool BurstCutter::next(Burst& burst) {
  if (done()) return false;
  burst.address = runs_.base_address + y_ * static_cast<uint64_t>(runs_.y_stride) +
                  z_ * static_cast<uint64_t>(runs_.z_stride) + x_;
  const uint64_t to_boundary = burst_bytes_ - burst.address % burst_bytes_;
  burst.bytes = static_cast<uint32_t>(std::min(to_boundary, runs_.x_bytes - x_));
  burst.offset = offset_;
  offset_ += burst.bytes;
  x_ += burst.bytes;
  if (x_ == runs_.x_bytes) {
    x_ = 0;
    if (++y_ == runs_.y_count) {
      y_ = 0;
      ++z_;
    }
  }
  return true;
}

}  // namespace tessera::dma
