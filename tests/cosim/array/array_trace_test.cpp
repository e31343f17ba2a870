/// Waveforms of the RTL array, read back with the FST reader that comes with Verilator.

#include <gtest/gtest.h>
#include <gtkwave/fstapi.h>
#include <unistd.h>

#include <cstdio>
#include <map>
#include <string>

#include "array_bench.hpp"

namespace tessera::rtl {
namespace {

using Waveform = std::map<uint64_t, std::string>;  // value from a time on

/// Deletes the file that it names.
class TraceFile {
 public:
  TraceFile() : path(testing::TempDir() + "array_" + std::to_string(getpid()) + ".fst") {}
  ~TraceFile() { std::remove(path.c_str()); }
  const std::string path;
};

/// What the signal with this path did; empty if there is none.
Waveform read_signal(const std::string& path, const std::string& signal) {
  void* const reader = fstReaderOpen(path.c_str());
  if (reader == nullptr) throw std::runtime_error("not an FST file: " + path);
  fstHandle found = 0;
  while (const fstHier* const entry = fstReaderIterateHier(reader)) {
    if (entry->htyp == FST_HT_SCOPE) {
      fstReaderPushScope(reader, entry->u.scope.name, nullptr);
    } else if (entry->htyp == FST_HT_UPSCOPE) {
      fstReaderPopScope(reader);
    } else if (entry->htyp == FST_HT_VAR) {
      std::string name = fstReaderGetCurrentFlatScope(reader);
      name += "." + std::string(entry->u.var.name);
      if (name.substr(0, name.find(' ')) == signal) found = entry->u.var.handle;
    }
  }
  Waveform waveform;
  if (found != 0) {
    fstReaderSetFacProcessMask(reader, found);
    fstReaderIterBlocks(
        reader,
        [](void* into, uint64_t time, fstHandle, const unsigned char* value) {
          (*static_cast<Waveform*>(into))[time] = reinterpret_cast<const char*>(value);
        },
        &waveform, nullptr);
  }
  fstReaderClose(reader);
  return waveform;
}

TEST(ArrayTrace, shows_the_cycles_of_the_window_and_no_others) {
  const TraceFile file;
  ArrayBench bench(2, 4);
  for (int cycle = 0; cycle < 5; ++cycle) bench.clock();
  const uint64_t first = bench.array.cycle();
  bench.array.start_trace(file.path);
  bench.begin();
  bench.flow();
  for (int cycle = 0; cycle < 20; ++cycle) bench.clock();
  const uint64_t last = bench.array.cycle();
  bench.array.stop_trace();
  for (int cycle = 0; cycle < 5; ++cycle) bench.clock();

  const Waveform clock = read_signal(file.path, "TOP.compute_array.clk_i");
  ASSERT_FALSE(clock.empty());
  EXPECT_GE(clock.begin()->first, 10 * first);
  for (uint64_t cycle = first + 1; cycle <= last; ++cycle) {
    ASSERT_EQ(clock.count(10 * cycle), 1U) << cycle;
    EXPECT_EQ(clock.at(10 * cycle), "1") << cycle;
  }
  EXPECT_EQ(clock.rbegin()->first, 10 * last);
  const Waveform busy = read_signal(file.path, "TOP.compute_array.busy_o");
  EXPECT_EQ(busy.at(10 * (first + 1)), "1");  // the edge of the start
}

TEST(ArrayTrace, shows_accumulators_and_control) {
  const TraceFile file;
  ArrayBench bench(2, 4);
  bench.array.start_trace(file.path);
  bench.set_operands(5, 7);
  bench.begin();
  const uint64_t start = bench.array.cycle();
  bench.flow();
  for (int cycle = 0; cycle < 20; ++cycle) bench.clock();
  bench.array.stop_trace();

  const Waveform state = read_signal(file.path, "TOP.compute_array.u_sequencer.state_q");
  EXPECT_EQ(state.at(10 * (start + 1)), "10");
  const Waveform column = read_signal(file.path, "TOP.compute_array.column_acc_o");
  ASSERT_FALSE(column.empty());
  const std::string row0 = column.at(10 * (start + 4)).substr(48);
  EXPECT_EQ(std::stoull(row0, nullptr, 2), 35U);
}

TEST(ArrayTrace, a_second_window_goes_to_a_second_file) {
  const TraceFile first;
  ArrayBench bench(2, 4);
  bench.array.start_trace(first.path);
  for (int cycle = 0; cycle < 3; ++cycle) bench.clock();
  const std::string second = first.path + "2";
  bench.array.start_trace(second);
  const uint64_t start = bench.array.cycle();
  for (int cycle = 0; cycle < 3; ++cycle) bench.clock();
  bench.array.stop_trace();
  EXPECT_LE(read_signal(first.path, "TOP.compute_array.clk_i").rbegin()->first, 10 * start);
  EXPECT_GT(read_signal(second, "TOP.compute_array.clk_i").rbegin()->first, 10 * start);
  std::remove(second.c_str());
}

TEST(ArrayTrace, into_a_file_that_cannot_be_written_is_an_error_and_the_array_goes_on) {
  ArrayBench bench(2, 4);
  EXPECT_THROW(bench.array.start_trace("/nonexistent/array.fst"), ArrayError);
  EXPECT_TRUE(bench.begin().started);
}

}  // namespace
}  // namespace tessera::rtl
