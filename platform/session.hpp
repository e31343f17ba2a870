#pragma once

/// One simulation: a chip with a program in its memory, from reset to the program's end.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "chip/chip.hpp"
#include "core/elf.hpp"
#include "soc.hpp"

namespace tessera::platform {

struct Outcome {
  bool finished = false;    ///< false: max_cycles came first
  int exit_code = 0;        ///< of the finisher or `tohost`; 0 is success
  uint64_t cycles = 0;      ///< of the chip clock, from reset
  double wall_seconds = 0;  ///< host time in simulation
};

/// There can be one a process (SystemC elaborates once).
class Session {
 public:
  /// `elf` is loaded and run by the ISS; the native core runs the firmware it is linked with and
  /// needs none (null). Throws std::runtime_error if a segment is not in the chip's memory.
  Session(const chip::Chip& chip, SocOptions options, const core::Elf* elf);
  ~Session();

  Soc& soc() { return soc_; }

  /// Where the UART's output goes, a character at a time. It is kept as well.
  void set_uart_sink(std::function<void(char)> sink) { uart_sink_ = std::move(sink); }
  const std::string& uart_text() const { return uart_text_; }

  /// Runs until the program ends or max_cycles have passed.
  Outcome run(uint64_t max_cycles);

  /// One or two lines on why a run that did not end well did not: the exception with pc, symbol and
  /// address, the NPU's error, or what was waited for.
  std::string explain(const Outcome& outcome) const;

 private:
  void load(const core::Elf& elf);
  void watch_end();
  void on_exception(const core::Exception& exception);
  void end(int code);
  std::string where_the_core_is() const;
  std::string name_of_cluster(std::size_t index) const;

  chip::Chip chip_;
  const core::Elf* elf_;
  mutable Soc soc_;
  std::string uart_text_;
  std::function<void(char)> uart_sink_;
  std::optional<int> exit_code_;
  std::optional<core::Exception> exception_;  ///< the latest that is no consequence of another
};

}  // namespace tessera::platform
