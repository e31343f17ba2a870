#include "deploy/placement.hpp"

#include <gtest/gtest.h>

#include "deploy/residency.hpp"
#include "fuzz/network/random_graph.hpp"
#include "unit/deploy/network_builder.hpp"

namespace tessera::deploy {
namespace {

using abi::TensorSpace;
using test::NetworkBuilder;

/// Plays the groups over a memory that remembers, for each byte, which tensor wrote it last. A
/// group writes before it reads, as its tiles do, and must still find every byte of its operands.
class ByteWatcher {
 public:
  ByteWatcher(const graph::IntegerNetwork& net, const Placement& placement,
              uint64_t resident_bytes = 0)
      : net_(net),
        placement_(placement),
        resident_bytes_(resident_bytes),
        slices_(concat_slices(net)) {}

  void run(const std::vector<FusedLayer>& groups) {
    visit(net_.input, [&](int& owner) { owner = net_.input; });
    for (const FusedLayer& group : groups) {
      write(group.output);
      expect_intact(group.input, group.name);
      if (group.residual >= 0) expect_intact(group.residual, group.name);
      if (testing::Test::HasFailure()) return;
    }
    expect_intact(net_.output, "the host");
  }

 private:
  const graph::IntegerTensor& tensor(int index) const {
    return net_.tensors[static_cast<size_t>(index)];
  }

  /// Calls use(owner) for every byte that the tensor's own channels touch.
  template <class Use>
  void visit(int index, const Use& use) {
    const graph::IntegerTensor& t = tensor(index);
    const Place& p = placement_.places[static_cast<size_t>(index)];
    auto& owners = owners_[static_cast<size_t>(p.space)];
    const int64_t bytes = (t.channels * t.bits + 7) / 8;
    for (int64_t y = 0; y < t.height; ++y) {
      for (int64_t x = 0; x < t.width; ++x) {
        const int64_t start = p.offset + y * p.row_bytes + x * p.pixel_bytes;
        const auto end = static_cast<size_t>(start + bytes);
        if (p.space == TensorSpace::kArena) {
          ASSERT_LE(end, placement_.arena_bytes);
        }
        if (p.space == TensorSpace::kActivations) {
          ASSERT_LE(end, resident_bytes_);
        }
        if (owners.size() < end) owners.resize(end, -1);
        for (auto at = static_cast<size_t>(start); at < end; ++at) use(owners[at]);
      }
    }
  }

  void write(int index) {
    visit(index, [&](int& owner) { owner = index; });
  }

  /// A concatenation is intact if each of its parts is.
  void expect_intact(int index, const std::string& reader) {
    bool is_whole = true;
    for (const ConcatSlice& slice : slices_) {
      if (slice.target != index) continue;
      is_whole = false;
      expect_intact(slice.tensor, reader);
    }
    if (!is_whole) return;
    int wrong = 0;
    visit(index, [&](int& owner) { wrong += owner == index ? 0 : 1; });
    EXPECT_EQ(wrong, 0) << reader << " finds bytes of tensor " << tensor(index).name
                        << " overwritten";
  }

  const graph::IntegerNetwork& net_;
  const Placement& placement_;
  uint64_t resident_bytes_;
  std::vector<ConcatSlice> slices_;
  std::vector<int> owners_[4];
};

class PlacedNetworks : public testing::TestWithParam<uint64_t> {};

TEST_P(PlacedNetworks, no_tensor_is_overwritten_while_somebody_still_reads_it) {
  for (uint64_t seed = GetParam() * 100; seed < GetParam() * 100 + 100; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    auto net = graph::lower(fuzz::random_graph(seed));
    const auto groups = fuse(net);
    const Placement placement = place(net, groups, Residency());
    ByteWatcher(net, placement).run(groups);
    if (HasFailure()) return;
  }
}

TEST_P(PlacedNetworks, maps_that_stay_on_chip_are_not_overwritten_either) {
  const chip::Chip chip = chip::load_chip("edge");
  uint64_t on_chip = 0, in_dram = 0;
  for (uint64_t seed = GetParam() * 100; seed < GetParam() * 100 + 100; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    auto net = graph::lower(fuzz::random_graph(seed));
    const auto groups = fuse(net);
    for (const uint32_t bytes : {256U, 2048U, 16384U}) {
      const Residency residency = keep_on_chip(net, groups, chip, bytes);
      const Placement placement = place(net, groups, residency);
      ByteWatcher(net, placement, bytes).run(groups);
      if (HasFailure()) return;
      EXPECT_FALSE(residency.of(net.input));
      EXPECT_FALSE(residency.of(net.output));
      for (const FusedLayer& group : groups) {
        ++(residency.of(group.output) ? on_chip : in_dram);
      }
    }
  }
  EXPECT_GT(on_chip, 200U);
  EXPECT_GT(in_dram, 200U);
}

TEST_P(PlacedNetworks, arenas_are_smaller_than_their_tensors_together) {
  uint64_t together = 0, arenas = 0;
  for (uint64_t seed = GetParam() * 100; seed < GetParam() * 100 + 100; ++seed) {
    auto net = graph::lower(fuzz::random_graph(seed));
    const auto groups = fuse(net);
    const Placement placement = place(net, groups, Residency());
    arenas += placement.arena_bytes;
    for (const FusedLayer& group : groups) {
      const auto& t = net.tensors[static_cast<size_t>(group.output)];
      together += static_cast<uint64_t>((t.channels * t.bits + 7) / 8 * t.height * t.width);
    }
  }
  EXPECT_LT(arenas, together * 9 / 10);
}

INSTANTIATE_TEST_SUITE_P(Seeds, PlacedNetworks, testing::Range<uint64_t>(0, 4));

TEST(Placement, a_chain_of_equal_layers_takes_turns_in_two_buffers) {
  NetworkBuilder b(16, 8, 8);
  int tensor = 0;
  for (int i = 0; i < 9; ++i) tensor = b.conv(tensor, 16);
  const auto groups = fuse(b.net);
  EXPECT_EQ(place(b.net, groups, Residency()).arena_bytes, 2U * 16 * 8 * 8);
}

TEST(Placement, a_tensor_that_is_read_late_keeps_its_place) {
  NetworkBuilder b(16, 8, 8);
  const int early = b.conv(0, 16);
  int tensor = early;
  for (int i = 0; i < 5; ++i) tensor = b.conv(tensor, 16);
  b.conv(b.add(tensor, early), 16);
  const auto groups = fuse(b.net);
  EXPECT_EQ(place(b.net, groups, Residency()).arena_bytes, 3U * 16 * 8 * 8);
}

TEST(Placement, input_and_output_lie_outside_the_arena) {
  NetworkBuilder b(16, 8, 8);
  const int middle = b.conv(0, 16);
  const int last = b.conv(middle, 16);
  const auto groups = fuse(b.net);
  const Placement p = place(b.net, groups, Residency());
  EXPECT_EQ(p.places[0].space, TensorSpace::kInput);
  EXPECT_EQ(p.places[static_cast<size_t>(middle)].space, TensorSpace::kArena);
  EXPECT_EQ(p.places[static_cast<size_t>(last)].space, TensorSpace::kOutput);
}

TEST(Placement, parts_of_a_concatenation_lie_at_their_channels_of_the_whole) {
  NetworkBuilder b(8, 4, 4, 4);
  const int left = b.conv(0, 6);
  const int right = b.conv(0, 4);
  const int whole = b.concat({left, right});
  b.conv(whole, 4);
  const auto groups = fuse(b.net);
  const Placement p = place(b.net, groups, Residency());
  const Place& w = p.places[static_cast<size_t>(whole)];
  const Place& r = p.places[static_cast<size_t>(right)];
  EXPECT_EQ(w.pixel_bytes, 5U);
  EXPECT_EQ(r.pixel_bytes, 5U);
  EXPECT_EQ(r.row_bytes, 20U);
  EXPECT_EQ(r.offset, w.offset + 3);
  EXPECT_EQ(p.places[static_cast<size_t>(left)].offset, w.offset);
}

}  // namespace
}  // namespace tessera::deploy
