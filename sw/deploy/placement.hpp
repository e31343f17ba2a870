#pragma once

/// Which tensors share a buffer, how long it lives, and where it lies in DRAM.

#include <cstdint>
#include <optional>
#include <vector>

#include "abi/image.hpp"
#include "deploy/fusion.hpp"

namespace tessera::deploy {

/// First and last layer that touches a buffer.
struct Life {
  int first = -1;
  int last = -1;

  void touch(int layer);
  bool overlaps(const Life& other) const { return first <= other.last && other.first <= last; }
};

/// Tensors that layers write straight into a concatenation lie in its buffer; the others have one
/// of their own.
class Buffers {
 public:
  Buffers(const graph::IntegerNetwork& network, const std::vector<FusedLayer>& layers);

  /// Tensors that own a buffer which some layer touches.
  const std::vector<int>& owners() const { return owners_; }
  int owner(int tensor) const { return owner_[static_cast<size_t>(tensor)]; }
  const Life& life(int owner) const { return lives_[static_cast<size_t>(owner)]; }
  /// Of a tensor's first channel in a pixel of its buffer.
  uint32_t byte_offset(int tensor) const { return offsets_[static_cast<size_t>(tensor)]; }

 private:
  std::vector<int> owners_;
  std::vector<int> owner_;
  std::vector<Life> lives_;
  std::vector<uint32_t> offsets_;
};

/// Gives buffers the lowest place that no other of an overlapping life has.
class FirstFit {
 public:
  explicit FirstFit(uint32_t alignment) : alignment_(alignment) {}

  /// Nothing if it would end beyond `limit`.
  std::optional<uint64_t> place(const Life& life, uint64_t bytes, uint64_t limit);
  uint64_t end() const { return end_; }

 private:
  struct Placed {
    Life life;
    uint64_t offset, bytes;
  };

  uint32_t alignment_;
  uint64_t end_ = 0;
  std::vector<Placed> placed_;
};

struct Place {
  abi::TensorSpace space = abi::TensorSpace::kArena;
  uint32_t offset = 0;
  uint32_t pixel_bytes = 0;  ///< between pixels; more than the tensor's own in a concatenation
  uint32_t row_bytes = 0;
};

struct Placement {
  std::vector<Place> places;  ///< by tensor index; of those that some layer reads or writes
  uint32_t arena_bytes = 0;
};

struct Residency;

/// Gives every tensor a place: on chip where `residency` says so, else in DRAM, where tensors whose
/// lives do not overlap share memory. Throws std::runtime_error for more than 2 GiB.
Placement place(const graph::IntegerNetwork& network, const std::vector<FusedLayer>& layers,
                const Residency& residency);

}  // namespace tessera::deploy
