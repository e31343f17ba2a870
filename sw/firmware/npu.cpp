#include "npu.hpp"

#include "abi/memory_map.hpp"
#include "hal.hpp"
#include "plic.hpp"

namespace tessera::firmware {
namespace {

using abi::Engine;
namespace reg = abi::npu_reg;

// Indexed by Engine.
constexpr uint32_t kFifo[] = {reg::LOAD_FIFO, reg::COMPUTE_FIFO, reg::STORE_FIFO};
constexpr uint32_t kSpace[] = {reg::LOAD_SPACE, reg::COMPUTE_SPACE, reg::STORE_SPACE};

}  // namespace

uint32_t Npu::read(uint32_t offset) const { return hal::read32(base_ + offset); }
void Npu::write(uint32_t offset, uint32_t value) const { hal::write32(base_ + offset, value); }

void Npu::start(uint32_t index) {
  base_ = abi::kNpuBase + index * abi::kNpuStride;
  irq_ = abi::kNpuIrq + index;
  for (uint32_t& space : space_) space = 0;
  expected_ = 0;
  notified_ = 0;
  failed_ = false;
  write(reg::CONTROL, abi::kControlReset);
  // Room for the longest command, so that one interrupt is one command.
  write(reg::SPACE_THRESHOLD, kHeaderWords + abi::words_of<abi::ComputeConfig>());
  write(reg::IRQ_ENABLE, abi::kIrqNotify | abi::kIrqError);
  plic::enable(irq_);
}

uint32_t Npu::reserve(Engine engine, uint32_t words) {
  const auto index = static_cast<uint32_t>(engine);
  if (space_[index] < words) {
    space_[index] = read(kSpace[index]);
    if (space_[index] < words) wait_for_space(engine, words);
  }
  space_[index] -= words;
  return base_ + kFifo[index];
}

void Npu::wait_for_space(Engine engine, uint32_t words) {
  const auto index = static_cast<uint32_t>(engine);
  hal::disable_interrupts();
  while (!failed_ && (space_[index] = read(kSpace[index])) < words) {
    write(reg::IRQ_ENABLE, abi::kIrqNotify | abi::kIrqError | abi::kIrqSpace);
    hal::wait_for_interrupt();
    hal::enable_interrupts();
    hal::disable_interrupts();
  }
  hal::enable_interrupts();
  if (failed_) npu_failed(*this);
}

void Npu::wait_for_notify() {
  hal::disable_interrupts();
  while (!failed_ && static_cast<int32_t>(notified_ - expected_) < 0) {
    hal::wait_for_interrupt();
    hal::enable_interrupts();
    hal::disable_interrupts();
  }
  hal::enable_interrupts();
  if (failed_) npu_failed(*this);
}

void Npu::on_interrupt() {
  const uint32_t pending = read(reg::IRQ_PENDING);
  if ((pending & abi::kIrqError) != 0) {
    failed_ = true;
    write(reg::IRQ_ENABLE, 0);
    return;
  }
  // SPACE is a level: it would interrupt again and again while nobody waits for it.
  write(reg::IRQ_ENABLE, abi::kIrqNotify | abi::kIrqError);
  write(reg::IRQ_PENDING, pending & abi::kIrqNotify);
  notified_ = read(reg::NOTIFY_COUNT);
}

}  // namespace tessera::firmware
