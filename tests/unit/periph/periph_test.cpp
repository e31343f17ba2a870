#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <tlm_utils/simple_initiator_socket.h>

#include <cstring>
#include <sstream>

#include "abi/memory_map.hpp"
#include "periph/clint.hpp"
#include "periph/finisher.hpp"
#include "periph/plic.hpp"
#include "periph/uart16550.hpp"

namespace tessera::periph {
namespace {

using sc_core::sc_time;
using sc_core::SC_US;
using testing::HasSubstr;

/// Accesses one device.
class Driver : public sc_core::sc_module {
 public:
  tlm_utils::simple_initiator_socket<Driver> socket{"socket"};

  Driver(const sc_core::sc_module_name& name, Peripheral& device) : sc_module(name) {
    socket.bind(device.socket);
  }

  tlm::tlm_response_status access(tlm::tlm_command command, uint64_t address, void* data,
                                  unsigned size) {
    tlm::tlm_generic_payload payload;
    fill(payload, command, address, data, size);
    sc_time delay;
    socket->b_transport(payload, delay);
    return payload.get_response_status();
  }
  uint32_t read(uint64_t address, unsigned size = 4) {
    uint32_t value = 0;
    EXPECT_EQ(access(tlm::TLM_READ_COMMAND, address, &value, size), tlm::TLM_OK_RESPONSE);
    return value;
  }
  void write(uint64_t address, uint32_t value, unsigned size = 4) {
    EXPECT_EQ(access(tlm::TLM_WRITE_COMMAND, address, &value, size), tlm::TLM_OK_RESPONSE);
  }
  uint32_t debug_read(uint64_t address, unsigned size) {
    uint32_t value = 0;
    tlm::tlm_generic_payload payload;
    fill(payload, tlm::TLM_READ_COMMAND, address, &value, size);
    EXPECT_EQ(socket->transport_dbg(payload), size);
    return value;
  }

 private:
  static void fill(tlm::tlm_generic_payload& payload, tlm::tlm_command command, uint64_t address,
                   void* data, unsigned size) {
    payload.set_command(command);
    payload.set_address(address);
    payload.set_data_ptr(static_cast<unsigned char*>(data));
    payload.set_data_length(size);
    payload.set_streaming_width(size);
  }
};

TEST(Clint, mtime_counts_ten_megahertz_of_simulated_time) {
  Clint clint("clint");
  Driver driver("driver", clint);
  sc_core::sc_start(7, SC_US);
  EXPECT_EQ(driver.read(0xBFF8), 70U);
  EXPECT_EQ(clint.mtime(), 70U);
  driver.write(0xBFFC, 3);
  driver.write(0xBFF8, 5);
  sc_core::sc_start(1, SC_US);
  EXPECT_EQ(driver.read(0xBFF8), 15U);
  EXPECT_EQ(driver.read(0xBFFC), 3U);
}

TEST(Clint, the_timer_interrupt_is_high_exactly_while_mtime_has_reached_mtimecmp) {
  Clint clint("clint");
  Driver driver("driver", clint);
  std::vector<std::pair<bool, sc_time>> changes;
  clint.set_timer_interrupt_callback(
      [&](bool level) { changes.emplace_back(level, sc_core::sc_time_stamp()); });
  sc_core::sc_start(1, SC_US);
  driver.write(0x4000, 50);
  sc_core::sc_start(9, SC_US);
  driver.write(0x4004, 1);
  sc_core::sc_start(1, SC_US);
  driver.write(0xBFFC, 1);
  const std::vector<std::pair<bool, sc_time>> expected = {{true, sc_time(0, SC_US)},
                                                          {false, sc_time(1, SC_US)},
                                                          {true, sc_time(5, SC_US)},
                                                          {false, sc_time(10, SC_US)},
                                                          {true, sc_time(11, SC_US)}};
  EXPECT_EQ(changes, expected);
}

TEST(Clint, msip_drives_the_software_interrupt_with_its_lowest_bit) {
  Clint clint("clint");
  Driver driver("driver", clint);
  bool level = false;
  clint.set_software_interrupt_callback([&](bool on) { level = on; });
  driver.write(0, 0xFFFF'FFFF);
  EXPECT_TRUE(level);
  EXPECT_EQ(driver.read(0), 1U);
  driver.write(0, 2);
  EXPECT_FALSE(level);
}

TEST(Peripheral, bad_accesses_are_refused_and_name_the_register) {
  Clint clint("clint");
  Driver driver("driver", clint);
  uint64_t data = 0;
  EXPECT_EQ(driver.access(tlm::TLM_WRITE_COMMAND, 0xBFF8, &data, 1), tlm::TLM_BURST_ERROR_RESPONSE);
  EXPECT_EQ(clint.last_error(), "clint.mtime: 1-byte write, the device takes 4-byte accesses");
  EXPECT_EQ(driver.access(tlm::TLM_READ_COMMAND, 0x4000, &data, 8), tlm::TLM_BURST_ERROR_RESPONSE);
  EXPECT_THAT(clint.last_error(), HasSubstr("clint.mtimecmp: 8-byte read"));
  EXPECT_EQ(driver.access(tlm::TLM_READ_COMMAND, 2, &data, 4), tlm::TLM_BURST_ERROR_RESPONSE);
  EXPECT_EQ(driver.access(tlm::TLM_READ_COMMAND, 0xC000, &data, 4),
            tlm::TLM_ADDRESS_ERROR_RESPONSE);
  EXPECT_EQ(driver.access(tlm::TLM_READ_COMMAND, 0xFFFF'FFFF'FFFF'FFFE, &data, 4),
            tlm::TLM_ADDRESS_ERROR_RESPONSE);
  EXPECT_EQ(driver.access(tlm::TLM_IGNORE_COMMAND, 0, &data, 4), tlm::TLM_COMMAND_ERROR_RESPONSE);
}

class PlicTest : public testing::Test {
 protected:
  PlicTest() {
    plic.set_interrupt_callback([this](bool on) { level = on; });
  }
  void enable(uint32_t source, uint32_t priority) {
    driver.write(4 * source, priority);
    const uint32_t word = 0x2000 + 4 * (source / 32);
    driver.write(word, driver.read(word) | (1U << (source % 32)));
  }
  uint32_t claim() { return driver.read(0x20'0004); }
  void complete(uint32_t source) { driver.write(0x20'0004, source); }

  Plic plic{"plic"};
  Driver driver{"driver", plic};
  bool level = false;
};

TEST_F(PlicTest, the_highest_priority_is_claimed_first_and_the_lowest_number_among_equals) {
  enable(40, 2);
  enable(10, 2);
  enable(95, 7);
  for (const uint32_t source : {40U, 10U, 95U}) plic.set_source(source, true);
  EXPECT_EQ(driver.read(0x1008), 1U << 31);
  EXPECT_EQ(driver.debug_read(0x20'0004, 4), 95U);
  EXPECT_EQ(claim(), 95U);
  EXPECT_EQ(claim(), 10U);
  EXPECT_EQ(claim(), 40U);
  EXPECT_FALSE(level);
  EXPECT_EQ(claim(), 0U);
}

TEST_F(PlicTest, a_line_still_high_at_completion_interrupts_again) {
  enable(10, 1);
  plic.set_source(10, true);
  EXPECT_EQ(claim(), 10U);
  EXPECT_FALSE(level);
  complete(10);
  EXPECT_TRUE(level);
  EXPECT_EQ(claim(), 10U);
  plic.set_source(10, false);
  complete(10);
  EXPECT_FALSE(level);
}

TEST_F(PlicTest, threshold_enable_and_priority_zero_mask) {
  enable(10, 3);
  plic.set_source(10, true);
  EXPECT_TRUE(level);
  driver.write(0x20'0000, 3);
  EXPECT_FALSE(level);
  driver.write(0x20'0000, 2);
  EXPECT_TRUE(level);
  driver.write(0x28, 0);
  EXPECT_FALSE(level);
  driver.write(0x28, 15);
  EXPECT_EQ(driver.read(0x28), 7U);
  driver.write(0x2000, 0);
  EXPECT_FALSE(level);
  EXPECT_THROW(plic.set_source(0, true), std::out_of_range);
  EXPECT_THROW(plic.set_source(96, true), std::out_of_range);
  EXPECT_EQ(plic.register_name(12), "plic.priority[3]");
}

class UartTest : public testing::Test {
 protected:
  UartTest() {
    uart.set_interrupt_callback([this](bool on) { level = on; });
    uart.transmit_to(sent);
  }
  uint32_t get(uint32_t offset) { return driver.read(offset, 1); }
  void put(uint32_t offset, uint32_t value) { driver.write(offset, value, 1); }

  Uart16550 uart{"uart"};
  Driver driver{"driver", uart};
  std::ostringstream sent;
  bool level = false;
};

TEST_F(UartTest, text_is_transmitted_and_the_divisor_is_not) {
  for (const char c : std::string("ok\n")) put(0, static_cast<uint32_t>(c));
  put(3, 0x83);
  put(0, 'x');
  put(1, 1);
  EXPECT_EQ(get(0), static_cast<uint32_t>('x'));
  EXPECT_EQ(get(1), 1U);
  put(3, 3);
  driver.write(0, '!', 4);
  EXPECT_EQ(sent.str(), "ok\n!");
  EXPECT_EQ(get(5), 0x60U);
  EXPECT_EQ(get(1), 0U);
}

TEST_F(UartTest, received_characters_wait_for_room_and_interrupt_at_the_trigger_level) {
  put(2, 0x41);  // FIFO, trigger level 4
  put(1, 1);
  uart.receive("abc");
  EXPECT_FALSE(level);
  uart.receive("d");
  EXPECT_TRUE(level);
  uart.receive("efghijklmnopqrstuvwxyz");
  EXPECT_TRUE(level);
  EXPECT_EQ(get(2), 0xC4U);
  std::string text;
  while ((get(5) & 1U) != 0) text += static_cast<char>(get(0));
  EXPECT_EQ(text, "abcdefghijklmnopqrstuvwxyz");
  EXPECT_FALSE(level);
  EXPECT_EQ(get(2), 0xC1U);
}

TEST_F(UartTest, characters_below_the_trigger_level_time_out) {
  put(2, 0xC1);
  put(1, 1);
  uart.receive("a");
  sc_core::sc_start(50, SC_US);
  EXPECT_FALSE(level);
  sc_core::sc_start(10, sc_core::SC_MS);
  EXPECT_TRUE(level);
  EXPECT_EQ(get(2), 0xCCU);
  EXPECT_EQ(driver.debug_read(0, 1), static_cast<uint32_t>('a'));
  EXPECT_EQ(get(0), static_cast<uint32_t>('a'));
  EXPECT_FALSE(level);
}

TEST_F(UartTest, the_transmitter_interrupt_is_cleared_by_reading_its_identification) {
  put(1, 2);
  EXPECT_TRUE(level);
  EXPECT_EQ(get(2), 0x02U);
  EXPECT_FALSE(level);
  put(0, 'x');
  EXPECT_TRUE(level);
}

TEST_F(UartTest, loopback_returns_what_is_sent_and_reports_overrun) {
  put(4, 0x10);
  put(0, 1);
  put(0, 2);
  EXPECT_EQ(sent.str(), "");
  EXPECT_EQ(get(5), 0x63U);
  EXPECT_EQ(get(5), 0x61U);
  EXPECT_EQ(get(0), 2U);
  put(4, 0x1B);  // DTR, RTS, OUT2 come back as DSR, CTS, DCD
  EXPECT_EQ(get(6) & 0xF0U, 0xB0U);
}

TEST(Finisher, words_end_the_run_with_their_code) {
  Finisher finisher("finisher");
  Driver driver("driver", finisher);
  std::vector<std::pair<FinisherRequest::Kind, int>> seen;
  finisher.set_callback([&](const FinisherRequest& r) { seen.emplace_back(r.kind, r.exit_code); });
  driver.write(0, 0x1234);
  driver.write(4, abi::kFinisherPass);
  EXPECT_TRUE(seen.empty());
  driver.write(0, abi::kFinisherPass);
  driver.write(0, (42U << 16) | abi::kFinisherFail);
  driver.write(0, abi::kFinisherReset, 2);
  EXPECT_EQ(seen, (std::vector<std::pair<FinisherRequest::Kind, int>>{
                      {FinisherRequest::Kind::kPass, 0},
                      {FinisherRequest::Kind::kFail, 42},
                      {FinisherRequest::Kind::kReset, 0}}));
}

}  // namespace
}  // namespace tessera::periph
