#pragma once

/// The families of networks that nets.hpp offers by name.

#include <cstdint>
#include <string>

#include "compress/nets_builder.hpp"
#include "graph/graph.hpp"

namespace tessera::compress {

/// What a network is built for: the shape of its images and the number of its classes.
enum class Task : uint8_t {
  kCifar10,  ///< 3x32x32, 10 classes
  k224       ///< 3x224x224, 1000 classes, as for ImageNet
};

/// An empty network for `task`, named FAMILY-cifar10 or FAMILY-224.
NetBuilder start(const std::string& family, Task task, uint64_t seed);

/// Appends the last fully connected layer, `name`, and ends the network. Pixels are normalised by
/// the means and standard deviations of ImageNet.
graph::Graph finish(NetBuilder& net, const std::string& name, Task task);

/// LeNet-5 in the form that nets.hpp describes.
graph::Graph lenet5(uint64_t seed);

/// VGG16, configuration D of Simonyan and Zisserman, Very deep convolutional networks for
/// large-scale image recognition, 2014. For CIFAR-10 with batch norms and one hidden classifier of
/// 512.
graph::Graph vgg16(Task task, uint64_t seed);

/// ResNet18 and ResNet50 of He et al., Deep residual learning for image recognition, 2015, with 1x1
/// shortcuts where the shape changes. ResNet50 has its strides in the 3x3 convolutions. For
/// CIFAR-10 the stem is 3x3, of stride 1, without pooling.
graph::Graph resnet18(Task task, uint64_t seed);
graph::Graph resnet50(Task task, uint64_t seed);

/// ResNet20 for CIFAR-10 (section 4.2 of the same), with shortcuts of option A.
graph::Graph resnet20_cifar10(uint64_t seed);

/// Howard et al., MobileNets, 2017. For CIFAR-10 the stem has stride 1.
graph::Graph mobilenet_v1(Task task, uint64_t seed);

/// Sandler et al., MobileNetV2: inverted residuals and linear bottlenecks, 2018. For CIFAR-10 the
/// stem and the first block of 24 channels have stride 1.
graph::Graph mobilenet_v2(Task task, uint64_t seed);

/// Szegedy et al., Going deeper with convolutions, 2014: 5x5 branches as in the paper, biases in
/// place of batch norms; without auxiliary classifiers and local response normalisation.
graph::Graph googlenet_224(uint64_t seed);

}  // namespace tessera::compress
