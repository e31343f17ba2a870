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
      account_(clock) {
  if (config.burst_bytes > kMaxBurstBytes || config.outstanding == 0) {
    SC_REPORT_FATAL(this->name(), "bursts are at most 256 bytes, one or more in flight");
  }
  const bool timed = mode == common::TimingMode::kApproximatelyTimed;
  slots_.resize(timed ? config.outstanding : 2 * std::max<size_t>(config.outstanding, 16));
  socket.register_nb_transport_bw(this, &DmaEngine::nb_transport_bw);
  SC_HAS_PROCESS(DmaEngine);
  SC_METHOD(pump);
  sensitive << steps_.event();
  dont_initialize();
}

DmaEngine::~DmaEngine() = default;

TransferResult DmaEngine::transfer(const Descriptor3d& descriptor, Direction direction,
                                   const LocalView& local) {
  if (job_ != nullptr) SC_REPORT_FATAL(name(), "a transfer began during another");
  const sc_time edge = clock_.next_edge(sc_time_stamp());
  if (edge != sc_time_stamp()) wait(edge - sc_time_stamp());
  Job job{descriptor, direction, local, BurstCutter(descriptor, config_.burst_bytes), {}};
  job_ = &job;
  account_.start(sc_time_stamp());
  if (mode_ == common::TimingMode::kApproximatelyTimed) {
    run_approximately_timed(job);
  } else {
    run_loosely_timed(job);
  }
  account_.charge_other(sc_time_stamp());
  job_ = nullptr;
  (direction == Direction::kRead ? bytes_read_ : bytes_written_) += job.result.bytes;
  return job.result;
}

Breakdown DmaEngine::breakdown_at_now() const {
  if (job_ == nullptr) return account_.sums();
  const sc_time now = sc_time_stamp();
  BusyAccount account = account_;
  for (size_t age = 0; age < in_flight_; ++age) {
    const BurstTrace& trace = common::trace_of(*slot(age).transaction);
    account.charge(trace, now);
    if (trace.returned > now) break;
  }
  account.charge_other(now);
  return account.sums();
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
  account_.charge(common::trace_of(*oldest.transaction), sc_time_stamp());
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
  pump();
  while (in_flight_ != 0 || !job.all_issued()) wait(job_done_);
}

/// Acts on answers that are due, retires what has returned, issues what may be issued.
void DmaEngine::pump() {
  Step step;
  while (steps_.pop(step)) {
    if (step.transaction == requesting_) requesting_ = nullptr;
    if (step.signal == Signal::kResponseToEnd) {
      tlm::tlm_phase phase = tlm::END_RESP;
      sc_time delay = sc_core::SC_ZERO_TIME;
      socket->nb_transport_fw(*step.transaction, phase, delay);
    }
  }
  if (job_ == nullptr) return;
  retire_until(*job_, sc_time_stamp());
  while (requesting_ == nullptr && in_flight_ < slots_.size() && !job_->all_issued()) {
    send_request(add_burst(*job_));
  }
  if (in_flight_ == 0 && job_->all_issued()) job_done_.notify(sc_core::SC_ZERO_TIME);
}

void DmaEngine::send_request(Slot& sent) {
  Transaction& transaction = *sent.transaction;
  common::trace_of(transaction).issued = sc_time_stamp();
  requesting_ = &transaction;
  tlm::tlm_phase phase = tlm::BEGIN_REQ;
  sc_time delay = sc_core::SC_ZERO_TIME;
  const tlm::tlm_sync_enum answer = socket->nb_transport_fw(transaction, phase, delay);
  const sc_time when = sc_time_stamp() + delay;
  if (answer == tlm::TLM_UPDATED) {
    on_phase(transaction, phase, when, Signal::kResponseToEnd);
  } else if (answer == tlm::TLM_COMPLETED) {
    on_phase(transaction, tlm::BEGIN_RESP, when, Signal::kResponse);
  }
}

void DmaEngine::on_phase(Transaction& transaction, const tlm::tlm_phase& phase, const sc_time& when,
                         Signal response) {
  if (phase == tlm::BEGIN_RESP) {
    common::stamp_once(transaction, &BurstTrace::returned, when);
    steps_.push(when, {response, &transaction});
  } else if (phase == tlm::END_REQ) {
    steps_.push(when, {Signal::kEndRequest, &transaction});
  } else {
    SC_REPORT_FATAL(name(), "a target sent an illegal phase");
  }
}

tlm::tlm_sync_enum DmaEngine::nb_transport_bw(Transaction& transaction, tlm::tlm_phase& phase,
                                              sc_time& delay) {
  on_phase(transaction, phase, sc_time_stamp() + delay, Signal::kResponse);
  return phase == tlm::BEGIN_RESP ? tlm::TLM_COMPLETED : tlm::TLM_ACCEPTED;
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
