/// The `tessera` command.

#include <cstdlib>
#include <systemc>

#include "dispatch.hpp"

namespace tessera::platform {
namespace {

const std::vector<Command> kCommands = {
    {"net", "write a network with random weights", net_command},
    {"train", "train or fine-tune a baseline network", train_command},
    {"compress", "prune and quantise a network", compress_command},
    {"deploy", "map a quantised network onto a chip", deploy_command},
    {"run", "run an image, or any bare-metal ELF, on the platform", run_command},
    {"estimate", "cycles and energy of a network, without simulating it", estimate_command},
    {"cosim", "check the RTL against the model", cosim_command},
    {"explore", "estimate a sweep of chips, widths and networks", explore_command},
    {"inspect", "print what an image holds", inspect_command},
    {"report", "print JSON reports as one table", report_command},
    {"chip", "print a chip's resolved configuration", chip_command},
};

}  // namespace
}  // namespace tessera::platform

// libsystemc brings a main of its own that prints a banner on stdout: this one takes its place.
int main(int argc, char** argv) {
  setenv("SYSTEMC_DISABLE_COPYRIGHT_MESSAGE", "1", 1);
  return sc_core::sc_elab_and_sim(argc, argv);
}

int sc_main(int argc, char** argv) {
  return tessera::platform::dispatch(tessera::platform::kCommands, {argv + 1, argv + argc});
}
