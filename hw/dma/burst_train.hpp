#pragma once

#include <cstdint>
#include <tlm>

#include "dma/burst_cutter.hpp"
#include "dma/busy_account.hpp"

namespace tessera::dma {

/// What a network knows of the trains that it carries.
class TrainProgress {
 public:
  virtual ~TrainProgress() = default;

  /// Where the busy time of the initiator's train went up to now, until its next begins.
  virtual Breakdown breakdown_at_now() = 0;
};

/// Makes a transaction a whole transfer of a DMA engine. The network cuts it into bursts
/// (BurstCutter), issues the next as soon as the engine's port is free and fewer than `outstanding`
/// are in flight, lets them retire in order, and times each. It issues no more when one was
/// refused. The response (in four-phase transport BEGIN_RESP) comes when the last has retired; the
/// response status is that of the first that was refused. Bursts reach memories only: whatever a
/// memory does not hold entirely is answered with an address error.
///
/// The network moves no data: the initiator does, when it has the response, through DMI, for
/// the first `bursts_issued` bursts.
class BurstTrain : public tlm::tlm_extension<BurstTrain> {
 public:
  Descriptor3d descriptor;
  uint32_t burst_bytes = 0;
  uint32_t outstanding = 0;

  /// Set by the network when it takes the train, which shows the initiator that there is one.
  TrainProgress* progress = nullptr;

  // Set by the network before the response.
  uint64_t bursts_issued = 0;
  uint64_t failing_address = 0;  ///< of the first burst that was refused

  tlm::tlm_extension_base* clone() const override { return new BurstTrain(*this); }
  void copy_from(const tlm::tlm_extension_base& other) override {
    *this = static_cast<const BurstTrain&>(other);
  }
};

}  // namespace tessera::dma
