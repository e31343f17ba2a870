#include "session.hpp"

#include <chrono>
#include <cstdio>
#include <cstring>
#include <stdexcept>

#include "abi/memory_map.hpp"
#include "core/signature.hpp"

namespace tessera::platform {
namespace {

constexpr uint32_t kMtvec = 0x305;
constexpr int kExitUnhandledException = 255;

std::string hex(uint32_t value) {
  char text[16];
  std::snprintf(text, sizeof(text), "0x%08x", value);
  return text;
}

SocOptions with_entry(SocOptions options, const core::Elf* elf) {
  options.entry = elf != nullptr ? elf->entry() : abi::kRamBase;
  return options;
}

const char* describe_cause(core::Cause cause) {
  switch (static_cast<uint32_t>(cause)) {
    case 0:
      return "instruction address misaligned";
    case 1:
      return "instruction access fault";
    case 2:
      return "illegal instruction";
    case 3:
      return "breakpoint";
    case 4:
      return "load address misaligned";
    case 5:
      return "load access fault";
    case 6:
      return "store address misaligned";
    case 7:
      return "store access fault";
    case 11:
      return "environment call";
    default:
      return "exception";
  }
}

}  // namespace

Session::Session(const chip::Chip& chip, SocOptions options, const core::Elf* elf)
    : chip_(chip), elf_(elf), soc_("chip", chip_, with_entry(options, elf)) {
  if (elf_ != nullptr) load(*elf_);
  watch_end();
}

Session::~Session() = default;

void Session::load(const core::Elf& elf) {
  for (const auto& segment : elf.segments()) {
    uint8_t* memory = soc_.memory(segment.address, segment.memory_size_bytes);
    if (memory == nullptr) {
      throw std::runtime_error(elf.name() + ": segment at " + hex(segment.address) + " of " +
                               std::to_string(segment.memory_size_bytes) +
                               " bytes is not in the memory of chip " + chip_.name);
    }
    std::memcpy(memory, segment.data.data(), segment.data.size());
  }
}

void Session::watch_end() {
  soc_.uart().set_transmit_callback([this](uint8_t byte) {
    uart_text_.push_back(static_cast<char>(byte));
    if (uart_sink_) uart_sink_(static_cast<char>(byte));
  });
  soc_.finisher().set_callback([this](const periph::FinisherRequest& request) {
    end(request.kind == periph::FinisherRequest::Kind::kFail && request.exit_code == 0
            ? 1
            : request.exit_code);
  });
  if (elf_ == nullptr || soc_.iss() == nullptr) return;
  soc_.iss()->set_exception_observer([this](const core::Exception& e) { on_exception(e); });
  if (const auto tohost = core::tohost_address(*elf_)) {
    soc_.iss()->watch_stores(*tohost, [this](uint32_t value) {
      if (const auto code = core::tohost_exit_code(value)) end(static_cast<int>(*code));
    });
  }
}

void Session::end(int code) {
  if (!exit_code_) exit_code_ = code;
  if (soc_.iss() != nullptr) soc_.iss()->stop();
  sc_core::sc_stop();
}

/// A handler that cannot be fetched would fault for ever: that ends the run, for the reason that
/// called the handler.
void Session::on_exception(const core::Exception& exception) {
  const uint32_t handler = soc_.iss()->read_csr(kMtvec).value_or(0) & ~3U;
  const bool unhandled = exception.cause == core::Cause::kFetchAccess && exception.pc == handler &&
                         exception_.has_value();
  if (unhandled) {
    end(kExitUnhandledException);
  } else {
    exception_ = exception;
  }
}

Outcome Session::run(uint64_t max_cycles) {
  // SystemC announces on stdout, which is for results, that sc_stop was called.
  sc_core::sc_report_handler::set_actions("/OSCI/SystemC", sc_core::SC_INFO,
                                          sc_core::SC_DO_NOTHING);
  const auto start = std::chrono::steady_clock::now();
  sc_core::sc_start(soc_.clock().cycles(max_cycles));
  Outcome outcome;
  outcome.wall_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  outcome.finished = exit_code_.has_value();
  outcome.exit_code = exit_code_.value_or(0);
  outcome.cycles = soc_.clock().now_cycles();
  return outcome;
}

std::string Session::where_the_core_is() const {
  if (soc_.iss() == nullptr) {
    return soc_.native()->waiting_for_interrupt() ? "the native core waits for an interrupt"
                                                  : "the native core is running";
  }
  const uint32_t pc = soc_.iss()->pc();
  return std::string(soc_.iss()->waiting_for_interrupt() ? "the core waits for an interrupt"
                                                         : "the core is running") +
         " at pc " + hex(pc) + (elf_ != nullptr ? " (" + elf_->describe(pc) + ")" : "");
}

/// Nothing where there is one cluster only.
std::string Session::name_of_cluster(std::size_t index) const {
  return soc_.clusters() == 1 ? "" : "cluster " + std::to_string(index) + ": ";
}

std::string Session::explain(const Outcome& outcome) const {
  if (!outcome.finished) {
    std::string text =
        "no end after " + std::to_string(outcome.cycles) + " cycles: " + where_the_core_is();
    for (std::size_t i = 0; i < soc_.clusters(); ++i) {
      text += "; " + name_of_cluster(i) + soc_.cluster(i).status_text();
    }
    return text;
  }
  std::string text = "the program ended with code " + std::to_string(outcome.exit_code);
  for (std::size_t i = 0; i < soc_.clusters(); ++i) {
    const std::string npu = soc_.cluster(i).error_text();
    if (!npu.empty()) return text + ": NPU: " + name_of_cluster(i) + npu;
  }
  if (exception_) {
    const core::Exception& e = *exception_;
    text += ": " + std::string(describe_cause(e.cause)) + " at pc " + hex(e.pc) +
            (elf_ != nullptr ? " (" + elf_->describe(e.pc) + ")" : "") + ", address " + hex(e.tval);
    for (std::size_t i = 0; i < soc_.clusters(); ++i) {
      const std::string access = soc_.cluster(i).bad_access_text();
      if (!access.empty()) text += "\n" + access;
    }
  }
  return text;
}

}  // namespace tessera::platform
