#include "estimate/host.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>

#include "abi/memory_map.hpp"
#include "estimate/host_cost.hpp"
#include "firmware/hal.hpp"
#include "firmware/layer.hpp"
#include "firmware/npu.hpp"
#include "firmware/plic.hpp"

namespace tessera::estimate {

namespace {

using abi::Engine;
namespace reg = abi::npu_reg;

std::optional<uint32_t> cluster_at(uint32_t address) {
  const uint32_t cluster = (address - abi::kNpuBase) / abi::kNpuStride;
  return address >= abi::kNpuBase && cluster < abi::kMaxClusters ? std::optional(cluster)
                                                                 : std::nullopt;
}

uint32_t register_at(uint32_t address) { return (address - abi::kNpuBase) % abi::kNpuStride; }

bool is_space(uint32_t offset) {
  return offset == reg::LOAD_SPACE || offset == reg::COMPUTE_SPACE || offset == reg::STORE_SPACE;
}

std::optional<Engine> fifo_at(uint32_t offset) {
  switch (offset) {
    case reg::LOAD_FIFO:
      return Engine::kLoad;
    case reg::COMPUTE_FIFO:
      return Engine::kCompute;
    case reg::STORE_FIFO:
      return Engine::kStore;
    default:
      return std::nullopt;
  }
}

class Host {
 public:
  Host(const chip::Chip& chip, ChipTiming& timing);
  ~Host();

  void infer(const deploy::Image& image, const Places& places, uint32_t number);

  uint32_t read(uint32_t address);
  void write(uint32_t address, uint32_t value);
  void set_interrupts_enabled(bool enabled);
  void wait_for_interrupt();
  void take_interrupt();

  void on_external_interrupt();

  HostWork work() const;

 private:
  /// What a cluster's register block holds.
  struct Registers {
    uint32_t irq_enable = 0;
    uint32_t notifications_cleared = 0;
    uint32_t space_threshold = 0;
  };

  void run_layer(uint32_t index, const abi::LayerProgram& layer, const firmware::TensorBases& bases,
                 bool last);
  uint64_t latency_to(uint32_t address) const;
  uint32_t read_register(uint32_t cluster, uint32_t offset) const;
  void write_register(uint32_t cluster, uint32_t offset, uint32_t value);
  uint32_t pending_interrupts(uint32_t cluster) const;
  std::optional<uint32_t> interrupting_cluster() const;
  void find_largest(const abi::IoTensor& logits);
  void spend(uint64_t cycles);
  void compute(uint64_t cycles);

  const chip::Chip& chip_;
  ChipTiming& timing_;
  uint64_t cycle_ = 0;
  uint64_t busy_cycles_ = 0;      ///< not asleep
  uint64_t computed_cycles_ = 0;  ///< of them, those without the register accesses
  uint64_t accesses_ = 0;
  std::vector<uint64_t> layer_cycles_;
  PushCost push_cost_;
  bool interrupts_enabled_ = false;
  std::vector<Registers> registers_;  ///< a cluster
  std::vector<firmware::Npu> npus_;
  std::vector<firmware::LayerRunner> runners_;
};

thread_local Host* the_host = nullptr;

Host::Host(const chip::Chip& chip, ChipTiming& timing)
    : chip_(chip),
      timing_(timing),
      push_cost_(timing.clusters() > 1),
      registers_(timing.clusters()),
      npus_(timing.clusters()),
      runners_(timing.clusters()) {
  the_host = this;
  for (uint32_t c = 0; c < timing.clusters(); ++c) {
    npus_[c].start(c);
    runners_[c].start(npus_[c]);
  }
  set_interrupts_enabled(true);
}

Host::~Host() { the_host = nullptr; }

/// What firmware/main.cpp does for an image.
void Host::infer(const deploy::Image& image, const Places& places, uint32_t number) {
  firmware::TensorBases bases = {};
  bases.space[static_cast<uint32_t>(abi::TensorSpace::kArena)] = places.arena;
  bases.space[static_cast<uint32_t>(abi::TensorSpace::kInput)] = places.input;
  bases.space[static_cast<uint32_t>(abi::TensorSpace::kOutput)] = places.output;
  bases.weight_pieces = image.weight_pieces().data();
  for (const abi::SectionEntry& section : image.sections()) {
    const auto id = static_cast<abi::Section>(section.id);
    if (id == abi::Section::kWeights) bases.weights = places.image + section.offset;
    if (id == abi::Section::kParameters) bases.parameters = places.image + section.offset;
  }

  for (firmware::Npu& npu : npus_) npu.write(reg::PHASE, number);
  push_cost_ = PushCost(timing_.clusters() > 1);
  const auto count = static_cast<uint32_t>(image.layers().size());
  layer_cycles_.resize(count);
  for (uint32_t i = 0; i < count; ++i) {
    const uint64_t before = busy_cycles_;
    run_layer(i, image.layers()[i], bases, i + 1 == count);
    layer_cycles_[i] += busy_cycles_ - before;
  }
  find_largest(image.output());
  for (firmware::Npu& npu : npus_) npu.write(reg::PHASE, 0);
}

void Host::run_layer(uint32_t index, const abi::LayerProgram& layer,
                     const firmware::TensorBases& bases, bool last) {
  const uint32_t parts = timing_.clusters();
  const bool barrier = last || parts > 1;
  for (uint32_t c = 0; c < parts; ++c) {
    if (parts > 1) compute(kShareCycles);
    runners_[c].begin(index, layer, bases, c, parts, barrier);
  }
  for (bool more = true; more;) {
    more = false;
    for (firmware::LayerRunner& runner : runners_) more |= runner.step();
  }
  if (!barrier) return;
  for (firmware::Npu& npu : npus_) {
    compute(kBarrierCycles);
    npu.wait_for_notify();
  }
}

HostWork Host::work() const {
  const auto computing =
      static_cast<uint64_t>(kInstructionsPerCycle * static_cast<double>(computed_cycles_));
  return {layer_cycles_, accesses_ + computing};
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
  compute(kFinishCycles + (kFinishAccesses + words) * stall_cycles + elements * kLogitCycles);
}

/// One way through the network to the registers at an address.
uint64_t Host::latency_to(uint32_t address) const {
  const std::optional<uint32_t> cluster = cluster_at(address);
  return timing_.network().one_way_cycles(noc::kCore,
                                          cluster ? noc::kFirstNpu + *cluster : noc::kPlic);
}

void Host::spend(uint64_t cycles) {
  cycle_ += cycles;
  busy_cycles_ += cycles;
}

/// Instructions other than register accesses.
void Host::compute(uint64_t cycles) {
  spend(cycles);
  computed_cycles_ += cycles;
}

uint32_t Host::read(uint32_t address) {
  const uint64_t latency = latency_to(address);
  const std::optional<uint32_t> cluster = cluster_at(address);
  if (cluster && is_space(register_at(address))) compute(kSpaceReadCycles);
  ++accesses_;
  spend(latency);
  timing_.advance(cycle_);
  spend(latency + 2);
  if (cluster) return read_register(*cluster, register_at(address));
  return abi::kNpuIrq + interrupting_cluster().value_or(0);  // the PLIC's claim register
}

void Host::write(uint32_t address, uint32_t value) {
  const std::optional<uint32_t> cluster = cluster_at(address);
  if (cluster) {
    if (const auto engine = fifo_at(register_at(address)))
      compute(push_cost_.cycles_before(*engine, value));
  }
  ++accesses_;
  const uint64_t latency = latency_to(address);
  spend(latency + 1);
  timing_.advance(cycle_);
  if (cluster) write_register(*cluster, register_at(address), value);
  spend(latency + 1);
  take_interrupt();
}

uint32_t Host::pending_interrupts(uint32_t index) const {
  const ClusterTiming& cluster = timing_.cluster(index);
  const Registers& registers = registers_[index];
  bool space = true;
  for (const Engine engine : {Engine::kLoad, Engine::kCompute, Engine::kStore}) {
    space = space && cluster.space_words(engine) >= registers.space_threshold;
  }
  return (cluster.notify_count() != registers.notifications_cleared ? abi::kIrqNotify : 0) |
         (space ? abi::kIrqSpace : 0);
}

/// The one with the lowest number, which the PLIC prefers.
std::optional<uint32_t> Host::interrupting_cluster() const {
  for (uint32_t c = 0; c < timing_.clusters(); ++c) {
    if ((pending_interrupts(c) & registers_[c].irq_enable) != 0) return c;
  }
  return std::nullopt;
}

uint32_t Host::read_register(uint32_t index, uint32_t offset) const {
  const ClusterTiming& cluster = timing_.cluster(index);
  const chip::Scratchpads& scratchpads = chip_.npu.scratchpads;
  switch (offset) {
    case reg::WEIGHT_BYTES:
      return scratchpads.weight_bytes;
    case reg::OUTPUT_BYTES:
      return scratchpads.output_bytes;
    case reg::PARAMETER_BYTES:
      return scratchpads.parameter_bytes;
    case reg::IRQ_PENDING:
      return pending_interrupts(index);
    case reg::LOAD_SPACE:
      return cluster.space_words(Engine::kLoad);
    case reg::COMPUTE_SPACE:
      return cluster.space_words(Engine::kCompute);
    case reg::STORE_SPACE:
      return cluster.space_words(Engine::kStore);
    case reg::NOTIFY_COUNT:
      return cluster.notify_count();
    default:
      throw std::logic_error("the estimate's host has no NPU register " + std::to_string(offset));
  }
}

void Host::write_register(uint32_t index, uint32_t offset, uint32_t value) {
  ClusterTiming& cluster = timing_.cluster(index);
  Registers& registers = registers_[index];
  switch (offset) {
    case reg::CONTROL:
    case reg::TOKEN_TIMEOUT:
      break;
    case reg::IRQ_ENABLE:
      registers.irq_enable = value;
      break;
    case reg::IRQ_PENDING:
      if ((value & abi::kIrqNotify) != 0) registers.notifications_cleared = cluster.notify_count();
      break;
    case reg::SPACE_THRESHOLD:
      registers.space_threshold = value;
      break;
    case reg::PHASE:
      cluster.set_phase(value, timing_.cycle());
      break;
    case reg::LOAD_FIFO:
      return cluster.push(Engine::kLoad, value, timing_.cycle());
    case reg::COMPUTE_FIFO:
      return cluster.push(Engine::kCompute, value, timing_.cycle());
    case reg::STORE_FIFO:
      return cluster.push(Engine::kStore, value, timing_.cycle());
    default:
      throw std::logic_error("the estimate's host has no NPU register " + std::to_string(offset));
  }
}

void Host::set_interrupts_enabled(bool enabled) {
  interrupts_enabled_ = enabled;
  if (enabled) take_interrupt();
}

void Host::take_interrupt() {
  while (interrupts_enabled_ && interrupting_cluster()) {
    interrupts_enabled_ = false;
    compute(kTrapCycles);
    firmware::external_interrupt();
    compute(kReturnCycles);
    interrupts_enabled_ = true;
  }
}

void Host::on_external_interrupt() {
  const uint32_t source = firmware::plic::claim();
  compute(kHandlerCycles);
  npus_.at(source - abi::kNpuIrq).on_interrupt();
  firmware::plic::complete(source);
}

void Host::wait_for_interrupt() {
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
                        uint32_t inferences, ChipTiming& timing) {
  Host host(chip, timing);
  for (uint32_t number = 1; number <= inferences; ++number) host.infer(image, places, number);
  return host.work();
}

}  // namespace tessera::estimate

namespace tessera::firmware {

void npu_failed(const Npu&) { throw std::logic_error("the estimate's NPU does not fail"); }
void external_interrupt() { estimate::the_host->on_external_interrupt(); }

namespace hal {

uint32_t read32(uint32_t address) { return estimate::the_host->read(address); }
void write32(uint32_t address, uint32_t value) { estimate::the_host->write(address, value); }
void enable_interrupts() { estimate::the_host->set_interrupts_enabled(true); }
void disable_interrupts() { estimate::the_host->set_interrupts_enabled(false); }
void wait_for_interrupt() { estimate::the_host->wait_for_interrupt(); }

}  // namespace hal
}  // namespace tessera::firmware
