/// The commands that train, in a program of their own: loading libtorch takes longer than most of
/// what `tessera` is asked for. `tessera train` and `tessera compress` become this program.

#include "dispatch.hpp"

int main(int argc, char** argv) {
  using namespace tessera::platform;
  return dispatch({{"train", "train or fine-tune a baseline network", train_command},
                   {"compress", "prune and quantise a network", compress_command}},
                  {argv + 1, argv + argc});
}
