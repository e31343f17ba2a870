#include "core/iss.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace tessera::core {
namespace {

void require(bool condition, const char* message) {
  if (!condition) throw std::runtime_error(std::string("core: ") + message);
}

void check(const IssConfig& config) {
  constexpr uint32_t kMaxCost = 1000;
  const CoreTiming& t = config.timing;
  require(config.clock_period != sc_core::SC_ZERO_TIME, "the clock period must not be zero");
  require(config.quantum_instructions != 0, "the quantum must be at least 1 instruction");
  require(t.instruction != 0, "an instruction must cost at least 1 cycle");
  for (const uint32_t cost : {t.instruction, t.taken_branch, t.jump, t.multiply, t.divide, t.atomic,
                              t.csr, t.fence_i, t.trap}) {
    require(cost <= kMaxCost, "the cost of an instruction class must be at most 1000 cycles");
  }
}

}  // namespace

Iss::Iss(const sc_core::sc_module_name& name, const IssConfig& config)
    : sc_module(name), bus("bus"), config_(config), pc_(config.reset_pc & ~1U) {
  check(config);
  bus.register_invalidate_direct_mem_ptr(this, &Iss::invalidate_direct_mem_ptr);
  SC_HAS_PROCESS(Iss);
  SC_THREAD(thread);
}

void Iss::set_time_source(std::function<uint64_t()> source) {
  csr_.set_time_source(std::move(source));
}

void Iss::write_register(unsigned index, uint32_t value) {
  if (index != 0) x_.at(index) = value;
}

bool Iss::write_csr(uint32_t number, uint32_t value) {
  const bool done = csr_.write(number, value, counters());
  update_attention();
  return done;
}

void Iss::set_exception_observer(std::function<void(const Exception&)> observer) {
  exception_observer_ = std::move(observer);
}

void Iss::watch_stores(uint32_t address, std::function<void(uint32_t value)> callback) {
  watched_address_ = address;
  watched_word_ = address & ~3U;
  store_callback_ = std::move(callback);
}

void Iss::thread() {
  keeper_.reset();
  for (;;) {
    if (attention_) serve_requests();
    run(issued_ + config_.quantum_instructions);
    synchronize_to(cycles_);
  }
}

void Iss::synchronize_to(uint64_t cycle) {
  const auto target = sc_core::sc_time::from_value(config_.clock_period.value() * cycle);
  const sc_core::sc_time& now = sc_core::sc_time_stamp();
  if (target <= now) return;
  keeper_.set(target - now);
  keeper_.sync();
}

uint64_t Iss::cycle_at(const sc_core::sc_time& delay) const {
  const uint64_t period = config_.clock_period.value();
  return ((sc_core::sc_time_stamp() + delay).value() + period - 1) / period;
}

void Iss::set_interrupt(Interrupt interrupt, bool level) {
  csr_.set_pending(interrupt, level);
  update_attention();
  if (csr_.pending_and_enabled() != 0) wake_.notify(sc_core::SC_ZERO_TIME);
}

void Iss::update_attention() { attention_ = waiting_ || pending_halt_ || csr_.interrupt_to_take(); }

void Iss::request_halt(HaltReason reason) {
  pending_halt_ = reason;
  attention_ = true;
  wake_.notify(sc_core::SC_ZERO_TIME);
}

void Iss::halt() { request_halt(HaltReason::kRequested); }

void Iss::stop() {
  quiet_ = true;
  request_halt(HaltReason::kRequested);
}

void Iss::resume() {
  halted_ = false;
  wake_.notify(sc_core::SC_ZERO_TIME);
}

void Iss::step() {
  stepping_ = true;
  resume();
}

void Iss::set_breakpoint(uint32_t address) {
  breakpoints_.insert(address);
  flush_code();
}

void Iss::clear_breakpoint(uint32_t address) {
  breakpoints_.erase(address);
  flush_code();
}

void Iss::serve_requests() {
  while (pending_halt_) {
    serve_halt();
    if (!stepping_) {
      if (breakpoints_.count(pc_) != 0 && !waiting_) run_one();
      break;
    }
    stepping_ = false;
    waiting_ = false;
    run_one();
    pending_halt_ = HaltReason::kStep;
  }
  if (waiting_) wait_for_interrupt();
  const auto interrupt = csr_.interrupt_to_take();
  if (interrupt && !pending_halt_) {
    pc_ = csr_.enter_interrupt(*interrupt, pc_);
    cycles_ += config_.timing.trap;
  }
  update_attention();
}

void Iss::serve_halt() {
  synchronize_to(cycles_);
  const HaltReason reason = *pending_halt_;
  const bool call_hook = halt_hook_ && !quiet_;
  pending_halt_.reset();
  quiet_ = false;
  halted_ = true;
  if (call_hook) halt_hook_(reason);
  while (halted_) wait(wake_);
  // Time that passed while halted counts as cycles, so that core and system stay aligned.
  cycles_ = std::max(cycles_, cycle_at(sc_core::SC_ZERO_TIME));
}

void Iss::wait_for_interrupt() {
  synchronize_to(cycles_);
  while (csr_.pending_and_enabled() == 0 && !pending_halt_) wait(wake_);
  const uint64_t now = std::max(cycles_, cycle_at(sc_core::SC_ZERO_TIME));
  idle_cycles_ += now - cycles_;
  cycles_ = now;
  if (csr_.pending_and_enabled() != 0) waiting_ = false;
}

void Iss::raise(Cause cause, uint32_t pc, uint32_t tval) {
  ++issued_;
  ++exceptions_;
  last_exception_ = Exception{cause, pc, tval};
  if (exception_observer_) exception_observer_(*last_exception_);
  pc_ = csr_.enter_exception(cause, pc, tval);
  cycles_ += config_.timing.trap;
  update_attention();
}

}  // namespace tessera::core
