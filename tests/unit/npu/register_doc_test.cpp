#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <sstream>

#include "npu/registers.hpp"

namespace tessera::npu {
namespace {

TEST(RegisterPage, lists_every_register_with_its_offset_and_access) {
  std::ifstream file(TESSERA_SOURCE_DIR "/docs/npu.md");
  std::stringstream page;
  page << file.rdbuf();
  constexpr const char* kAccess[] = {"RO", "RW", "WO", "W1C"};
  int registers = 0;
  for (uint32_t offset = 0; offset < abi::kNpuRegisterBytes; offset += 4) {
    const Register* entry = find_register(offset);
    if (entry == nullptr) continue;
    char row[80];
    std::snprintf(row, sizeof row, "| 0x%03X | %s | %s |", offset, entry->name,
                  kAccess[static_cast<int>(entry->access)]);
    EXPECT_NE(page.str().find(row), std::string::npos) << row;
    ++registers;
  }
  EXPECT_EQ(registers, 30);
}

}  // namespace
}  // namespace tessera::npu
