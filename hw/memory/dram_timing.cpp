#include "memory/dram_timing.hpp"

#include <algorithm>
#include <cmath>

namespace tessera::memory {

namespace {

/// Nanoseconds of a data sheet in picoseconds, rounded up; a femtosecond of slack keeps 13.32 ns
/// from becoming 13321 ps through its binary representation.
uint64_t ps(double ns) { return static_cast<uint64_t>(std::ceil(ns * 1000.0 - 1e-3)); }

/// Sizes in chip files are powers of two; divisions by them would be much of a burst's cost.
unsigned log2_of(uint32_t power_of_two) {
  unsigned bits = 0;
  while (power_of_two >> bits > 1) ++bits;
  return bits;
}

}  // namespace

DramTiming::DramTiming(const chip::Dram& config)
    : row_bits_(log2_of(config.row_bytes)),
      bank_bits_(log2_of(config.banks)),
      channel_bits_(log2_of(config.channels)),
      column_bytes_(uint64_t{config.bus_bytes} * config.burst_length),
      rcd_ps_(ps(config.t_rcd_ns)),
      rp_ps_(ps(config.t_rp_ns)),
      cas_ps_(ps(config.t_cas_ns)),
      ras_ps_(ps(config.t_ras_ns)),
      wr_ps_(ps(config.t_wr_ns)),
      rfc_ps_(ps(config.t_rfc_ns)),
      refi_ps_(ps(config.t_refi_ns)),
      burst_ps_((uint64_t{config.burst_length} * 1'000'000 + config.data_rate_mtps - 1) /
                config.data_rate_mtps),
      channels_(config.channels) {
  for (Channel& channel : channels_) {
    channel.banks.resize(config.banks);
    channel.next_refresh_ps = refi_ps_;
  }
}

uint64_t DramTiming::schedule(uint64_t arrival_ps, uint64_t address, uint64_t bytes,
                              bool is_write) {
  ++(is_write ? statistics_.writes : statistics_.reads);
  (is_write ? statistics_.bytes_written : statistics_.bytes_read) += bytes;
  const uint64_t last = address + (bytes - 1);
  uint64_t done_ps = arrival_ps;
  for (uint64_t at = address & ~(column_bytes_ - 1); at <= last; at += column_bytes_) {
    Channel& channel = channels_[channel_of(at)];
    done_ps = std::max(done_ps, access_column(channel, arrival_ps, channel_address(at), is_write));
  }
  return done_ps;
}

/// When a column command to `row` can go out as far as the bank is concerned.
uint64_t DramTiming::row_ready_ps(const Bank& bank, uint64_t row, uint64_t arrival_ps) const {
  if (bank.open && bank.row == row) return std::max(arrival_ps, bank.column_ready_ps);
  if (!bank.open) return std::max(arrival_ps, bank.activate_ready_ps) + rcd_ps_;
  return std::max(arrival_ps, bank.precharge_ready_ps) + rp_ps_ + rcd_ps_;
}

void DramTiming::open_row(Bank& bank, uint64_t row, uint64_t arrival_ps) {
  if (bank.open && bank.row == row) {
    ++statistics_.row_hits;
    return;
  }
  ++(bank.open ? statistics_.row_conflicts : statistics_.row_misses);
  ++statistics_.activates;
  bank.column_ready_ps = row_ready_ps(bank, row, arrival_ps);
  bank.precharge_ready_ps = bank.column_ready_ps - rcd_ps_ + ras_ps_;
  bank.open = true;
  bank.row = row;
}

/// When the column command to a place can go out.
uint64_t DramTiming::column_ps(const Channel& channel, const Place& place,
                               uint64_t arrival_ps) const {
  const uint64_t bus_ready_ps = channel.bus_free_ps > cas_ps_ ? channel.bus_free_ps - cas_ps_ : 0;
  return std::max(row_ready_ps(channel.banks[place.bank], place.row, arrival_ps), bus_ready_ps);
}

uint64_t DramTiming::data_ps(uint32_t channel, const Place& place, uint64_t now_ps) const {
  return column_ps(channels_[channel], place, now_ps) + cas_ps_;
}

uint64_t DramTiming::access_column(Channel& channel, uint64_t arrival_ps, uint64_t channel_address,
                                   bool is_write) {
  const Place place = place_in_channel(channel_address);
  Bank& bank = channel.banks[place.bank];
  while (column_ps(channel, place, arrival_ps) >= channel.next_refresh_ps) {
    refresh(channel, arrival_ps);
  }
  const uint64_t command_ps = column_ps(channel, place, arrival_ps);
  open_row(bank, place.row, arrival_ps);
  channel.bus_free_ps = command_ps + cas_ps_ + burst_ps_;
  const uint64_t closable_ps = is_write ? channel.bus_free_ps + wr_ps_ : command_ps + burst_ps_;
  bank.precharge_ready_ps = std::max(bank.precharge_ready_ps, closable_ps);
  return channel.bus_free_ps;
}

void DramTiming::repeat(uint32_t number, uint64_t address, bool is_write, const DramPace& before,
                        uint64_t times) {
  Channel& channel = channels_[number];
  channel.bus_free_ps += times * (channel.bus_free_ps - before.bus_free_ps);
  Bank& bank = channel.banks[place_of(address).bank];
  const uint64_t closable_ps =
      is_write ? channel.bus_free_ps + wr_ps_ : channel.bus_free_ps - cas_ps_;
  bank.precharge_ready_ps = std::max(bank.precharge_ready_ps, closable_ps);
  const DramStatistics& was = before.statistics;
  const auto grow = [&](uint64_t& count, uint64_t then) { count += times * (count - then); };
  grow(statistics_.reads, was.reads);
  grow(statistics_.writes, was.writes);
  grow(statistics_.bytes_read, was.bytes_read);
  grow(statistics_.bytes_written, was.bytes_written);
  grow(statistics_.row_hits, was.row_hits);
}

void DramTiming::refresh(Channel& channel, uint64_t now_ps) {
  // Of refreshes long past only the last can still be in the way; all of them are counted.
  if (now_ps > channel.next_refresh_ps + refi_ps_) {
    const uint64_t past = (now_ps - channel.next_refresh_ps) / refi_ps_;
    statistics_.refreshes += past;
    channel.next_refresh_ps += past * refi_ps_;
  }
  uint64_t start_ps = channel.next_refresh_ps;
  for (const Bank& bank : channel.banks) {
    if (bank.open) start_ps = std::max(start_ps, bank.precharge_ready_ps);
  }
  const bool any_open = std::any_of(channel.banks.begin(), channel.banks.end(),
                                    [](const Bank& bank) { return bank.open; });
  const uint64_t end_ps = start_ps + (any_open ? rp_ps_ : 0) + rfc_ps_;
  for (Bank& bank : channel.banks) {
    bank.open = false;
    bank.activate_ready_ps = std::max(bank.activate_ready_ps, end_ps);
  }
  ++statistics_.refreshes;
  channel.next_refresh_ps += refi_ps_;
}

}  // namespace tessera::memory
