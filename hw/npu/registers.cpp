#include "npu/registers.hpp"

#include <cstdio>

namespace tessera::npu {

namespace {

constexpr Register kRegisters[] = {
#define TESSERA_X(name, offset, access, doc) {#name, offset, Access::access, doc},
    TESSERA_NPU_REGISTERS(TESSERA_X)
#undef TESSERA_X
};

const char* text_of(Access access) {
  switch (access) {
    case Access::RO:
      return "read only";
    case Access::RW:
      return "read and write";
    case Access::WO:
      return "write only";
    case Access::W1C:
      return "write one to clear";
  }
  return "";
}

}  // namespace

const Register* find_register(uint64_t offset) {
  for (const Register& entry : kRegisters) {
    if (entry.offset == offset) return &entry;
  }
  return nullptr;
}

std::string describe_register(uint64_t offset) {
  char text[128];
  if (const Register* entry = find_register(offset)) {
    std::snprintf(text, sizeof text, "npu register %s (0x%x, %s)", entry->name, entry->offset,
                  text_of(entry->access));
  } else {
    std::snprintf(text, sizeof text, "no npu register at offset 0x%llx",
                  static_cast<unsigned long long>(offset));
  }
  return text;
}

}  // namespace tessera::npu
