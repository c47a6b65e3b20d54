// SPDX-License-Identifier: MIT
// From the workers to the optimiser.
#include "train/gradients.h"

#include <cmath>

namespace hadal {

void gather_gradients(Parameters& parameters, const std::vector<Parameters*>& workers) {
  at::NoGradGuard no_gradients;
  std::vector<Parameter>& all = parameters.all();
  for (size_t i = 0; i < all.size(); ++i) {
    if (!all[i].value.requires_grad()) continue;
    at::Tensor sum;
    for (Parameters* worker : workers) {
      at::Tensor& gradient = worker->all()[i].value.mutable_grad();
      if (!gradient.defined()) continue;
      if (sum.defined())
        sum.add_(gradient);
      else
        sum = gradient;
      gradient = at::Tensor();
    }
    all[i].value.mutable_grad() = sum;
  }
}

Result<double> clip_gradients(Parameters& parameters, double limit, int64_t step) {
  at::NoGradGuard no_gradients;
  double square = 0;
  for (Parameter& parameter : parameters.all()) {
    if (!parameter.value.requires_grad() || !parameter.value.grad().defined()) continue;
    const double norm = parameter.value.grad().norm().item<double>();
    if (!std::isfinite(norm))
      return fail("step ", step, ": the gradient of ", parameter.spec.name,
                  " is not finite; the run stops, no weight has moved in this step");
    square += norm * norm;
  }
  const double norm = std::sqrt(square);
  if (limit > 0 && norm > limit)
    for (Parameter& parameter : parameters.all())
      if (parameter.value.grad().defined()) parameter.value.mutable_grad().mul_(limit / norm);
  return norm;
}

}  // namespace hadal
