/// The command lists that the firmware writes, on registers and memory of the test's own.

#include "firmware/inference.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "chip/chip.hpp"
#include "deploy/deploy.hpp"
#include "deploy/image.hpp"
#include "firmware/hal.hpp"
#include "graph/onnx_io.hpp"
#include "npu/command_fetcher.hpp"
#include "npu/tokens.hpp"

namespace tessera::firmware {
namespace {

using abi::Engine;
namespace reg = abi::npu_reg;

constexpr uint32_t kListAddress = 0x9000'0000;

struct Word {
  uint32_t address;
  uint32_t value;
};

struct List {
  uint32_t cluster;
  std::vector<uint32_t> words;
  uint32_t base_1;
  uint32_t base_2;
};

/// Clusters that run a list as soon as it is started.
struct Machine {
  chip::Chip chip;
  std::vector<uint32_t> memory;
  std::vector<Npu> npus;
  std::vector<Word> writes;
  std::vector<uint32_t> registers = std::vector<uint32_t>(abi::kMaxClusters * 32);
  std::vector<uint32_t> notified = std::vector<uint32_t>(abi::kMaxClusters);
  std::vector<uint32_t> taken = std::vector<uint32_t>(abi::kMaxClusters);  ///< of `notified`
  std::vector<List> lists;

  /// The PLIC's number of a cluster that has notified since its interrupt was taken; 0: none.
  uint32_t interrupting() const {
    for (uint32_t c = 0; c < npus.size(); ++c) {
      if (notified[c] != taken[c]) return abi::kNpuIrq + c;
    }
    return 0;
  }
  uint32_t& at(uint32_t cluster, uint32_t offset) { return registers[cluster * 32 + offset / 4]; }
};
Machine* machine = nullptr;

class Lists : public testing::TestWithParam<const char*> {
 protected:
  Lists() { machine = &machine_; }
  ~Lists() override { machine = nullptr; }

  void load(const std::string& network, uint32_t list_bytes) {
    machine_.chip = chip::load_chip(GetParam());
    const std::string path = TESSERA_SOURCE_DIR "/models/nets/" + network + ".onnx";
    image_ = deploy::Image::parse(
        deploy::deploy(graph::read_onnx(path), machine_.chip, {true}).image, path);
    clusters_ = machine_.chip.npu.clusters;
    machine_.npus = std::vector<Npu>(clusters_);
    for (uint32_t c = 0; c < clusters_; ++c) machine_.npus[c].start(c);
    machine_.writes.clear();
    network_.npus = machine_.npus.data();
    network_.clusters = clusters_;
    network_.layers = image_.layers().data();
    network_.layer_count = static_cast<uint32_t>(image_.layers().size());
    network_.bases.weight_pieces = image_.weight_pieces().data();
    machine_.memory.assign(list_bytes / 4, 0xEEEE'EEEE);
  }

  /// Each list notifies once, and together they leave the tokens that are pending before them.
  void expect_balance();

  uint32_t bound() const {
    uint64_t bytes = 0;
    for (const abi::LayerProgram& layer : image_.layers())
      bytes += most_list_bytes(layer, clusters_);
    return static_cast<uint32_t>(bytes);
  }

  Machine machine_;
  deploy::Image image_;
  uint32_t clusters_ = 0;
  Network network_;
  Inference inference_;
};

/// Takes the commands of a list one by one, in order; a token that is not there fails the test.
void take_tokens(const List& list, npu::Tokens& tokens, uint32_t& notifications) {
  npu::CommandFetcher fetcher;
  for (size_t at = 0; at < list.words.size();) {
    const auto count = static_cast<uint32_t>(list.words.size() - at);
    const abi::CommandHeader header = abi::decode_header(list.words[at]);
    fetcher.start(0, count);
    fetcher.arrived(list.words.data() + at);
    const auto engine = fetcher.receiver();
    ASSERT_TRUE(engine) << "word " << at;
    ASSERT_EQ(tokens.missing(*engine, header.wait_mask), 0u) << "word " << at;
    tokens.take(*engine, header.wait_mask);
    ASSERT_TRUE(tokens.give(*engine, header.signal_mask)) << "word " << at;
    notifications += header.notify ? 1 : 0;
    at += abi::kPreambleWords + header.payload_words;
  }
}

/// Pending tokens, from and to each engine.
std::vector<uint32_t> pending(npu::Tokens tokens) {
  std::vector<uint32_t> counts;
  for (const Engine to : {Engine::kLoad, Engine::kCompute, Engine::kStore}) {
    for (const Engine from : {Engine::kLoad, Engine::kCompute, Engine::kStore}) {
      uint32_t count = 0;
      for (; tokens.missing(to, abi::engine_bit(from)) == 0; ++count) {
        tokens.take(to, abi::engine_bit(from));
      }
      counts.push_back(count);
    }
  }
  return counts;
}

void Lists::expect_balance() {
  ASSERT_TRUE(inference_.prepare(network_, kListAddress, 1 << 20));
  // What the firmware gives at boot.
  std::vector<npu::Tokens> tokens(clusters_);
  for (npu::Tokens& t : tokens) {
    for (int slot = 0; slot < 2; ++slot) {
      t.give(Engine::kCompute, abi::engine_bit(Engine::kLoad));
      t.give(Engine::kStore, abi::engine_bit(Engine::kCompute));
    }
  }
  const std::vector<uint32_t> before = pending(tokens[0]);
  machine_.lists.clear();
  inference_.run(1000, 2000);
  EXPECT_GE(machine_.lists.size(), clusters_ == 1 ? 1 : image_.layers().size());
  for (const List& list : machine_.lists) {
    uint32_t notifications = 0;
    take_tokens(list, tokens[list.cluster], notifications);
    EXPECT_EQ(notifications, 1u);
    EXPECT_EQ(list.base_1, 1000u);
    EXPECT_EQ(list.base_2, 2000u);
  }
  for (const npu::Tokens& t : tokens) EXPECT_EQ(pending(t), before);
}

TEST_P(Lists, leave_the_tokens_that_they_found_and_notify_once) {
  for (const char* network : {"lenet5-int8", "lenet5-int4", "lenet5-int16"}) {
    SCOPED_TRACE(network);
    load(network, 1 << 20);
    expect_balance();
  }
}

TEST_P(Lists, take_the_tokens_of_stores_that_no_load_waits_for) {
  load("lenet5-int8", 1 << 20);
  std::vector<abi::LayerProgram> layers = image_.layers();
  for (size_t i = 1; i < layers.size(); ++i) {
    layers[i - 1].output_space = abi::TensorSpace::kArena;
    layers[i].input_space = abi::TensorSpace::kActivations;
  }
  network_.layers = layers.data();
  expect_balance();
}

TEST_P(Lists, boot_gives_each_cluster_two_tokens_of_each_kind) {
  load("lenet5-int8", 1 << 20);
  ASSERT_TRUE(inference_.prepare(network_, kListAddress, 1 << 20));
  constexpr uint32_t kConfigureWords = abi::kPreambleWords + abi::words_of<abi::ComputeConfig>();
  constexpr uint32_t kStoreWords = abi::kPreambleWords + abi::words_of<abi::Transfer>();
  for (uint32_t c = 0; c < clusters_; ++c) {
    std::vector<uint32_t> compute;
    std::vector<uint32_t> store;
    for (const Word& w : machine_.writes) {
      if (w.address == abi::kNpuBase + c * abi::kNpuStride + reg::COMPUTE_FIFO) {
        compute.push_back(w.value);
      }
      if (w.address == abi::kNpuBase + c * abi::kNpuStride + reg::STORE_FIFO) {
        store.push_back(w.value);
      }
    }
    ASSERT_EQ(compute.size(), 2 * kConfigureWords);
    ASSERT_EQ(store.size(), 2 * kStoreWords);
    for (const uint32_t n : {0u, 1u}) {
      const auto configure = abi::decode_header(compute[n * kConfigureWords]);
      EXPECT_EQ(configure.opcode, abi::Opcode::kConfigure);
      EXPECT_EQ(configure.signal_mask, abi::engine_bit(Engine::kLoad));
      const auto stored = abi::decode_header(store[n * kStoreWords]);
      EXPECT_EQ(stored.opcode, abi::Opcode::kStore);
      EXPECT_EQ(stored.signal_mask, abi::engine_bit(Engine::kCompute));
    }
  }
}

TEST_P(Lists, run_the_same_words_for_every_image) {
  load("lenet5-int4", 1 << 20);
  ASSERT_TRUE(inference_.prepare(network_, kListAddress, 1 << 20));
  inference_.run(1000, 2000);
  const std::vector<List> first = std::exchange(machine_.lists, {});
  inference_.run(3000, 4000);
  ASSERT_EQ(machine_.lists.size(), first.size());
  for (size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(machine_.lists[i].words, first[i].words);
    EXPECT_EQ(machine_.lists[i].base_1, 3000u);
    EXPECT_EQ(machine_.lists[i].base_2, 4000u);
  }
}

TEST_P(Lists, that_find_no_room_say_how_much_they_need_and_leave_what_lies_behind) {
  for (const char* network : {"lenet5-int8", "lenet5-int4", "lenet5-int16"}) {
    SCOPED_TRACE(network);
    load(network, 1 << 20);
    ASSERT_TRUE(inference_.prepare(network_, kListAddress, 1 << 20));
    const uint32_t needed = inference_.needed_bytes();
    EXPECT_LE(needed, bound());
    EXPECT_GT(needed, bound() / 8);

    load(network, 1 << 20);
    const uint32_t room = needed - kListAlignmentWords * 4;
    EXPECT_FALSE(inference_.prepare(network_, kListAddress, room));
    EXPECT_EQ(inference_.needed_bytes(), needed);
    EXPECT_TRUE(machine_.writes.empty()) << "nothing runs";
    for (size_t i = room / 4; i < machine_.memory.size(); ++i) {
      ASSERT_EQ(machine_.memory[i], 0xEEEE'EEEE) << i;
    }
    EXPECT_TRUE(inference_.prepare(network_, kListAddress, needed));
  }
}

INSTANTIATE_TEST_SUITE_P(Chips, Lists, testing::Values("reference", "edge", "large", "mesh"));

}  // namespace

void npu_failed(const Npu&) { throw std::logic_error("no NPU fails here"); }

namespace hal {

uint32_t read32(uint32_t address) {
  if (address < abi::kNpuBase) return machine->interrupting();  // the PLIC's claim register
  const chip::Scratchpads& pads = machine->chip.npu.scratchpads;
  const uint32_t cluster = (address - abi::kNpuBase) / abi::kNpuStride;
  switch ((address - abi::kNpuBase) % abi::kNpuStride) {
    case reg::WEIGHT_BYTES:
      return pads.weight_bytes;
    case reg::OUTPUT_BYTES:
      return pads.output_bytes;
    case reg::PARAMETER_BYTES:
      return pads.parameter_bytes;
    case reg::NOTIFY_COUNT:
      return machine->notified[cluster];
    default:
      throw std::logic_error("a register that the firmware does not read");
  }
}

void write32(uint32_t address, uint32_t value) {
  machine->writes.push_back({address, value});
  if (address < abi::kNpuBase) return;
  const uint32_t cluster = (address - abi::kNpuBase) / abi::kNpuStride;
  const uint32_t offset = (address - abi::kNpuBase) % abi::kNpuStride;
  machine->at(cluster, offset) = value;
  if (offset == reg::CONTROL) machine->notified[cluster] = machine->taken[cluster] = 0;
  if (offset == reg::IRQ_PENDING) machine->taken[cluster] = machine->notified[cluster];
  if (offset != reg::LIST_WORDS) return;
  const auto begin =
      machine->memory.begin() + (machine->at(cluster, reg::LIST_ADDRESS) - kListAddress) / 4;
  machine->lists.push_back({cluster,
                            {begin, begin + value},
                            machine->at(cluster, reg::BASE_1),
                            machine->at(cluster, reg::BASE_2)});
  ++machine->notified[cluster];
}

void* memory(uint32_t address, uint32_t bytes) {
  const uint32_t offset = address - kListAddress;
  if (uint64_t{offset} + bytes > machine->memory.size() * 4) throw std::logic_error("no memory");
  return machine->memory.data() + offset / 4;
}

void wait_for_interrupt() {
  if (machine->interrupting() == 0) throw std::logic_error("waits for what never comes");
}

}  // namespace hal
}  // namespace tessera::firmware
