#pragma once

#include <cstdint>
#include <tlm>

namespace tessera::memory {

/// Zeroed memory in one piece that takes host memory only where it is touched.
class BackingStore {
 public:
  /// Throws std::runtime_error if the host has no address space for it.
  explicit BackingStore(uint64_t bytes);
  ~BackingStore();
  BackingStore(const BackingStore&) = delete;
  BackingStore& operator=(const BackingStore&) = delete;

  uint8_t* data() { return data_; }
  uint64_t size() const { return size_; }

  /// Whether a transaction can be performed here: TLM_OK_RESPONSE, or the response it deserves
  /// (address outside, no data, streaming width below the length, bad byte enables).
  tlm::tlm_response_status check(const tlm::tlm_generic_payload& transaction) const;

  /// Checks, moves the data, sets the response status. Byte enables are honoured.
  void access(tlm::tlm_generic_payload& transaction);

  /// Debug transport: moves what lies inside and returns how many bytes that was.
  unsigned debug_access(tlm::tlm_generic_payload& transaction);

  /// A DMI grant of the whole memory, for reads and writes.
  void grant(tlm::tlm_dmi& dmi);

 private:
  uint8_t* data_;
  uint64_t size_;
};

}  // namespace tessera::memory
