// SPDX-License-Identifier: MIT
// The steps of Muon, AdamW and row-wise Adam.
#include "train/optimiser.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "train/newton_schulz.h"
#include "train/side_by_side.h"

namespace hadal {

Optimiser::Optimiser(Parameters& parameters, const OptimiserOptions& options,
                     std::optional<DigitRows> digits)
    : options_(options), digits_(std::move(digits)) {
  for (Parameter& parameter : parameters.all()) {
    if (!parameter.value.requires_grad()) continue;
    switch (parameter.spec.group) {
      case TrainGroup::muon:
      case TrainGroup::muon_heads:
        add_muon(parameter);
        break;
      case TrainGroup::adamw:
      case TrainGroup::adamw_no_decay:
      case TrainGroup::engram:
        add_adam(parameter);
        break;
      case TrainGroup::frozen:
        break;
    }
  }
}

void Optimiser::add_muon(Parameter& parameter) {
  bool by_heads = parameter.spec.group == TrainGroup::muon_heads;
  int64_t heads = by_heads ? parameter.spec.heads : 1;
  int64_t rows = parameter.value.size(0) / heads;
  int64_t columns = parameter.value.size(1);
  CHECK(rows * heads == parameter.value.size(0), parameter.spec.name, " has no ", heads, " heads");
  muon_[{rows, columns}].push_back(
      {&parameter, heads, torch::zeros({heads, rows, columns}, at::kFloat)});
}

void Optimiser::add_adam(Parameter& parameter) {
  AdamSlot slot{&parameter, 0, 1, false, {}, {}, {}, {}, {}};
  if (parameter.spec.group == TrainGroup::adamw) slot.decay = options_.weight_decay;
  // Only tables are sparse; projections of the Engram group are dense.
  slot.rows_only =
      parameter.spec.group == TrainGroup::engram && parameter.spec.part == Part::engram_table;
  if (parameter.spec.group == TrainGroup::engram) slot.rate = options_.engram_rate;
  slot.first = torch::zeros(parameter.value.sizes(), at::kFloat);
  slot.second = torch::zeros(parameter.value.sizes(), at::kFloat);
  if (slot.rows_only) slot.row_steps = torch::zeros({parameter.value.size(0), 1}, at::kFloat);
  if (digits_ && DigitRows::has_rows(parameter.spec)) {
    slot.digit_first = digits_->gathered(slot.first);
    slot.digit_second = digits_->gathered(slot.second);
  }
  adam_.push_back(std::move(slot));
}

Status Optimiser::step(double rate, int64_t threads) {
  ++steps_done_;
  // Enough matrices a call to be worth it, few enough for the threads to end together.
  constexpr size_t kTogether = 32;
  std::vector<std::function<void()>> jobs;
  for (auto& [shape, slots] : muon_)
    for (size_t first = 0; first < slots.size(); first += kTogether) {
      std::span<MuonSlot> part(slots.data() + first, std::min(kTogether, slots.size() - first));
      jobs.push_back([this, part, rate] { step_muon(part, rate); });
    }
  for (AdamSlot& slot : adam_)
    jobs.push_back(
        [this, &slot, rate] { slot.rows_only ? step_rows(slot, rate) : step_adam(slot, rate); });
  return side_by_side(static_cast<int64_t>(jobs.size()), threads,
                      [&](int64_t job, int64_t) -> Status {
                        at::NoGradGuard no_gradients;
                        jobs[static_cast<size_t>(job)]();
                        return Ok{};
                      });
}

// A parameter without a gradient (an expert that no token chose) is left alone, momentum and all.
void Optimiser::step_muon(std::span<MuonSlot> slots, double rate) {
  std::vector<MuonSlot*> moving;
  std::vector<at::Tensor> directions;
  for (MuonSlot& slot : slots) {
    at::Tensor& gradient = slot.parameter->value.mutable_grad();
    if (!gradient.defined()) continue;
    at::Tensor gradient_HNM = gradient.view(slot.momentum_HNM.sizes());
    slot.momentum_HNM.mul_(options_.muon_momentum).add_(gradient_HNM);
    directions.push_back(at::add(gradient_HNM, slot.momentum_HNM, options_.muon_momentum));
    moving.push_back(&slot);
    gradient.reset();
  }
  if (moving.empty()) return;
  at::Tensor update_BNM = newton_schulz(at::cat(directions));
  double size =
      0.18 * std::sqrt(static_cast<double>(std::max(update_BNM.size(1), update_BNM.size(2))));
  int64_t first = 0;
  for (MuonSlot* slot : moving) {
    at::Tensor weight = slot->parameter->value.detach();
    at::Tensor update = update_BNM.narrow(0, first, slot->heads).reshape(weight.sizes());
    weight.mul_(1 - rate * options_.weight_decay).add_(update, -rate * size);
    first += slot->heads;
  }
}

// Moves the moments; gives m̂/(√v̂ + ε).
at::Tensor Optimiser::adam_step(at::Tensor& first, at::Tensor& second,
                                const at::Tensor& gradient) const {
  double n = static_cast<double>(steps_done_);
  double correction1 = 1 - std::pow(options_.beta1, n);
  double correction2 = 1 - std::pow(options_.beta2, n);
  first.mul_(options_.beta1).add_(gradient, 1 - options_.beta1);
  second.mul_(options_.beta2).addcmul_(gradient, gradient, 1 - options_.beta2);
  at::Tensor root = second.sqrt().div_(std::sqrt(correction2)).add_(options_.epsilon);
  return first.div(root).div_(correction1);
}

void Optimiser::step_adam(AdamSlot& slot, double rate) {
  at::Tensor weight = slot.parameter->value.detach();
  const at::Tensor gradient = std::exchange(slot.parameter->value.mutable_grad(), at::Tensor());
  if (!gradient.defined()) return;
  double step_rate = rate * slot.rate;
  weight.mul_(1 - step_rate * slot.decay);
  weight.sub_(adam_step(slot.first, slot.second, gradient), step_rate);
  if (!slot.digit_first.defined()) return;
  const at::Tensor digits =
      adam_step(slot.digit_first, slot.digit_second, digits_->gathered(gradient));
  digits_->add_to(weight, digits, -step_rate);
}

void Optimiser::step_rows(AdamSlot& slot, double rate) {
  at::Tensor weight = slot.parameter->value.detach();
  const at::Tensor dense = std::exchange(slot.parameter->value.mutable_grad(), at::Tensor());
  if (!dense.defined()) return;
  at::Tensor rows = dense.abs().amax(1).nonzero().squeeze(1);
  if (rows.numel() == 0) return;
  at::Tensor gradient = dense.index_select(0, rows);
  at::Tensor steps = slot.row_steps.index_select(0, rows) + 1;
  at::Tensor first = slot.first.index_select(0, rows).mul_(options_.beta1);
  at::Tensor second = slot.second.index_select(0, rows).mul_(options_.beta2);
  first.add_(gradient, 1 - options_.beta1);
  second.addcmul_(gradient, gradient, 1 - options_.beta2);
  at::Tensor corrected1 = first / (1 - at::pow(options_.beta1, steps));
  at::Tensor corrected2 = second / (1 - at::pow(options_.beta2, steps));
  at::Tensor update = corrected1 / (corrected2.sqrt() + options_.epsilon);
  weight.index_add_(0, rows, update, -rate * slot.rate);
  slot.first.index_copy_(0, rows, first);
  slot.second.index_copy_(0, rows, second);
  slot.row_steps.index_copy_(0, rows, steps);
}

std::vector<std::pair<std::string, at::Tensor>> Optimiser::memory() const {
  std::vector<std::pair<std::string, at::Tensor>> all;
  for (const auto& [shape, slots] : muon_)
    for (const MuonSlot& slot : slots)
      all.emplace_back("muon." + slot.parameter->spec.name, slot.momentum_HNM);
  for (const AdamSlot& slot : adam_) {
    all.emplace_back("adam1." + slot.parameter->spec.name, slot.first);
    all.emplace_back("adam2." + slot.parameter->spec.name, slot.second);
    if (slot.rows_only) all.emplace_back("rows." + slot.parameter->spec.name, slot.row_steps);
    if (!slot.digit_first.defined()) continue;
    all.emplace_back("adam1.digits." + slot.parameter->spec.name, slot.digit_first);
    all.emplace_back("adam2.digits." + slot.parameter->spec.name, slot.digit_second);
  }
  return all;
}

}  // namespace hadal
