#include "estimate/host.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "abi/memory_map.hpp"
#include "firmware/hal.hpp"
#include "firmware/inference.hpp"
#include "firmware/npu.hpp"
#include "firmware/plic.hpp"

namespace tessera::estimate {

namespace {

using abi::Engine;
namespace reg = abi::npu_reg;

// Cycles on the ISS with its CoreTiming, of the firmware as it is compiled (-O2 -flto), besides
// register accesses. docs/estimate.md says how they were measured.
constexpr uint64_t kStartCycles = 10;          // of an inference
constexpr uint64_t kLayerCycles = 7;           // before the first list of a layer
constexpr uint64_t kSkipCycles = 7;            // of a cluster that has no list
constexpr uint64_t kWaitCycles = 10;           // before it sleeps
constexpr uint64_t kDispatchCycles = 8;        // from the PLIC's claim register to the cluster's
constexpr uint64_t kCompleteCycles = 5;        // from there to the PLIC's again
constexpr uint64_t kRecheckCycles = 3;         // whether the cluster is done
constexpr uint64_t kLogitCycles = 11;          // of the search for the largest, without DRAM
constexpr uint64_t kWordCycles = 5;            // more, of each word of them
constexpr uint64_t kFinishCycles = 60;         // of an inference, the same
constexpr uint64_t kFinishAccesses = 2;        // to DRAM: the result
constexpr double kInstructionsPerCycle = 0.8;  // of the cycles above

/// Before an access to a register of a cluster.
uint64_t cycles_before(uint32_t offset) {
  switch (offset) {
    case reg::PHASE:
    case reg::BASE_1:
      return 4;
    case reg::BASE_2:
      return 1;
    case reg::LIST_ADDRESS:
      return 12;
    case reg::LIST_WORDS:
      return 3;
    case reg::IRQ_PENDING:
      return kDispatchCycles;
    case reg::NOTIFY_COUNT:
      return 2;
    default:
      return 0;
  }
}

std::optional<uint32_t> cluster_at(uint32_t address) {
  const uint32_t cluster = (address - abi::kNpuBase) / abi::kNpuStride;
  return address >= abi::kNpuBase && cluster < abi::kMaxClusters ? std::optional(cluster)
                                                                 : std::nullopt;
}

uint32_t register_at(uint32_t address) { return (address - abi::kNpuBase) % abi::kNpuStride; }

class Host {
 public:
  Host(const chip::Chip& chip, const Places& places, ChipTiming& timing);
  ~Host();

  void prepare(const deploy::Image& image);
  HostWork infer(const deploy::Image& image);

  uint32_t read(uint32_t address);
  void write(uint32_t address, uint32_t value);
  void* memory(uint32_t address, uint32_t bytes);
  void wait_for_interrupt();

 private:
  /// What a cluster's register block holds.
  struct Registers {
    uint32_t irq_enable = 0;
    uint32_t notifications_cleared = 0;
    uint32_t list_address = 0;
  };

  uint64_t latency_to(uint32_t address) const;
  uint32_t read_register(uint32_t cluster, uint32_t offset) const;
  void write_register(uint32_t cluster, uint32_t offset, uint32_t value);
  void find_list(uint32_t cluster);
  void start_list(uint32_t cluster, uint32_t words);
  bool interrupts(uint32_t cluster) const;
  std::optional<uint32_t> interrupting_cluster() const;
  void find_largest(const abi::IoTensor& logits);
  void compute(uint64_t cycles);

  const chip::Chip& chip_;
  const Places& places_;
  ChipTiming& timing_;
  std::vector<uint8_t> lists_;
  uint64_t cycle_ = 0;
  uint64_t computed_cycles_ = 0;  ///< not asleep and not in register accesses
  uint64_t accesses_ = 0;
  std::optional<uint32_t> last_cluster_;  ///< that got a list of this layer
  std::vector<Registers> registers_;      ///< a cluster
  std::vector<firmware::Npu> npus_;
  firmware::Inference inference_;
};

thread_local Host* the_host = nullptr;

Host::Host(const chip::Chip& chip, const Places& places, ChipTiming& timing)
    : chip_(chip),
      places_(places),
      timing_(timing),
      lists_(places.list_bytes),
      registers_(timing.clusters()),
      npus_(timing.clusters()) {
  the_host = this;
  timing.hold(places.lists, lists_.data(), lists_.size());
}

Host::~Host() { the_host = nullptr; }

/// What firmware/main.cpp does before the first image.
void Host::prepare(const deploy::Image& image) {
  firmware::Network network;
  network.npus = npus_.data();
  network.clusters = timing_.clusters();
  network.layers = image.layers().data();
  network.layer_count = static_cast<uint32_t>(image.layers().size());
  network.bases.arena = places_.arena;
  network.bases.weight_pieces = image.weight_pieces().data();
  for (const abi::SectionEntry& section : image.sections()) {
    const auto id = static_cast<abi::Section>(section.id);
    if (id == abi::Section::kWeights) network.bases.weights = places_.image + section.offset;
    if (id == abi::Section::kParameters) network.bases.parameters = places_.image + section.offset;
  }
  for (uint32_t c = 0; c < network.clusters; ++c) npus_[c].start(c);
  if (!inference_.prepare(network, places_.lists, places_.list_bytes)) {
    throw std::logic_error("the command lists are longer than their bound");
  }
  while (timing_.advance_to_next_event()) {
  }
  cycle_ = std::max(cycle_, timing_.cycle());
}

/// What it does for the images. A short inference meets a refresh of the DRAM or does not, by when
/// it begins: several begin at times spread over the interval between refreshes.
HostWork Host::infer(const deploy::Image& image) {
  constexpr uint64_t kShortIntervals = 8;
  constexpr uint32_t kTimes = 16;
  const auto interval = static_cast<uint64_t>(chip_.dram.t_refi_ns * chip_.clock_mhz / 1000);
  computed_cycles_ = accesses_ = 0;
  uint32_t number = 0;
  uint64_t start = 0;
  do {
    const uint64_t begun = interval == 0 ? 0 : (cycle_ / interval + 1) * interval;
    cycle_ = start = std::max(cycle_, begun + (2 * number + 1) * interval / (2 * kTimes));
    ++number;
    for (firmware::Npu& npu : npus_) npu.write(reg::PHASE, number);
    compute(kStartCycles);
    inference_.run(places_.input, places_.output);
    find_largest(image.output());
    for (firmware::Npu& npu : npus_) npu.write(reg::PHASE, 0);
  } while (number < kTimes && cycle_ - start < kShortIntervals * interval);
  const auto computing =
      static_cast<uint64_t>(kInstructionsPerCycle * static_cast<double>(computed_cycles_));
  return {number, accesses_ + computing};
}

/// The firmware's argmax reads the logits from DRAM, a word at a time, over DMI: an access costs a
/// row hit and both ways through the crossbar.
void Host::find_largest(const abi::IoTensor& logits) {
  const uint64_t row_hit_cycles =
      (timing_.memory().row_hit_ps() + chip_.period_ps() - 1) / chip_.period_ps();
  const uint64_t stall_cycles =
      row_hit_cycles + 2 * timing_.network().one_way_cycles(noc::kCore, noc::kDram);
  const uint64_t elements = uint64_t{logits.channels} * logits.height * logits.width;
  const uint64_t words = (elements * logits.bits + 31) / 32;
  compute(kFinishCycles + (kFinishAccesses + words) * stall_cycles + words * kWordCycles +
          elements * kLogitCycles);
}

/// One way through the network to the registers at an address.
uint64_t Host::latency_to(uint32_t address) const {
  const std::optional<uint32_t> cluster = cluster_at(address);
  return timing_.network().one_way_cycles(noc::kCore,
                                          cluster ? noc::kFirstNpu + *cluster : noc::kPlic);
}

/// Instructions other than register accesses.
void Host::compute(uint64_t cycles) {
  cycle_ += cycles;
  computed_cycles_ += cycles;
}

uint32_t Host::read(uint32_t address) {
  const uint64_t latency = latency_to(address);
  const std::optional<uint32_t> cluster = cluster_at(address);
  ++accesses_;
  if (cluster) compute(cycles_before(register_at(address)));
  cycle_ += latency;
  timing_.advance(cycle_);
  cycle_ += latency + 2;
  if (cluster) return read_register(*cluster, register_at(address));
  return abi::kNpuIrq + interrupting_cluster().value_or(0);  // the PLIC's claim register
}

void Host::write(uint32_t address, uint32_t value) {
  ++accesses_;
  const uint64_t latency = latency_to(address);
  const auto cluster = cluster_at(address);
  if (cluster && register_at(address) == reg::LIST_ADDRESS) find_list(*cluster);
  compute(cluster ? cycles_before(register_at(address)) : kCompleteCycles);
  cycle_ += latency + 1;
  timing_.advance(cycle_);
  if (cluster) write_register(*cluster, register_at(address), value);
  cycle_ += latency + 1;
  if (!cluster) compute(kRecheckCycles);
}

void* Host::memory(uint32_t address, uint32_t bytes) {
  const uint32_t offset = address - places_.lists;
  if (address < places_.lists || offset + uint64_t{bytes} > lists_.size()) {
    throw std::logic_error("the estimate's host has no memory at " + std::to_string(address));
  }
  return lists_.data() + offset;
}

bool Host::interrupts(uint32_t index) const {
  const Registers& registers = registers_[index];
  const bool notified = timing_.cluster(index).notify_count() != registers.notifications_cleared;
  return notified && (registers.irq_enable & abi::kIrqNotify) != 0;
}

/// The one with the lowest number, which the PLIC prefers.
std::optional<uint32_t> Host::interrupting_cluster() const {
  for (uint32_t c = 0; c < timing_.clusters(); ++c) {
    if (interrupts(c)) return c;
  }
  return std::nullopt;
}

uint32_t Host::read_register(uint32_t index, uint32_t offset) const {
  const chip::Scratchpads& scratchpads = chip_.npu.scratchpads;
  switch (offset) {
    case reg::WEIGHT_BYTES:
      return scratchpads.weight_bytes;
    case reg::OUTPUT_BYTES:
      return scratchpads.output_bytes;
    case reg::PARAMETER_BYTES:
      return scratchpads.parameter_bytes;
    case reg::IRQ_PENDING:
      return interrupts(index) ? abi::kIrqNotify : 0;
    case reg::NOTIFY_COUNT:
      return timing_.cluster(index).notify_count();
    default:
      throw std::logic_error("the estimate's host has no NPU register " + std::to_string(offset));
  }
}

void Host::write_register(uint32_t index, uint32_t offset, uint32_t value) {
  ClusterTiming& cluster = timing_.cluster(index);
  Registers& registers = registers_[index];
  switch (offset) {
    case reg::CONTROL:
      break;
    case reg::IRQ_ENABLE:
      registers.irq_enable = value;
      break;
    case reg::IRQ_PENDING:
      if ((value & abi::kIrqNotify) != 0) registers.notifications_cleared = cluster.notify_count();
      break;
    case reg::PHASE:
      cluster.set_phase(value, timing_.cycle());
      break;
    case reg::COMPUTE_FIFO:
      return cluster.push(Engine::kCompute, value, timing_.cycle());
    case reg::STORE_FIFO:
      return cluster.push(Engine::kStore, value, timing_.cycle());
    case reg::LIST_ADDRESS:
      registers.list_address = value;
      break;
    case reg::LIST_WORDS:
      return start_list(index, value);
    case reg::BASE_1:
      return cluster.set_base(1, value);
    case reg::BASE_2:
      return cluster.set_base(2, value);
    default:
      throw std::logic_error("the estimate's host has no NPU register " + std::to_string(offset));
  }
}

void Host::find_list(uint32_t cluster) {
  const bool first = !last_cluster_ || cluster <= *last_cluster_;
  if (first) compute(kLayerCycles);
  compute(kSkipCycles * (first ? cluster : cluster - *last_cluster_ - 1));
  last_cluster_ = cluster;
}

/// The write waits while another list is fetched.
void Host::start_list(uint32_t index, uint32_t words) {
  ClusterTiming& cluster = timing_.cluster(index);
  while (cluster.fetches()) timing_.advance_to_next_event();
  cycle_ = std::max(cycle_, timing_.cycle());
  cluster.fetch(registers_[index].list_address, words, timing_.cycle());
}

void Host::wait_for_interrupt() {
  compute(kWaitCycles);
  timing_.advance(cycle_);
  while (!interrupting_cluster()) {
    if (!timing_.advance_to_next_event()) {
      throw std::logic_error("the estimate's firmware waits for what never comes");
    }
  }
  cycle_ = std::max(cycle_, timing_.cycle());
}

}  // namespace

HostWork run_inferences(const chip::Chip& chip, const deploy::Image& image, const Places& places,
                        ChipTiming& timing) {
  Host host(chip, places, timing);
  host.prepare(image);
  return host.infer(image);
}

}  // namespace tessera::estimate

namespace tessera::firmware {

void npu_failed(const Npu&) { throw std::logic_error("the estimate's NPU does not fail"); }

namespace hal {

uint32_t read32(uint32_t address) { return estimate::the_host->read(address); }
void write32(uint32_t address, uint32_t value) { estimate::the_host->write(address, value); }
void* memory(uint32_t address, uint32_t bytes) {
  return estimate::the_host->memory(address, bytes);
}
void wait_for_interrupt() { estimate::the_host->wait_for_interrupt(); }

}  // namespace hal
}  // namespace tessera::firmware
