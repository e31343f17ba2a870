#include "common/transaction_pool.hpp"

namespace tessera::common {

TransactionPool::~TransactionPool() = default;

tlm::tlm_generic_payload* TransactionPool::acquire(tlm::tlm_command command, uint64_t address,
                                                   uint8_t* data, uint32_t bytes) {
  if (idle_.empty()) {
    all_.push_back(std::make_unique<tlm::tlm_generic_payload>(this));
    all_.back()->set_extension(new BurstTrace);  // deleted by the payload
    idle_.push_back(all_.back().get());
  }
  tlm::tlm_generic_payload* transaction = idle_.back();
  idle_.pop_back();
  transaction->acquire();
  transaction->set_command(command);
  transaction->set_address(address);
  transaction->set_data_ptr(data);
  transaction->set_data_length(bytes);
  transaction->set_streaming_width(bytes);
  transaction->set_byte_enable_ptr(nullptr);
  transaction->set_byte_enable_length(0);
  transaction->set_dmi_allowed(false);
  transaction->set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
  trace_of(*transaction).reset();
  return transaction;
}

void TransactionPool::free(tlm::tlm_generic_payload* transaction) {
  transaction->reset();
  idle_.push_back(transaction);
}

}  // namespace tessera::common
