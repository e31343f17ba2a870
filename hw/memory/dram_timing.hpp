#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "chip/chip.hpp"

namespace tessera::memory {

/// Channels take turns every so many bytes of address, so that no aligned burst is split.
constexpr uint64_t kChannelInterleaveBytes = 256;

/// Accesses that a port of the controller holds until their responses have left.
constexpr std::size_t kControllerDepth = 64;

struct DramStatistics {
  uint64_t reads = 0;  ///< transactions
  uint64_t writes = 0;
  uint64_t bytes_read = 0;
  uint64_t bytes_written = 0;
  uint64_t row_hits = 0;       ///< column accesses; hits + misses + conflicts are all of them
  uint64_t row_misses = 0;     ///< the bank was closed
  uint64_t row_conflicts = 0;  ///< another row was open
  uint64_t activates = 0;
  uint64_t refreshes = 0;  ///< all-bank refreshes, counted when an access finds them due
};

/// What a steady stream of accesses to one row leaves behind (DramTiming::repeat).
struct DramPace {
  DramStatistics statistics;
  uint64_t bus_free_ps = 0;
};

/// Command timing of DRAM channels, in the order of the calls (which DramScheduler chooses), rows
/// left open.
///
/// Within a channel, addresses run through a row, then the same row of another bank, until all
/// banks had their turn, then the next row. The bank is that part of the address XOR the low bits
/// of the row, so that streams a multiple of all banks apart do not meet in one (Z. Zhang, Z. Zhu,
/// X. Zhang, "A permutation-based page interleaving scheme to reduce row-buffer conflicts and
/// exploit data locality", MICRO 2000). A transaction is cut into column accesses of bus_bytes *
/// burst_length bytes. Of each, with times as in JEDEC data sheets:
///   - an open row is read at once; a closed bank is activated, tRCD before the column command;
///   another open row is
///     precharged before that, tRP earlier, but no sooner than tRAS after its activation, the end
///     of a read's column slot, or tWR after the last written data;
///   - data occupy the channel's bus for burst_length / data_rate, from tCAS after the column
///     command (writes too: write latency is taken as tCAS), in the order of the requests. Banks
///     other than that of the running access may be prepared meanwhile;
///   - every tREFI, before the first column command due at or after it, all banks are precharged
///     and refreshed for tRFC.
/// Not modelled: tRRD, tFAW, tCCD_L, bus turnaround (tWTR), tRTP beyond the column slot.
/// Times are picoseconds since zero, those of the data sheet rounded up.
class DramTiming {
 public:
  explicit DramTiming(const chip::Dram& config);

  /// When the last data of [address, address + bytes) have passed the bus, for a request that
  /// arrives at `arrival_ps`. Calls are served in their order. `bytes` is positive.
  uint64_t schedule(uint64_t arrival_ps, uint64_t address, uint64_t bytes, bool is_write);

  /// Of one column access that hits an open row on an idle channel.
  uint64_t row_hit_ps() const { return cas_ps_ + burst_ps_; }

  /// Of one that has to close another row, without the data.
  uint64_t row_conflict_ps() const { return rp_ps_ + rcd_ps_ + cas_ps_; }

  uint32_t channels() const { return static_cast<uint32_t>(channels_.size()); }
  /// The channel of an address.
  uint32_t channel_of(uint64_t address) const {
    return static_cast<uint32_t>(address / kChannelInterleaveBytes & (channels_.size() - 1));
  }
  /// When the data of all accesses so far have passed the channel's bus.
  uint64_t bus_free_ps(uint32_t channel) const { return channels_[channel].bus_free_ps; }
  /// Where an address lies in its channel.
  struct Place {
    uint64_t bank = 0;
    uint64_t row = 0;
  };
  Place place_of(uint64_t address) const { return place_in_channel(channel_address(address)); }
  /// When the first data of an access would pass the bus if it were scheduled at `now_ps`,
  /// refreshes aside.
  uint64_t data_ps(uint32_t channel, const Place& place, uint64_t now_ps) const;

  const DramStatistics& statistics() const { return statistics_; }

  /// What is left of the row of `address` from there on, of a memory of one channel.
  uint64_t bytes_to_row_end(uint64_t address) const {
    return (uint64_t{1} << row_bits_) - (address & ((uint64_t{1} << row_bits_) - 1));
  }
  uint64_t next_refresh_ps(uint32_t channel) const { return channels_[channel].next_refresh_ps; }
  DramPace pace(uint32_t channel) const { return {statistics_, channels_[channel].bus_free_ps}; }
  /// As if what came since `before`, an access to the open row of `address`, had come so many times
  /// more, each as long after the other. No refresh falls due meanwhile.
  void repeat(uint32_t channel, uint64_t address, bool is_write, const DramPace& before,
              uint64_t times);

 private:
  struct Bank {
    bool open = false;
    uint64_t row = 0;
    uint64_t column_ready_ps = 0;     ///< earliest column command to the open row
    uint64_t precharge_ready_ps = 0;  ///< earliest precharge of the open row
    uint64_t activate_ready_ps = 0;   ///< earliest activation of a closed bank
  };
  struct Channel {
    std::vector<Bank> banks;
    uint64_t bus_free_ps = 0;
    uint64_t next_refresh_ps = 0;
  };

  uint64_t channel_address(uint64_t address) const {
    return (address / kChannelInterleaveBytes >> channel_bits_) * kChannelInterleaveBytes +
           address % kChannelInterleaveBytes;
  }
  Place place_in_channel(uint64_t channel_address) const {
    const uint64_t row_number = channel_address >> row_bits_;
    const uint64_t row = row_number >> bank_bits_;
    return {(row_number ^ row) & ((1U << bank_bits_) - 1), row};
  }
  uint64_t column_ps(const Channel& channel, const Place& place, uint64_t arrival_ps) const;
  uint64_t access_column(Channel& channel, uint64_t arrival_ps, uint64_t channel_address,
                         bool is_write);
  uint64_t row_ready_ps(const Bank& bank, uint64_t row, uint64_t arrival_ps) const;
  void open_row(Bank& bank, uint64_t row, uint64_t arrival_ps);
  void refresh(Channel& channel, uint64_t now_ps);

  unsigned row_bits_, bank_bits_, channel_bits_;  ///< of powers of two
  uint64_t column_bytes_;
  uint64_t rcd_ps_, rp_ps_, cas_ps_, ras_ps_, wr_ps_, rfc_ps_, refi_ps_, burst_ps_;
  std::vector<Channel> channels_;
  DramStatistics statistics_;
};

}  // namespace tessera::memory
