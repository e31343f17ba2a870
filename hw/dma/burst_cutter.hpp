#pragma once

#include <cstdint>

namespace tessera::dma {

/// z_count planes of y_count rows of x_bytes contiguous bytes in memory. Strides are bytes between
/// the starts of rows and planes, of either sign. A count of zero is an empty transfer.
struct Descriptor3d {
  uint64_t base_address = 0;
  uint64_t x_bytes = 0;
  uint64_t y_count = 1;
  uint64_t z_count = 1;
  int64_t y_stride = 0;
  int64_t z_stride = 0;

  uint64_t bytes() const { return x_bytes * y_count * z_count; }
};

/// Part of a descriptor that goes over the bus in one transaction.
struct Burst {
  uint64_t address = 0;
  uint64_t offset = 0;  ///< bytes of the descriptor, in its order, before this burst
  uint32_t bytes = 0;
};

/// Cuts a descriptor into bursts of at most burst_bytes that cross no multiple of burst_bytes, in
/// the descriptor's order. Rows (and planes) that follow each other without a gap are one run.
class BurstCutter {
 public:
  /// `burst_bytes` is a power of two.
  BurstCutter(const Descriptor3d& descriptor, uint32_t burst_bytes);

  /// The next burst; false when there is none.
  bool next(Burst& burst);
  bool done() const { return offset_ == total_bytes_; }
  /// How many of the next bursts are of burst_bytes and follow the last without a gap.
  uint64_t even_bursts() const { return x_ == 0 ? 0 : (runs_.x_bytes - x_) / burst_bytes_; }
  /// Goes on as if next() had given so many bursts, fewer than even_bursts().
  void skip(uint64_t bursts) {
    offset_ += bursts * burst_bytes_;
    x_ += bursts * burst_bytes_;
  }

 private:
  Descriptor3d runs_;  ///< the descriptor with contiguous rows merged
  uint32_t burst_bytes_;
  uint64_t total_bytes_;
  uint64_t offset_ = 0;
  uint64_t x_ = 0, y_ = 0, z_ = 0;  ///< position in runs_
};

}  // namespace tessera::dma
