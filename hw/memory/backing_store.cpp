#include "memory/backing_store.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>

namespace tessera::memory {

BackingStore::BackingStore(uint64_t bytes) : size_(bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    throw std::runtime_error("the host has no address space for a memory of " +
                             std::to_string(bytes) + " bytes; choose a smaller one");
  }
  data_ = static_cast<uint8_t*>(memory);
}

BackingStore::~BackingStore() { munmap(data_, size_); }

tlm::tlm_response_status BackingStore::check(const tlm::tlm_generic_payload& transaction) const {
  const uint64_t address = transaction.get_address();
  const uint64_t bytes = transaction.get_data_length();
  if (address >= size_ || bytes > size_ - address) return tlm::TLM_ADDRESS_ERROR_RESPONSE;
  if (bytes == 0 || transaction.get_streaming_width() < bytes) return tlm::TLM_BURST_ERROR_RESPONSE;
  if (transaction.get_data_ptr() == nullptr) return tlm::TLM_GENERIC_ERROR_RESPONSE;
  if (transaction.get_byte_enable_ptr() != nullptr && transaction.get_byte_enable_length() == 0) {
    return tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE;
  }
  return tlm::TLM_OK_RESPONSE;
}

namespace {

void copy_enabled(uint8_t* to, const uint8_t* from, const tlm::tlm_generic_payload& transaction) {
  const uint8_t* enable = transaction.get_byte_enable_ptr();
  const unsigned period = transaction.get_byte_enable_length();
  for (unsigned i = 0; i < transaction.get_data_length(); ++i) {
    if (enable[i % period] == TLM_BYTE_ENABLED) to[i] = from[i];
  }
}

}  // namespace

void BackingStore::access(tlm::tlm_generic_payload& transaction) {
  const tlm::tlm_response_status status = check(transaction);
  transaction.set_response_status(status);
  if (status != tlm::TLM_OK_RESPONSE || transaction.get_command() == tlm::TLM_IGNORE_COMMAND) {
    return;
  }
  uint8_t* stored = data_ + transaction.get_address();
  uint8_t* outside = transaction.get_data_ptr();
  uint8_t* to = transaction.is_read() ? outside : stored;
  const uint8_t* from = transaction.is_read() ? stored : outside;
  if (transaction.get_byte_enable_ptr() != nullptr) {
    copy_enabled(to, from, transaction);
  } else {
    std::memcpy(to, from, transaction.get_data_length());
  }
}

unsigned BackingStore::debug_access(tlm::tlm_generic_payload& transaction) {
  const uint64_t address = transaction.get_address();
  if (address >= size_) return 0;
  const uint64_t bytes = std::min<uint64_t>(transaction.get_data_length(), size_ - address);
  uint8_t* stored = data_ + address;
  if (transaction.is_read()) {
    std::memcpy(transaction.get_data_ptr(), stored, bytes);
  } else if (transaction.is_write()) {
    std::memcpy(stored, transaction.get_data_ptr(), bytes);
  } else {
    return 0;
  }
  transaction.set_response_status(tlm::TLM_OK_RESPONSE);
  return static_cast<unsigned>(bytes);
}

void BackingStore::grant(tlm::tlm_dmi& dmi) {
  dmi.set_dmi_ptr(data_);
  dmi.set_start_address(0);
  dmi.set_end_address(size_ - 1);
  dmi.allow_read_write();
}

}  // namespace tessera::memory
