// iss_runner PROGRAM.elf [QUANTUM]: runs a bare-metal program on the smallest system around the
// core. The UART goes to stdout, one line of statistics to stderr; the exit status is the
// program's, 124 if it does not end within ten simulated seconds.

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include "unit/core/tiny_system.hpp"

namespace {

int run(const std::string& path, uint64_t quantum_instructions) {
  tessera::core::IssConfig config;
  config.quantum_instructions = quantum_instructions;
  tessera::test::TinySystem system(config);
  system.load(tessera::core::Elf::read(path));
  sc_core::sc_start(10, sc_core::SC_SEC);
  std::fwrite(system.output.data(), 1, system.output.size(), stdout);
  std::fprintf(stderr, "instructions %llu cycles %llu pc 0x%x\n",
               static_cast<unsigned long long>(system.iss.instructions_retired()),
               static_cast<unsigned long long>(system.iss.cycles()), system.iss.pc());
  return system.exit_code.value_or(124);
}

}  // namespace

int main(int argc, char** argv) {
  setenv("SYSTEMC_DISABLE_COPYRIGHT_MESSAGE", "1", 1);
  return sc_core::sc_elab_and_sim(argc, argv);
}

int sc_main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: iss_runner PROGRAM.elf [QUANTUM]\n");
    return 2;
  }
  sc_core::sc_report_handler::set_actions(sc_core::SC_INFO, sc_core::SC_DO_NOTHING);
  try {
    return run(argv[1], argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1000);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "iss_runner: %s\n", error.what());
    return 2;
  }
}
