// SPDX-License-Identifier: MIT
// How near a restored picture or clip is to its original: u8 [F, Y, X, 3] both.
//
//   double decibels = psnr(original, restored);     // of the mean square error over all bytes
//   double likeness = ssim(original, restored);     // 1: the same
//
// SSIM (Wang, Bovik, Sheikh, Simoncelli 2004) over brightness (ITU-R BT.601), 11 × 11 Gaussian
// windows of deviation 1.5 that lie whole in the frame, mean over windows and frames.
#pragma once

#include "base/tensor.h"

namespace hadal {

// Equal pictures have no finite PSNR: they, and whatever is nearer than this, count as this much.
constexpr double kMostDecibels = 60;

double psnr(const Tensor& original, const Tensor& restored);
// Requires sides of 11 pixels at least.
double ssim(const Tensor& original, const Tensor& restored);

}  // namespace hadal
