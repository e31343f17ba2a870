#pragma once

/// Images of the shipped LeNet-5 networks.

#include <string>

#include "system/run/command.hpp"

namespace tessera::test {

/// Deploys models/nets/<network>.onnx for a shipped chip into `folder`; the path of the image.
inline std::string deployed(const std::string& network, const std::string& chip,
                            const TemporaryFolder& folder) {
  const std::string image = folder / (network + "-" + chip + ".timg");
  must_succeed({"deploy", shipped_network(network), "--chip", chip, "-o", image});
  return image;
}

}  // namespace tessera::test
