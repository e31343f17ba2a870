#pragma once

/// When the bursts of the transfer engines come back: DMA engine, crossbar and DRAM without their
/// data.

#include <array>
#include <cstdint>
#include <deque>
#include <limits>
#include <optional>
#include <vector>

#include "chip/chip.hpp"
#include "dma/burst_cutter.hpp"
#include "memory/dram_timing.hpp"

namespace tessera::estimate {

/// The cycle of what does not happen by itself.
constexpr uint64_t kNever = std::numeric_limits<uint64_t>::max();

/// Bursts of `ports` engines, each with one transfer at a time, over one crossbar to one DRAM.
///
/// The same rules as hw/dma, hw/noc and hw/memory, in cycles, for a burst of b data beats:
///   - it is issued when the one before has left the engine and fewer than `outstanding` are in
///     flight; bursts retire in order;
///   - the DRAM's port takes requests one at a time, round robin, max(1, b) cycles each for
///     writes, 1 for reads; they arrive latency (+ b for writes) cycles after the grant;
///   - memory::DramTiming says when the access is done; the response leaves at the next clock edge
///     or when the responses before it have, each max(1, b) cycles for reads, 1 for writes;
///   - and is back latency (+ b for reads) cycles later.
///   - while memory::Dram::kQueueDepth accesses are in the controller the last of them is not
///     accepted, the next ones wait at the DRAM's port, and with latency + 2 of those none is
///     granted. (Elsewhere that limit is not reached: whatever arrives is accepted at once.)
class MemoryPath {
 public:
  MemoryPath(const chip::Chip& chip, uint32_t ports);

  /// A transfer of at least one byte starts at `cycle`, no earlier than any event before.
  /// Addresses are relative to the DRAM.
  void start(uint32_t port, const dma::Descriptor3d& transfer, bool is_write, uint64_t cycle);

  /// When the last burst of the port's transfer is back; kNever while that is not known.
  uint64_t done_cycle(uint32_t port) const { return ports_[port].done_cycle; }

  /// The cycle of the next request or response; kNever if there is none.
  uint64_t next_event_cycle() const;
  void perform_next_event();

  uint64_t row_hit_ps() const { return dram_.row_hit_ps(); }
  const memory::DramStatistics& dram() const { return dram_.statistics(); }

 private:
  struct Port {
    std::optional<dma::BurstCutter> cutter;
    bool is_write = false;
    uint64_t issued = 0;          ///< bursts of this transfer
    uint64_t retired = 0;         ///< of them, those whose retirement is known
    uint64_t released_cycle = 0;  ///< the last request has left the engine
    uint64_t last_retired_cycle = 0;
    uint64_t done_cycle = kNever;
    std::vector<uint64_t> returns;  ///< of burst n at n modulo `outstanding`; retired: in order

    /// When the next burst is at the crossbar.
    uint64_t issue_cycle() const;
  };
  struct Request {
    uint64_t arrival_cycle;  ///< at the DRAM
    uint64_t address;
    uint32_t bytes;
    uint32_t port;
    uint64_t burst;  ///< of the transfer
  };
  struct Response {
    uint64_t served_cycle;
    uint32_t port;
    uint64_t burst;
    uint64_t beats;
  };

  uint64_t grant_cycle() const;
  uint64_t delivery_cycle() const;
  uint64_t response_cycle() const;
  uint64_t acceptance_cycle() const;
  void grant(uint64_t cycle);
  void deliver(uint64_t cycle, const Request& request);
  void accept(uint64_t cycle);
  void end_response();
  void respond(uint64_t cycle);
  uint64_t beats(uint64_t bytes) const { return (bytes + width_bytes_ - 1) / width_bytes_; }

  uint64_t period_ps_;
  uint32_t burst_bytes_;
  uint32_t width_bytes_;
  uint32_t latency_cycles_;
  memory::DramTiming dram_;
  std::vector<Port> ports_;
  std::deque<Response> responses_;  ///< not yet on their way, the first served first
  uint64_t request_port_free_ = 0;
  uint64_t response_port_free_ = 0;

  bool may_block_;                ///< more bursts can be in flight than the controller takes
  std::deque<Request> arriving_;  ///< granted, not at the DRAM; used if it may block
  uint32_t unaccepted_ = 0;       ///< granted requests that the controller has not taken
  uint64_t accepted_cycle_ = 0;   ///< of the last that it took
  bool blocked_ = false;          ///< the last that arrived is not accepted
  bool responding_ = false;       ///< a response leaves until response_port_free_
  std::size_t queued_ = 0;        ///< in the controller
  uint32_t last_granted_ = 0;
};

}  // namespace tessera::estimate
