#include "dma/dma_engine.hpp"

#include <algorithm>
#include <cstring>

namespace tessera::dma {

using common::BurstTrace;
using sc_core::sc_time;
using sc_core::sc_time_stamp;

namespace {

/// Moves a burst between its buffer and the rows of the local block it covers.
void copy_local(const Descriptor3d& descriptor, const LocalView& local, const Burst& burst,
                uint8_t* buffer, bool to_local) {
  const uint64_t row = burst.offset / descriptor.x_bytes;
  uint64_t x = burst.offset % descriptor.x_bytes;
  uint64_t y = row % descriptor.y_count;
  uint64_t z = row / descriptor.y_count;
  for (uint64_t moved = 0; moved < burst.bytes;) {
    const uint64_t bytes = std::min<uint64_t>(burst.bytes - moved, descriptor.x_bytes - x);
    uint8_t* there = local.data + static_cast<int64_t>(z) * local.z_stride +
                     static_cast<int64_t>(y) * local.y_stride + x;
    if (to_local) {
      std::memcpy(there, buffer + moved, bytes);
    } else {
      std::memcpy(buffer + moved, there, bytes);
    }
    moved += bytes;
    x = 0;
    if (++y == descriptor.y_count) {
      y = 0;
      ++z;
    }
  }
}

}  // namespace

DmaEngine::DmaEngine(const sc_core::sc_module_name& name, const common::Clock& clock,
                     const chip::Dma& config, common::TimingMode mode)
    : sc_module(name),
      socket("socket"),
      clock_(clock),
      config_(config),
      mode_(mode),
      train_transaction_(pool_.acquire(tlm::TLM_IGNORE_COMMAND, 0, nullptr, 0)),
      train_(new BurstTrain) {
  if (config.burst_bytes > kMaxBurstBytes || config.outstanding == 0) {
    SC_REPORT_FATAL(this->name(), "bursts are at most 256 bytes, one or more in flight");
  }
  if (mode == common::TimingMode::kLooselyTimed) {
    slots_.resize(2 * std::max<size_t>(config.outstanding, 16));
  }
  socket.register_nb_transport_bw(this, &DmaEngine::nb_transport_bw);
  train_transaction_->set_extension(train_);  // deleted by the payload
}

DmaEngine::~DmaEngine() = default;

TransferResult DmaEngine::transfer(const Descriptor3d& descriptor, Direction direction,
                                   const LocalView& local) {
  if (job_ != nullptr) SC_REPORT_FATAL(name(), "a transfer began during another");
  const sc_time edge = clock_.next_edge(sc_time_stamp());
  if (edge != sc_time_stamp()) wait(edge - sc_time_stamp());
  Job job{descriptor, direction, local, BurstCutter(descriptor, config_.burst_bytes), {}};
  job_ = &job;
  account_ = BusyAccount();
  account_.start(clock_.now_cycles());
  if (mode_ == common::TimingMode::kApproximatelyTimed) {
    run_approximately_timed(job);
  } else {
    run_loosely_timed(job);
  }
  busy_ = breakdown_at_now();
  job_ = nullptr;
  (direction == Direction::kRead ? bytes_read_ : bytes_written_) += job.result.bytes;
  return job.result;
}

Breakdown DmaEngine::breakdown_at_now() const {
  if (job_ == nullptr) return busy_;
  if (train_->progress != nullptr) return busy_ + train_->progress->breakdown_at_now();
  const uint64_t now = clock_.now_cycles();
  BusyAccount account = account_;
  for (size_t age = 0; age < in_flight_; ++age) {
    const BurstStamps stamps = stamps_of(slot(age));
    account.charge(stamps, now);
    if (stamps.returned > now) break;
  }
  account.charge_other(now);
  return busy_ + account.sums();
}

/// The trace of a loosely timed burst in cycles.
BurstStamps DmaEngine::stamps_of(const Slot& slot) const {
  const BurstTrace& trace = common::trace_of(*slot.transaction);
  const auto cycle = [&](const sc_time& stamp) {
    return BurstTrace::is_set(stamp) ? clock_.floor_cycles(stamp) : BurstStamps::kUnset;
  };
  return {cycle(trace.issued), cycle(trace.delivered), cycle(trace.served), cycle(trace.returned)};
}

DmaEngine::Slot& DmaEngine::add_burst(Job& job) {
  Slot& added = slot(in_flight_);
  job.cutter.next(added.burst);
  const bool is_read = job.direction == Direction::kRead;
  if (!is_read) copy_local(job.descriptor, job.local, added.burst, added.data.data(), false);
  added.transaction = pool_.acquire(is_read ? tlm::TLM_READ_COMMAND : tlm::TLM_WRITE_COMMAND,
                                    added.burst.address, added.data.data(), added.burst.bytes);
  ++in_flight_;
  ++bursts_;
  return added;
}

void DmaEngine::retire_until(Job& job, const sc_time& when) {
  while (in_flight_ != 0 && common::trace_of(*slot(0).transaction).returned <= when) {
    retire_oldest(job);
  }
}

void DmaEngine::retire_oldest(Job& job) {
  Slot& oldest = slot(0);
  account_.charge(stamps_of(oldest), clock_.now_cycles());
  if (oldest.transaction->is_response_ok()) {
    job.result.bytes += oldest.burst.bytes;
    if (job.direction == Direction::kRead) {
      copy_local(job.descriptor, job.local, oldest.burst, oldest.data.data(), true);
    }
  } else {
    job.failed = true;
    if (job.result.ok()) {
      job.result.status = oldest.transaction->get_response_status();
      job.result.failing_address = oldest.burst.address;
    }
  }
  oldest.transaction->release();
  first_ = (first_ + 1) % slots_.size();
  --in_flight_;
}

// ---- loosely timed

void DmaEngine::run_loosely_timed(Job& job) {
  sc_time issue_at = sc_time_stamp();
  while (!job.all_issued()) {
    if (in_flight_ == slots_.size()) {
      const sc_time half = common::trace_of(*slot(slots_.size() / 2).transaction).returned;
      if (half > sc_time_stamp()) wait(half - sc_time_stamp());
      retire_until(job, sc_time_stamp());
      continue;
    }
    if (in_flight_ >= config_.outstanding) {
      const Slot& oldest = slot(in_flight_ - config_.outstanding);
      issue_at = std::max(issue_at, common::trace_of(*oldest.transaction).returned);
    }
    issue_at = std::max(issue_at, clock_.next_edge(sc_time_stamp()));
    Slot& added = add_burst(job);
    BurstTrace& trace = common::trace_of(*added.transaction);
    trace.issued = issue_at;
    sc_time delay = issue_at - sc_time_stamp();
    socket->b_transport(*added.transaction, delay);
    trace.returned = sc_time_stamp() + delay;
    // Bursts retire in order: none returns before its predecessor.
    if (in_flight_ > 1) {
      const BurstTrace& before = common::trace_of(*slot(in_flight_ - 2).transaction);
      trace.returned = std::max(trace.returned, before.returned);
    }
    job.failed = job.failed || !added.transaction->is_response_ok();
    issue_at += clock_.period();
  }
  if (in_flight_ != 0) {
    const sc_time last = common::trace_of(*slot(in_flight_ - 1).transaction).returned;
    if (last > sc_time_stamp()) wait(last - sc_time_stamp());
    retire_until(job, sc_time_stamp());
  }
}

// ---- approximately timed

void DmaEngine::run_approximately_timed(Job& job) {
  if (job.all_issued()) return;
  const bool is_read = job.direction == Direction::kRead;
  Transaction& transaction = *train_transaction_;
  transaction.set_command(is_read ? tlm::TLM_READ_COMMAND : tlm::TLM_WRITE_COMMAND);
  transaction.set_address(job.descriptor.base_address);
  transaction.set_data_ptr(job.local.data);
  const auto bytes = static_cast<unsigned>(job.descriptor.bytes());
  transaction.set_data_length(bytes);
  transaction.set_streaming_width(bytes);
  transaction.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
  train_->descriptor = job.descriptor;
  train_->burst_bytes = config_.burst_bytes;
  train_->outstanding = config_.outstanding;
  tlm::tlm_phase phase = tlm::BEGIN_REQ;
  sc_time delay = sc_core::SC_ZERO_TIME;
  socket->nb_transport_fw(transaction, phase, delay);
  if (train_->progress == nullptr) {
    SC_REPORT_FATAL(name(), "what it is bound to carries no trains of bursts");
  }
  wait(train_done_);
  bursts_ += train_->bursts_issued;
  job.result.status = transaction.get_response_status();
  if (!job.result.ok()) job.result.failing_address = train_->failing_address;
  move_data(job, train_->bursts_issued);
}

tlm::tlm_sync_enum DmaEngine::nb_transport_bw(Transaction&, tlm::tlm_phase& phase, sc_time& delay) {
  if (phase != tlm::BEGIN_RESP) return tlm::TLM_ACCEPTED;
  train_done_.notify(delay);
  return tlm::TLM_COMPLETED;
}

/// The memory around an address; a range of nothing if there is none.
tlm::tlm_dmi DmaEngine::memory_at(uint64_t address) {
  Transaction transaction;
  transaction.set_address(address);
  tlm::tlm_dmi dmi;
  if (!socket->get_direct_mem_ptr(transaction, dmi)) {
    dmi.set_dmi_ptr(nullptr);
    dmi.set_start_address(1);
    dmi.set_end_address(0);
  }
  return dmi;
}

/// Moves the first `bursts` bursts; those that no memory holds were refused.
void DmaEngine::move_data(Job& job, uint64_t bursts) {
  const bool is_read = job.direction == Direction::kRead;
  tlm::tlm_dmi memory = memory_at(job.descriptor.base_address);
  Burst burst;
  for (uint64_t n = 0; n < bursts && job.cutter.next(burst); ++n) {
    const uint64_t last = burst.address + (burst.bytes - 1);
    const auto holds = [&] {
      return burst.address >= memory.get_start_address() && last <= memory.get_end_address();
    };
    if (!holds()) memory = memory_at(burst.address);
    if (!holds()) continue;
    uint8_t* there = memory.get_dmi_ptr() + (burst.address - memory.get_start_address());
    copy_local(job.descriptor, job.local, burst, there, is_read);
    job.result.bytes += burst.bytes;
  }
}

std::vector<common::Statistic> DmaEngine::statistics() const {
  const Breakdown busy = breakdown_at_now();
  return {{"bytes_read", bytes_read_, "bytes", "moved from memory"},
          {"bytes_written", bytes_written_, "bytes", "moved to memory"},
          {"bursts", bursts_, "", "transactions issued"},
          {"busy", busy.total_cycles, "cycles", "in transfers"},
          {"busy_dram", busy.dram_cycles, "cycles", "of them, the oldest burst was in memory"},
          {"busy_noc", busy.noc_cycles, "cycles", "of them, it was in the network"},
          {"busy_other", busy.other_cycles, "cycles", "of them, it was not issued"}};
}

}  // namespace tessera::dma
