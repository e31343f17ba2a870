#include "dma/dma_engine.hpp"

#include <algorithm>
#include <cstring>

namespace tessera::dma {

using sc_core::sc_time;
using sc_core::sc_time_stamp;

namespace {

/// Pieces in which a transfer is copied of which all bursts were good; memories begin and end at
/// multiples.
constexpr uint32_t kCopyBytes = 1024;

/// Moves a burst between memory and the rows of the local block that it covers.
void copy_local(const Descriptor3d& descriptor, const LocalView& local, const Burst& burst,
                uint8_t* memory, bool to_local) {
  const uint64_t row = burst.offset / descriptor.x_bytes;
  uint64_t x = burst.offset % descriptor.x_bytes;
  uint64_t y = row % descriptor.y_count;
  uint64_t z = row / descriptor.y_count;
  for (uint64_t moved = 0; moved < burst.bytes;) {
    const uint64_t bytes = std::min<uint64_t>(burst.bytes - moved, descriptor.x_bytes - x);
    uint8_t* there = local.data + static_cast<int64_t>(z) * local.z_stride +
                     static_cast<int64_t>(y) * local.y_stride + x;
    if (to_local) {
      std::memcpy(there, memory + moved, bytes);
    } else {
      std::memcpy(memory + moved, there, bytes);
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
      transaction_(pool_.acquire(tlm::TLM_IGNORE_COMMAND, 0, nullptr, 0)),
      train_(new BurstTrain) {
  if (config.outstanding == 0) SC_REPORT_FATAL(this->name(), "one burst or more is in flight");
  transaction_->set_extension(train_);  // deleted by the payload
  socket.register_nb_transport_bw(this, &DmaEngine::nb_transport_bw);
}

DmaEngine::~DmaEngine() = default;

TransferResult DmaEngine::transfer(const Descriptor3d& descriptor, Direction direction,
                                   const LocalView& local) {
  if (transferring_) SC_REPORT_FATAL(name(), "a transfer began during another");
  const sc_time edge = clock_.next_edge(sc_time_stamp());
  if (edge != sc_time_stamp()) wait(edge - sc_time_stamp());
  TransferResult result;
  if (descriptor.bytes() == 0) return result;
  transferring_ = true;
  perform(descriptor, direction);
  transferring_ = false;
  busy_ = busy_ + train_->progress->breakdown_at_now();
  bursts_ += train_->bursts_issued;
  result.status = transaction_->get_response_status();
  if (!result.ok()) result.failing_address = train_->failing_address;
  if (local.before_moving) local.before_moving();
  result.bytes = move_data(descriptor, direction, local);
  (direction == Direction::kRead ? bytes_read_ : bytes_written_) += result.bytes;
  return result;
}

/// Sends the train and waits until it is done.
void DmaEngine::perform(const Descriptor3d& descriptor, Direction direction) {
  const auto bytes = static_cast<unsigned>(descriptor.bytes());
  transaction_->set_command(direction == Direction::kRead ? tlm::TLM_READ_COMMAND
                                                          : tlm::TLM_WRITE_COMMAND);
  transaction_->set_address(descriptor.base_address);
  transaction_->set_data_length(bytes);
  transaction_->set_streaming_width(bytes);
  transaction_->set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
  train_->descriptor = descriptor;
  train_->burst_bytes = config_.burst_bytes;
  train_->outstanding = config_.outstanding;
  train_->progress = nullptr;
  sc_time delay = sc_core::SC_ZERO_TIME;
  if (mode_ == common::TimingMode::kLooselyTimed) {
    socket->b_transport(*transaction_, delay);
    if (delay != sc_core::SC_ZERO_TIME) wait(delay);
  } else {
    tlm::tlm_phase phase = tlm::BEGIN_REQ;
    socket->nb_transport_fw(*transaction_, phase, delay);
    if (train_->progress != nullptr) wait(done_);
  }
  if (train_->progress == nullptr) {
    SC_REPORT_FATAL(name(), "what it is bound to carries no trains of bursts");
  }
}

tlm::tlm_sync_enum DmaEngine::nb_transport_bw(Transaction&, tlm::tlm_phase& phase, sc_time& delay) {
  if (phase != tlm::BEGIN_RESP) return tlm::TLM_ACCEPTED;
  done_.notify(delay);
  return tlm::TLM_COMPLETED;
}

Breakdown DmaEngine::breakdown_at_now() const {
  return transferring_ && train_->progress != nullptr ? busy_ + train_->progress->breakdown_at_now()
                                                      : busy_;
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

/// Moves the bursts that were issued, but for those that no memory holds, which were refused.
/// Returns their bytes.
uint64_t DmaEngine::move_data(const Descriptor3d& descriptor, Direction direction,
                              const LocalView& local) {
  tlm::tlm_dmi memory = memory_at(descriptor.base_address);
  const bool all = transaction_->is_response_ok();
  BurstCutter cutter(descriptor,
                     all ? std::max(config_.burst_bytes, kCopyBytes) : config_.burst_bytes);
  Burst burst;
  uint64_t bytes = 0;
  for (uint64_t n = 0; (all || n < train_->bursts_issued) && cutter.next(burst); ++n) {
    const uint64_t last = burst.address + (burst.bytes - 1);
    const auto holds = [&] {
      return burst.address >= memory.get_start_address() && last <= memory.get_end_address();
    };
    if (!holds()) memory = memory_at(burst.address);
    if (!holds()) continue;
    uint8_t* there = memory.get_dmi_ptr() + (burst.address - memory.get_start_address());
    copy_local(descriptor, local, burst, there, direction == Direction::kRead);
    bytes += burst.bytes;
  }
  return bytes;
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
