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
  write(reg::CONTROL, abi::kControlReset);
  write(reg::IRQ_ENABLE, abi::kIrqNotify | abi::kIrqError);
  plic::enable(irq_);
}

void Npu::fetch(uint32_t address, uint32_t words) {
  ++expected_;
  write(reg::LIST_ADDRESS, address);
  write(reg::LIST_WORDS, words);
}

void Npu::on_interrupt() {
  write(reg::IRQ_PENDING, abi::kIrqNotify);
  const uint32_t count = read(reg::NOTIFY_COUNT);
  if (count == notified_) check();
  notified_ = count;
}

void Npu::check() const {
  if ((read(reg::IRQ_PENDING) & abi::kIrqError) != 0) npu_failed(*this);
}

}  // namespace tessera::firmware
