#include "compress/precision.hpp"

#include <stdexcept>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace tessera::compress {
namespace {

constexpr int64_t kWorthwhileMacs = 10000000;  // between LeNet-5 and ResNet20

struct Bfloat16Support {
  bool amx = false, avx512 = false;
};

/// CPUID leaf 7: AMX-BF16 is bit 22 of EDX of subleaf 0, AVX512-BF16 bit 5 of EAX of subleaf 1
/// (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2A, CPUID).
Bfloat16Support bfloat16_support() {
  Bfloat16Support support;
#if defined(__x86_64__)
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0) support.amx = (edx >> 22 & 1) != 0;
  if (__get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0) support.avx512 = (eax >> 5 & 1) != 0;
#endif
  return support;
}

}  // namespace

Precision parse_precision(const std::string& name) {
  if (name == "auto") return Precision::kAuto;
  if (name == "float32") return Precision::kFloat32;
  if (name == "bfloat16") return Precision::kBfloat16;
  throw std::runtime_error("precision must be auto, float32 or bfloat16, not " + name);
}

Precision resolve_precision(Precision precision, int64_t macs) {
  const Bfloat16Support support = bfloat16_support();
  if (precision == Precision::kAuto) {
    return support.amx && macs >= kWorthwhileMacs ? Precision::kBfloat16 : Precision::kFloat32;
  }
  if (precision == Precision::kBfloat16 && !support.amx && !support.avx512) {
    throw std::runtime_error(
        "precision bfloat16: this CPU has neither AMX-BF16 nor AVX512-BF16; use auto or float32");
  }
  return precision;
}

}  // namespace tessera::compress
