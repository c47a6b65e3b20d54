// SPDX-License-Identifier: MIT
// Opening a device, and carrying weights and arguments to it.
#include "backends/torch/torch_ops.h"

#include "backends/torch/kept_memory.h"
#include "backends/torch/torch_verbs.h"
#include "ops/weight_rows.h"

namespace hadal {

TorchOps::TorchOps(at::Device device, const TorchOptions& options)
    : device_(device),
      precision_(options.double_precision ? at::kDouble : at::kFloat),
      fused_(options.fused && device.is_cpu() && !options.double_precision) {}

at::Tensor TorchOps::real(const Tensor& tensor) const {
  return tensor.defined() ? unwrap(tensor).to(device_, precision_) : at::Tensor();
}

at::Tensor TorchOps::ints(const Tensor& tensor) const {
  return unwrap(tensor).to(device_, at::kLong);
}

at::Tensor TorchOps::host_ints(const Tensor& tensor) const {
  return unwrap(tensor).to(at::kCPU, at::kLong);
}

at::Tensor TorchOps::matrix(const Weight& weight) const {
  if (torch_storage(weight.values) != nullptr || weight.values.dtype() == DType::f32)
    return real(weight.values);
  return real(dequantise(weight));
}

Weight TorchOps::prepare(const Weight& weight) {
  if (!weight.defined() || torch_storage(weight.values) != nullptr) return weight;
  return Weight{wrap(matrix(weight)), {}, 1, 1, weight.rounds_inputs};
}

Tensor TorchOps::prepare(const Tensor& tensor) {
  if (!tensor.defined() || torch_storage(tensor) != nullptr) return tensor;
  const at::Tensor here = unwrap(tensor);
  return wrap(here.is_floating_point() ? real(tensor) : here.to(device_));
}

Tensor TorchOps::to_host(const Tensor& tensor) {
  if (!tensor.defined() || tensor.on_host()) return tensor;
  const at::Tensor here = unwrap(tensor).detach().to(at::kCPU);
  return wrap(here.scalar_type() == at::kDouble ? here.to(at::kFloat) : here);
}

Tensor TorchOps::make_pool(int64_t rows, int64_t width) {
  return wrap(at::zeros({rows, width}, at::TensorOptions(precision_).device(device_)));
}

// A device that is not there shows itself at the first tensor.
Result<std::unique_ptr<Ops>> make_torch_ops(const std::string& device,
                                            const TorchOptions& options) {
  try {
    const at::Device place(device);
    if (place.is_cpu()) keep_cpu_memory();
    at::zeros({1}, at::TensorOptions(at::kFloat).device(place));
    return std::unique_ptr<Ops>(std::make_unique<TorchOps>(place, options));
  } catch (const std::exception& error) {
    const std::string text = error.what();
    return fail("device ", device, " of libtorch: ", text.substr(0, text.find('\n')));
  }
}

}  // namespace hadal
