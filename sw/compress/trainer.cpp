#include "compress/trainer.hpp"

#include <ATen/Parallel.h>
#include <malloc.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "compress/gated_net.hpp"

namespace tessera::compress {
namespace {

constexpr double kWarmUpFraction = 0.05;
constexpr double kTrianglePeak = 0.25;
constexpr double kBeta1 = 0.9, kBeta2 = 0.999, kAdamEpsilon = 1e-8;
constexpr double kLeastSize = 1e-3;  // of a parameter, where rates are relative
constexpr double kDistillationTemperature = 2;
constexpr int64_t kValidationBatch = 500;
constexpr int64_t kNormImages = 256;  // that batch norms of a trained file take statistics from
constexpr int kAverageInterval = 4;   // steps between updates of the moving average
constexpr int64_t kSgdGrain = 1 << 14;
constexpr double kPi = 3.14159265358979323846;

std::vector<float> to_vector(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.detach().contiguous();
  return {flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel()};
}

void copy_into(at::Tensor& tensor, const std::vector<float>& values, const std::string& name) {
  if (tensor.numel() != static_cast<int64_t>(values.size())) {
    throw std::runtime_error("checkpoint: " + name + " has another size; delete it to start over");
  }
  at::NoGradGuard no_grad;
  tensor.copy_(torch::from_blob(const_cast<float*>(values.data()), tensor.sizes()));
}

double root_mean_square_of_nonzero(const at::Tensor& tensor) {
  const auto nonzero = std::max<int64_t>(1, tensor.count_nonzero().item<int64_t>());
  return tensor.norm().item<double>() / std::sqrt(static_cast<double>(nonzero));
}

int64_t count_correct(const at::Tensor& logits, const at::Tensor& labels) {
  return logits.argmax(1).eq(labels).sum().item<int64_t>();
}

/// Nesterov: v = momentum * v + g, p -= rate * (g + momentum * v), g with decay * p added; in one
/// pass, because memory is the bound.
void sgd_step(float* p, const float* g, float* v, int64_t count, float rate, float momentum,
              float decay) {
  at::parallel_for(0, count, kSgdGrain, [=](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const float gradient = g[i] + decay * p[i];
      v[i] = momentum * v[i] + gradient;
      p[i] -= rate * (gradient + momentum * v[i]);
    }
  });
}

/// Every step takes and frees tensors of the same sizes. By default the large ones go back to the
/// system each time, and come again as pages of zeros.
void keep_freed_memory() {
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);
}

}  // namespace

Trainer::Trainer(TorchNet& net, TorchNet* teacher, const data::Dataset& dataset,
                 const graph::InputNormalization& normalization, LoopOptions options)
    : net_(net),
      teacher_(teacher),
      dataset_(dataset),
      normalization_(normalization),
      options_(std::move(options)) {
  training_indices_ = epoch_order(dataset.count, options_.train.seed, 0);
  const int64_t held_out = options_.train.validation_images;
  validation_indices_.assign(training_indices_.end() - held_out, training_indices_.end());
  training_indices_.resize(training_indices_.size() - static_cast<size_t>(held_out));
  const auto count = static_cast<int64_t>(training_indices_.size());
  options_.train.batch_size = static_cast<int>(std::min<int64_t>(options_.train.batch_size, count));
  steps_an_epoch_ = count / options_.train.batch_size;
  if (!options_.freeze.steps.empty()) net_.start_freezing(options_.freeze.rest);
  if (options_.train.average > 0) {
    for (const auto& [name, tensor] : net_.parameters()) average_[name] = tensor.detach().clone();
    for (const auto& [name, tensor] : net_.buffers()) average_[name] = tensor.clone();
  }
  for (const auto& [name, parameter] : net_.parameters()) {
    if (options_.keep_zeros && parameter.dim() > 1 && parameter.eq(0).any().item<bool>()) {
      kept_[name] = parameter.detach().ne(0).to(at::kFloat);
    }
    if (options_.relative_rates && !TorchNet::is_scale(name) && !GatedNet::is_gate(name)) {
      sizes_[name] = std::max(kLeastSize, root_mean_square_of_nonzero(parameter.detach()));
    }
    state_[name + "/first"] = at::zeros_like(parameter.detach());
    if (options_.train.optimizer == Optimizer::kAdam) {
      state_[name + "/second"] = at::zeros_like(parameter.detach());
    }
  }
}

EpochReport Trainer::run() {
  at::set_num_threads(options_.train.threads);
  keep_freed_memory();
  if (options_.estimate_norms) estimate_norms();
  resume();
  for (int epoch = first_epoch_; epoch <= options_.train.epochs; ++epoch) {
    last_ = train_epoch(epoch);
    save(epoch);
    if (options_.train.on_epoch) options_.train.on_epoch(last_);
  }
  exchange_with_average();
  return last_;
}

void Trainer::estimate_norms() {
  std::vector<int64_t> indices = training_indices_;
  if (static_cast<int64_t>(indices.size()) > kNormImages) indices.resize(kNormImages);
  net_.estimate_norms(batch_images(indices, 0, false));
}

void Trainer::resume() {
  const std::string& path = options_.train.checkpoint;
  if (path.empty() || options_.train.restart) return;
  const std::optional<Checkpoint> checkpoint = read_checkpoint(path);
  if (!checkpoint) return;
  if (checkpoint->fingerprint != options_.fingerprint) {
    throw std::runtime_error(path +
                             ": checkpoint of another run (network, data or options differ)\n"
                             "delete it, restart, or name another checkpoint");
  }
  const auto restore = [&](std::map<std::string, at::Tensor>& tensors, const std::string& prefix) {
    for (auto& [name, tensor] : tensors) {
      const auto found = checkpoint->tensors.find(prefix + name);
      if (found == checkpoint->tensors.end()) {
        throw std::runtime_error(path + ": checkpoint lacks " + name + "; delete it to start over");
      }
      copy_into(tensor, found->second, name);
    }
  };
  restore(net_.parameters(), "parameter:");
  restore(net_.buffers(), "buffer:");
  restore(state_, "state:");
  restore(average_, "average:");
  const std::vector<float>& report = checkpoint->tensors.at("report");
  last_ = {checkpoint->epochs_done, options_.train.epochs, report.at(0), report.at(1),
           report.at(2)};
  resumed_after_ = checkpoint->epochs_done;
  first_epoch_ = checkpoint->epochs_done + 1;
}

void Trainer::save(int epochs_done) const {
  if (options_.train.checkpoint.empty()) return;
  Checkpoint checkpoint;
  checkpoint.fingerprint = options_.fingerprint;
  checkpoint.epochs_done = epochs_done;
  const auto keep = [&](const std::map<std::string, at::Tensor>& tensors,
                        const std::string& prefix) {
    for (const auto& [name, tensor] : tensors)
      checkpoint.tensors[prefix + name] = to_vector(tensor);
  };
  keep(net_.parameters(), "parameter:");
  keep(net_.buffers(), "buffer:");
  keep(state_, "state:");
  keep(average_, "average:");
  checkpoint.tensors["report"] = {static_cast<float>(last_.train_loss),
                                  static_cast<float>(last_.train_top1_percent),
                                  static_cast<float>(last_.validation_top1_percent)};
  write_checkpoint(checkpoint, options_.train.checkpoint);
}

EpochReport Trainer::train_epoch(int epoch) {
  const std::vector<int64_t> order =
      epoch_order(static_cast<int64_t>(training_indices_.size()), options_.train.seed, epoch);
  const auto batch = static_cast<size_t>(options_.train.batch_size);
  double loss_sum = 0;
  int64_t correct = 0;
  for (int64_t step = 0; step < steps_an_epoch_; ++step) {
    std::vector<int64_t> indices(batch);
    for (size_t i = 0; i < batch; ++i) {
      const int64_t position = order[static_cast<size_t>(step) * batch + i];
      indices[i] = training_indices_[static_cast<size_t>(position)];
    }
    const at::Tensor images = batch_images(indices, epoch, true);
    const at::Tensor labels = batch_labels(indices);
    const int64_t global_step = (epoch - 1) * steps_an_epoch_ + step;
    if (options_.gates != nullptr) options_.gates->sample(global_step);
    const at::Tensor logits = net_.forward(images, true);
    at::Tensor loss = loss_of(logits, images, labels);
    if (options_.gates != nullptr) loss = loss + options_.gates->penalty();
    loss.backward();
    update(global_step);
    freeze(global_step + 1);
    if (options_.gates != nullptr) options_.gates->ascend();
    loss_sum += loss.item<double>();
    correct += count_correct(logits, labels);
    if (options_.train.on_progress) {
      options_.train.on_progress(static_cast<double>(global_step + 1) /
                                 static_cast<double>(steps_an_epoch_ * options_.train.epochs));
    }
  }
  const auto seen = static_cast<double>(steps_an_epoch_ * options_.train.batch_size);
  return {epoch, options_.train.epochs, loss_sum / static_cast<double>(steps_an_epoch_),
          100 * static_cast<double>(correct) / seen, validate()};
}

double Trainer::validate() {
  if (validation_indices_.empty()) return -1;
  at::NoGradGuard no_grad;
  exchange_with_average();
  int64_t correct = 0;
  const auto count = static_cast<int64_t>(validation_indices_.size());
  for (int64_t first = 0; first < count; first += kValidationBatch) {
    const int64_t last = std::min(first + kValidationBatch, count);
    const std::vector<int64_t> indices(validation_indices_.begin() + first,
                                       validation_indices_.begin() + last);
    correct +=
        count_correct(net_.forward(batch_images(indices, 0, false), false), batch_labels(indices));
  }
  exchange_with_average();
  return 100 * static_cast<double>(correct) / static_cast<double>(count);
}

at::Tensor Trainer::batch_images(const std::vector<int64_t>& indices, int epoch,
                                 bool augmented) const {
  const Augmentation augmentation =
      augmented ? Augmentation{options_.train.shift_pixels, options_.train.flip} : Augmentation{};
  at::Tensor images = torch::empty(
      {static_cast<int64_t>(indices.size()), dataset_.channels, dataset_.height, dataset_.width});
  auto* pixels = images.data_ptr<float>();
  at::parallel_for(0, images.size(0), 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const int64_t index = indices[static_cast<size_t>(i)];
      augment_image(dataset_, index, normalization_, augmentation,
                    augmentation_key(options_.train.seed, epoch, index),
                    pixels + i * dataset_.image_size_bytes());
    }
  });
  return images;
}

at::Tensor Trainer::batch_labels(const std::vector<int64_t>& indices) const {
  at::Tensor labels = torch::empty({static_cast<int64_t>(indices.size())}, torch::kInt64);
  auto* values = labels.data_ptr<int64_t>();
  for (const int64_t index : indices) *values++ = dataset_.labels[static_cast<size_t>(index)];
  return labels;
}

at::Tensor Trainer::loss_of(const at::Tensor& logits, const at::Tensor& images,
                            const at::Tensor& labels) {
  const at::Tensor hard = at::cross_entropy_loss(logits, labels, {}, at::Reduction::Mean, -100,
                                                 options_.train.label_smoothing);
  if (teacher_ == nullptr || options_.distillation == 0) return hard;
  at::Tensor target;
  {
    at::NoGradGuard no_grad;
    target = at::softmax(teacher_->forward(images, false) / kDistillationTemperature, 1);
  }
  const at::Tensor soft =
      -(target * at::log_softmax(logits / kDistillationTemperature, 1)).sum(1).mean() *
      (kDistillationTemperature * kDistillationTemperature);
  return hard * (1 - options_.distillation) + soft * options_.distillation;
}

double Trainer::schedule(int64_t step) const {
  const double t =
      static_cast<double>(step) / static_cast<double>(steps_an_epoch_ * options_.train.epochs);
  if (options_.train.schedule == Schedule::kTriangular) {
    return t < kTrianglePeak ? t / kTrianglePeak : (1 - t) / (1 - kTrianglePeak);
  }
  if (t < kWarmUpFraction) return t / kWarmUpFraction;
  return 0.5 * (1 + std::cos(kPi * (t - kWarmUpFraction) / (1 - kWarmUpFraction)));
}

void Trainer::update(int64_t step) {
  at::NoGradGuard no_grad;
  const double factor = schedule(step);
  for (auto& [name, parameter] : net_.parameters()) {
    if (!parameter.grad().defined()) continue;
    const double rate = rate_of(name, factor);
    const double decay =
        !TorchNet::is_scale(name) && parameter.dim() > 1 ? options_.train.weight_decay : 0;
    if (options_.train.optimizer == Optimizer::kSgd) {
      update_sgd(name, parameter, rate, decay);
    } else {
      update_adam(name, parameter, rate, decay, step);
    }
    const auto kept = kept_.find(name);
    if (kept != kept_.end()) parameter.mul_(kept->second);
    parameter.mutable_grad() = at::Tensor();
  }
  if (!average_.empty() && (step + 1) % kAverageInterval == 0) update_average(step + 1);
}

double Trainer::rate_of(const std::string& parameter, double factor) const {
  if (GatedNet::is_gate(parameter)) return options_.gate_learning_rate;
  if (TorchNet::is_scale(parameter)) return factor * options_.scale_learning_rate;
  const auto size = sizes_.find(parameter);
  return factor * options_.train.learning_rate * (size == sizes_.end() ? 1 : size->second);
}

void Trainer::freeze(int64_t steps_done) {
  const std::vector<double>& shares = options_.freeze.steps;
  const auto parts = static_cast<int64_t>(shares.size());
  const int64_t steps = steps_an_epoch_ * options_.train.epochs;
  for (int64_t part = 1; part <= parts; ++part) {
    if (steps_done != part * steps / parts) continue;
    net_.freeze_weights(shares[static_cast<size_t>(part - 1)]);
    if (average_.empty()) continue;
    // What is frozen now is no mean of what it was before.
    for (const auto& [name, tensor] : net_.buffers()) average_.at(name).copy_(tensor);
  }
}

void Trainer::update_average(int64_t steps_done) {
  const double steps = static_cast<double>(steps_done);
  // Forgets the first steps quickly, however long the average is.
  const double kept = std::min(options_.train.average, steps / (steps + 10));
  const double share = 1 - std::pow(kept, kAverageInterval);
  for (const auto& [name, tensor] : net_.parameters()) {
    average_.at(name).lerp_(tensor.detach(), share);
  }
  for (const auto& [name, tensor] : net_.buffers()) average_.at(name).lerp_(tensor, share);
}

void Trainer::exchange_with_average() {
  at::NoGradGuard no_grad;
  const auto exchange = [&](const std::string& name, at::Tensor& tensor) {
    at::Tensor& average = average_.at(name);
    const at::Tensor present = tensor.detach().clone();
    tensor.copy_(average);
    average.copy_(present);
  };
  if (average_.empty()) return;
  for (auto& [name, tensor] : net_.parameters()) exchange(name, tensor);
  for (auto& [name, tensor] : net_.buffers()) exchange(name, tensor);
}

void Trainer::update_sgd(const std::string& name, at::Tensor& parameter, double rate,
                         double decay) {
  at::Tensor& velocity = state_.at(name + "/first");
  const at::Tensor gradient = parameter.grad().contiguous(parameter.suggest_memory_format());
  sgd_step(parameter.data_ptr<float>(), gradient.data_ptr<float>(), velocity.data_ptr<float>(),
           parameter.numel(), static_cast<float>(rate), static_cast<float>(options_.train.momentum),
           static_cast<float>(decay));
}

void Trainer::update_adam(const std::string& name, at::Tensor& parameter, double rate, double decay,
                          int64_t step) {
  at::Tensor& first = state_.at(name + "/first");
  at::Tensor& second = state_.at(name + "/second");
  const at::Tensor& gradient = parameter.grad();
  first.mul_(kBeta1).add_(gradient, 1 - kBeta1);
  second.mul_(kBeta2).addcmul_(gradient, gradient, 1 - kBeta2);
  const double correction1 = 1 - std::pow(kBeta1, static_cast<double>(step + 1));
  const double correction2 = 1 - std::pow(kBeta2, static_cast<double>(step + 1));
  parameter.mul_(1 - rate * decay);
  parameter.addcdiv_(first, second.div(correction2).sqrt_().add_(kAdamEpsilon),
                     -rate / correction1);
}

}  // namespace tessera::compress
