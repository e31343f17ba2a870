#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <tlm>
#include <vector>

#include "common/burst_trace.hpp"

namespace tessera::common {

/// Payloads with a BurstTrace each, reused when their last reference is released. The pool must
/// outlive its transactions.
class TransactionPool : public tlm::tlm_mm_interface {
 public:
  TransactionPool() = default;
  TransactionPool(const TransactionPool&) = delete;
  TransactionPool& operator=(const TransactionPool&) = delete;
  ~TransactionPool() override;

  /// A payload with one reference, its trace cleared, ready to send: command, address, data of
  /// `bytes` bytes, streaming width `bytes`, no byte enables, TLM_INCOMPLETE_RESPONSE.
  tlm::tlm_generic_payload* acquire(tlm::tlm_command command, uint64_t address, uint8_t* data,
                                    uint32_t bytes);

  void free(tlm::tlm_generic_payload* transaction) override;

  /// Payloads made so far, and those that are not in use.
  size_t size() const { return all_.size(); }
  size_t idle() const { return idle_.size(); }

 private:
  std::vector<std::unique_ptr<tlm::tlm_generic_payload>> all_;
  std::vector<tlm::tlm_generic_payload*> idle_;
};

/// The trace of a payload from a TransactionPool.
inline BurstTrace& trace_of(const tlm::tlm_generic_payload& transaction) {
  return *transaction.get_extension<BurstTrace>();
}

}  // namespace tessera::common
