#include "npu.hpp"

#include "abi/memory_map.hpp"
#include "hal.hpp"
#include "plic.hpp"

namespace tessera::firmware {
namespace {

namespace reg = abi::npu_reg;

}  // namespace

uint32_t Npu::read(uint32_t offset) const { return hal::read32(base_ + offset); }
void Npu::write(uint32_t offset, uint32_t value) const { hal::write32(base_ + offset, value); }

uint32_t Npu::fifo_of(abi::Engine engine) {
  return engine == abi::Engine::kLoad      ? reg::LOAD_FIFO
         : engine == abi::Engine::kCompute ? reg::COMPUTE_FIFO
                                           : reg::STORE_FIFO;
}

void Npu::start(uint32_t index) {
  base_ = abi::kNpuBase + index * abi::kNpuStride;
  irq_ = abi::kNpuIrq + index;
  expected_ = 0;
  notified_ = 0;
  failed_ = false;
  write(reg::CONTROL, abi::kControlReset);
  write(reg::IRQ_ENABLE, abi::kIrqNotify | abi::kIrqError);
  plic::enable(irq_);
}

void Npu::fetch(uint32_t address, uint32_t words) {
  ++expected_;
  write(reg::LIST_ADDRESS, address);
  write(reg::LIST_WORDS, words);
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
  write(reg::IRQ_PENDING, pending & abi::kIrqNotify);
  notified_ = read(reg::NOTIFY_COUNT);
}

}  // namespace tessera::firmware
