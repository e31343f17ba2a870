#pragma once

#include <tlm_utils/simple_initiator_socket.h>

#include <cstdint>
#include <functional>
#include <systemc>
#include <tlm>
#include <vector>

#include "chip/chip.hpp"
#include "common/clock.hpp"
#include "common/statistic.hpp"
#include "common/timing_mode.hpp"
#include "common/transaction_pool.hpp"
#include "dma/burst_cutter.hpp"
#include "dma/burst_train.hpp"

namespace tessera::dma {

enum class Direction {
  kRead,   ///< memory to local
  kWrite,  ///< local to memory
};

/// The local side of a transfer: byte x of row y of plane z is data[z * z_stride + y * y_stride +
/// x]. The caller guarantees that all of it exists until the transfer ends.
struct LocalView {
  uint8_t* data = nullptr;
  int64_t y_stride = 0;
  int64_t z_stride = 0;
  std::function<void()> before_moving = {};  ///< called before the data move, unless empty
};

struct TransferResult {
  tlm::tlm_response_status status = tlm::TLM_OK_RESPONSE;  ///< of the first burst that failed
  uint64_t failing_address = 0;                            ///< where that burst starts
  uint64_t bytes = 0;                                      ///< moved by bursts that succeeded

  bool ok() const { return status == tlm::TLM_OK_RESPONSE; }
};

/// Moves 3-D blocks between memory and a local buffer, several bursts in flight.
///
/// A transfer is one transaction with a BurstTrain, whose bursts the network times: a new one is
/// issued as soon as the request channel is free and fewer than `outstanding` are in flight; bursts
/// retire in order. Approximately timed it has four phases, loosely timed it is a blocking call
/// that waits; both take the same cycles. The data move when the transfer ends, through DMI.
class DmaEngine : public sc_core::sc_module {
 public:
  DmaEngine(const sc_core::sc_module_name& name, const common::Clock& clock,
            const chip::Dma& config, common::TimingMode mode);
  ~DmaEngine() override;

  tlm_utils::simple_initiator_socket<DmaEngine> socket;

  /// Performs a transfer; blocks the calling SC_THREAD until its last burst has returned. One at a
  /// time. After a failed burst no more are issued and those in flight are awaited.
  TransferResult transfer(const Descriptor3d& descriptor, Direction direction,
                          const LocalView& local);

  /// Busy time of all transfers so far, the one in progress included up to now.
  Breakdown breakdown_at_now() const;

  uint64_t bytes_read() const { return bytes_read_; }
  uint64_t bytes_written() const { return bytes_written_; }
  uint64_t bursts() const { return bursts_; }
  std::vector<common::Statistic> statistics() const;

 private:
  using Transaction = tlm::tlm_generic_payload;
  void perform(const Descriptor3d& descriptor, Direction direction);
  tlm::tlm_sync_enum nb_transport_bw(Transaction& transaction, tlm::tlm_phase& phase,
                                     sc_core::sc_time& delay);
  tlm::tlm_dmi memory_at(uint64_t address);
  uint64_t move_data(const Descriptor3d& descriptor, Direction direction, const LocalView& local);

  common::Clock clock_;
  chip::Dma config_;
  common::TimingMode mode_;
  common::TransactionPool pool_;
  Transaction* transaction_;  ///< of all transfers, one after the other
  BurstTrain* train_;         ///< its extension
  sc_core::sc_event done_;
  bool transferring_ = false;
  Breakdown busy_;  ///< of the transfers that have ended
  uint64_t bytes_read_ = 0;
  uint64_t bytes_written_ = 0;
  uint64_t bursts_ = 0;
};

}  // namespace tessera::dma
