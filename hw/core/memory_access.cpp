#include <algorithm>
#include <cstring>

#include "core/iss.hpp"

namespace tessera::core {
namespace {

constexpr uint32_t kMaxBlockCycles = 20'000;
constexpr uint64_t kMaxDmiStallCycles = 10'000;

/// Words of 32 bit that fetching an instruction starts on, its neighbour in front having fetched
/// the word that it shares.
constexpr uint32_t words_fetched(const Instruction& i) {
  return ((i.pc & 3U) == 0 || i.length == 4) ? 1 : 0;
}

}  // namespace

const Block* Iss::next_block(uint32_t limit) {
  if (const Block* block = cache_.find(pc_)) return block;
  Block& block = cache_.replace(pc_);
  if (predecode(block, limit)) return &block;
  cache_.forget(pc_);
  if (breakpoints_.count(pc_) != 0) {
    request_halt(HaltReason::kBreakpoint);
    return nullptr;
  }
  uncached_block_.instructions.clear();
  return fetch_over_bus(uncached_block_) ? &uncached_block_ : nullptr;
}

bool Iss::predecode(Block& block, uint32_t limit) {
  // A single instruction is stepped over the breakpoint that it may have.
  const bool step = &block == &uncached_block_;
  auto& out = block.instructions;
  Instruction end;
  end.pc = pc_;
  uint32_t cycles = 0;
  while (out.size() < limit && cycles <= kMaxBlockCycles) {
    if (!step && breakpoints_.count(end.pc) != 0) {
      end.op = Op::kBreakpoint;
      out.push_back(end);
      return true;
    }
    uint32_t bits = 0;
    uint32_t stall_cycles = 0;
    if (!fetch_direct(end.pc, bits, stall_cycles)) break;
    Instruction i = decode(bits, end.pc);
    i.index = end.index;
    i.cycles_before = end.cycles_before;
    out.push_back(i);
    cycles += cost_cycles(i.op, config_.timing) + words_fetched(i) * stall_cycles;
    end.pc += i.length;
    end.index++;
    end.cycles_before = static_cast<uint16_t>(cycles);
    if (ends_block(i.op)) break;
  }
  if (out.empty()) return false;
  out.push_back(end);
  return true;
}

bool Iss::fetch_direct(uint32_t pc, uint32_t& bits, uint32_t& stall_cycles) const {
  const DmiRegion* region = dmi_.find_readable(pc, 2);
  if (region == nullptr) return false;
  uint16_t half = 0;
  std::memcpy(&half, region->at(pc), 2);
  bits = half;
  stall_cycles = region->read_stall_cycles;
  if (!is_long(bits)) return true;
  region = dmi_.find_readable(pc + 2, 2);
  if (region == nullptr) return false;
  std::memcpy(&half, region->at(pc + 2), 2);
  bits |= static_cast<uint32_t>(half) << 16;
  return true;
}

bool Iss::fetch_over_bus(Block& block) {
  const uint32_t pc = pc_;
  uint32_t words[2] = {0, 0};
  uint32_t address = pc & ~3U;
  bool done = transport(tlm::TLM_READ_COMMAND, address, &words[0], 4, 0);
  uint32_t bits = words[0] >> (8 * (pc & 3U));
  const bool crosses = (pc & 3U) != 0 && is_long(bits);
  if (done && crosses) {
    address += 4;
    done = transport(tlm::TLM_READ_COMMAND, address, &words[1], 4, 0);
    bits |= words[1] << 16;
  }
  if (!done) {
    raise(Cause::kFetchAccess, pc, crosses ? address : pc);
    return false;
  }
  Instruction end;
  Instruction i = decode(bits, pc);
  end.pc = pc + i.length;
  end.index = 1;
  end.cycles_before = static_cast<uint16_t>(cost_cycles(i.op, config_.timing));
  block.instructions.push_back(i);
  block.instructions.push_back(end);
  return true;
}

bool Iss::read_memory(uint32_t cycles_before, uint32_t& address, uint32_t size_bytes,
                      uint32_t& value) {
  value = 0;
  if (const DmiRegion* region = dmi_.find_readable(address, size_bytes)) {
    load_region_ = *region;
    std::memcpy(&value, region->at(address), size_bytes);
    cycles_ += region->read_stall_cycles;
    return true;
  }
  if ((address & (size_bytes - 1)) == 0) {
    return transport(tlm::TLM_READ_COMMAND, address, &value, size_bytes, cycles_before);
  }
  const uint32_t first = address;
  for (uint32_t k = 0; k < size_bytes; ++k) {
    uint32_t byte = 0;
    address = first + k;
    if (!read_memory(cycles_before, address, 1, byte)) return false;
    value |= byte << (8 * k);
  }
  return true;
}

bool Iss::write_memory(uint32_t cycles_before, uint32_t& address, uint32_t size_bytes,
                       uint32_t value) {
  if (const DmiRegion* region = dmi_.find_writable(address, size_bytes)) {
    store_region_ = *region;
    std::memcpy(region->at(address), &value, size_bytes);
    cycles_ += region->write_stall_cycles;
    return true;
  }
  if ((address & (size_bytes - 1)) == 0) {
    return transport(tlm::TLM_WRITE_COMMAND, address, &value, size_bytes, cycles_before);
  }
  const uint32_t first = address;
  for (uint32_t k = 0; k < size_bytes; ++k) {
    address = first + k;
    if (!write_memory(cycles_before, address, 1, value >> (8 * k))) return false;
  }
  return true;
}

bool Iss::transport(tlm::tlm_command command, uint32_t address, void* data, uint32_t size_bytes,
                    uint32_t cycles_before) {
  const uint64_t start = cycles_ + cycles_before;
  synchronize_to(start);
  tlm::tlm_generic_payload payload;
  payload.set_command(command);
  payload.set_address(address);
  payload.set_data_ptr(static_cast<unsigned char*>(data));
  payload.set_data_length(size_bytes);
  payload.set_streaming_width(size_bytes);
  payload.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
  sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
  bus->b_transport(payload, delay);
  const uint64_t finish = cycle_at(delay);
  synchronize_to(finish);
  const uint64_t hidden_until = start + config_.timing.hidden_memory;
  if (finish > hidden_until) cycles_ += finish - hidden_until;
  if (payload.is_dmi_allowed()) request_dmi(address, command);
  return payload.is_response_ok();
}

void Iss::request_dmi(uint32_t address, tlm::tlm_command command) {
  tlm::tlm_generic_payload payload;
  payload.set_command(command);
  payload.set_address(address);
  tlm::tlm_dmi grant;
  if (!bus->get_direct_mem_ptr(payload, grant)) return;
  const uint64_t end = std::min<uint64_t>(grant.get_end_address(), UINT32_MAX);
  const uint64_t start = grant.get_start_address();
  if (start > end || end - start < 3) return;
  const auto stall_cycles = [this](const sc_core::sc_time& latency) {
    const uint64_t period = config_.clock_period.value();
    const uint64_t cycles = (latency.value() + period - 1) / period;
    return cycles - std::min<uint64_t>(cycles, config_.timing.hidden_memory);
  };
  const uint64_t read_stall = stall_cycles(grant.get_read_latency());
  const uint64_t write_stall = stall_cycles(grant.get_write_latency());
  if (std::max(read_stall, write_stall) > kMaxDmiStallCycles) return;
  DmiRegion region;
  region.base = static_cast<uint32_t>(start);
  region.size_bytes = static_cast<uint32_t>(std::min<uint64_t>(end - start + 1, UINT32_MAX));
  region.pointer = grant.get_dmi_ptr();
  region.read_stall_cycles = static_cast<uint32_t>(read_stall);
  region.write_stall_cycles = static_cast<uint32_t>(write_stall);
  region.readable = grant.is_read_allowed();
  region.writable = grant.is_write_allowed();
  dmi_.insert(region);
  load_region_ = store_region_ = DmiRegion{};
}

void Iss::invalidate_direct_mem_ptr(sc_dt::uint64 start, sc_dt::uint64 end) {
  if (start > UINT32_MAX) return;
  dmi_.invalidate(static_cast<uint32_t>(start),
                  static_cast<uint32_t>(std::min<sc_dt::uint64>(end, UINT32_MAX)));
  load_region_ = store_region_ = DmiRegion{};
  flush_code();
}

void Iss::flush_code() { cache_.flush(); }

uint32_t Iss::debug_transport(tlm::tlm_command command, uint32_t address, void* data,
                              uint32_t size_bytes) {
  tlm::tlm_generic_payload payload;
  payload.set_command(command);
  payload.set_address(address);
  payload.set_data_ptr(static_cast<unsigned char*>(data));
  payload.set_data_length(size_bytes);
  payload.set_streaming_width(size_bytes);
  return bus->transport_dbg(payload);
}

uint32_t Iss::debug_read(uint32_t address, void* data, uint32_t size_bytes) {
  return debug_transport(tlm::TLM_READ_COMMAND, address, data, size_bytes);
}

uint32_t Iss::debug_write(uint32_t address, const void* data, uint32_t size_bytes) {
  flush_code();
  return debug_transport(tlm::TLM_WRITE_COMMAND, address, const_cast<void*>(data), size_bytes);
}

}  // namespace tessera::core
