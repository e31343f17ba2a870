#include <filesystem>

#include "compress/measure.hpp"
#include "compress/nets.hpp"
#include "compress/train.hpp"
#include "graph/onnx_io.hpp"

namespace tessera::compress {

TrainReport run_train(TrainJob job) {
  const bool from_file = std::filesystem::is_regular_file(job.net);
  const graph::Graph net =
      from_file ? graph::read_onnx(job.net) : build_net(job.net, job.options.seed);
  const graph::Shape& input = net.shapes.at(net.input);
  std::optional<data::ImageShape> shape;
  if (input.size() == 3) shape = data::ImageShape{input[0], input[1], input[2]};
  const data::Dataset train_split = data::open_dataset(job.data, data::Split::kTrain, shape);
  const data::Dataset test = data::open_dataset(job.data, data::Split::kTest, shape);
  if (job.options.checkpoint.empty()) job.options.checkpoint = job.output + ".checkpoint";

  TrainReport report;
  report.result = train(net, train_split, job.options);
  graph::write_onnx(report.result.graph, job.output);
  report.test_images = test.count;
  report.test_top1_percent =
      measure_float(graph::read_onnx(job.output), test, 0, job.options.threads);
  std::filesystem::remove(job.options.checkpoint);
  return report;
}

}  // namespace tessera::compress
