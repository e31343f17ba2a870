#include "npu/statistics.hpp"

#include <numeric>

namespace tessera::npu {

namespace {
template <typename Array>
void add(Array& sum, const Array& other) {
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += other[i];
}
}  // namespace

uint64_t CycleCounts::total() const {
  return std::accumulate(by_cause.begin(), by_cause.end(), uint64_t{0});
}

CycleCounts& CycleCounts::operator+=(const CycleCounts& other) {
  add(by_cause, other.by_cause);
  return *this;
}

uint64_t EventCounts::scratchpad_bytes() const {
  const uint64_t read =
      std::accumulate(scratchpad_bytes_read.begin(), scratchpad_bytes_read.end(), uint64_t{0});
  return std::accumulate(scratchpad_bytes_written.begin(), scratchpad_bytes_written.end(), read);
}

PeEvents& PeEvents::operator+=(const PeEvents& other) {
  steps += other.steps;
  active_macs += other.active_macs;
  activation_words += other.activation_words;
  weight_words += other.weight_words;
  return *this;
}

EventCounts& EventCounts::operator+=(const EventCounts& other) {
  runs += other.runs;
  configurations += other.configurations;
  tiles += other.tiles;
  macs += other.macs;
  lane_slots += other.lane_slots;
  gated_macs += other.gated_macs;
  accumulations += other.accumulations;
  add(pe, other.pe);
  outputs += other.outputs;
  saturations += other.saturations;
  decoded_bytes += other.decoded_bytes;
  table_bytes += other.table_bytes;
  dram_bytes_read += other.dram_bytes_read;
  dram_bytes_written += other.dram_bytes_written;
  add(scratchpad_bytes_read, other.scratchpad_bytes_read);
  add(scratchpad_bytes_written, other.scratchpad_bytes_written);
  return *this;
}

EventCounts coded_events(const abi::CodedTransfer& coded, Memory memory) {
  EventCounts events;
  events.dram_bytes_read = coded.coded_bytes;
  events.decoded_bytes = coded.bytes;
  events.scratchpad_bytes_written[static_cast<std::size_t>(memory)] = coded.bytes;
  return events;
}

EventCounts table_events(const abi::TableTransfer& table) {
  EventCounts events;
  events.dram_bytes_read = table.bytes;
  events.table_bytes = table.bytes;
  return events;
}

}  // namespace tessera::npu
