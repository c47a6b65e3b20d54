// SPDX-License-Identifier: MIT
// Sums over digits, as views of the table.
#include "train/digit_rows.h"

#include <cmath>
#include <vector>

#include "base/random.h"

namespace hadal {

Result<DigitRows> DigitRows::create(const VisualVocabulary& visual, int64_t levels) {
  if (!visual.drawn()) return fail("code_levels is ", levels, ", the model has no cells");
  int64_t digits = 0, rest = visual.codes;
  for (; levels > 1 && rest % levels == 0; rest /= levels) ++digits;
  if (rest != 1 || digits < 2)
    return fail("code_levels is ", levels, ", expected a number of which ", visual.codes,
                " codes are the square or a higher power");
  return DigitRows(visual, levels, digits);
}

at::Tensor DigitRows::by_digit(const at::Tensor& table, int64_t digit) const {
  int64_t before = 1;
  for (int64_t d = 0; d < digit; ++d) before *= levels_;
  const int64_t after = visual_.codes / before / levels_;
  return table.narrow(0, visual_.first_id, visual_.groups * visual_.codes)
      .view({visual_.groups, before, levels_, after, table.size(1)});
}

at::Tensor DigitRows::gathered(const at::Tensor& table) const {
  std::vector<at::Tensor> sums;
  for (int64_t d = 0; d < digits_; ++d) sums.push_back(by_digit(table, d).sum({1, 3}));
  return at::stack(sums);
}

void DigitRows::add_to(const at::Tensor& table, const at::Tensor& rows, double scale) const {
  for (int64_t d = 0; d < digits_; ++d)
    by_digit(table, d).add_(rows[d].unsqueeze(1).unsqueeze(3), scale);
}

void DigitRows::relate(Parameter& table, uint64_t seed) const {
  at::NoGradGuard no_gradients;
  at::Tensor value = table.value.detach();
  at::Tensor codes = value.narrow(0, visual_.first_id, visual_.groups * visual_.codes);
  const double deviation = codes.std().item<double>();
  at::Tensor rows = torch::empty({digits_, visual_.groups, levels_, value.size(1)}, at::kFloat);
  Random random(seed_for(seed, "digits." + table.spec.name));
  float* out = rows.data_ptr<float>();
  for (int64_t i = 0; i < rows.numel(); ++i) out[i] = static_cast<float>(random.normal());
  codes.mul_(std::sqrt(0.5));
  add_to(value, rows, deviation * std::sqrt(0.5 / static_cast<double>(digits_)));
}

}  // namespace hadal
